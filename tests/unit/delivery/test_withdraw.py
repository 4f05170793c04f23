"""Events that are not to be sent any more: they count as filtered, wherever they wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import pytest

from junctor.delivery.queue import DeliveryQueue, Group
from junctor.model.delivery import Parked
from junctor.sdk import AuthenticationFailed, DestinationUnavailable, Event, InvalidPayload

from .world import Answer, Scripted, World

Start = Callable[..., Awaitable[World]]


async def taken_out(world: World, offsets: Sequence[int]) -> None:
    """Withdraw events, as often as some are in flight."""
    while await world.dispatcher.withdraw(offsets):
        await world.advance(1)


async def test_what_is_ready_or_held_back_is_not_sent(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0, concurrency=1)
    d.hold()
    (first,) = await world.send((1, "in flight"))
    await world.settle()
    mine = await world.send((1, "held"), (2, "ready"))
    await world.send((3, "of another"))
    await world.settle()
    assert not await world.dispatcher.withdraw(mine)
    assert await world.dispatcher.withdraw([first]) == {"d"}
    d.release()
    await world.finish()
    assert d.taken == ["in flight", "of another"]
    tally = await world.tally()
    assert (tally.delivered, tally.filtered, tally.pending) == (2, 2, 0)
    assert [a.code for a in await world.attempts(mine[0])] == ["erased"]
    assert not await world.dispatcher.withdraw([first, *mine]), "that changes nothing any more"
    assert await world.tally() == tally


async def test_what_is_parked_leaves_its_group_and_the_others_go_on(start: Start) -> None:
    answers = iter([DestinationUnavailable("of ada and bob")])
    world = await start(
        d := Scripted(lambda _: next(answers, None), max_batch=10), flush_interval=0.1
    )
    await world.send((1, "a1"), (2, "b1"), (1, "a2"))
    await world.advance(0.2)
    await world.send((1, "a3"), (2, "b2"))
    assert (await world.tally()).pending == 5
    [group] = await world.store.ledger.parked("d")
    assert group.message
    ada = [offset for offset, id in world.ids.items() if id.startswith("a")]
    assert not await world.dispatcher.withdraw(ada)
    [group] = await world.store.ledger.parked("d")
    assert ([world.ids[offset] for offset in group.offsets], group.message) == (["b1"], "")
    await world.finish()
    assert d.taken == ["b1", "b2"]
    tally = await world.tally()
    assert (tally.delivered, tally.filtered) == (2, 3)


async def test_a_group_of_nobody_else_is_no_more_and_frees_what_waited_behind(
    start: Start,
) -> None:
    world = await start(
        d := Scripted(lambda events: DestinationUnavailable("no") if "a" in ids(events) else None),
        flush_interval=0,
    )
    mine = await world.send((1, "a"))
    await world.advance(1)
    await world.send((1, "delete"))
    await world.settle()
    assert d.taken == []
    assert not await world.dispatcher.withdraw(mine)
    await world.finish(limit=30)
    assert d.taken == ["delete"]
    assert await world.store.ledger.parked("d") == []


async def test_what_was_not_read_yet_is_never_sent(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    await world.worker().pause("by the operator")
    mine = await world.send(*[(1, f"a{n}") for n in range(20)])
    others = await world.send(*[(2, f"b{n}") for n in range(20)])
    assert not await world.dispatcher.withdraw(mine)
    assert (await world.tally()).filtered == 20
    await world.worker().resume()
    await world.finish()
    assert len(d.taken) == len(others)
    assert not any(id.startswith("a") for id in d.taken)


async def test_a_destination_that_is_no_more_is_settled_without_a_worker(start: Start) -> None:
    world = await start(Scripted(), flush_interval=0)
    await world.worker().pause("by the operator")
    mine = await world.send((1, "a"), (2, "b"))
    await world.dispatcher.stop(0)
    assert not await world.dispatcher.withdraw(mine[:1])
    tally = (await world.store.ledger.tallies())["d"]
    assert (tally.filtered, tally.pending) == (1, 1)
    await world.start_dispatcher()
    await world.worker().resume()
    await world.finish()
    assert (await world.tally()).delivered == 1


async def test_what_is_withdrawn_is_not_kept_in_memory(start: Start) -> None:
    world = await start(Scripted(), flush_interval=0)
    mine = await world.send((1, "a"), (2, "b"), padding=1_000)
    await world.finish()
    recent = world.dispatcher._recent
    before = recent._bytes
    assert not await world.dispatcher.withdraw(mine[:1])
    read = recent.after(0, 99)
    assert read is not None
    assert [item.event.message_id for item in read[0]] == ["b"]
    assert 2 * recent._bytes == before


def test_a_group_that_is_being_changed_is_not_tried_though_its_turn_comes() -> None:
    queue = DeliveryQueue(0, ordered=True)
    key = frozenset({7})
    first, second = (Group(Parked((n, n + 1), 0, id=n), key) for n in (1, 3))
    queue.park([first, second])
    assert queue.take_group(0) is first
    assert queue.hold(frozenset({1, 3})) == [second]
    queue.unpark(first)
    queue.release(key)
    assert queue.take_group(0) is None
    queue.cut(second, frozenset({1, 3}))
    assert queue.take_group(0) is second
    assert second.parked.offsets == (4,)


async def test_who_has_something_in_flight_is_asked_again_alone(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    world.destinations["other"] = (Scripted(), {"flush_interval": 0})
    await world.restart()
    d.hold()
    mine = await world.send((1, "a"))
    await world.settle()
    assert await world.dispatcher.withdraw(mine) == {"d"}
    usual, asked = world.store.ledger.withdraw, []

    async def noted(id: str, *arguments: Any) -> int:
        asked.append(id)
        return await usual(id, *arguments)

    world.store.ledger.withdraw = noted  # type: ignore[assignment, method-assign]
    assert await world.dispatcher.withdraw(mine, {"d"}) == {"d"}
    d.release()
    await world.finish()
    assert await world.dispatcher.withdraw(mine, {"d"}) == set()
    assert asked == ["d", "d"]


@pytest.mark.parametrize("again", ["a replay", "dead letters"])
async def test_what_is_being_sent_again_is_in_a_worker_before_it_is_withdrawn(
    start: Start, again: str
) -> None:
    """Else its rows are stored already, and nobody knows of them: it would be sent after all."""
    world = await start(d := Scripted(), flush_interval=0)
    if again == "dead letters":
        d.script = lambda _: InvalidPayload("never")
    mine = await world.send((1, "a"))
    await world.finish()
    d.script = lambda _: None
    d.calls.clear()
    reads, go_on = asyncio.Event(), asyncio.Event()
    worker, usual = world.worker(), world.worker().take_parked

    async def slowly(groups: Sequence[Parked]) -> None:
        reads.set()
        await go_on.wait()
        await usual(groups)

    worker.take_parked = slowly  # type: ignore[method-assign]
    if again == "a replay":
        await world.dispatcher.open_replay("d", 0, world.folded)
    else:
        letters = [letter.id for letter in await world.store.ledger.dead_letters("d")]
        replaying = asyncio.create_task(world.dispatcher.replay_dead(letters))
    await reads.wait()

    async def taken_back() -> set[str]:
        async with world.dispatcher.putting_back:
            d.hold()
            return await world.dispatcher.withdraw(mine)

    withdrawing = asyncio.create_task(taken_back())
    await world.turns(20)
    assert not withdrawing.done()
    go_on.set()
    flying = await withdrawing
    assert flying == set()
    d.release()
    await world.finish()
    assert d.calls == []
    assert await world.store.ledger.parked("d") == []
    assert (await world.tally()).filtered == 1
    if again == "dead letters":
        assert await replaying == 1


async def test_of_what_a_destination_said_the_code_is_kept(start: Start) -> None:
    said = iter([AuthenticationFailed("no access for u-ada")])
    world = await start(Scripted(lambda _: next(said, None)), flush_interval=0)
    await world.send((1, "a"))
    await world.settle()
    standing = world.worker().standing
    assert "u-ada" in standing.trouble
    assert "u-ada" in standing.state.paused
    world.dispatcher.hush(["d", "nobody"])
    code = AuthenticationFailed.code
    assert (standing.trouble, standing.state.paused, standing.state.paused_by) == (
        code, code, "error",
    )  # fmt: skip
    assert {group.parked.message for group in world.worker().queue._groups.values()} == {""}
    await world.worker().resume()
    world.dispatcher.hush(["d"])
    assert standing.state.paused == ""
    await world.finish()


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_each_event_has_one_fate(start: Start, seed: int) -> None:
    """Failures, refusals, pauses and restarts at random, and some people taken out meanwhile."""
    random = Random(seed)

    def script(events: Sequence[Event]) -> Answer:
        ill = (DestinationUnavailable("no"), InvalidPayload("never"))
        return random.choice((None, None, None, *ill))

    world = await start(
        d := Scripted(script, max_batch=random.choice((1, 4))), flush_interval=0, concurrency=3
    )
    out: set[str] = set()
    for number in range(40):
        await world.send(*[(random.randrange(5), f"{number}-{n}") for n in range(3)])
        match random.randrange(7):
            case 0:
                chosen = random.sample(sorted(world.ids), 3)
                if await world.dispatcher.withdraw(chosen):
                    d.release()
                    await taken_out(world, chosen)
                out |= {world.ids[offset] for offset in chosen} - set(d.taken)
            case 1:
                await world.worker().pause("by the operator")
            case 2:
                await world.worker().resume()
            case 3:
                await world.restart()
            case 4 if d.gate is None:
                d.hold()
            case 5:
                d.release()
            case _:
                await world.advance(random.choice((0.1, 5)))
        await world.tally()
    d.release()
    d.script = lambda _: None
    await world.worker().resume()
    await world.finish()
    tally = await world.tally()
    assert tally.accepted == 120
    assert not out.intersection(d.taken)
    assert tally.delivered + tally.filtered + tally.dead == 120


def ids(events: Sequence[Event]) -> set[str]:
    return {event.message_id for event in events}
