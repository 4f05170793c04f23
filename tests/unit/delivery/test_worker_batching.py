"""How events are put together into calls: by count, bytes and time; concurrency and rate."""

from collections.abc import Sequence

import pytest

from junctor.sdk import DeliveryError, Event, InvalidPayload

from .conftest import Start
from .world import Scripted


@pytest.mark.case(48)
async def test_a_full_batch_leaves_at_once(start: Start) -> None:
    world = await start(d := Scripted(max_batch=3), flush_interval=10)
    await world.send(*[(key, f"e{key}") for key in range(7)])
    await world.settle()
    assert d.tried == [("e0", "e1", "e2"), ("e3", "e4", "e5")]
    assert d.times == [0.0, 0.0]
    await world.advance(10)
    assert d.tried[2:] == [("e6",)]
    assert d.times[2:] == [10.0]


@pytest.mark.case(48)
async def test_a_lone_event_leaves_by_the_timer(start: Start) -> None:
    world = await start(d := Scripted(max_batch=3), flush_interval=0.2)
    await world.send((1, "a"))
    await world.advance(0.1)
    await world.send((2, "b"))
    await world.advance(0.09)
    assert d.calls == []
    await world.advance(0.02)
    assert d.tried == [("a", "b")]
    assert d.times == [0.2]


async def test_the_timer_counts_from_the_oldest_that_waits(start: Start) -> None:
    world = await start(d := Scripted(max_batch=2), flush_interval=1)
    await world.send((1, "a"), (2, "b"), (3, "c"))
    await world.advance(0.5)
    await world.send((4, "d"), (5, "e"))
    await world.advance(2)
    assert d.tried == [("a", "b"), ("c", "d"), ("e",)]
    assert d.times == [0.0, 0.5, 1.5]


@pytest.mark.case(48)
async def test_a_batch_is_cut_by_bytes_and_a_giant_goes_alone(start: Start) -> None:
    world = await start(d := Scripted(max_batch=100, max_batch_bytes=1000), flush_interval=0)
    await world.send((1, "a"), (2, "b"), padding=300)
    await world.send((3, "giant"), padding=5000)
    await world.send((4, "c"), (5, "e"), (6, "f"), padding=300)
    await world.finish()
    assert d.tried == [("a", "b"), ("giant",), ("c", "e"), ("f",)]


@pytest.mark.case(48)
async def test_a_giant_that_is_refused_is_a_dead_letter_by_itself(start: Start) -> None:
    def script(events: Sequence[Event]) -> DeliveryError | None:
        large = sum(len(event.json) for event in events) > 1000
        return InvalidPayload("HTTP 413", status=413) if large else None

    world = await start(d := Scripted(script, max_batch=100, max_batch_bytes=1000))
    await world.send((1, "a"), (2, "b"), padding=100)
    await world.send((1, "giant"), padding=5000)
    await world.send((1, "after"), padding=100)
    await world.finish()
    assert sorted(d.taken) == ["a", "after", "b"]
    assert [ids for ids in d.tried if "giant" in ids] == [("giant",)]
    (letter,) = await world.store.ledger.dead_letters("d")
    assert (letter.message_id, letter.message) == ("giant", "HTTP 413")


@pytest.mark.case(48)
async def test_enough_bytes_do_not_wait_for_the_timer(start: Start) -> None:
    world = await start(d := Scripted(max_batch=100, max_batch_bytes=1000), flush_interval=60)
    await world.send((1, "a"), (2, "b"), (3, "c"), padding=400)
    await world.settle()
    assert d.tried == [("a", "b")]


async def test_the_configuration_lowers_the_limits_of_the_connector_and_never_raises_them(
    start: Start,
) -> None:
    low = Scripted(max_batch=10, max_batch_bytes=10_000)
    high = Scripted(max_batch=2, max_batch_bytes=1000)
    world = await start(low, max_batch=3, max_batch_bytes=500)
    assert (world.worker().limits.batch, world.worker().limits.bytes) == (3, 500)
    world = await start(high, max_batch=50, max_batch_bytes=50_000)
    assert (world.worker().limits.batch, world.worker().limits.bytes) == (2, 1000)


