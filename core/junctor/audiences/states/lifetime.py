"""All there ever was: an aggregate of a subject's whole time, or since it was last forgotten."""

from typing import Any, Final

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import NEVER, State
from junctor.audiences.nodes import Pattern, Prop
from junctor.audiences.seen import Seen
from junctor.audiences.states.aggregate import Aggregate, Aggregated
from junctor.audiences.states.entries import entry_reader

MOST_STRETCHES: Final = 8
"""Stretches of time kept, the newest: the others are forgotten for good."""


class LifetimeKind:
    """An aggregate of all events; with a `ttl` (ms) of those since the last gap of that length.

    State: stretches `[start, end, aggregate]`, of which neighbors are at least `ttl` apart, so that
    a late event can join two of them. What an aggregate came to does not tell of which events: the
    same one added twice counts twice, where that matters.
    """

    def __init__(
        self, aggregate: Aggregate, pattern: Pattern, prop: Prop | None, ttl: int | None
    ) -> None:
        """Prepare; without `prop` the events themselves count."""
        self.key = fingerprint("lifetime", aggregate.name, pattern, prop, ttl)
        self.size = 1
        self.patterns = (pattern,)
        self._aggregate = aggregate
        self._entry = entry_reader(aggregate, prop)
        self._ttl = NEVER if ttl is None else ttl

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind. An event without the property changes nothing."""
        entry = self._entry(seen)
        if entry is None:
            return state
        event = [[seen.at, seen.at, self._aggregate.of([entry])]]
        return event if state is None else self.merge(state, event)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        joined: list[list[Any]] = []
        for start, end, known in sorted([*one, *other], key=lambda stretch: stretch[:2]):
            if joined and start - joined[-1][1] < self._ttl:
                last = joined[-1]
                last[1:] = [max(last[1], end), self._aggregate.merge(last[2], known)]
            else:
                joined.append([start, end, known])
        return joined[-MOST_STRETCHES:]

    def degraded(self, state: State) -> bool:
        """See Kind: whether there were too many values to count them."""
        return self._aggregate.degraded(state[-1][2])

    def error(self, state: State) -> str:
        """Return how exact the aggregate is, "" for exact."""
        return self._aggregate.error(state[-1][2])

    def current(self, state: State, now: int) -> Aggregated | None:
        """Return the aggregate at `now`, None if all was forgotten."""
        _, end, known = state[-1]
        return known if now - end < self._ttl else None

    def next_change(self, state: State, now: int) -> int:
        """Return when, after `now`, time alone changes the aggregate."""
        forgotten = state[-1][1] + self._ttl
        return forgotten if now < forgotten < NEVER else NEVER

    def evidence(self, state: State) -> tuple[int, ...]:
        """Return the ranks of events that it names."""
        return self._aggregate.evidence(state[-1][2])
