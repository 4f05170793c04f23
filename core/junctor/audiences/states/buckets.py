"""Counts, sums, minima, maxima of events of which there may be many.

As long as they are few they are kept one by one. Of many, the older ones become one entry a slot of
time, with a total; without a window all become one.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import NEVER, State
from junctor.audiences.states.times import (
    AHEAD_MS,
    MOST,
    SLACK,
    Entries,
    EntriesKind,
    Entry,
    order,
    place,
)
from junctor.audiences.states.totals import Joining, has_too_many, joining, start

SLOTS: Final = 64
"""Slots in the window, at least."""
MOST_STRETCHES: Final = 8
"""Stretches of time kept, the newest: the others are forgotten for good."""


@dataclass(frozen=True)
class Totals(EntriesKind):
    """The total of all there ever was, or since there was nothing for `ttl` (milliseconds).

    The state is one entry, in a list. With `ttl` it is one a stretch of time, with its start; the
    time from one to the next is at least `ttl`, so that a late event can join two of them. Values
    as they are (`Json`) can be kept with `ttl` only; without, `First` keeps the earliest.
    """

    ttl: int = NEVER

    @cached_property
    def _total(self) -> Joining:
        return joining(self.reading)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        stretches: Entries = []
        for entry in sorted([*one, *other], key=start):
            if stretches and start(entry) - stretches[-1][0] < self.ttl:
                stretches[-1] = self._joined(stretches[-1], entry)
            else:
                stretches.append(entry)
        return stretches[-MOST_STRETCHES:]

    def keep(self, entries: Entries, entry: Entry) -> None:
        """See EntriesKind. Of events that come twice only the newest is known again."""
        last = entries[-1]
        if last[:2] == entry[:2]:
            return
        if self.ttl == NEVER or start(last) <= entry[0] < last[0] + self.ttl:
            entries[-1] = self._joined(last, entry)
        else:
            entries[:] = self.merge(entries, [entry])

    def _joined(self, one: Entry, other: Entry) -> Entry:
        """Return the entry of two, of which `one` began first."""
        joined = self._total([one, other])
        return joined if self.ttl == NEVER else [*joined, start(one)]

    def degraded(self, state: State) -> bool:
        """See Kind: there were too many values to count each."""
        return has_too_many(state[-1])


@dataclass(frozen=True)
class Buckets(EntriesKind):
    """Events not older than `size` (milliseconds) before the newest.

    The newest 256 are kept one by one, the others in slots, which lie fixed in time: a state does
    not depend on the order of events. Events that come twice are known again while they are kept
    one by one. The state is entries, those of slots first.

    Windows of another length have a state of their own. The slots of a longer one would be too wide
    for a shorter, and what is in slots already can't be read from the log once more.
    """

    @cached_property
    def key(self) -> str:
        """See Kind."""
        return fingerprint(self)

    @cached_property
    def width(self) -> int:
        """Milliseconds of a slot, a power of two."""
        return 1 << max((self.size // SLOTS).bit_length() - 1, 0)

    @cached_property
    def _slack(self) -> int:
        """The slack of slots: less for short windows, of which there would be very many."""
        return min(SLACK, max(self.size, AHEAD_MS))

    @cached_property
    def _join(self) -> Joining:
        return joining(self.reading)

    def keep(self, entries: Entries, entry: Entry) -> None:
        """See EntriesKind."""
        at = place(entries, entry)
        if at is None:
            return
        entries.insert(at, entry)
        if len(entries) > MOST:
            self._put_in_slot(entries, min(at, len(entries) - MOST - 1))
        self._trim(entries)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        single = one[-MOST:] + other[-MOST:]
        single.sort(key=order)
        single = [
            entry
            for entry, before in zip(single, [None, *single], strict=False)
            if before is None or entry[:2] != before[:2]
        ]
        older = one[:-MOST] + other[:-MOST] + single[:-MOST]
        slots: dict[int, Entries] = {}
        for entry in sorted(older, key=order):
            slots.setdefault(entry[0] // self.width, []).append(entry)
        entries = [*map(self._join, slots.values()), *single[-MOST:]]
        self._trim(entries)
        return entries

    def degraded(self, state: State) -> bool:
        """See Kind: the window has slots."""
        return len(state) > MOST and state[-MOST - 1][0] > state[-1][0] - self.size

    def _put_in_slot(self, entries: Entries, index: int) -> None:
        """Join the entry at `index`, which belongs to the older ones, with those of its slot."""
        slot = entries[index][0] // self.width
        first, last = index, index + 1
        if first and entries[first - 1][0] // self.width == slot:
            first -= 1
        if last < len(entries) - MOST and entries[last][0] // self.width == slot:
            last += 1
        if last - first > 1:
            entries[first:last] = [self._join(entries[first:last])]

    def _trim(self, entries: Entries) -> None:
        """Let go of what is out of reach: of slots as wholes, and of what is long past."""
        reached = entries[-1][0] - self.size
        if len(entries) > MOST:
            self._drop(entries, reached - self._slack, len(entries) - MOST)
        self._drop(entries, reached - SLACK, len(entries))

    def _drop(self, entries: Entries, before: int, most: int) -> None:
        if entries[0][0] < (first := before // self.width * self.width):
            del entries[: bisect_left(entries, [first], 0, most)]
