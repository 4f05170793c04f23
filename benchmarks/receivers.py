"""Three receivers in one process: they count events and, for one in so many, how old it was.

Prints its counts as a JSON line whenever it reads a line on standard input.
"""

import asyncio
import gzip
import json
import re
import sys
import time
from functools import partial

import uvloop

from benchmarks.http import Receiver

_SENT = re.compile(rb'"bench_sent":"?(\d+)')
_NEW = re.compile(rb'"bench_sent"')


class Counter:
    def __init__(self) -> None:
        self.requests = 0
        self.events = 0
        self.ages: list[float] = []
        self.last = 0.0

    def took(self, head: bytes, body: bytes) -> None:
        if b"content-encoding: gzip" in head.lower():
            body = gzip.decompress(body)
        now = time.time_ns()
        self.requests += 1
        self.events += len(_NEW.findall(body))
        self.last = time.monotonic()
        if (sent := _SENT.search(body)) is not None:
            self.ages.append((now - int(sent[1])) / 1e6)

    def report(self) -> dict[str, object]:
        report = {
            "requests": self.requests,
            "events": self.events,
            "ages": self.ages,
            "last": self.last,
        }
        self.ages = []
        return report


async def main(ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    counters = [Counter() for _ in ports]
    for port, counter in zip(ports, counters, strict=True):
        await loop.create_server(partial(Receiver, counter.took), "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        print(json.dumps([counter.report() for counter in counters]), flush=True)


if __name__ == "__main__":
    uvloop.run(main([int(port) for port in sys.argv[1:]]))
