"""What the host lends a connector: its only way out."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

import httpx
from structlog.typing import FilteringBoundLogger


class Clock(Protocol):
    """Time as a parameter, so that tests own it."""

    def now(self) -> float:
        """Return the wall time, epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never step back, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The computer's own time."""

    def now(self) -> float:
        """Return the wall time, epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every connector: `id` is its key in the configuration.

    `http` is pooled, guarded against private addresses and never retries: retries, rate limits and
    breakers belong to the host. `log` is bound to the connector's id and type.
    """

    id: str
    http: httpx.AsyncClient
    log: FilteringBoundLogger
    clock: Clock
