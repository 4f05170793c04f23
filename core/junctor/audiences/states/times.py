"""The newest events that match, in the order of time: what counts in any window are made of.

"At least k in the last W" holds if the k-th newest is younger than W, for every W at once; so the
newest few decide exactly, tell when time alone changes the answer, and serve every window.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import dataclass, replace
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
AHEAD_MS: Final = 60_000
"""How far the newest event may lie in the future: clocks of senders may be ahead."""
SLACK: Final = 600_000
"""How long after leaving the longest window an event is kept, in milliseconds.

The newest may be ahead of the clock, and absences are looked at a little later than now."""

Entry = list[Any]
"""`[at, rank]` of an event, followed by what was read off it."""
Entries = list[Entry]
"""In the order of events: by time, then by rank."""


Moment = tuple[int, int]
"""An event's time and rank: its place in the order of events."""


def order(entry: Entry) -> Moment:
    """Return an entry's place in the order of events."""
    return entry[0], entry[1]


def newest(entries: Entries | None) -> Moment | None:
    """Return the place of the newest event, None without any."""
    return order(entries[-1]) if entries else None


def place(entries: Entries, entry: Entry) -> int | None:
    """Return where `entry` belongs, None if it is there already."""
    moment = entry[:2]
    at = bisect_left(entries, moment)
    return None if at < len(entries) and entries[at][:2] == moment else at


@dataclass(frozen=True)
class EntriesKind(ABC):
    """What kinds have in common whose state is entries of events that fit `pattern`.

    Where there is a `reading`, they are those in which it finds something. Events count from
    `since` to before `until`. Kinds that differ in `size` only share their state.
    """

    pattern: Pattern
    size: int = 1
    reading: Reading | None = None
    since: int | None = None
    until: int | None = None

    @cached_property
    def key(self) -> str:
        """See Kind."""
        return fingerprint(replace(self, size=0))

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind."""
        return (self.pattern,)

    def entry(self, seen: Seen) -> Entry | None:
        """Return what is kept of an event, None if it does not count."""
        if (self.since is not None and seen.at < self.since) or (
            self.until is not None and seen.at >= self.until
        ):
            return None
        if self.reading is None:
            return [seen.at, seen.rank]
        value = self.reading(seen)
        return None if value is None else [seen.at, seen.rank, value]

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
        """See Kind: never."""
        return False

    @abstractmethod
    def keep(self, entries: Entries, entry: Entry) -> None:
        """Take `entry` into entries, of which there are some."""


@dataclass(frozen=True)
class Times(EntriesKind):
    """The newest `size` events."""

    @property
    def most(self) -> int:
        """How many entries are exact; there may be one more, to tell that there were more."""
        return MOST_DAYS if isinstance(self.reading, Day) else MOST

    def degraded(self, state: State) -> bool:
        """See Kind: more events are asked for, and there were more, than are kept."""
        return self.size > self.most < len(state)

    def keep(self, entries: Entries, entry: Entry) -> None:
        """Put `entry` in its place, unless it is there, and let go of what is too much."""
        at = place(entries, entry)
        if at is not None:
            entries.insert(at, entry)
            self._trim(entries)

    def _trim(self, entries: Entries) -> None:
        if len(entries) > self.size:
            del entries[: len(entries) - self.size]


@dataclass(frozen=True)
class Whole(Times):
    """All events not older than `size` (milliseconds) before the newest, the newest `room` at most.

    For windows that end before now, where the newest events say nothing; and for figures that need
    each event.
    """

    room: int = MOST + 1

    def degraded(self, state: State) -> bool:
        """See Kind: there were more in the longest window than are exact."""
        return len(state) > self.most and state[-self.most - 1][0] > state[-1][0] - self.size

    def _trim(self, entries: Entries) -> None:
        expired = bisect_left(entries, [entries[-1][0] - self.size - SLACK])
        del entries[: max(expired, len(entries) - self.room)]


@dataclass(frozen=True)
class First(EntriesKind):
    """The earliest event that there ever was. The state is its entry, in a list."""

    def keep(self, entries: Entries, entry: Entry) -> None:
        """See EntriesKind."""
        if order(entry) < order(entries[0]):
            entries[0] = entry
