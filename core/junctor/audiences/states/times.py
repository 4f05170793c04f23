"""The newest events that match, in the order of time: what counts in any window are made of.

"At least k in the last W" holds if the k-th newest is younger than W, for every W at once; so the
newest few decide exactly, tell when time alone changes the answer, and serve every window.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Seen
from junctor.audiences.states.readings import Day, Reading

MOST: Final = 256
"""Events kept of one kind at most. One more is kept where it tells that there were more."""
MOST_DAYS: Final = 400
"""The same for days."""
SLACK: Final = 600_000
"""How long after leaving the longest window an event is kept, in milliseconds.

Clocks of senders may be ahead by a minute, and absences are looked at a little later than now."""

Entry = list[Any]
"""`[at, rank]` of an event, followed by what was read off it."""
Entries = list[Entry]
"""In the order of events: by time, then by rank."""


def place(entries: Entries, entry: Entry) -> int | None:
    """Return where `entry` belongs, None if it is there already."""
    order = entry[:2]
    at = bisect_left(entries, order)
    return None if at < len(entries) and entries[at][:2] == order else at


@dataclass(frozen=True)
class Times:
    """The newest `size` events; those of which `reading` finds something, if there is one.

    Events at `until` and later do not count. The state is entries.
    """

    pattern: Pattern
    size: int
    reading: Reading | None = None
    until: int | None = None

    @cached_property
    def key(self) -> str:
        """See Kind."""
        return fingerprint(type(self).__name__, self.pattern, self.reading, self.until)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind."""
        return (self.pattern,)

    @property
    def most(self) -> int:
        """How many entries are exact; there may be one more, to tell that there were more."""
        return MOST_DAYS if isinstance(self.reading, Day) else MOST

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        entry = self.entry(seen)
        if entry is None:
            return state
        if state is None:
            return [entry]
        self.keep(state, entry)
        return state

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        for entry in other:
            self.keep(one, entry)
        return one

    def degraded(self, state: State) -> bool:
        """See Kind: more events than are kept."""
        return len(state) > self.most

    def entry(self, seen: Seen) -> Entry | None:
        """Return what is kept of an event, None if it does not count."""
        if self.until is not None and seen.at >= self.until:
            return None
        if self.reading is None:
            return [seen.at, seen.rank]
        value = self.reading(seen)
        return None if value is None else [seen.at, seen.rank, value]

    def keep(self, entries: Entries, entry: Entry) -> None:
        """Put `entry` in its place, unless it is there, and let the oldest go that are too many."""
        at = place(entries, entry)
        if at is None:
            return
        entries.insert(at, entry)
        if len(entries) > self.size:
            del entries[: len(entries) - self.size]


@dataclass(frozen=True)
class Whole(Times):
    """All events not older than `size` (milliseconds) before the newest, if they are not too many.

    For windows that end before now: there, the newest events say nothing.
    """

    def keep(self, entries: Entries, entry: Entry) -> None:
        """See Times."""
        at = place(entries, entry)
        if at is None:
            return
        entries.insert(at, entry)
        expired = bisect_left(entries, [entries[-1][0] - self.size - SLACK])
        del entries[: max(expired, len(entries) - MOST - 1)]


@dataclass(frozen=True)
class First:
    """The earliest event that there ever was. The state is entries, of it alone."""

    pattern: Pattern

    @cached_property
    def key(self) -> str:
        """See Kind."""
        return fingerprint("First", self.pattern)

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
        entries = [[seen.at, seen.rank]]
        return entries if state is None else min(state, entries)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        return min(one, other)

    def degraded(self, state: State) -> bool:
        """See Kind: never."""
        return False
