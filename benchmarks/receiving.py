"""The receivers as a scenario sees them."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

from benchmarks.processes import asked, free_port, running
from benchmarks.traffic.receivers import Manner

_PATIENCE = 30.0
"""Seconds without any event after which no more are expected."""


class Receivers:
    """Some receivers in one process, each with an address of its own."""

    def __init__(self, process: Popen[str], urls: Sequence[str]) -> None:
        """Take the process and its addresses."""
        self.pid = process.pid
        self.urls = urls
        self._process = process

    def begin(self) -> None:
        """Count from zero."""
        asked(self._process, "begin")

    def wait_for(self, events: int, which: Sequence[int] = ()) -> list[dict[str, Any]]:
        """Wait until each has had `events` since `begin`, or until nothing more comes.

        Return the counts of those that are waited for: `which`, by themselves all.
        """
        before, deadline = -1, 0.0
        while True:
            counts = self._of(which, "counts")
            got = [count["events"] for count in counts]
            if sum(got) > before:
                before, deadline = sum(got), time.monotonic() + _PATIENCE
            if min(got) >= events or time.monotonic() > deadline:
                return counts
            time.sleep(0.05)

    def ages(self, which: Sequence[int] = ()) -> list[float]:
        """Return how old events were at receipt, in milliseconds, over all that are waited for."""
        return [age for ages in self._of(which, "ages") for age in ages]

    def _of(self, which: Sequence[int], question: str) -> list[Any]:
        found: list[Any] = json.loads(asked(self._process, question))
        return [found[number] for number in which] if which else found


@contextmanager
def receivers(manners: Sequence[Manner] = (Manner(),) * 3) -> Iterator[Receivers]:
    """Run receivers of these manners, by themselves the usual three."""
    ports = [free_port() for _ in manners]
    places = [f"{p}:{m.delay}:{m.refuses}" for p, m in zip(ports, manners, strict=True)]
    with running(["benchmarks.traffic.receivers", *places]) as process:
        asked(process)
        yield Receivers(process, [f"http://127.0.0.1:{port}/take" for port in ports])
