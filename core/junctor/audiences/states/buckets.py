"""Counts, sums, minima, maxima of events of which there may be many.

As long as they are few they are kept one by one: `[at, rank]`, or `[at, rank, number]`. Of many,
the older ones become one entry a slot of time: that of its newest event, with a total `[n]`, or
`[n, sums, low, high]`, in place of the number. `sums` are floats that together are the exact sum.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import Any, Final

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Seen
from junctor.audiences.states.readings import Number
from junctor.audiences.states.times import MOST, SLACK, Entries, Entry, place

SLOTS: Final = 64
"""Slots in the longest window, at least."""


@dataclass(frozen=True)
class Material:
    """What counts and sums are made of: events, or their numbers, from `since` to before `until`.

    Events without a number do not count where numbers are read.
    """

    pattern: Pattern
    reading: Number | None = None
    since: int | None = None
    until: int | None = None

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind."""
        return (self.pattern,)

    @cached_property
    def key(self) -> str:
        """See Kind."""
        name = type(self).__name__
        return fingerprint(name, self.pattern, self.reading, self.since, self.until)

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


@dataclass(frozen=True)
class Totals(Material):
    """The total of all there ever was, always exact. The state is one entry, in a list."""

    @property
    def size(self) -> int:
        """See Kind."""
        return 1

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind. Of events that come twice only the newest is known again."""
        entry = self.entry(seen)
        if entry is None or (state and state[0][:2] == entry[:2]):
            return state
        return [joined([*(state or ()), entry])]

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        return [joined([*one, *other])]

    def degraded(self, state: State) -> bool:
        """See Kind: never."""
        return False


@dataclass(frozen=True)
class Buckets(Material):
    """Events not older than `size` (milliseconds) before the newest.

    The newest 256 are kept one by one, the others in slots, which lie fixed in time: a state does
    not depend on the order of events. Events that come twice are known again while they are kept
    one by one. The state is entries, those of slots first.
    """

    size: int = 0

    @cached_property
    def width(self) -> int:
        """Milliseconds of a slot: a power of two, so that slots of one width fit into another's."""
        return 1 << max((self.size // SLOTS).bit_length() - 1, 0)

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        entry = self.entry(seen)
        if entry is None:
            return state
        entries: Entries = [] if state is None else state
        at = place(entries, entry)
        if at is None:
            return entries
        entries.insert(at, entry)
        if len(entries) > MOST:
            self._put_in_slot(entries, min(at, len(entries) - MOST - 1))
        self._trim(entries)
        return entries

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        single = one[-MOST:] + other[-MOST:]
        single.sort(key=_order)
        single = [
            entry
            for entry, before in zip(single, [None, *single], strict=False)
            if before is None or entry[:2] != before[:2]
        ]
        older = one[:-MOST] + other[:-MOST] + single[:-MOST]
        slots: dict[int, Entries] = {}
        for entry in sorted(older, key=_order):
            slots.setdefault(entry[0] // self.width, []).append(entry)
        entries = [*map(joined, slots.values()), *single[-MOST:]]
        self._trim(entries)
        return entries

    def degraded(self, state: State) -> bool:
        """See Kind: there are slots."""
        return len(state) > MOST

    def _put_in_slot(self, entries: Entries, index: int) -> None:
        """Join the entry at `index`, which belongs to the older ones, with those of its slot."""
        slot = entries[index][0] // self.width
        first, last = index, index + 1
        if first and entries[first - 1][0] // self.width == slot:
            first -= 1
        if last < len(entries) - MOST and entries[last][0] // self.width == slot:
            last += 1
        if last - first > 1:
            entries[first:last] = [joined(entries[first:last])]

    def _trim(self, entries: Entries) -> None:
        """Let go of slots that no window reaches, as wholes."""
        slot = (entries[-1][0] - self.size - SLACK) // self.width
        if entries[0][0] // self.width < slot:
            del entries[: bisect_left(entries, [slot * self.width])]


def _order(entry: Entry) -> tuple[int, int]:
    return entry[0], entry[1]


def exact_sum(numbers: Iterable[float]) -> list[float]:
    """Return a sum without any rounding: floats of which each corrects those before it.

    It is the same whatever the order of `numbers`. `fsum` makes one float of it.
    """
    rest = list(numbers)
    parts = []
    while total := fsum(rest):
        parts.append(total)
        rest.append(-total)
    return parts


def joined(entries: Entries) -> Entry:
    """Return one entry with the total of several, which are of the same sort."""
    if len(entries) == 1:
        return entries[0]
    at, rank = max(map(_order, entries))
    totals = [_total(entry) for entry in entries]
    count = sum(total[0] for total in totals)
    if len(totals[0]) == 1:
        return [at, rank, [count]]
    low, high = min(total[2] for total in totals), max(total[3] for total in totals)
    return [at, rank, [count, exact_sum(_summands(entries)), low, high]]


def _total(entry: Entry) -> list[Any]:
    if len(entry) == 2:
        return [1]
    value = entry[2]
    return value if type(value) is list else [1, [value], value, value]


def _summands(entries: Sequence[Entry]) -> list[float]:
    found: list[float] = []
    for entry in entries:
        value = entry[2]
        if type(value) is list:
            found += value[1]
        else:
            found.append(value)
    return found


def count_of(entries: Sequence[Entry]) -> int:
    """Return how many events the entries stand for."""
    return sum(entry[2][0] if len(entry) > 2 and type(entry[2]) is list else 1 for entry in entries)


def sum_of(entries: Sequence[Entry]) -> float:
    """Return the sum of their numbers, 0 without any."""
    return fsum(_summands(entries))


def average_of(entries: Sequence[Entry]) -> float | None:
    """Return the mean of their numbers, None without any."""
    return sum_of(entries) / count_of(entries) if entries else None


def least_of(entries: Sequence[Entry]) -> float | None:
    """Return the least of their numbers, None without any."""
    return min((_total(entry)[2] for entry in entries), default=None)


def greatest_of(entries: Sequence[Entry]) -> float | None:
    """Return the greatest of their numbers, None without any."""
    return max((_total(entry)[3] for entry in entries), default=None)
