"""One destination's queue in memory: what goes next, in which order, and how far the cursor may be.

Order per person: an event waits while an earlier one of the same key is in flight or parked.
Others pass. Pure bookkeeping: no I/O, no clock of its own.
"""

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from junctor.model.delivery import Parked
from junctor.model.processed import Processed

Key = int


@dataclass(slots=True, eq=False)
class Group:
    """Parked events with the keys that they hold back."""

    parked: Parked
    keys: frozenset[Key]
    waiting: bool = field(default=False)
    """In the heap of those that may be tried."""
    taken: bool = field(default=False)
    """In flight, or being changed."""

    def shift(self, milliseconds: int) -> None:
        """Move its times: the wall clock was set by so much."""
        self.parked.retry_at += milliseconds
        if self.parked.started_at:
            self.parked.started_at += milliseconds


def pieces(events: Sequence[Processed], most: int, most_bytes: int) -> list[list[Processed]]:
    """Cut `events` so that no piece is over a limit; an event that alone is over goes alone."""
    cut: list[list[Processed]] = []
    room = size = 0
    for item in events:
        length = len(item.event.json)
        if room == 0 or size + length > most_bytes:
            cut.append([])
            room, size = most, 0
        cut[-1].append(item)
        room, size = room - 1, size + length
    return cut


def is_loose(parked: Parked, cursor: int) -> bool:
    """Whether, after a restart, what a spilled group waited behind may be unread again.

    Such a group is to be read again, too; else it would overtake.
    """
    return parked.behind and not parked.code and parked.offsets[0] > cursor


def _is_replay(group: Group) -> bool:
    return not group.parked.code and not group.parked.behind


