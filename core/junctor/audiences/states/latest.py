"""The value that the newest event has which has one."""

from dataclasses import dataclass
from typing import Any

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Reader, Seen


@dataclass(frozen=True, slots=True)
class LatestKind:
    """State `[at, rank, value]` of the newest event in which `read` finds something at `path`."""

    path: str
    read: Reader

    @property
    def key(self) -> str:
        """See Kind."""
        return fingerprint("latest", self.path)

    @property
    def size(self) -> int:
        """See Kind."""
        return 1

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind: none, the engine feeds every event that has the value."""
        return ()

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        value = self.read(seen.body)
        if value is None or (state and (state[0], state[1]) >= (seen.at, seen.rank)):
            return state
        return [seen.at, seen.rank, value]

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        return max(one, other, key=lambda told: (told[0], told[1]))

    def degraded(self, state: State) -> bool:
        """See Kind: never."""
        return False

    def value(self, state: State | None) -> Any:
        """Return the value, None where there is none."""
        return state[2] if state else None
