"""A clock that is wrong at the start: a computer without a battery, a machine brought back."""

import asyncio

import pytest

from junctor.sdk import DeliveryError, RateLimited
from junctor.store.port import Settlement

from .conftest import Start
from .test_worker_retries import DOWN, NO_BREAKER, retry
from .world import Scripted, in_turn

YEARS = 50 * 365 * 86_400


@pytest.mark.case(39)
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize(
    ("answer", "longest"),
    [(DOWN("no"), 3_600), (RateLimited("slow", retry_after=900), 3_600)],
    ids=["retry", "hold"],
)
async def test_no_stored_wait_outlasts_the_longest_there_is_when_the_clock_is_far_behind(
    start: Start, answer: DeliveryError, longest: float, corrected: bool
) -> None:
    d = Scripted(in_turn(answer))
    world = await start(d, retry=retry(initial=800), breaker=NO_BREAKER, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(1)
    world.clock.step(-YEARS)
    await world.restart()
    assert d.taken == []
    if corrected:
        await world.advance(10)
        world.clock.step(YEARS)
    await world.advance(longest + 1)
    assert d.taken == ["a"]


@pytest.mark.case(39)
@pytest.mark.parametrize("jump", [-3_600, 3_600])
async def test_what_failed_while_the_clock_was_set_waits_as_long_as_it_was_meant_to(
    start: Start, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """Its outcome is on the way to the disk when the clock is set, and it is parked after that."""
    d = Scripted(in_turn(DOWN("no")))
    world = await start(d, retry=retry(), breaker=NO_BREAKER, flush_interval=0)
    settle, go_on = world.store.ledger.settle, asyncio.Event()

    async def slowly(settlement: Settlement) -> list[int]:
        await go_on.wait()
        return await settle(settlement)

    monkeypatch.setattr(world.store.ledger, "settle", slowly)
    await world.send((1, "a"))
    await world.advance(0.1)
    world.clock.step(jump)
    await world.send((2, "b"))  # so that the worker looks at the clock
    await world.advance(0.1)
    go_on.set()
    await world.advance(2)
    assert [time for time, call in zip(d.times, d.calls, strict=True) if call.ids == ("a",)] == [
        0.0,
        1.0,
    ]