async def test_no_more_calls_than_allowed_are_in_flight(start: Start) -> None:
    world = await start(d := Scripted(), concurrency=3, flush_interval=0)
    d.hold()
    await world.send(*[(key, f"e{key}") for key in range(10)])
    await world.settle()
    assert d.running == 3
    assert world.worker().in_flight == 3
    d.release()
    await world.finish()
    assert d.most_running == 3
    assert sorted(d.taken) == [f"e{key}" for key in range(10)]


async def test_one_key_is_never_in_flight_twice(start: Start) -> None:
    world = await start(d := Scripted(max_batch=2), concurrency=4, flush_interval=0)
    d.hold()
    await world.send((1, "a"), (1, "b"), (1, "c"), (2, "x"))
    await world.settle()
    assert d.tried == [("a", "b"), ("x",)]
    d.release()
    await world.finish()
    assert d.tried == [("a", "b"), ("x",), ("c",)]


async def test_without_order_nobody_waits(start: Start) -> None:
    world = await start(d := Scripted(), ordering="none", concurrency=4, flush_interval=0)
    d.hold()
    await world.send((1, "a"), (1, "b"), (1, "c"))
    await world.settle()
    assert d.tried == [("a",), ("b",), ("c",)]


async def test_calls_keep_the_rate(start: Start) -> None:
    world = await start(d := Scripted(), rate="4/s", concurrency=10, flush_interval=0)
    await world.send(*[(key, f"e{key}") for key in range(5)])
    await world.advance(10)
    assert d.times == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("own", "configured", "gap"), [("1/s", "4/s", 1), ("4/s", "1/s", 1), ("30/m", None, 2)]
)
async def test_the_lower_rate_counts(
    start: Start, own: str, configured: str | None, gap: float
) -> None:
    options = {} if configured is None else {"rate": configured}
    world = await start(d := Scripted(rate=own), flush_interval=0, **options)
    await world.send((1, "a"), (2, "b"), (3, "c"))
    await world.advance(60)
    assert d.times == [0.0, gap, 2 * gap]


async def test_the_calls_of_a_halved_batch_keep_the_rate_as_well(start: Start) -> None:
    d = Scripted(lambda events: InvalidPayload("bad") if len(events) > 1 else None, max_batch=2)
    world = await start(d, rate="1/s", concurrency=4, flush_interval=0)
    await world.send((1, "a"), (2, "b"), (3, "c"))
    await world.advance(60)
    assert sorted(d.times) == [0.0, 1.0, 2.0, 3.0]
    assert sorted(d.taken) == ["a", "b", "c"]


async def test_an_idle_destination_stores_how_far_it_has_read(start: Start) -> None:
    world = await start(Scripted(), flush_interval=0)
    offsets = await world.send((1, "not for it"), to={"d": "type"})
    await world.advance(2)
    (state,) = await world.store.ledger.destinations()
    assert state.cursor == offsets[-1]
    assert (await world.tally()).filtered == 1


async def test_a_destination_far_behind_reads_the_log_and_catches_up(start: Start) -> None:
    world = await start(d := Scripted(max_batch=100), flush_interval=0, concurrency=1)
    await world.dispatcher.stop(0)
    names = [f"e{n}" for n in range(3000)]
    for first in range(0, 3000, 500):
        await world.send(*[(n % 50, names[n]) for n in range(first, first + 500)], publish=False)
    await world.restart()
    await world.finish()
    assert sorted(d.taken) == sorted(names)
    assert max(len(call.ids) for call in d.calls) <= 100
    assert (await world.tally()).delivered == 3000


async def test_what_is_folded_while_a_destination_starts_is_not_left_lying(start: Start) -> None:
    """A reload folds on: nobody tells a worker that is not there yet."""
    world = await start(d := Scripted(), flush_interval=0)
    await world.dispatcher.stop(0)

    class Slow(Scripted):
        async def start(self) -> None:
            await world.send((1, "meanwhile"))

    world.destinations["d"] = (slow := Slow(), {"flush_interval": 0})
    await world.start_dispatcher()
    await world.finish()
    assert slow.taken == ["meanwhile"]
    assert d.taken == []
