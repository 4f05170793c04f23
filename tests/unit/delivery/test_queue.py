"""The queue's laws, against a model that remembers everything and decides by looking at all of it.

Order per key among first deliveries; nothing lost, nothing twice; the cursor passes nothing that is
unsettled; what is stuck holds up its own key only; all of it over restarts.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from junctor.delivery.queue import DeliveryQueue, Group, is_loose, pieces
from junctor.model.delivery import Parked
from junctor.model.processed import Processed
from junctor.sdk import Event

KEYS = st.integers(0, 3)
GONE = ("unavailable", "refused")


def event(offset: int, key: int, size: int = 1) -> Processed:
    text = b"x" * size
    name = f"e{offset}"
    return Processed(
        Event(text, type="track", message_id=name, timestamp=0, received_at=0, source="s",
              offset=offset),
        key, (),
    )  # fmt: skip


@dataclass
class Flight:
    """A call under way: what it carries, and the group it came from."""

    events: list[Processed]
    group: Group | None = None


@dataclass
class Line:
    """The model's memory of a parked group; `replay`: its events were settled before."""

    group: Group
    replay: bool = False
    in_flight: bool = False
    keys: frozenset[int] = field(default_factory=frozenset)


class QueueMachine(RuleBasedStateMachine):
    """Random work, in the order in which a worker does it."""

    ordered = True

    @initialize()
    def begin(self) -> None:
        self.queue = DeliveryQueue(0, ordered=self.ordered)
        self.key_of: dict[int, int] = {}
        self.unread: list[int] = []
        self.settled: set[int] = set()
        self.flights: list[Flight] = []
        self.lines: list[Line] = []
        self.head = self.durable = 0

    # -- the model's opinions --------------------------------------------------------------------

    def parked(self) -> set[int]:
        return {o for line in self.lines if not line.replay for o in line.group.parked.offsets}

    def flying(self) -> set[int]:
        return {i.event.offset for f in self.flights if f.group is None for i in f.events}

    def busy_keys(self) -> set[int]:
        keys = {i.profile for f in self.flights for i in f.events}
        return keys | {key for line in self.lines if line.in_flight for key in line.keys}

    def in_memory(self) -> list[int]:
        """Offsets that were read and are neither settled nor parked nor in flight."""
        out = self.settled | self.parked() | self.flying()
        return [o for o in self.key_of if o <= self.queue.position and o not in out]

    def may_go(self, line: Line) -> bool:
        if line.in_flight or not self.ordered:
            return not line.in_flight
        if line.keys & self.busy_keys():
            return False
        earlier = self.lines[: self.lines.index(line)]
        return not any(line.keys & other.keys for other in earlier)

    def check_order(self, items: list[Processed]) -> None:
        """No event is tried while an earlier one of its key is unsettled, except before it."""
        if not self.ordered:
            return
        seen: set[int] = set()
        for item in items:
            offset = item.event.offset
            for other, key in self.key_of.items():
                if key == item.profile and other < offset:
                    assert other in self.settled or other in seen, f"{offset} overtook {other}"
            seen.add(offset)

    # -- work ------------------------------------------------------------------------------------

    @rule(keys=st.lists(KEYS, max_size=8), gap=st.integers(0, 2))
    def read(self, keys: list[int], gap: int) -> None:
        events = []
        for key in keys:
            self.head += 1 + gap
            self.key_of[self.head] = key
            events.append(event(self.head, key))
        self.head += gap
        self.queue.add(events, self.head)

    @rule(most=st.integers(1, 6), size=st.integers(1, 6))
    def take(self, most: int, size: int) -> None:
        allowed = set(self.in_memory())
        batch = self.queue.take(most, size)
        assert len(batch) <= min(most, size)
        assert {i.event.offset for i in batch} <= allowed
        self.check_order(batch)
        if batch:
            self.flights.append(Flight(batch))
        elif self.ordered:  # nothing could go: then every key that has events is held back
            held = self.busy_keys() | {key for line in self.lines for key in line.keys}
            assert {self.key_of[o] for o in self.in_memory()} <= held
        else:
            assert not self.in_memory()

    @rule(now=st.none() | st.integers(0, 50))
    def take_group(self, now: int | None) -> None:
        candidates = [line for line in self.lines if self.may_go(line)]
        due = min((line.group.parked.retry_at for line in candidates), default=None)
        assert self.queue.next_due() == due
        group = self.queue.take_group(now)
        if due is None or (now is not None and due > now):
            assert group is None
            return
        assert group is not None
        assert group.parked.retry_at == due
        line = next(line for line in self.lines if line.group is group)
        assert line in candidates
        items = [event(o, self.key_of[o]) for o in group.parked.offsets]
        if not line.replay:
            self.check_order(items)
        line.in_flight = True
        self.flights.append(Flight(items, group))

    def fresh_id(self) -> int:
        """Return an id as a database gives it: one that is free now, even if it was used before."""
        return max((line.group.parked.id for line in self.lines), default=0) + 1

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        flight = self.flights.pop(data.draw(st.integers(0, len(self.flights) - 1), "flight"))
        outcomes = data.draw(
            st.lists(st.sampled_from("dtb"), min_size=len(flight.events),
                     max_size=len(flight.events)), "outcomes",
        )  # fmt: skip
        fates = list(zip(flight.events, outcomes, strict=True))
        again = [item for item, fate in fates if fate == "t"]  # tried
        behind = [item for item, fate in fates if fate == "b"]  # stood behind: nothing before it
        failing = {item.profile: item.event.offset for item in reversed(again)}
        behind = [i for i in behind if failing.get(i.profile, 0) < i.event.offset]
        retry_at = data.draw(st.integers(0, 50), "retry_at")
        groups = [again] if again else []
        stuck = {item.profile for item in again}
        for key in sorted(stuck):
            groups.append([item for item in behind if item.profile == key])
        groups.append([item for item in behind if item.profile not in stuck])
        index, replay = len(self.lines), False
        if flight.group is not None:
            index, line = next(
                (i, line) for i, line in enumerate(self.lines) if line.group is flight.group
            )
            replay = line.replay
            del self.lines[index]
        else:
            keys = {item.profile for item in flight.events}
            holding = (i for i, line in enumerate(self.lines) if line.keys & keys)
            index = next(holding, index)
        new: list[Line] = []
        for items in groups:
            if items:
                offsets = tuple(sorted(item.event.offset for item in items))
                parked = Parked(offsets, retry_at, code=GONE[0], id=self.fresh_id())
                keys_of = frozenset(item.profile for item in items)
                new.append(Line(Group(parked, keys_of), replay, keys=keys_of))
                self.lines.insert(index + len(new) - 1, new[-1])
        if not replay:
            kept = {item.event.offset for item in (*again, *behind)}
            done = {item.event.offset for item in flight.events} - kept
            assert not done & self.settled, "settled twice"
            self.settled |= done
        if flight.group is not None:
            self.queue.unpark(flight.group)
        else:
            self.queue.settle(item.event.offset for item in flight.events)
        self.queue.park([line.group for line in new], first=True)
        self.queue.release({item.profile for item in flight.events})

    @rule(limit=st.integers(1, 4))
    def spill(self, limit: int) -> None:
        if not self.ordered:
            assert self.queue.held == 0
        expected = self.queue.held
        groups = []
        for key, items in self.queue.spill():
            for piece in pieces(items, limit, 10**6):
                assert {item.profile for item in piece} == {key}
                offsets = tuple(item.event.offset for item in piece)
                parked = Parked(offsets, 0, behind=True, id=self.fresh_id())
                line = Line(Group(parked, frozenset({key})), keys=frozenset({key}))
                self.lines.append(line)
                groups.append(line.group)
                self.queue.settle(offsets)
        assert sum(len(group.parked.offsets) for group in groups) == expected
        assert self.queue.held == 0
        self.queue.park(groups)

    @precondition(lambda self: self.settled)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """Send some again, as the dispatcher does: a key that is held up goes by itself."""
        low = [o for o in sorted(self.settled) if o <= self.queue.cursor]
        chosen = data.draw(st.sets(st.sampled_from(low), max_size=5)) if low else set()
        keys = {self.key_of[o] for o in chosen}
        free = self.queue.reserve(keys)
        groups = [tuple(sorted(o for o in chosen if self.key_of[o] in free))]
        groups += [tuple(sorted(o for o in chosen if self.key_of[o] == k)) for k in keys - free]
        for offsets in groups:
            if offsets:
                parked = Parked(offsets, 0, id=self.fresh_id())
                line = Line(Group(parked, frozenset(self.key_of[o] for o in offsets)), replay=True)
                line.keys = line.group.keys
                self.lines.append(line)
                self.queue.park([line.group])
        self.queue.release(free)

    @rule(now=st.integers(0, 50), code=st.sampled_from(GONE))
    def hasten(self, now: int, code: str) -> None:
        due = {id(line): line.group.parked.retry_at for line in self.lines}
        self.queue.hasten(now, [code])
        for line in self.lines:
            parked = line.group.parked
            late = parked.code == code and due[id(line)] > now
            assert parked.retry_at == (now if late else due[id(line)])

    @rule(by=st.integers(-30, 30))
    def set_the_clock(self, by: int) -> None:
        due = {id(line): line.group.parked.retry_at for line in self.lines}
        self.queue.shift(by)
        assert all(line.group.parked.retry_at == due[id(line)] + by for line in self.lines)

    @rule()
    def store_the_cursor(self) -> None:
        self.durable = self.queue.cursor

    @rule()
    def restart(self) -> None:
        """Begin anew with what is stored; calls in flight are forgotten, their groups are not."""
        self.flights = []
        self.queue = DeliveryQueue(self.durable, ordered=self.ordered)
        self.lines = [x for x in self.lines if not is_loose(x.group.parked, self.durable)]
        known = self.settled | self.parked()
        self.lines.sort(key=lambda line: (line.group.parked.offsets[0], line.group.parked.id))
        for line in self.lines:
            line.in_flight = False
            line.group = Group(line.group.parked, line.keys)
            self.queue.park([line.group])
        rest = [event(o, k) for o, k in self.key_of.items() if o > self.durable and o not in known]
        self.queue.add(rest, self.head)

    # -- laws ------------------------------------------------------------------------------------

    @invariant()
    def the_cursor_passes_nothing_unsettled(self) -> None:
        if not hasattr(self, "queue"):
            return
        cursor = self.queue.cursor
        assert self.durable <= cursor <= self.queue.position
        passed = {offset for offset in self.key_of if offset <= cursor}
        assert passed <= self.settled | self.parked()
        unsettled = set(self.key_of) - self.settled - self.parked()
        assert self.queue.unsettled == len(unsettled)
        assert cursor == (min(unsettled) - 1 if unsettled else self.queue.position)

    @invariant()
    def counts_are_right(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert self.queue.ready + self.queue.held == len(self.in_memory())
        assert self.queue.ready_bytes == self.queue.ready  # every event has one byte
        assert self.queue.parked == sum(len(line.group.parked.offsets) for line in self.lines)

    def teardown(self) -> None:
        """Whatever happened, when everything is answered, everything has been delivered."""
        if not hasattr(self, "queue"):
            return
        for _ in range(10_000):
            group = self.queue.take_group(None)
            if group is not None:
                line = next(line for line in self.lines if line.group is group)
                line.in_flight = True
                items = [event(o, self.key_of[o]) for o in group.parked.offsets]
                if not line.replay:
                    self.check_order(items)
                self.flights.append(Flight(items, group))
            elif batch := self.queue.take(3, 3):
                self.check_order(batch)
                self.flights.append(Flight(batch))
            elif not self.flights:
                break
            flight = self.flights.pop(0)
            offsets = {item.event.offset for item in flight.events}
            if flight.group is None:
                self.queue.settle(offsets)
                self.settled |= offsets
            else:
                line = next(line for line in self.lines if line.group is flight.group)
                self.lines.remove(line)
                self.settled |= offsets
                self.queue.unpark(flight.group)
            self.queue.release({item.profile for item in flight.events})
        assert self.settled == set(self.key_of), "lost"
        assert not self.lines
        assert self.queue.cursor == self.queue.position
        assert self.queue.unsettled == self.queue.parked == self.queue.held == 0


class UnorderedQueueMachine(QueueMachine):
    """The same where order is switched off: nothing ever waits for another."""

    ordered = False


FEW = settings(max_examples=50, stateful_step_count=30, deadline=None, derandomize=True)


@pytest.mark.parametrize("machine", [QueueMachine, UnorderedQueueMachine])
def test_the_laws_hold_whatever_happens(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(machine, settings=FEW)


def test_an_event_over_the_byte_limit_goes_alone() -> None:
    queue = DeliveryQueue(0, ordered=True)
    sizes = [5, 5, 100, 5, 5]
    queue.add([event(i + 1, i, size) for i, size in enumerate(sizes)], 5)
    batches = []
    while batch := queue.take(10, 12):
        batches.append([item.event.offset for item in batch])
    assert batches == [[1, 2], [3], [4, 5]]


def test_pieces_obey_both_limits_and_keep_the_order() -> None:
    events = [event(i + 1, 0, size) for i, size in enumerate([4, 4, 4, 20, 1, 1, 1, 1])]
    cut = [[item.event.offset for item in piece] for piece in pieces(events, 3, 10)]
    assert cut == [[1, 2], [3], [4], [5, 6, 7], [8]]
    assert pieces([], 3, 10) == []


def test_what_one_key_held_back_goes_before_later_events_of_that_key() -> None:
    queue = DeliveryQueue(0, ordered=True)
    queue.add([event(1, 7), event(2, 7), event(3, 8)], 3)
    first = queue.take(1, 100)
    assert [item.event.offset for item in queue.take(9, 100)] == [3]
    queue.add([event(4, 7)], 4)
    queue.settle([1])
    queue.release([7])
    assert [item.event.offset for item in queue.take(9, 100)] == [2, 4]
    assert [item.event.offset for item in first] == [1]
