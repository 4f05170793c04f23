"""Erasing: one after the other, and none holds up another."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import LogCapture

from junctor.delivery.dispatch import Dispatcher
from junctor.host.erasing import Erasing
from junctor.host.folding import Folding
from junctor.model.erasure import Erasure, Stage
from junctor.model.profile import Profile
from junctor.store.erasures import Traces
from junctor.store.port import FoldResult, Routed, StoreUnavailable
from junctor.store.sqlite import SqliteStore
from junctor.testkit import ManualClock
from junctor.testkit.doubles import capturing_log
from tests.support.client import until
from tests.unit.store.makers import new


class Still:
    """Stands for a fold that is idle."""

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        yield


class Destinations:
    """Stands for the dispatcher: says where something is in flight, one answer a question."""

    def __init__(self) -> None:
        self.putting_back = asyncio.Lock()
        self.flying: list[set[str]] = []
        self.asked: list[Collection[str] | None] = []
        self.hushed: list[str] = []

    async def withdraw(
        self, offsets: Sequence[int], only: Collection[str] | None = None
    ) -> set[str]:
        self.asked.append(only)
        return self.flying.pop(0) if self.flying else set()

    def hush(self, destinations: Collection[str]) -> None:
        self.hushed += destinations


class World:
    """A store with some people, who are all to be forgotten."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore.open(folder)
        self.clock = ManualClock()
        self.destinations = Destinations()
        self.log = LogCapture()
        self.erasing = Erasing(
            self.store,
            lambda: cast(Dispatcher, self.destinations),
            lambda: ["crm"],
            cast(Folding, Still()),
            self.clock,
            capturing_log(self.log),
        )

    async def asked(self, people: int) -> list[int]:
        """Let so many people be known by an event each, and be to be forgotten; return offsets."""
        await self.store.ledger.open("crm", 0)
        await self.store.log.append([new(f"of-{n}") for n in range(people)])
        await self.store.log.append([new(f"delete-{n}") for n in range(people)])
        own = range(1, people + 1)
        deletes = [one + people for one in own]
        to_crm = (("crm", ""),)
        await self.store.state.commit(
            FoldResult(
                2 * people,
                profiles={one: Profile(one) for one in own},
                routed=[Routed(one, one, ()) for one in own]
                + [Routed(one + people, one, to_crm) for one in own],
                erasures=[
                    Erasure(one + people, 1, (one,), (("user_id", f"u-{one}"),), ()) for one in own
                ],
            )
        )
        return deletes

    async def stages(self) -> list[Stage]:
        return [one.stage for one in await self.store.erasures.newest(999)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.store.close()


def instead(world: World, what: str, work: Callable[..., Any]) -> None:
    """Let the store's erasures do something else when `what` is asked of them."""
    setattr(world.store.erasures, what, work)


async def test_who_reads_holds_up_no_other_erasure_and_is_told_of(world: World) -> None:
    usual, tries = world.store.erasures.wipe, 0

    async def somebody_reads() -> bool:
        nonlocal tries
        tries += 1
        return False

    await world.asked(3)
    instead(world, "wipe", somebody_reads)
    await world.erasing.step()
    await world.erasing.step()
    assert tries == 1, "it holds up writing, so it is not tried all the time"
    assert [r.message_id for r in await world.store.log.read(0, 9)] == [
        "delete-0", "delete-1", "delete-2",
    ]  # fmt: skip
    assert await world.stages() == [Stage.ERASING] * 3, "not said before it is so on the disk"
    assert world.erasing.warning == ""
    world.clock.tick(6)
    await world.erasing.step()
    assert tries == 2
    assert "being read by another process" in world.erasing.warning
    instead(world, "wipe", usual)
    world.clock.tick(1)
    await world.erasing.step()
    assert await world.stages() == [Stage.TELLING] * 3
    assert world.erasing.warning == ""


async def test_one_that_breaks_stops_no_other_and_is_tried_less_and_less(world: World) -> None:
    first, *_ = await world.asked(3)
    usual, tries = world.store.erasures.traces, 0

    async def breaks(erasure: Erasure, offsets: Sequence[int]) -> Traces:
        nonlocal tries
        if erasure.offset == first:
            tries += 1
            raise RuntimeError("u-1")
        return await usual(erasure, offsets)

    instead(world, "traces", breaks)
    await world.erasing.step()
    assert await world.stages() == [Stage.TELLING, Stage.TELLING, Stage.ERASING]
    assert world.erasing.warning.startswith(f"erasure {first} broke (RuntimeError)")
    for _ in range(60):
        world.clock.tick(1)
        await world.erasing.step()
    assert tries == 6
    assert [e["event"] for e in world.log.entries].count("a part of the hub broke") == 1
    instead(world, "traces", usual)
    world.clock.tick(30)
    await world.erasing.step()
    assert await world.stages() == [Stage.TELLING] * 3
    assert world.erasing.warning == ""


async def test_how_far_it_is_is_kept_though_not_all_are_done(world: World) -> None:
    await world.asked(45)
    usual, wipes = world.store.erasures.wipe, 0

    async def breaks_at_last() -> bool:
        nonlocal wipes
        wipes += 1
        if wipes == 3:
            raise StoreUnavailable("the disk is full")
        return await usual()

    instead(world, "wipe", breaks_at_last)
    with pytest.raises(StoreUnavailable):
        await world.erasing.step()
    assert (await world.stages()).count(Stage.TELLING) == 40


async def test_who_waits_to_be_told_costs_a_question_now_and_then_and_no_search(
    world: World,
) -> None:
    deletes = await world.asked(2)
    await world.erasing.step()
    assert await world.stages() == [Stage.TELLING] * 2
    usual, asked = world.store.ledger.waiting_for, 0

    async def counted(destination: str, offsets: Sequence[int]) -> bool:
        nonlocal asked
        asked += 1
        return await usual(destination, offsets)

    async def nobody(*_: Any) -> Any:
        raise AssertionError("nothing is to be searched for")

    world.store.ledger.waiting_for = counted  # type: ignore[method-assign]
    for what in ("events", "telling", "traces"):
        instead(world, what, nobody)
    for _ in range(240):
        world.clock.tick(0.25)
        await world.erasing.step()
    assert asked == 2 * 5
    assert world.erasing.warning == ""
    for what in ("telling", "traces"):
        delattr(world.store.erasures, what)
    await world.store.ledger.withdraw("crm", deletes, 1)
    world.clock.tick(30)
    await world.erasing.step()
    assert await world.stages() == [Stage.DONE] * 2
    assert await world.store.log.read(0, 9) == []


async def test_nothing_is_sent_again_from_the_search_until_all_is_gone(world: World) -> None:
    await world.asked(1)
    seen = []

    def looking(what: str) -> Callable[..., Any]:
        usual = getattr(world.store.erasures, what)

        async def look(*arguments: Any) -> Any:
            seen.append((what, world.destinations.putting_back.locked()))
            return await usual(*arguments)

        return look

    for what in ("events", "traces", "remove_events"):
        instead(world, what, looking(what))
    await world.erasing.step()
    assert seen == [("events", True), ("traces", True), ("remove_events", True)]
    assert not world.destinations.putting_back.locked()


async def test_only_who_has_calls_in_flight_is_asked_again_and_replays_go_on_meanwhile(
    world: World,
) -> None:
    await world.asked(1)
    world.destinations.flying = [{"slow", "slower"}, {"slower"}]
    step = asyncio.create_task(world.erasing.step())

    async def waits() -> bool:
        return world.clock.sleeping > 0

    await until(waits)
    assert not world.destinations.putting_back.locked()
    while not step.done():
        await world.clock.advance(0.5)
    await step
    assert world.destinations.asked == [None, {"slow", "slower"}, {"slower"}, None]
    assert await world.stages() == [Stage.TELLING]
