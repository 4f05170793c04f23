"""The load: Segment-shaped events, in batches or one by one.

Arguments are the hub's port, the name of the run, and a `Traffic` in JSON. Prints a line of JSON,
see `Sent`. In `bench_sent` each event has when it was made, in nanoseconds; at a given rate that is
when it was due, so that a subject whose answers are late does not hide it by being sent less.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final, Protocol

import uvloop

from benchmarks.traffic.behavior import Visits
from benchmarks.traffic.http import Client

USERS: Final = 5_000
_BODY: Final = {
    "properties": {
        "order_id": "o-123456",
        "revenue": 39.95,
        "currency": "USD",
        "coupon": "WELCOME10",
        "affiliation": "Web Store",
        "products": [
            {"product_id": f"p-{i}", "sku": f"sku-{i:05}", "name": "A fine pair of boots",
             "price": 19.5 + i, "quantity": 1 + i, "category": "Shoes"}
            for i in range(3)
        ],
        "bench_sent": "@SENT@",
    },
    "context": {
        "ip": "203.0.113.9",
        "locale": "en-US",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        "page": {"path": "/checkout", "title": "Checkout", "url": "https://shop.example/checkout"},
        "library": {"name": "analytics.js", "version": "next-1.84.1"},
        "traits": {"email": "@USER@@example.com", "plan": "pro"},
    },
    "integrations": {},
}  # fmt: skip
_SMALL_BODY: Final = {
    "properties": {"revenue": 39.95, "bench_sent": "@SENT@"},
    "context": {"traits": {"email": "@USER@@example.com", "plan": "pro"}},
}


@dataclass(frozen=True)
class Traffic:
    """What is to be sent, and how."""

    events: int
    batch: int
    connections: int
    rate: float = 0.0
    """Events a second; 0 for as fast as answered."""
    small: bool = False
    """Events of 300 bytes instead of 1 KB."""
    visits: int = 0
    """So many people do what behavior.py makes them do; 0 for one event that all 5,000 do."""
    over: float = 0.0
    """Seconds that the events of visits lie in."""
    active: int = 0
    """People who are there at a time, of visits; 0 for anybody at any time."""


@dataclass(frozen=True)
class Sent:
    """What was sent."""

    started: float
    """When, in seconds of the monotonic clock."""
    seconds: float
    events: int
    refused: int
    """Answers other than 200."""
    cpu_seconds: float
    """Processor time that sending took."""


class Events(Protocol):
    """Makes event texts."""

    def one(self, sent: int) -> bytes:
        """Return the next event, made at `sent`, in nanoseconds of the epoch."""


class Orders:
    """The same event of one person after the other, with a message id of its own."""

    def __init__(self, run: str, *, small: bool) -> None:
        event = {
            "type": "track",
            "event": "Order Completed",
            "userId": "u-@USER@",
            "anonymousId": "a-@USER@",
            "messageId": "@MESSAGE@",
            "timestamp": "2026-01-02T03:04:05.678Z",
            **(_SMALL_BODY if small else _BODY),
        }
        text = json.dumps(event, separators=(",", ":")).encode()
        self._parts = re.split(rb"@[A-Z]+@", text)
        self._run = run.encode()
        self._made = 0

    def one(self, sent: int) -> bytes:
        self._made += 1
        user = b"%d" % (self._made * 7919 % USERS)
        message = b"%b-%d" % (self._run, self._made)
        first, second, third, fourth, fifth, last = self._parts
        return b"".join(
            (first, user, second, user, third, message, fourth, b"%d" % sent, fifth, user, last)
        )


async def main(port: int, traffic: Traffic, source: Events) -> Sent:
    """Send everything; return when all of it is answered."""
    refused = 0
    firsts = iter(range(0, traffic.events, traffic.batch))
    started, started_ns = time.monotonic(), time.time_ns()

    async def send() -> None:
        nonlocal refused
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(Client, "127.0.0.1", port)
        for first in firsts:
            made = time.time_ns()
            if traffic.rate:
                due = first / traffic.rate
                made = started_ns + int(due * 1e9)
                await asyncio.sleep(max(0.0, started + due - time.monotonic()))
            items = [source.one(made) for _ in range(min(traffic.batch, traffic.events - first))]
            if traffic.batch > 1:
                body = b'{"batch":[' + b",".join(items) + b'],"writeKey":"bench"}'
                status = await client.ask(b"/v1/batch", body)
            else:
                status = await client.ask(b"/v1/track", items[0])
            refused += status != 200

    await asyncio.gather(*(send() for _ in range(traffic.connections)))
    seconds = time.monotonic() - started
    return Sent(started, seconds, traffic.events, refused, time.process_time())


def events(run: str, traffic: Traffic) -> Events:
    """Return what makes the events; their message ids differ from run to run."""
    if traffic.visits:
        return Visits(run, traffic.visits, traffic.over, traffic.active)
    return Orders(run, small=traffic.small)


if __name__ == "__main__":
    wanted = Traffic(**json.loads(sys.argv[3]))
    found = uvloop.run(main(int(sys.argv[1]), wanted, events(sys.argv[2], wanted)))
    print(json.dumps(asdict(found)))
