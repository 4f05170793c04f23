"""Leads: people who enter audiences that alert Slack, and the Slack that hears of them.

Sends the events by which people enter, is the Slack that the hub talks to, and notes when an event
had its 200 and when its message came. Prints a line of JSON: the milliseconds between both, for
every message.
"""

import argparse
import asyncio
import json
import time
from functools import partial
from typing import Final

import uvloop

from benchmarks.traffic.http import Client, Receiver
from benchmarks.traffic.readers import steadily

CHANNELS: Final = 10
"""Audiences, each with a channel of its own: Slack takes a message a second in each."""
_EVERY: Final = 1.2
"""Seconds between two entries of one audience."""
_LONGEST_WAIT: Final = 60.0
_ANSWER: Final = (
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'
)


class Leads:
    """Sends events by which somebody enters, and is Slack."""

    def __init__(self, hub: int) -> None:
        self._hub = hub
        self._made = 0
        self._idle: list[Client] = []
        self.accepted: dict[str, float] = {}
        self.came: dict[str, float] = {}

    def took(self, head: bytes, body: bytes) -> bool:
        """Note a message to a channel, which is welcome."""
        if b"chat.postMessage" in head:
            self.came[json.loads(body)["text"]] = time.perf_counter()
        return True

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
    leads = Leads(hub)
    loop = asyncio.get_running_loop()
    server = partial(Receiver, leads.took, _ANSWER)
    await loop.create_server(server, "127.0.0.1", slack, backlog=1024)
    await steadily(leads.enter, CHANNELS / _EVERY, seconds)
    await leads.all_came(_LONGEST_WAIT)
    if missing := leads.accepted.keys() - leads.came.keys():
        raise SystemExit(f"{len(missing)} messages did not come")
    found = [(leads.came[user] - at) * 1e3 for user, at in leads.accepted.items()]
    print(json.dumps(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hub", type=int)
    parser.add_argument("slack", type=int)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    uvloop.run(main(given.hub, given.slack, given.seconds))
