"""The newest folded events in memory, shared by all destinations: each reads at its own place."""

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from junctor.model.processed import Batch, Processed

MOST_BYTES: Final = 4 * 2**20
"""JSON kept. Parsed events take several times that; a destination further behind reads the log."""


class Recent:
    """A bounded window on the end of the folded log."""

    def __init__(self, position: int, most_bytes: int = MOST_BYTES) -> None:
        """Start empty behind offset `position`."""
        self.position = position
        self._most_bytes = most_bytes
        self._batches: deque[tuple[Batch, int]] = deque()
        self._bytes = 0

    def add(self, batch: Batch) -> None:
        """Take in the next batch; forget the oldest beyond the limit."""
        size = _size(batch.events)
        self._batches.append((batch, size))
        self._bytes += size
        self.position = batch.last
        while self._bytes > self._most_bytes and len(self._batches) > 1:
            self._bytes -= self._batches.popleft()[1]

    def forget(self, offsets: Collection[int]) -> None:
        """Drop these events; who has not read them must not get them."""
        unwanted = frozenset(offsets)
        for place, (batch, size) in enumerate(self._batches):
            kept = [item for item in batch.events if item.event.offset not in unwanted]
            if len(kept) < len(batch.events):
                smaller = _size(kept)
                self._batches[place] = replace(batch, events=kept), smaller
                self._bytes -= size - smaller

    def after(self, position: int, most: int) -> tuple[list[Processed], int] | None:
        """Return up to `most` events after `position` and the offset read up to.

        None when the window begins later: then the log has them.
        """
        batches = self._batches
        if not batches or batches[0][0].previous > position:
            return None
        events: list[Processed] = []
        first = bisect_right(batches, position, key=lambda entry: entry[0].last)
        for batch, _ in islice(batches, first, None):
            if batch.previous >= position:
                following = batch.events
            else:
                following = [item for item in batch.events if item.event.offset > position]
            room = most - len(events)
            if len(following) > room:
                events += following[:room]
                return events, events[-1].event.offset if events else position
            events += following
            position = batch.last
        return events, position


def _size(events: Sequence[Processed]) -> int:
    return sum([len(item.event.json) for item in events])
