"""Events of equal times have one order, however the log is cut into batches of the fold.

Of one sender's events that were received together those of equal time are in order of message id.
A batch ends where a receipt ends, unless one receipt is larger than a batch.
"""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.seen import RANKS_PER_OFFSET
from junctor.model.record import Record
from junctor.pipeline.normalize import canonical, format_time
from junctor.pipeline.seen import ranks, together, uncut
from junctor.pipeline.tail import Tail
from junctor.store.port import Appended

from .bodies import T0
from .lively import SECOND, Lively
from .town import finish

Told = tuple[int, int, str, int]
"""Seconds after the receipt before it, the event's time, its sender, its message id."""

tellings = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1]),
        st.integers(0, 1),
        st.sampled_from(["ada", "bob"]),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda one: one[3],
)
AUDIENCES = """
[audiences.bought]
sequence = [{ event = "Added" }, { event = "Paid" }]
within = "1d"
[audiences.left]
sequence = [{ event = "Paid" }, { event = "Added" }, { event = "Added" }]
within = "1d"
exit = { event = "Paid" }
[audiences.at_basket]
state = "step"
is = "Added"
[states.step]
set = [{ event = "Added", to = "Added" }, { event = "Paid", to = "Paid" }]
[audiences.latest]
attribute = "last"
is = ">=500000"
[attributes.last]
agg = "last"
event = ["Added", "Paid"]
prop = "n"
[signals.thrice]
event = "Added"
count = 3
within = "1h"
"""


def logged(told: list[Told]) -> list[Record]:
    received, records = T0, []
    for offset, (after, at, sender, number) in enumerate(told, 1):
        received += after * SECOND
        body = {
            "type": "track", "userId": sender, "event": "Paid" if number % 3 else "Added",
            "timestamp": format_time(T0 - at * SECOND), "properties": {"n": number},
        }  # fmt: skip
        records.append(Record(offset, "web", f"m-{number}", received, False, orjson.dumps(body)))
    return records


def ranked(records: list[Record]) -> dict[int, int]:
    return ranks([(record, *canonical(record)) for record in records])


class Log:
    """As much of a log as the tail asks for."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records

    def subscribe(self, listener: Any) -> None:
        listener(Appended(0, self.records))

    async def read(self, after: int, limit: int) -> list[Record]:
        return [record for record in self.records if record.offset > after][:limit]


def batches(records: list[Record], limit: int) -> list[list[Record]]:
    """Return the batches in which the tail gives a log that is on disk."""
    tail = Tail(Log(records), most_bytes=0)  # type: ignore[arg-type]
    found: list[list[Record]] = []
    position = 0
    while position < records[-1].offset:
        found.append(finish(tail.next(position, limit)))
        position = found[-1][-1].offset
    return found


def largest(records: list[Record]) -> int:
    """Return how many were received at one time, at most."""
    received = [record.received_at for record in records]
    return max(map(received.count, received))


@settings(max_examples=150)
@given(tellings, st.integers(1, 30))
def test_the_order_of_events_does_not_depend_on_where_batches_end(
    told: list[Told], more: int
) -> None:
    records = logged(told)
    limit = largest(records) + more
    apart = [ranked(batch) for batch in batches(records, limit)]
    assert {offset: rank for batch in apart for offset, rank in batch.items()} == ranked(records)


@settings(max_examples=150)
@given(tellings, st.integers(1, 10))
def test_a_receipt_larger_than_a_batch_changes_places_only_among_its_events_of_equal_time(
    told: list[Told], limit: int
) -> None:
    records = logged(told)
    whole, apart = ranked(records), dict[int, int]()
    for batch in batches(records, limit):
        assert len(batch) <= limit
        apart |= ranked(batch)
    assert apart.keys() == whole.keys()
    common = {record.offset: together(record, *canonical(record)) for record in records}
    for offset, rank in apart.items():
        assert common[rank // RANKS_PER_OFFSET] == common[offset], "it has the place of one alike"
    assert len(set(apart.values())) == len(apart)


@settings(max_examples=40, deadline=None)
@given(tellings, st.integers(1, 10))
def test_who_is_in_what_does_not_depend_on_where_batches_end(told: list[Told], more: int) -> None:
    records = logged(told)
    towns = [Lively(AUDIENCES), Lively(AUDIENCES)]
    for town, limit in zip(towns, (len(records) + 1, largest(records) + more), strict=True):
        town.log += records
        for batch in batches(records, limit):
            finish(town.flow.fold(batch, batch[0].offset - 1))
    one, other = (
        [(row.audience, row.subject, row.entered, row.at, row.reason) for row in town.state.moved]
        for town in towns
    )
    assert one == other
    made = [sorted(row.json for row in town.state.made) for town in towns]
    assert made[0] == made[1]


def test_a_piece_that_is_not_full_is_not_shortened() -> None:
    records = logged([(1, 0, "ada", 1), (0, 0, "ada", 2), (1, 0, "ada", 3), (0, 0, "ada", 4)])
    assert uncut(records, 5) == records
    assert uncut(records, 4) == records[:2]
    assert uncut(records[:2], 2) == records[:2]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 12))
def test_a_cut_leaves_off_the_end_only_whatever_the_order_of_receipts(
    times: list[int], limit: int
) -> None:
    records = [Record(n, "web", f"m-{n}", at, False, b"{}") for n, at in enumerate(times, 1)]
    read = records[:limit]
    kept = uncut(read, limit)
    assert kept == read[: len(kept)]
    if len(kept) < len(read):
        assert kept[-1].received_at != read[len(kept)].received_at
