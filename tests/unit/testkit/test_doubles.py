"""The manual clock moves when told to, and wakes sleepers in order of time."""

import asyncio

import httpx
from structlog.testing import LogCapture

from junctor.sdk import Clock
from junctor.testkit import ManualClock, context


async def test_advance_wakes_each_sleeper_at_its_own_time() -> None:
    clock = ManualClock(now=1000.0)
    woken: list[tuple[str, float, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now(), clock.monotonic()))

    tasks = [asyncio.ensure_future(sleeper(name, at)) for name, at in (("b", 20), ("a", 10))]
    await clock.advance(9.5)
    assert woken == []
    assert clock.sleeping == 2
    await clock.advance(100)
    assert woken == [("a", 1010.0, 10.0), ("b", 1020.0, 20.0)]
    assert clock.now() == 1109.5
    await asyncio.gather(*tasks)


async def test_a_task_that_sleeps_again_and_again_misses_no_turn() -> None:
    clock = ManualClock(now=0.0)
    turns: list[float] = []

    async def every_second() -> None:
        while True:
            await clock.sleep(1)
            turns.append(clock.now())

    task = asyncio.ensure_future(every_second())
    await clock.advance(5)
    assert turns == [1.0, 2.0, 3.0, 4.0, 5.0]
    task.cancel()
    await asyncio.wait({task})
    assert clock.sleeping == 0


async def test_tick_moves_at_once_and_step_moves_the_wall_only() -> None:
    clock = ManualClock(now=0.0)
    task = asyncio.ensure_future(clock.sleep(10))
    await asyncio.sleep(0)
    clock.step(-3600)
    assert (clock.now(), clock.monotonic()) == (-3600.0, 0.0)
    clock.tick(10)
    assert clock.monotonic() == 10.0
    await asyncio.wait_for(task, 1)


async def test_sleeping_for_no_time_only_gives_way() -> None:
    clock = ManualClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.monotonic() == 0.0


async def test_the_context_remembers_what_is_logged() -> None:
    log = LogCapture()
    async with httpx.AsyncClient() as http:
        ctx = context(http, log=log)
        clock: Clock = ctx.clock
        try:
            raise ValueError("of the vendor")
        except ValueError:
            ctx.log.debug("failed", at=clock.now(), exc_info=True)
    (entry,) = log.entries
    assert entry["event"] == "failed"
    assert "of the vendor" in entry["exception"]
