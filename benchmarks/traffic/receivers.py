"""Receivers in one process: they count events and, of one in so many, how old it was.

Each argument is a port with a manner, "PORT:DELAY:REFUSES". A line on standard input is a question,
a line of JSON on standard output its answer:

- `begin`: count from zero; answered with null;
- `counts`: for each receiver its `requests`, `refused` ones among them, `events` of the others, and
  when the `last` of these came (seconds of the monotonic clock);
- `ages`: for each receiver the ages of events at receipt, in milliseconds.
"""

import asyncio
import gzip
import json
import re
import sys
import time
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

import uvloop

from benchmarks.traffic.http import Receiver

_SENT: Final = re.compile(rb'"bench_sent":"(\d+)"')
_SAMPLE: Final = 5
"""The age of one in so many events is noted."""


@dataclass(frozen=True)
class Manner:
    """How a receiver treats its guests."""

    delay: float = 0.0
    """Seconds until it answers."""
    refuses: float = 0.0
    """Part of the requests that it answers with 503; which ones, is the same in every run."""


class Counter:
    """What one receiver got."""

    def __init__(self, refuses: float, seed: int) -> None:
        self._refuses = refuses
        self._random = Random(seed)
        self.begin()

    def begin(self) -> None:
        """Count from zero."""
        self.requests = self.refused = self.events = 0
        self.last = 0.0
        self.ages: list[float] = []

    def took(self, head: bytes, body: bytes) -> bool:
        """Note a request; return whether it is welcome."""
        now = time.time_ns()
        self.requests += 1
        if self._refuses and self._random.random() < self._refuses:
            self.refused += 1
            return False
        if b"content-encoding: gzip" in head.lower():
            body = gzip.decompress(body)
        sent = _SENT.findall(body)
        self.ages += [(now - int(made)) / 1e6 for made in sent[-self.events % _SAMPLE :: _SAMPLE]]
        self.events += len(sent)
        self.last = time.monotonic()
        return True

    def counts(self) -> dict[str, float]:
        """Return what `counts` answers."""
        return {"requests": self.requests, "refused": self.refused, "events": self.events,
                "last": self.last}  # fmt: skip


def _answer(question: str, counters: list[Counter]) -> object:
    match question:
        case "begin":
            for counter in counters:
                counter.begin()
            return None
        case "counts":
            return [counter.counts() for counter in counters]
        case "ages":
            return [counter.ages for counter in counters]
    raise SystemExit(f"no such question: {question}")


async def main(places: list[tuple[int, Manner]]) -> None:
    """Listen, and answer questions until there are no more."""
    loop = asyncio.get_running_loop()
    counters = []
    for number, (port, manner) in enumerate(places):
        counter = Counter(manner.refuses, seed=number)
        counters.append(counter)
        server = partial(Receiver, counter.took, delay=manner.delay)
        await loop.create_server(server, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(_answer(line.decode().strip(), counters)), flush=True)


def _place(text: str) -> tuple[int, Manner]:
    port, delay, refuses = text.split(":")
    return int(port), Manner(float(delay), float(refuses))


if __name__ == "__main__":
    uvloop.run(main([_place(text) for text in sys.argv[1:]]))
