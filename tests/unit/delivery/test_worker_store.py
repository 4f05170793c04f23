"""What the worker does when the store can't, when the hub stops, and when it dies."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from junctor.sdk import (
    AuthenticationFailed,
    DestinationUnavailable,
    Event,
    InvalidPayload,
    RateLimited,
)
from junctor.store.port import Settlement, StoreUnavailable

from .conftest import Start
from .world import Scripted, World, in_turn


class Outage:
    """Makes some of the ledger's and the log's methods fail while it is on."""

    def __init__(self, world: World, *methods: str) -> None:
        self.on = True
        self.failures = 0
        for name in methods:
            part = world.store.log if name == "fetch" else world.store.ledger
            setattr(part, name, self._unless_on(getattr(part, name)))

    def _unless_on(self, method: Any) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            if self.on:
                self.failures += 1
                raise StoreUnavailable("disk full")
            return await method(*args, **options)

        return call


async def test_an_outcome_is_stored_as_soon_as_the_store_can(start: Start) -> None:
    d = Scripted(in_turn(DestinationUnavailable("no")))
    world = await start(d, flush_interval=0, retry={"initial": 30}, concurrency=1)
    outage = Outage(world, "settle")
    (offset,) = await world.send((1, "a"))
    await world.advance(10)
    assert outage.failures >= 5
    assert len(d.calls) == 1, "the failed one waits for its time"
    outage.on = False
    await world.advance(1)
    assert await world.parked() == [(("a",), 1, "destination_unavailable")]
    await world.finish()
    assert d.times == [0, 30]
    assert [a.outcome for a in await world.attempts(offset)] == ["retry", "delivered"]


async def test_what_cannot_be_recorded_is_not_sent(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0, concurrency=2)
    outage = Outage(world, "settle")
    await world.send(*[(key, f"e{key}") for key in range(50)])
    await world.advance(60)
    assert len(d.calls) <= 4
    outage.on = False
    await world.finish()
    assert sorted(d.taken) == sorted(f"e{key}" for key in range(50)), "each once"


async def test_a_pause_is_stored_as_soon_as_the_store_can(start: Start) -> None:
    d = Scripted(in_turn(AuthenticationFailed("401")))
    world = await start(d, flush_interval=0)
    outage = Outage(world, "pause")
    await world.send((1, "a"), (1, "b"))
    await world.advance(10)
    assert outage.failures >= 5
    outage.on = False
    await world.advance(2)
    (state,) = await world.store.ledger.destinations()
    assert (state.paused, state.paused_by) == ("401", "error")
    await world.finish()
    assert d.taken == ["a", "b"], "keys were let go although the pause could not be stored"


@pytest.mark.parametrize("error", [StoreUnavailable("disk"), OSError("broken"), KeyError("x")])
async def test_a_retry_waits_until_its_events_can_be_read(start: Start, error: Exception) -> None:
    d = Scripted(in_turn(DestinationUnavailable("no")))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"), (1, "b"))
    await world.settle()
    world.reread_error = error
    await world.advance(60)
    assert d.tried == [("a",)]
    world.reread_error = None
    await world.finish()
    assert d.taken == ["a", "b"]


@pytest.mark.parametrize("error", [StoreUnavailable("disk"), OSError("broken")])
async def test_reading_on_is_tried_again(start: Start, error: Exception) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    await world.dispatcher.stop(0)
    await world.send((1, "a"), publish=False)
    await world.restart()
    d.calls.clear()
    world.reread_error = error
    await world.send((2, "b"), publish=False)
    world.worker().more(world.folded)
    await world.advance(10)
    assert "b" not in d.taken
    world.reread_error = None
    await world.finish()
    assert d.taken == ["a", "b"]


async def test_an_error_text_that_no_store_takes_stops_nobody(start: Start) -> None:
    d = Scripted(in_turn(DestinationUnavailable("odd \ud800"), InvalidPayload("odd \udfff")))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.finish()
    (letter,) = await world.store.ledger.dead_letters("d")
    assert letter.message == "odd ?"


# -- stopping -----------------------------------------------------------------------------------


async def test_stopping_lets_calls_in_flight_end(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0, concurrency=1)
    d.hold()
    await world.send((1, "a"), (2, "b"))
    await world.settle()
    stopping = asyncio.create_task(world.dispatcher.stop(5))
    await world.turns(20)
    d.release()
    await stopping
    assert d.taken == ["a"], "nothing new is begun"
    assert d.stops == 1
    tally = await world.tally()
    assert (tally.delivered, tally.pending) == (1, 1)
    await world.start_dispatcher()
    await world.finish()
    assert d.taken == ["a", "b"]


async def test_a_call_over_the_grace_is_cut_off_and_only_it_is_repeated(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0, concurrency=2)
    await world.send((1, "a"), (2, "b"), (3, "c"))
    await world.settle()
    d.hold()
    await world.send((1, "d"), (2, "e"), (1, "f"))
    await world.settle()
    await world.dispatcher.stop(0)
    d.release()
    await world.start_dispatcher()
    await world.finish()
    assert sorted(d.taken) == ["a", "b", "c", "d", "e", "f"]
    tries = [id for call in d.calls for id in call.ids]
    assert sorted(tries) == ["a", "b", "c", "d", "d", "e", "e", "f"]


async def test_stopping_in_the_middle_of_a_halved_batch_repeats_nothing(start: Start) -> None:
    gate = asyncio.Event()

    class Slow(Scripted):
        async def deliver(self, events: Sequence[Event]) -> None:
            if len(self.calls) == 1:
                await gate.wait()
            await super().deliver(events)

    d = Slow(lambda e: InvalidPayload("bad") if len(e) == 4 else None, max_batch=4)
    world = await start(d, flush_interval=0)
    await world.send((1, "a"), (2, "b"), (3, "c"), (4, "d"))
    await world.settle()
    stopping = asyncio.create_task(world.dispatcher.stop(5))
    await world.turns(20)
    gate.set()
    await stopping
    assert d.tried == [("a", "b", "c", "d"), ("a", "b")], "no more calls are begun"
    assert (await world.tally()).delivered == 2
    await world.start_dispatcher()
    await world.finish()
    assert d.taken == ["a", "b", "c", "d"]


async def test_a_connector_that_fails_to_stop_keeps_nobody(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)

    async def stop() -> None:
        raise RuntimeError("no")

    d.stop = stop  # type: ignore[method-assign]
    await world.send((1, "a"))
    await world.settle()
    await world.dispatcher.stop(0)
    assert "connector bug" in world.said()


async def test_stopping_while_the_store_is_down_ends(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    outage = Outage(world, "settle")
    await world.send((1, "a"))
    await world.advance(5)
    stopping = asyncio.create_task(world.dispatcher.stop(0))
    await world.advance(5)
    await asyncio.wait_for(stopping, 1)
    outage.on = False
    await world.start_dispatcher()
    await world.finish()
    assert d.tried == [("a",), ("a",)]
    assert (await world.tally()).delivered == 1


@pytest.mark.parametrize("seed", range(6))
async def test_after_a_kill_only_calls_in_flight_are_repeated(start: Start, seed: int) -> None:
    """Kill at some moment of a busy run, again and again: no loss, order kept, few repeats."""
    answers: list[Any] = [
        None, None, DestinationUnavailable("no"), None, RateLimited("x", retry_after=0.3),
        None, None, InvalidPayload("bad"), None, DestinationUnavailable("no"), None,
    ]  # fmt: skip
    count = 0

    def script(events: Sequence[Event]) -> Any:
        nonlocal count
        count += 1
        return answers[(count * 7 + seed) % len(answers)]

    d = Scripted(script, max_batch=3)
    world = await start(
        d, flush_interval=0.01, concurrency=3, breaker={"failures": 1000},
        retry={"initial": "100ms", "max": "1s"},
    )  # fmt: skip
    in_flight = 0
    for round in range(6):
        await world.send(*[(n % 7, f"{round}-{n}") for n in range(20)])
        await world.turns(10 + (seed * 13 + round * 29) % 90)
        world.clock.tick(0.02)
        await world.turns((seed * 31 + round * 17) % 60)
        in_flight += len(world.worker()._calls)
        await world.kill()
        d.running = 0
        await world.start_dispatcher()
        await world.advance(0.5)
    await world.finish()
    await world.fates()  # each exactly one
    repeats = len(d.taken) - len(set(d.taken))
    assert repeats <= in_flight * 3
    assert (await world.tally()).accepted == 120


async def test_a_settlement_that_was_cut_off_is_no_harm(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    settle = world.store.ledger.settle

    async def stored_but_not_heard(settlement: Settlement) -> list[int]:
        await settle(settlement)
        await asyncio.Event().wait()
        return []

    world.store.ledger.settle = stored_but_not_heard  # type: ignore[method-assign]
    await world.send((1, "a"))
    await world.settle()
    await world.kill()
    world.store.ledger.settle = settle  # type: ignore[method-assign]
    await world.start_dispatcher()
    await world.send((1, "b"))
    await world.finish()
    assert d.tried == [("a",), ("b",)]
