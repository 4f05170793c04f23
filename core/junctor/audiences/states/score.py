"""What adds to a score: a decaying sum of events, and the earliest of them."""

from typing import NamedTuple

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import NEVER, State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Seen


class Amount(NamedTuple):
    """What events come to at a time, in epoch milliseconds."""

    value: float
    at: int


class Reading(NamedTuple):
    """What a rule's events come to, and when the next silence will have made it another."""

    amounts: tuple[Amount, ...]
    pending: int = NEVER


def remaining(elapsed: int, half_life: int | None) -> float:
    """Return what is left of 1 after `elapsed` (ms); all of it without a half-life."""
    return 1.0 if half_life is None else 2.0 ** (-elapsed / half_life)


def added(one: Amount, other: Amount, half_life: int | None) -> Amount:
    """Return the sum of two amounts, at the time of the later one."""
    earlier, later = (one, other) if one.at <= other.at else (other, one)
    left = earlier.value * remaining(later.at - earlier.at, half_life)
    return Amount(later.value + left, later.at)


class DecayedKind:
    """Sum of the matching events, of which each is 1 in its time and halves every half-life.

    State `[sum, at, rank]`: the sum as of the newest event, and that event. A sum forgets what it
    is made of, so the same event added twice counts twice; order changes it by rounding only, and
    not at all without a half-life.
    """

    def __init__(self, pattern: Pattern, half_life: int | None) -> None:
        """Sum events that fit `pattern`; `half_life` in milliseconds, None for no decay."""
        self.pattern = pattern
        self.half_life = half_life
        self.key = fingerprint("decayed", pattern, half_life)
        self.size = 1
        self.patterns = (pattern,)

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        event = [1, seen.at, seen.rank]
        return event if state is None else self.merge(state, event)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        if self.half_life is None:
            return [one[0] + other[0], *max(one[1:], other[1:])]
        value, _ = added(Amount(*one[:2]), Amount(*other[:2]), self.half_life)
        return [value, *max(one[1:], other[1:])]

    def degraded(self, state: State) -> bool:
        """See Kind: never."""
        return False

    def read(self, state: State, quiet: int) -> Reading:
        """Return the sum, whatever was `quiet` since."""
        return Reading((Amount(state[0], state[1]),))

    def evidence(self, state: State) -> tuple[int, ...]:
        """Return the rank of the newest event."""
        return (state[2],)


class EarliestKind:
    """State `[at, rank]` of the earliest event that fits a pattern."""

    def __init__(self, pattern: Pattern) -> None:
        """Look for events that fit `pattern`."""
        self.pattern = pattern
        self.key = fingerprint("earliest", pattern)
        self.size = 1
        self.patterns = (pattern,)

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        event = [seen.at, seen.rank]
        return event if state is None else min(state, event)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        return min(one, other)

    def degraded(self, state: State) -> bool:
        """See Kind: never."""
        return False

    def read(self, state: State, quiet: int) -> Reading:
        """Return the earliest event, as one, whatever was `quiet` since."""
        return Reading((Amount(1, state[0]),))

    def evidence(self, state: State) -> tuple[int, ...]:
        """Return the rank of the event."""
        return (state[1],)
