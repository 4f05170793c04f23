"""What the hub asks of a store so that it can forget a person; see port.py."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from junctor.model.erasure import Erasure


@dataclass(frozen=True, slots=True)
class Traces:
    """What speaks of a person beside their events: ids of rows.

    `letters` are dead letters with an event of theirs, `remarks` attempts with what a destination
    said of one, `destinations` those that did, `shared` dead letters of others for which it said
    the same.
    """

    letters: Sequence[int] = ()
    rejections: Sequence[int] = ()
    conflicts: Sequence[int] = ()
    remarks: Sequence[int] = ()
    destinations: Sequence[str] = ()
    shared: Sequence[int] = ()


class Erasures(Protocol):
    """People who are to be forgotten; Ledger.withdraw belongs to it.

    What reads through much is done beside what others ask for, and does not hold them up.
    """

    async def under_way(self) -> list[Erasure]:
        """Return those that are not done, oldest first."""
        ...

    async def get(self, offset: int) -> Erasure | None:
        """Return the one that the delete at `offset` asked for."""
        ...

    async def newest(
        self, limit: int, *, before: int | None = None, digest: str | None = None
    ) -> list[Erasure]:
        """Return erasures, newest first, with an offset below `before`; of one identifier."""
        ...

    async def family(self, profile: int) -> tuple[int, ...]:
        """Return a profile and all that it absorbed."""
        ...

    async def events(self, erasure: Erasure, told_by: str) -> Sequence[int]:
        """Return the offsets of the person's events, in order.

        Up to `until` those that are routed as theirs, and those that are known as nobody's and
        speak of them: before the delete any, behind it those of the source `told_by`, which tells
        what it knew before.
        """
        ...

    async def telling(self, erasure: Erasure) -> Sequence[int]:
        """Return the delete and, in order, what else is left to tell of a person who is erased."""
        ...

    async def traces(self, erasure: Erasure, offsets: Sequence[int]) -> Traces:
        """Return what else speaks of the person, whose events are at `offsets`.

        What does not say whose it is, is read: a rejection, a dead letter older than the log.
        """
        ...

    async def remove_events(self, erasure: Erasure, offsets: Sequence[int]) -> None:
        """Remove a piece of the events from the log, and whose they were; store `erasure`.

        Where they were routed and what became of them is still counted.
        """
        ...

    async def remove_traces(self, erasure: Erasure, traces: Traces) -> None:
        """Remove traces, and store `erasure`. Dead letters still count as dead.

        Of why those destinations are paused, and why events wait there, the code is kept only.
        """
        ...

    async def advance(self, erasure: Erasure) -> None:
        """Store how far one is."""
        ...

    async def wipe(self) -> bool:
        """Overwrite on the disk what was removed; return whether all of it is.

        Somebody who reads may be in the way: it is not waited for, as others would wait, too.
        """
        ...


_PIECE: Final = 500


def pieces(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut keys of rows so that who else writes need not wait long for what is done with a piece."""
    for start in range(0, len(keys), _PIECE):
        yield keys[start : start + _PIECE]
