"""Readers at decision time: `POST /v1/decide` for one person at a time, at a steady rate.

Requests leave at their times, whether or not earlier ones have been answered, so that a slow answer
is not hidden by a reader that waits for it. Beside them, probes: an event, and as soon as it has
its 200, reads until they show it. Prints a JSON line, times in milliseconds: `reads`, `visible`
(from the 200 to the answer that shows the event), `lags` (how late requests left, this process's
own doing), and `refused`, the answers that were not 200, by status.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

import uvloop

from benchmarks.traffic.http import Client

PROBE = """
[attributes.probe]
agg = "last"
event = "Probe"
prop = "number"
"""
"""What a configuration needs for probes."""
_DECIDE = b"/v1/decide"
_LONGEST_WAIT = 60.0
"""Seconds after which a probe counts as that old, and no longer waits."""


class Readers:
    """Everybody who asks, on as many connections as it takes."""

    def __init__(self, port: int, users: int, seed: str) -> None:
        self._port = port
        self._users = users
        self._seed = seed
        self._random = Random(seed)
        self._idle: dict[bytes, list[Client]] = {}
        self.reads: list[float] = []
        self.visible: list[float] = []
        self.lags: list[float] = []
        self.refused: Counter[int] = Counter()

    async def read(self, due: float) -> None:
        """Ask for one person, whoever it is; all that is known."""
        self.lags.append((time.perf_counter() - due) * 1e3)
        begun = time.perf_counter()
        await self._ask(
            _DECIDE, b'{"ids":{"user_id":"u-%d"}}' % self._random.randrange(self._users)
        )
        self.reads.append((time.perf_counter() - begun) * 1e3)

    async def probe(self, due: float) -> None:
        """Send an event, and read until it shows."""
        user, number = self._random.randrange(self._users), str(due)
        event = {
            "type": "track", "event": "Probe", "userId": f"u-{user}",
            "messageId": f"probe-{self._seed}-{number}", "properties": {"number": number},
        }  # fmt: skip
        if not await self._ask(b"/v1/track", json.dumps(event).encode(), b"Basic YmVuY2g6"):
            return
        accepted = time.perf_counter()
        question = b'{"ids":{"user_id":"u-%d"},"attributes":["probe"]}' % user
        while (waited := time.perf_counter() - accepted) < _LONGEST_WAIT:
            body = await self._ask(_DECIDE, question)
            if body and json.loads(body)["attributes"]["probe"] == number:
                break
            await asyncio.sleep(0.002)
        self.visible.append(waited * 1e3)

    async def _ask(self, path: bytes, body: bytes, authorization: bytes = b"Bearer bench") -> bytes:
        """Return the answer's body, nothing if it was refused."""
        idle = self._idle.setdefault(authorization, [])
        if idle:
            client = idle.pop()
        else:
            loop, connect = asyncio.get_running_loop(), partial(Client, authorization)
            _, client = await loop.create_connection(connect, "127.0.0.1", self._port)
        status = await client.ask(path, body)
        idle.append(client)
        if status == 200:
            return client.body
        self.refused[status] += 1
        return b""


async def steadily(
    what: Callable[[float], Coroutine[Any, Any, None]], rate: float, seconds: float
) -> None:
    """Do something `rate` times a second, at even times; return when all is answered."""
    started = time.perf_counter()
    tasks = set()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(what(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


async def main(readers: Readers, rate: float, probes: float, seconds: float) -> None:
    await asyncio.gather(
        steadily(readers.read, rate, seconds), steadily(readers.probe, probes, seconds)
    )
    print(json.dumps({"reads": readers.reads, "visible": readers.visible, "lags": readers.lags,
                      "refused": readers.refused}))  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("rate", type=float, help="reads a second")
    parser.add_argument("probes", type=float, help="probes a second")
    parser.add_argument("seconds", type=float)
    parser.add_argument("users", type=int)
    parser.add_argument("seed")
    given = parser.parse_args()
    asked = Readers(given.port, given.users, given.seed)
    uvloop.run(main(asked, given.rate, given.probes, given.seconds))
