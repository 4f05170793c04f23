"""From an event to the message in Slack: how long, beside other events.

Ten audiences, each with a Slack channel of its own (Slack takes a message a second in each). A
process sends the events by which people enter, is the Slack that the hub talks to, and notes when
the event had its 200 and when its message came.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from functools import partial

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.behavior import audiences
from benchmarks.http import Client, Receiver
from benchmarks.readers import steadily
from benchmarks.subjects import Hub, free_port, load, machine_load, sent

CHANNELS = 10
EVERY = 1.2
"""Seconds between two entries of one audience."""
USERS = 5_000
RATES = (0, 500, 2_000)
_CHANNEL = """
[destinations.slack{n}]
type = "slack"
settings.token = {{ env = "BENCH_KEY" }}
settings.channel = "C{n}"
settings.api_url = "http://127.0.0.1:{port}"
settings.text = "{{{{userId}}}}"
[audiences.vip{n}]
event = "Demo {n}"
within = "1h"
send = ["slack{n}"]
"""
_SLACK_ANSWER = (
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'
)


def run(console: Console, seconds: float) -> None:
    """Print a table: a row for each rate of other events."""
    table = Table(title=f"from a 200 to Slack, {CHANNELS} channels; {machine_load()}")
    for column in ("other events/s", "messages", "p50 ms", "p90", "p99", "longest"):
        table.add_column(column, justify="right")
    for rate in RATES:
        found = _measure(rate, seconds)
        figures = [_at(found, 0.5), _at(found, 0.9), _at(found, 0.99), found[-1]]
        table.add_row(f"{rate:,}", f"{len(found)}", *(f"{figure:.0f}" for figure in figures))
    console.print(table)


def _measure(rate: float, seconds: float) -> list[float]:
    """Return the latencies in milliseconds, in order."""
    slack = free_port()
    channels = "".join(_CHANNEL.format(n=number, port=slack) for number in range(CHANNELS))
    hub = Hub(channels + audiences(20))
    try:
        others = []
        if rate:
            events = int(rate * (seconds + 4))
            others.append(load(hub.port, events, 20, 8, rate, "other", "--visits", str(USERS)))
            time.sleep(2)
        command = [sys.executable, "-m", "benchmarks.alerts", str(hub.port), str(slack),
                   str(seconds)]  # fmt: skip
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for one in others:
            sent(one)
    finally:
        hub.close()
    found: list[float] = json.loads(out)
    return sorted(found)


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


# -- the other process ---------------------------------------------------------------------------


class Alerts:
    """Sends events by which somebody enters, and is Slack."""

    def __init__(self, hub: int) -> None:
        self._hub = hub
        self._made = 0
        self._idle: list[Client] = []
        self.accepted: dict[str, float] = {}
        self.came: dict[str, float] = {}

    def took(self, head: bytes, body: bytes) -> None:
        """Note a message to a channel."""
        if b"chat.postMessage" in head:
            self.came[json.loads(body)["text"]] = time.perf_counter()

    async def enter(self, due: float) -> None:
        """Let a new person enter the next audience."""
        self._made += 1
        user = f"lead-{self._made}"
        event = {"type": "track", "event": f"Demo {self._made % CHANNELS}", "userId": user,
                 "messageId": user}  # fmt: skip
        if self._idle:
            client = self._idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, client = await loop.create_connection(Client, "127.0.0.1", self._hub)
        status = await client.ask(b"/v1/track", json.dumps(event).encode())
        self.accepted[user] = time.perf_counter()
        self._idle.append(client)
        if status != 200:
            raise SystemExit(f"an event was refused: {status}")

    async def all_came(self, seconds: float) -> None:
        """Wait for the last messages."""
        for _ in range(round(seconds / 0.05)):
            if self.accepted.keys() <= self.came.keys():
                return
            await asyncio.sleep(0.05)


async def main(hub: int, slack: int, seconds: float) -> None:
    alerts = Alerts(hub)
    loop = asyncio.get_running_loop()
    server = partial(Receiver, alerts.took, _SLACK_ANSWER)
    await loop.create_server(server, "127.0.0.1", slack, backlog=1024)
    await steadily(alerts.enter, CHANNELS / EVERY, seconds)
    await alerts.all_came(60)
    if missing := alerts.accepted.keys() - alerts.came.keys():
        raise SystemExit(f"{len(missing)} messages did not come")
    found = [(alerts.came[user] - at) * 1e3 for user, at in alerts.accepted.items()]
    print(json.dumps(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hub", type=int)
    parser.add_argument("slack", type=int)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    uvloop.run(main(given.hub, given.slack, given.seconds))
