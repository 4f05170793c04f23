"""What the admin side's questions about audiences are answered from."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.model.profile import Profile
from junctor.pipeline.audience import Audiences
from junctor.pipeline.backfill import Backfill
from junctor.pipeline.identify import Identifiers
from junctor.sdk.context import Clock
from junctor.store.port import Store

PIECE: Final = 100
"""Profiles or events looked at between two turns of live events."""
_LONGEST_REST: Final = 0.05


@dataclass(frozen=True, slots=True)
class AudienceSource:
    """A store and what runs on it. `backfill` returns None where no hub runs."""

    store: Store
    stage: Callable[[], Audiences]
    backfill: Callable[[], Backfill | None]
    identifiers: Callable[[], Identifiers]
    compile: Callable[[Definitions], Program]
    clock: Clock

    @property
    def serving(self) -> Program:
        """What answers now."""
        return self.stage().engine.program

    @property
    def wanted(self) -> Program:
        """What is configured, and serves as soon as it is built."""
        backfill = self.backfill()
        return self.serving if backfill is None else backfill.wanted

    def now(self) -> int:
        """Return the time, epoch milliseconds."""
        return round(self.clock.now() * 1000)


class Pace:
    """Leaves to live events as much time as a long look takes."""

    def __init__(self, clock: Clock) -> None:
        """Begin to work."""
        self._clock = clock
        self._begun = clock.monotonic()

    async def rest(self) -> None:
        """Let others work; to be called after each piece."""
        took = self._clock.monotonic() - self._begun
        await self._clock.sleep(min(took, _LONGEST_REST))
        self._begun = self._clock.monotonic()


async def everybody(source: AudienceSource, pace: Pace) -> AsyncIterator[list[Profile]]:
    """Yield all profiles, piece by piece."""
    after = 0
    while people := await source.store.memberships.people(after, PIECE):
        yield people
        after = people[-1].id
        await pace.rest()
