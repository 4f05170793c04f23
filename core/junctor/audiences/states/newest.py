"""The newest event that fits a pattern."""

from dataclasses import dataclass

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Seen

Moment = tuple[int, int]
"""An event's time and rank: its place in the order of events."""


@dataclass(frozen=True, slots=True)
class NewestKind:
    """State `[at, rank]` of the newest event that fits `pattern`."""

    pattern: Pattern

    @property
    def key(self) -> str:
        """See Kind."""
        return fingerprint("newest", self.pattern)

    @property
    def size(self) -> int:
        """See Kind."""
        return 1

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind."""
        return (self.pattern,)

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        event = [seen.at, seen.rank]
        return event if state is None else max(state, event)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        return max(one, other)

    def degraded(self, state: State) -> bool:
        """See Kind: never."""
        return False

    def newest(self, state: State | None) -> Moment | None:
        """Return the newest event's place in the order of events, None if there was none."""
        return (state[0], state[1]) if state is not None else None
