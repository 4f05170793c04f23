"""A destination that was away for hours: what waits, where, and how it gets it all."""

from collections import Counter
from collections.abc import Sequence

import pytest

from junctor.sdk import (
    AuthenticationFailed,
    DeliveryError,
    DestinationUnavailable,
    Event,
    RateLimited,
)

from .conftest import Start
from .world import Scripted, in_turn

HOUR = 3600.0
DOWN = DestinationUnavailable("no")


class Busy(Scripted):
    """Every call takes a second."""

    async def deliver(self, events: Sequence[Event]) -> None:
        await self.clock.sleep(1)
        await super().deliver(events)


def calls_a_second(d: Scripted, since: float) -> list[int]:
    """Return how many calls ended together, second by second."""
    ends = Counter(round(call.at) for call in d.calls if call.at >= since)
    return [ends[at] for at in sorted(ends)]


@pytest.mark.case(34)
@pytest.mark.parametrize(
    ("error", "away"),
    [(DOWN, HOUR), (AuthenticationFailed("401"), HOUR), (RateLimited("429", retry_after=60), 60)],
    ids=["an outage", "a pause", "a rate limit"],
)
async def test_who_comes_back_is_not_flooded(
    start: Start, error: DeliveryError, away: float
) -> None:
    """First one call asks; then each that succeeds makes room for one more."""

    def script(_: Sequence[Event]) -> DeliveryError | None:
        return error if d.clock.monotonic() < away else None

    d = Busy(script)
    world = await start(
        d, concurrency=16, flush_interval=0, breaker={"failures": 1, "cooldown": 5},
    )  # fmt: skip
    await world.send((0, "first"))
    await world.advance(2)
    await world.send(*[(key, f"e{key}") for key in range(1, 101)])
    await world.finish()
    assert calls_a_second(d, away)[:7] == [1, 2, 4, 8, 16, 16, 16]
    assert sorted(d.taken) == sorted(world.ids.values())


@pytest.mark.case(34)
async def test_without_trouble_all_calls_start_at_once(start: Start) -> None:
    world = await start(d := Busy(), concurrency=16, flush_interval=0)
    await world.send(*[(key, f"e{key}") for key in range(32)])
    await world.finish()
    assert calls_a_second(d, 0) == [16, 16]


@pytest.mark.case(34)
async def test_hours_of_outage_cost_the_neighbor_nothing_and_no_memory(start: Start) -> None:
    dead = Scripted(lambda _: DOWN, max_batch=100)
    world = await start(good := Scripted(max_batch=100), flush_interval=0)
    world.destinations["dead"] = (dead, {"flush_interval": 0})
    await world.restart()
    count = 0
    for _ in range(12):
        ids = [f"e{n}" for n in range(count, count + 500)]
        count += 500
        await world.send(*[(n % 70, id) for n, id in enumerate(ids)])
        await world.settle()
        assert set(ids) <= set(good.taken), "at once, by a clock that stands still"
        await world.advance(HOUR / 4)
    worker = world.worker("dead")
    assert worker.queue.unsettled <= worker.limits.memory
    assert (await world.tally("dead")).pending == count
    assert len(dead.calls) < 3 * HOUR / 100, "it is asked now and then, not hammered"
    dead.script = in_turn()
    await world.finish(id="dead")
    assert sorted(dead.taken) == sorted(good.taken)
    assert [id for id in dead.taken if int(id[1:]) % 500 % 70 == 3] == [
        id for id in good.taken if int(id[1:]) % 500 % 70 == 3
    ]
