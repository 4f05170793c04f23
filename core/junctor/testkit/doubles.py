"""Stand-ins for what the host lends: a clock that tests own, a log that remembers."""

import asyncio
import heapq
import itertools
from typing import Any, Final

import httpx
import structlog
from structlog.testing import LogCapture
from structlog.typing import FilteringBoundLogger

from junctor.sdk import Context

START: Final = 1_767_225_600.0
"""2026-01-01T00:00:00Z, epoch seconds: when a ManualClock starts unless told otherwise."""

_TURNS: Final = 20
"""Turns of the event loop after which woken tasks are taken to have done what they can."""


class ManualClock:
    """A clock that moves only when told to; it satisfies `junctor.sdk.Clock`.

    `await advance(60)` lets a minute pass: everybody who sleeps is woken at the right moment, and
    may sleep again, in order of time. `tick(60)` moves the clock without running anybody.
    `step(-3600)` moves the wall time only, as a time server does.
    """

    def __init__(self, now: float = START) -> None:
        """Start at `now`, epoch seconds."""
        self._wall = now
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return the wall time, epoch seconds."""
        return self._wall

    def monotonic(self) -> float:
        """Return the seconds that passed since the clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Park until `seconds` have passed on this clock."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), woken))
        await woken

    @property
    def sleeping(self) -> int:
        """How many tasks are parked in `sleep`."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking each sleeper when its time has come."""
        await _settle()
        end = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self.tick(max(0.0, self._sleepers[0][0] - self._elapsed))
            await _settle()
        self.tick(max(0.0, end - self._elapsed))
        await _settle()

    def tick(self, seconds: float) -> None:
        """Move the clock at once; whose time has come wakes when the event loop next runs."""
        self._wall += seconds
        self._elapsed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)

    def step(self, seconds: float) -> None:
        """Move the wall time only; sleepers and `monotonic` don't notice."""
        self._wall += seconds


async def _settle() -> None:
    """Let everything run that can run without time or I/O."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def capturing_log(entries: LogCapture) -> FilteringBoundLogger:
    """Return a logger of every level that keeps what it is told in `entries`, tracebacks too."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        None,
        processors=[structlog.processors.format_exc_info, entries],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return log


def context(
    http: httpx.AsyncClient,
    *,
    id: str = "kit",
    clock: ManualClock | None = None,
    log: LogCapture | None = None,
) -> Context:
    """Return the context of a connector under test."""
    return Context(
        id=id,
        http=http,
        log=capturing_log(log or LogCapture()),
        clock=clock or ManualClock(),
    )


def entries_text(log: LogCapture) -> str:
    """Return all that was logged as one text, to be searched."""
    entries: list[Any] = list(log.entries)
    return "\n".join(repr(entry) for entry in entries)