class DeliveryQueue:
    """Events read but not settled, and the groups that wait for another try."""

    def __init__(self, position: int, *, ordered: bool) -> None:
        """Start behind `position`, the offset up to which the log was read."""
        self.position = position
        self._ordered = ordered
        self._ready: deque[Processed] = deque()
        self._ready_bytes = 0
        self._busy: set[Key] = set()
        self._held: dict[Key, deque[Processed]] = {}
        self._held_count = 0
        self._blocked: dict[Key, deque[Group]] = {}
        self._groups: dict[int, Group] = {}
        self._due: list[tuple[int, int]] = []
        self._unsettled: deque[int] = deque()
        self._settled: set[int] = set()

    @property
    def cursor(self) -> int:
        """The offset up to which everything is settled or parked."""
        unsettled, settled = self._unsettled, self._settled
        while unsettled and unsettled[0] in settled:
            settled.discard(unsettled.popleft())
        return unsettled[0] - 1 if unsettled else self.position

    @property
    def ready(self) -> int:
        """How many events could go now."""
        return len(self._ready)

    @property
    def ready_bytes(self) -> int:
        """Bytes of the events that could go now."""
        return self._ready_bytes

    @property
    def unsettled(self) -> int:
        """How many events are in memory: ready, held back or in flight."""
        return len(self._unsettled) - len(self._settled)

    @property
    def parked(self) -> int:
        """How many events wait for another try."""
        return sum(len(group.parked.offsets) for group in self._groups.values())

    def add(self, events: Sequence[Processed], position: int) -> None:
        """Take in events that were read up to `position`, in order."""
        self._ready.extend(events)
        self._unsettled.extend([item.event.offset for item in events])
        self._ready_bytes += sum([len(item.event.json) for item in events])
        self.position = position

    def take(self, most: int, most_bytes: int) -> list[Processed]:
        """Return the next batch and mark its keys as in flight; empty when nothing can go."""
        batch: list[Processed] = []
        size, left, ready, ordered = 0, most, self._ready, self._ordered
        busy, blocked, held = self._busy, self._blocked, self._held
        while ready and left:
            item = ready[0]
            length = len(item.event.json)
            key = item.profile
            if ordered and (key in busy or key in blocked or key in held):
                held.setdefault(key, deque()).append(item)
                self._held_count += 1
                self._ready_bytes -= length
            elif batch and size + length > most_bytes:
                break
            else:
                batch.append(item)
                size += length
                left -= 1
            ready.popleft()
        self._ready_bytes -= size
        if ordered:
            self._busy.update(item.profile for item in batch)
        return batch

    def settle(self, offsets: Iterable[int]) -> None:
        """Note that events are delivered, filtered, dead or parked: the cursor may pass them."""
        self._settled.update(offsets)

    def release(self, keys: Collection[Key]) -> None:
        """Note that keys are no longer in flight: what they held back may go."""
        self._busy.difference_update(keys)
        if self._blocked or self._held:
            for key in keys:
                self._free(key)

    def park(self, groups: Sequence[Group], *, first: bool = False) -> None:
        """Add groups, in order, behind those of the same keys, or before them when `first`."""
        for group in reversed(groups) if first else groups:
            self._groups[group.parked.id] = group
            for key in group.keys if self._ordered else ():
                line = self._blocked.setdefault(key, deque())
                if first:
                    line.appendleft(group)
                else:
                    line.append(group)
            self._offer(group)

    def unpark(self, group: Group) -> None:
        """Remove a group; what waited behind it may go unless another group is in the way."""
        del self._groups[group.parked.id]
        for key in group.keys if self._ordered else ():
            line = self._blocked[key]
            line.remove(group)
            if not line:
                del self._blocked[key]
            self._free(key)

    # -- what is not to be sent any more ---------------------------------------------------------

    def take_out(self, offsets: frozenset[int]) -> tuple[list[int], set[int]]:
        """Take those of `offsets` out that are ready or held back; they are still to be settled.

        Return them, and those that are in flight or otherwise in somebody's hands.
        """
        out = [item for item in self._ready if item.event.offset in offsets]
        if out:
            self._ready = deque(item for item in self._ready if item.event.offset not in offsets)
            self._ready_bytes -= sum(len(item.event.json) for item in out)
        for key, items in list(self._held.items()):
            kept = deque(item for item in items if item.event.offset not in offsets)
            if len(kept) < len(items):
                out += [item for item in items if item.event.offset in offsets]
                self._held_count -= len(items) - len(kept)
                self._held[key] = kept
                if not kept:
                    del self._held[key]
        found = [item.event.offset for item in out]
        flying = set(self._unsettled).intersection(offsets) - self._settled - set(found)
        for group in self._groups.values():
            if group.taken:
                flying |= offsets.intersection(group.parked.offsets)
        return found, flying

    def hold(self, offsets: frozenset[int]) -> list[Group]:
        """Let groups that have some of `offsets` not be tried until they are `cut`; return them."""
        found = [
            group
            for group in self._groups.values()
            if not group.taken and not offsets.isdisjoint(group.parked.offsets)
        ]
        for group in found:
            group.waiting, group.taken = False, True
        return found

    def cut(self, group: Group, offsets: frozenset[int]) -> None:
        """Leave `offsets` out of a group that is held; without any event it is no more."""
        group.taken = False
        rest = tuple(offset for offset in group.parked.offsets if offset not in offsets)
        if not rest:
            self.unpark(group)
            return
        group.parked.offsets, group.parked.message = rest, ""
        self._offer(group)

    def hush(self) -> None:
        """Forget what was said of what waits, but for its code."""
        for group in self._groups.values():
            group.parked.message = ""

    def next_due(self) -> int | None:
        """Return when the next group is due, epoch milliseconds."""
        self._drop_stale()
        return self._due[0][0] if self._due else None

    def take_group(self, now: int | None) -> Group | None:
        """Return the group that is due at `now` (None: the earliest whatever its time)."""
        self._drop_stale()
        if not self._due or (now is not None and self._due[0][0] > now):
            return None
        _, id = heapq.heappop(self._due)
        group = self._groups[id]
        group.waiting, group.taken = False, True
        if self._ordered:
            self._busy |= group.keys
        return group

    def hasten(self, now: int, codes: Sequence[str]) -> None:
        """Make the groups that failed with one of `codes` due now: the destination is back."""
        for group in self._groups.values():
            if group.parked.code in codes and group.parked.retry_at > now:
                group.parked.retry_at = now
                if group.waiting:  # not one that is in flight or behind another
                    heapq.heappush(self._due, (now, group.parked.id))

    def shift(self, milliseconds: int) -> None:
        """Move all times: the wall clock was set, and waits are lengths of time, not dates."""
        for group in self._groups.values():
            group.shift(milliseconds)
        waiting = [group.parked for group in self._groups.values() if group.waiting]
        self._due = [(parked.retry_at, parked.id) for parked in waiting]
        heapq.heapify(self._due)

    def reserve(self, keys: Iterable[Key]) -> set[Key]:
        """Mark those of `keys` as in flight that nothing holds back; return them."""
        held = (self._busy, self._blocked, self._held)
        free = {key for key in keys if not any(key in some for some in held)}
        self._busy |= free
        return free

    @property
    def replayed(self) -> int:
        """How many events that somebody had parked to be sent again were not tried yet."""
        groups = self._groups.values()
        return sum(len(group.parked.offsets) for group in groups if _is_replay(group))

    def live_behind_replay(self) -> bool:
        """Whether an event waits for the first time only because of one that is sent again."""
        heads = (self._blocked[key][0] for key in self._held if key in self._blocked)
        return any(_is_replay(head) for head in heads)

    def spill(self) -> list[tuple[Key, list[Processed]]]:
        """Take all held events out of memory, by key, to be parked behind what holds them."""
        spilled = [(key, list(items)) for key, items in self._held.items()]
        self._held.clear()
        self._held_count = 0
        return spilled

    @property
    def held(self) -> int:
        """How many events in memory wait for an earlier one of the same person."""
        return self._held_count

    def _free(self, key: Key) -> None:
        if key in self._busy:
            return
        line = self._blocked.get(key)
        if line:
            self._offer(line[0])
        elif (items := self._held.pop(key, None)) is not None:
            self._held_count -= len(items)
            self._ready_bytes += sum(len(item.event.json) for item in items)
            self._ready.extendleft(reversed(items))

    def _offer(self, group: Group) -> None:
        """Put a group in the heap if it is first in line for all its keys."""
        if group.waiting or group.taken:
            return
        if self._ordered and any(
            key in self._busy or self._blocked[key][0] is not group for key in group.keys
        ):
            return
        group.waiting = True
        heapq.heappush(self._due, (group.parked.retry_at, group.parked.id))

    def _drop_stale(self) -> None:
        due = self._due
        while due:
            retry_at, id = due[0]
            group = self._groups.get(id)
            if group is not None and group.waiting and group.parked.retry_at == retry_at:
                return
            heapq.heappop(due)
