"""Events of one request with equal times change places: which one has a place is found again."""

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.engine import Engine
from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.audiences.seen import RANKS_PER_OFFSET
from junctor.model.record import Record
from junctor.pipeline.audience import Audiences
from junctor.pipeline.seen import ranks
from junctor.sdk.context import SystemClock
from tests.unit.pipeline.bodies import T0
from tests.unit.pipeline.town import finish


def record(offset: int, received: int, at: int, name: str) -> Record:
    body = {"type": "track", "event": name, "timestamp": T0 + at}
    return Record(offset, "web", f"m-{name}", T0 + received, False, orjson.dumps(body))


def stage_of(log: Sequence[Record]) -> Audiences:
    async def fetch(offsets: Sequence[int]) -> list[Record]:
        return [record for record in log if record.offset in offsets]

    return Audiences(Engine(Program(Definitions())), fetch, SystemClock())


arrivals = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 10**6)), min_size=1, max_size=30,
    unique_by=lambda one: one[2],
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(arrivals)
def test_the_event_at_a_place_is_the_one_that_was_given_its_rank(
    arrivals: list[tuple[int, int, int]],
) -> None:
    received = sorted(receipt for receipt, _, _ in arrivals)
    log = [
        record(offset, receipt, at, str(name))
        for offset, (receipt, (_, at, name)) in enumerate(zip(received, arrivals, strict=True), 1)
    ]
    bodies = [(one, orjson.loads(one.json)) for one in log]
    given_ranks = ranks([(one, body, int(body["timestamp"])) for one, body in bodies])
    found = finish(stage_of(log).places.events_at([one.offset for one in log]))
    assert {given_ranks[one.offset] // RANKS_PER_OFFSET: one.message_id for one in log} == {
        place: one.message_id for place, one in found.items()
    }


def test_what_is_no_longer_in_the_log_is_left_out() -> None:
    log = [record(offset, 0, 0, str(offset)) for offset in (3, 4)]
    found = finish(stage_of(log).places.events_at([1, 3, 4]))
    assert {place: one.offset for place, one in found.items()} == {3: 3, 4: 4}


@pytest.mark.parametrize(
    "json", [b"[]", b"null", b'{"type":', b'{"timestamp": {}, "userId": "\xff"}']
)
def test_a_record_that_can_not_be_read_hides_no_other(json: bytes) -> None:
    log = [record(3, 0, 0, "b"), Record(4, "web", "m-x", T0, False, json), record(5, 0, 0, "a")]
    stage = stage_of(log)
    found = finish(stage.places.events_at([3, 4, 5]))
    assert {place: one.message_id for place, one in found.items()} == {3: "m-a", 5: "m-b"}
    assert finish(stage.places.bodies([3, 4, 5])).keys() == {3, 5}
