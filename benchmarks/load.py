"""The load: Segment-shaped events of about 1 KB, in batches or one by one, as fast as answered.

Prints a JSON line: seconds, accepted events, answers that were not 200. With `--visits USERS` the
events are those of behavior.py, of so many people.
"""

import argparse
import asyncio
import json
import time

import uvloop

from benchmarks.behavior import Visits
from benchmarks.http import Client

USERS = 5_000
_PROPERTIES = {
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
}  # fmt: skip
_CONTEXT = {
    "ip": "203.0.113.9",
    "locale": "en-US",
    "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
    "page": {"path": "/checkout", "title": "Checkout", "url": "https://shop.example/checkout"},
    "library": {"name": "analytics.js", "version": "next-1.84.1"},
    "traits": {"email": "somebody@example.com", "plan": "pro"},
}


def template() -> tuple[bytes, bytes, bytes, bytes]:
    event = {
        "type": "track",
        "event": "Order Completed",
        "userId": "u-@USER@",
        "anonymousId": "a-@USER@",
        "messageId": "@MESSAGE@",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "properties": {**_PROPERTIES, "bench_sent": "@SENT@"},
        "context": _CONTEXT,
        "integrations": {},
    }
    text = json.dumps(event, separators=(",", ":"))
    head, rest = text.split("@USER@", 1)
    between, rest = rest.split("@USER@", 1)
    second, rest = rest.split("@MESSAGE@", 1)
    third, tail = rest.split("@SENT@", 1)
    # the e-mail is the user's own
    third_head, third_tail = third, tail.replace("somebody", "user")
    rest = f"{third_head}|{third_tail}"
    return head.encode(), between.encode(), second.encode(), rest.encode()


class Events:
    """Makes event texts with a message id of their own."""

    def __init__(self, run: str) -> None:
        self._head, self._between, self._second, rest = template()
        self._third, self._tail = rest.split(b"|", 1)
        self._run = run.encode()
        self.made = 0

    def one(self) -> bytes:
        self.made += 1
        user = b"%d" % (self.made * 7919 % USERS)
        return b"".join(
            (self._head, user, self._between, user, self._second, b"%b-%d" % (self._run, self.made),
             self._third, b"%d" % time.time_ns(), self._tail.replace(b"user@", user + b"@", 1))
        )  # fmt: skip


async def main(
    source: Events | Visits, port: int, events: int, batch: int, connections: int, rate: float
) -> None:
    loop = asyncio.get_running_loop()
    refused = 0
    started = time.monotonic()

    async def worker() -> None:
        nonlocal refused
        _, client = await loop.create_connection(Client, "127.0.0.1", port)
        while source.made < events:
            if rate:
                wait = started + source.made / rate - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
            if batch > 1:
                items = b",".join([source.one() for _ in range(min(batch, events - source.made))])
                body = b'{"batch":[' + items + b'],"writeKey":"bench"}'
                status = await client.ask(b"/v1/batch", body)
            else:
                status = await client.ask(b"/v1/track", source.one())
            if status != 200:
                refused += 1

    await asyncio.gather(*(worker() for _ in range(connections)))
    seconds = time.monotonic() - started
    end = time.monotonic()
    print(json.dumps({"seconds": seconds, "events": source.made, "refused": refused,
                      "started": started, "end": end}))  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "events", "batch", "connections"):
        parser.add_argument(name, type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("run")
    parser.add_argument("--visits", type=int, metavar="USERS")
    parser.add_argument("--over", type=float, default=0, help="seconds that the events lie in")
    parser.add_argument("--active", type=int, default=0, help="people who are there at a time")
    given = parser.parse_args()
    made = (
        Visits(given.run, given.visits, given.over, given.active)
        if given.visits
        else Events(given.run)
    )
    uvloop.run(main(made, given.port, given.events, given.batch, given.connections, given.rate))
