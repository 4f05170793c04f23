"""What there was in the last so many days: aggregates of a window that moves with the clock."""

from bisect import bisect_left, bisect_right
from functools import reduce
from typing import Any, Final

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import NEVER, State
from junctor.audiences.nodes import Pattern, Prop
from junctor.audiences.seen import Seen
from junctor.audiences.states.aggregate import Aggregate, Aggregated, Dated, Entry
from junctor.audiences.states.entries import entry_reader

MOST_ENTRIES: Final = 256
"""Events kept of a period, the newest."""
SLOTS: Final = 64
"""Parts of a period into which older events are summed up when there are too many."""
BEHIND_MS: Final = 3_600_000
"""How far the clock of a reading may lie behind the newest event."""
_MOST_EVIDENCE: Final = 8


class RecentKind:
    """A dated aggregate: it tells by itself what it is in any window.

    The state is the aggregate. `period` (ms) is how far back it is needed.
    """

    def __init__(self, aggregate: Dated, pattern: Pattern, prop: Prop | None, period: int) -> None:
        """Prepare; without `prop` the events themselves count."""
        self.key = fingerprint("recent", aggregate.name, pattern, prop)
        self.size = period
        self.patterns = (pattern,)
        self._aggregate = aggregate
        self._entry = entry_reader(aggregate, prop)

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind. An event without the property changes nothing."""
        entry = self._entry(seen)
        if entry is None:
            return state
        event = self._aggregate.of([entry])
        return event if state is None else self.merge(state, event)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        merged = self._aggregate.merge(one, other)
        newest = self._aggregate.newest(merged)
        return self._aggregate.since(merged, newest - self.size - BEHIND_MS)

    def degraded(self, state: State) -> bool:
        """See Kind."""
        return bool(self.error(state))

    def error(self, state: State) -> str:
        """Return how exact the aggregate is, "" for exact."""
        known = self.current(state, self._aggregate.newest(state))
        return self._aggregate.error(known) if known is not None else ""

    def current(self, state: State, now: int) -> Aggregated | None:
        """Return what the window that ends at `now` comes to, None if there is nothing."""
        return self._aggregate.since(state, now - self.size)

    def next_change(self, state: State, now: int) -> int:
        """Return when, after `now`, something leaves the window."""
        known = self.current(state, now)
        return self._aggregate.oldest(known) + self.size if known is not None else NEVER

    def evidence(self, state: State) -> tuple[int, ...]:
        """Return the ranks of events that it names."""
        return self._aggregate.evidence(state)


class PeriodKind:
    """The events of a period, or what they come to.

    State `{"log": entries, "slots": {number: aggregate}, "lost": time}`. Entries over the most are
    summed up in slots, the oldest half of them at once, where the aggregate is coarse; otherwise
    the oldest make room, and `lost` is the time of the newest of these. A slot counts as long as
    some of it is in the window; which events it has counted it does not know.
    """

    def __init__(
        self, aggregate: Aggregate, pattern: Pattern, prop: Prop | None, period: int
    ) -> None:
        """Prepare; without `prop` the events themselves count."""
        self.key = fingerprint("period", aggregate.name, pattern, prop, period)
        self.size = MOST_ENTRIES
        self.patterns = (pattern,)
        self._aggregate = aggregate
        self._entry = entry_reader(aggregate, prop)
        self._period = period
        self._width = -(-period // SLOTS)

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind. An event without the property changes nothing."""
        entry = self._entry(seen)
        if entry is None:
            return state
        if state is None:
            return {"log": [entry]}
        log: list[Entry] = state["log"]
        place = bisect_left(log, entry[:2])
        if place == len(log) or log[place][:2] != entry[:2]:
            log.insert(place, entry)
        return self._bounded(state)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        both = {(entry[0], entry[1]): entry for entry in (*one["log"], *other["log"])}
        one["log"] = [both[moment] for moment in sorted(both)]
        for number, known in other.get("slots", {}).items():
            self._sum_up(one, number, known)
        if "lost" in other:
            one["lost"] = max(other["lost"], one.get("lost", 0))
        return self._bounded(one)

    def degraded(self, state: State) -> bool:
        """See Kind."""
        return "slots" in state or "lost" in state

    def error(self, state: State) -> str:
        """Return how exact the aggregate is, "" for exact."""
        if "slots" in state:
            return f"±1/{SLOTS} of the period at its far edge"
        return f"only the newest {MOST_ENTRIES} events" if "lost" in state else ""

    def current(self, state: State, now: int) -> Aggregated | None:
        """Return what the window that ends at `now` comes to, None if there is nothing."""
        after = now - self._period
        log = state["log"][self._left(state, after) :]
        found = [self._aggregate.of(log)] if log else []
        found += [
            known for number, known in state.get("slots", {}).items() if self._end(number) > after
        ]
        return reduce(self._aggregate.merge, found) if found else None

    def next_change(self, state: State, now: int) -> int:
        """Return when, after `now`, something leaves the window."""
        after = now - self._period
        ends = [entry[0] for entry in state["log"][self._left(state, after) :][:1]]
        ends += [end for end in map(self._end, state.get("slots", ())) if end > after]
        return min(ends) + self._period if ends else NEVER

    def evidence(self, state: State) -> tuple[int, ...]:
        """Return the ranks of the newest events."""
        return tuple(entry[1] for entry in state["log"][-_MOST_EVIDENCE:])

    def _left(self, state: State, after: int) -> int:
        """Return how many entries are not later than `after`."""
        return bisect_right(state["log"], after, key=_time)

    def _end(self, number: str) -> int:
        """Return the last moment of a slot."""
        return (int(number) + 1) * self._width - 1

    def _bounded(self, state: State) -> State:
        """Drop what is too old, sum up or drop what is too much."""
        log: list[Entry] = state["log"]
        after = log[-1][0] - self._period - BEHIND_MS
        del log[: self._left(state, after)]
        while len(log) > MOST_ENTRIES:
            if self._aggregate.coarse:
                for entry in log[: MOST_ENTRIES // 2]:
                    self._sum_up(state, str(entry[0] // self._width), self._aggregate.of([entry]))
                del log[: MOST_ENTRIES // 2]
            else:
                state["lost"] = max(log.pop(0)[0], state.get("lost", 0))
        if "slots" in state:
            after = max(after, log[-1][0] - 2 * self._period)
            slots = state["slots"]
            for number in [number for number in slots if self._end(number) <= after]:
                del slots[number]
            if not slots:
                del state["slots"]
        if state.get("lost", NEVER) <= log[-1][0] - self._period:
            del state["lost"]
        return state

    def _sum_up(self, state: State, number: str, more: Aggregated) -> None:
        slots = state.setdefault("slots", {})
        known = slots.get(number)
        slots[number] = more if known is None else self._aggregate.merge(known, more)


def _time(entry: Entry) -> Any:
    return entry[0]
