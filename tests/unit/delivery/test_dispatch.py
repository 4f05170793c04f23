"""All destinations together: isolation, replays, dead letters again, where a new one starts."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from junctor.model.record import Record
from junctor.sdk import DeliveryError, DestinationUnavailable, Event, InvalidPayload
from junctor.store.port import Replay, Settlement

from .conftest import Start
from .world import Scripted, World, in_turn

BAD = InvalidPayload("bad")


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


@pytest.mark.case(34)
async def test_a_dead_destination_slows_nobody(start: Start) -> None:
    dead = Scripted()
    dead.hold()
    world = await start(good := Scripted(), flush_interval=0)
    world.destinations["dead"] = (dead, {"flush_interval": 0})
    await world.restart()
    for n in range(20):
        await world.send((n % 3, f"e{n}"))
        await world.settle()
        assert good.taken[-1] == f"e{n}"
    assert dead.running == 3
    assert (await world.tally("dead")).pending == 20
    dead.release()
    await world.finish(id="dead")
    assert sorted(dead.taken) == sorted(good.taken)


# -- replays ------------------------------------------------------------------------------------


@pytest.mark.case(49)
async def test_a_replay_sends_again_what_was_sent_and_the_ledger_balances(start: Start) -> None:
    world = await start(d := Scripted(max_batch=10), flush_interval=0)
    offsets = await world.send(*[(n % 5, f"e{n}") for n in range(30)])
    await world.send((1, "not for it"), to={"d": "type"})
    await world.finish()
    d.taken.clear()
    after, until = offsets[9], world.folded
    assert await world.dispatcher.count_replay("d", after, until) == 20
    assert d.taken == [], "a dry run sends nothing"
    await world.dispatcher.open_replay("d", after, until)
    await world.finish()
    assert sorted(d.taken) == sorted(names("e", 30)[10:])
    tally = await world.tally()
    assert (tally.accepted, tally.delivered, tally.filtered) == (51, 50, 1)
    assert await world.store.ledger.replays() == []


async def test_a_replay_keeps_the_order_per_key(start: Start) -> None:
    world = await start(d := Scripted(max_batch=7), flush_interval=0, concurrency=8)
    await world.send(*[(n % 9, f"{n}") for n in range(1200)])
    await world.finish()
    d.calls.clear()
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.finish()
    again = [int(id) for call in d.calls for id in call.ids]
    assert len(again) == 1200
    for key in range(9):
        assert [n for n in again if n % 9 == key] == list(range(key, 1200, 9))
    assert max(len(call.ids) for call in d.calls) <= 7


@pytest.mark.case(49)
async def test_a_replay_may_be_stopped(start: Start) -> None:
    world = await start(d := Scripted(max_batch=50), flush_interval=0)
    await world.send(*[(n, f"e{n}") for n in range(1800)])
    await world.finish()
    d.taken.clear()
    d.hold()
    replay = await world.dispatcher.open_replay("d", 0, world.folded)
    await world.advance(1)
    assert await world.store.ledger.stop_replay(replay.id)
    d.release()
    await world.finish()
    handed_over = len(d.taken)
    assert 0 < handed_over < 1800
    await world.send((1, "live"))
    await world.advance(5)
    await world.finish()
    assert d.taken[handed_over:] == ["live"]
    tally = await world.tally()
    assert (tally.accepted, tally.delivered) == (1801 + handed_over, 1801 + handed_over)


@pytest.mark.case(49)
async def test_a_replay_that_is_stopped_while_it_takes_its_next_piece_takes_none(
    start: Start,
) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    await world.send(*[(n, f"e{n}") for n in range(50)])
    await world.finish()
    d.taken.clear()
    usual = world.store.ledger.advance_replay

    async def stopped_first(replay: Replay, settlement: Settlement) -> list[int]:
        await world.store.ledger.stop_replay(replay.id)
        return await usual(replay, settlement)

    world.store.ledger.advance_replay = stopped_first  # type: ignore[method-assign]
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.advance(5)
    assert d.taken == []
    assert "replay broke" not in world.said()
    await world.send((1, "live"))
    await world.finish()
    assert d.taken == ["live"]
    assert (await world.tally()).accepted == 51


@pytest.mark.case(49)
async def test_replays_beside_and_after_each_other_each_send_all_once(start: Start) -> None:
    world = await start(d := Scripted(max_batch=10), flush_interval=0)
    await world.send(*[(n % 5, f"e{n}") for n in range(300)])
    await world.finish()
    for again in (2, 4):
        for _ in range(2):
            await world.dispatcher.open_replay("d", 0, world.folded)
        await world.advance(5)
        await world.finish()
        assert Counter(d.taken) == dict.fromkeys(names("e", 300), 1 + again)
        tally = await world.tally()
        assert tally.accepted == tally.delivered == 300 * (1 + again)
    assert await world.dispatcher.count_replay("d", 0, world.folded) == 300


async def test_a_replay_of_a_destination_that_was_not_there_asks_the_present_routes(
    start: Start,
) -> None:
    world = await start(Scripted(), flush_interval=0)
    await world.send((1, "old-1"), (2, "old-2"), (3, "old-3"))
    await world.settle()
    new = Scripted()
    world.destinations["new"] = (new, {"flush_interval": 0})
    world.present = lambda record: {"d": "", "new": "" if b"old-2" not in record.json else "route"}
    await world.restart()
    await world.send((1, "fresh"))
    await world.finish(id="new")
    assert new.taken == ["fresh"], "a new destination starts with what comes"
    assert await world.dispatcher.count_replay("new", 0, world.folded) == 3
    await world.dispatcher.open_replay("new", 0, 3)
    await world.finish(id="new")
    assert new.taken == ["fresh", "old-1", "old-3"]


async def test_a_replay_leaves_out_what_will_be_delivered_anyway(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    await world.send((1, "a"))
    await world.settle()
    await world.worker().pause("wait")
    await world.send((1, "b"))
    await world.settle()
    assert await world.dispatcher.count_replay("d", 0, world.folded) == 1
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.settle()
    await world.worker().resume()
    await world.finish()
    await world.advance(2)
    assert sorted(d.taken) == ["a", "a", "b"]
    assert (await world.tally()).accepted == 3


async def test_a_replay_goes_on_after_a_restart(start: Start) -> None:
    world = await start(d := Scripted(max_batch=50), flush_interval=0)
    await world.send(*[(n, f"e{n}") for n in range(1800)])
    await world.finish()
    d.taken.clear()
    d.hold()
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.advance(1)
    (running,) = await world.store.ledger.replays()
    assert 0 < running.position < world.folded, "not all at once"
    d.release()
    await world.kill()
    await world.start_dispatcher()
    await world.advance(5)
    await world.finish()
    assert sorted(set(d.taken)) == sorted(names("e", 1800))
    assert (await world.tally()).delivered == 3600


async def test_a_replay_is_sent_in_full_batches(start: Start) -> None:
    world = await start(d := Scripted(max_batch=100), flush_interval=0)
    await world.send(*[(n, f"e{n}") for n in range(500)])
    await world.finish()
    d.calls.clear()
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.finish()
    assert [len(call.ids) for call in d.calls] == [100] * 5


@pytest.mark.case(49)
async def test_a_replay_does_not_starve_live_events(start: Start) -> None:
    """Even where the destination is slow and both are about the same people."""
    world = await start(d := Scripted(), flush_interval=0, concurrency=2)
    await world.send(*[(n % 4, f"old-{n}") for n in range(600)])
    await world.finish()
    d.calls.clear()
    world.destinations["d"] = (d, {"flush_interval": 0, "concurrency": 2, "rate": "100/s"})
    await world.restart()
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.advance(1)
    waited: dict[str, float] = {}
    for n in range(3):
        since = world.clock.monotonic()
        await world.send((100 + n, f"other-{n}"), (n % 4, f"same-{n}"))
        await world.advance(2)
        for call in d.calls:
            if call.ids[0].endswith(f"-{n}") and call.at >= since:
                waited[call.ids[0]] = call.at - since
    await world.finish()
    assert all(waited[f"other-{n}"] <= 0.1 for n in range(3)), "others pass at once"
    first_same = min(i for i, call in enumerate(d.calls) if call.ids[0].startswith("same"))
    last_old = max(i for i, call in enumerate(d.calls) if call.ids[0].startswith("old"))
    assert first_same <= 250 < last_old, "the same person waits for a piece, not for all"
    assert (await world.tally()).delivered == 1206


async def test_a_stuck_key_does_not_hold_up_a_replay_nor_live_events_of_others(
    start: Start,
) -> None:
    def script(events: Sequence[Event]) -> DeliveryError | None:
        return DestinationUnavailable("no") if events[0].message_id == "stuck" else None

    d = Scripted(script, max_batch=50)
    world = await start(d, flush_interval=0, breaker={"failures": 10_000})
    await world.send(*[(n, f"e{n}") for n in range(40)])
    await world.settle()
    await world.send((7, "stuck"))
    await world.settle()
    d.taken.clear()
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.advance(5)
    assert sorted(d.taken) == sorted(set(names("e", 40)) - {"e7"})
    await world.send(*[(n, f"new-{n}") for n in range(40)])
    await world.advance(5)
    assert sorted(d.taken[39:]) == sorted(set(names("new-", 40)) - {"new-7"})


async def test_a_replay_that_breaks_is_tried_again(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    await world.send((1, "a"))
    await world.finish()
    world.destinations["new"] = (new := Scripted(), {"flush_interval": 0})
    await world.restart()
    world.reread_error = OSError("disk")
    await world.dispatcher.open_replay("new", 0, world.folded)
    await world.advance(2)
    world.reread_error = None
    await world.advance(2)
    assert new.taken == ["a"]
    assert d.taken == ["a"]
    assert "replay broke" in world.said()


async def test_a_replay_waits_while_its_destination_is_paused(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    await world.send((1, "a"))
    await world.finish()
    await world.worker().pause("mine")
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.advance(60)
    assert d.taken == ["a"]
    await world.worker().resume()
    await world.advance(1)
    await world.finish()
    assert d.taken == ["a", "a"]


# -- dead letters -------------------------------------------------------------------------------


async def die(world: World, d: Scripted, *events: tuple[int, str]) -> list[int]:
    """Send events that the destination refuses; return the ids of their letters."""
    d.script = lambda _: BAD
    await world.send(*events)
    await world.finish()
    d.script = lambda _: None
    d.calls.clear()
    letters = await world.store.ledger.dead_letters("d")
    return [letter.id for letter in letters]


async def test_dead_letters_are_sent_again_in_order_and_the_ledger_balances(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    ids = await die(world, d, (1, "a"), (1, "b"), (2, "c"), (1, "e"))
    assert (await world.tally()).dead == 4
    assert await world.dispatcher.replay_dead(ids[:3]) == 3
    await world.finish()
    assert [id for id in d.taken if id != "c"] == ["b", "e"]
    tally = await world.tally()
    assert (tally.accepted, tally.delivered, tally.dead) == (4, 3, 1)
    assert len(await world.store.ledger.dead_letters("d")) == 1


@pytest.mark.case(49)
async def test_letters_of_a_batch_are_sent_again_without_what_was_delivered(start: Start) -> None:
    def picky(events: Sequence[Event]) -> DeliveryError | None:
        return BAD if any("bad" in event.message_id for event in events) else None

    world = await start(d := Scripted(picky, max_batch=10), flush_interval=0)
    await world.send(*[(n, f"{'bad' if n % 4 == 0 else 'good'}-{n}") for n in range(40)])
    await world.finish()
    assert len(d.taken) == 30
    letters = await world.store.ledger.dead_letters("d")
    d.taken.clear()
    d.script = lambda _: None
    assert await world.dispatcher.replay_dead([letter.id for letter in letters]) == 10
    await world.finish()
    assert sorted(d.taken) == sorted(f"bad-{n}" for n in range(0, 40, 4))
    tally = await world.tally()
    assert (tally.accepted, tally.delivered, tally.dead) == (40, 40, 0)


@pytest.mark.case(49)
async def test_a_letter_that_a_replay_left_goes_out_again_like_any_other(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    await world.send((1, "a"), (2, "b"))
    await world.finish()
    d.script = lambda _: BAD
    await world.dispatcher.open_replay("d", 0, world.folded)
    await world.advance(5)
    await world.finish()
    d.script = lambda _: None
    letters = await world.store.ledger.dead_letters("d")
    assert await world.dispatcher.replay_dead([letter.id for letter in letters]) == 2
    await world.finish()
    assert sorted(d.taken) == ["a", "a", "b", "b"]
    tally = await world.tally()
    assert (tally.accepted, tally.delivered, tally.dead) == (4, 4, 0)


async def test_a_letter_that_is_refused_again_is_a_letter_again(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    ids = await die(world, d, (1, "a"))
    d.script = in_turn(InvalidPayload("still bad"))
    await world.dispatcher.replay_dead(ids)
    await world.finish()
    (letter,) = await world.store.ledger.dead_letters("d")
    assert letter.message == "still bad"
    assert (await world.tally()).dead == 1


@pytest.mark.case(49)
async def test_a_letter_goes_out_once_however_often_it_is_asked_for(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    ids = await die(world, d, (1, "a"))
    settle = world.store.ledger.settle

    async def slowly(settlement: Settlement) -> list[int]:
        await world.turns(10)
        return await settle(settlement)

    world.store.ledger.settle = slowly  # type: ignore[method-assign]
    counts = await asyncio.gather(
        world.dispatcher.replay_dead(ids * 2), world.dispatcher.replay_dead(ids)
    )
    await world.finish()
    assert sorted(counts) == [0, 1]
    assert d.taken == ["a"]
    assert (await world.tally()).accepted == 1


async def test_letters_of_a_removed_destination_stay_where_they_are(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    ids = await die(world, d, (1, "a"))
    del world.destinations["d"]
    await world.restart()
    assert await world.dispatcher.replay_dead(ids) == 0
    assert len(await world.store.ledger.dead_letters("d")) == 1


# -- which destinations there are ---------------------------------------------------------------


@pytest.mark.case(21)
async def test_a_removed_destination_keeps_its_events_until_it_is_back(start: Start) -> None:
    d = Scripted(in_turn(DestinationUnavailable("no")))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.settle()
    del world.destinations["d"]
    world.destinations["other"] = (Scripted(), {"flush_interval": 0})
    await world.restart()
    await world.send((1, "b"), to={"other": ""})
    await world.advance(60)
    assert len(d.calls) == 1
    assert (await world.tally()).pending == 1
    world.destinations["d"] = (d, {"flush_interval": 0})
    await world.restart()
    await world.finish()
    assert d.taken == ["a"]


@pytest.mark.parametrize(("where", "got"), [("beginning", ["a", "b", "c"]), ("now", ["c"])])
async def test_where_a_new_destination_starts(start: Start, where: str, got: list[str]) -> None:
    world = await start(Scripted(), flush_interval=0)
    await world.send((1, "a"), (2, "b"))
    await world.settle()
    world.destinations["new"] = (new := Scripted(), {"flush_interval": 0, "start": where})
    await world.restart()
    await world.send((3, "c"))
    await world.advance(2)
    await world.finish(id="new")
    assert sorted(new.taken) == got
    await world.restart()
    await world.advance(2)
    assert sorted(new.taken) == got, "the beginning is over after the first time"
    await world.tally("new")


@pytest.mark.case(22)
async def test_what_the_present_configuration_filters_is_not_sent(start: Start) -> None:
    """Consent withdrawn after an event was queued: looked at again when it is sent."""
    d = Scripted(in_turn(DestinationUnavailable("no")))
    world = await start(d, flush_interval=0)
    await world.send((1, "parked"))
    await world.settle()
    await world.worker().pause("reload")
    await world.send((1, "queued-no"), (2, "queued-yes"))

    def decide(record: Record) -> Mapping[str, str]:
        return {"d": "" if b"yes" in record.json else "consent"}

    world.present = decide
    await world.restart()
    await world.worker().resume()
    await world.finish()
    assert d.taken == ["queued-yes"]
    assert (await world.fates()) == {
        "parked": "filtered", "queued-no": "filtered", "queued-yes": "delivered",
    }  # fmt: skip


async def test_an_event_that_is_no_longer_in_the_log_is_settled_as_erased(start: Start) -> None:
    d = Scripted(in_turn(DestinationUnavailable("no")))
    world = await start(d, flush_interval=0)
    (offset,) = await world.send((1, "a"))
    await world.settle()
    await world.store.writer.call(lambda c: c.execute("delete from log").rowcount)
    await world.send((1, "b"))
    await world.finish()
    assert d.taken == ["b"]
    assert [a.code for a in await world.attempts(offset)] == ["destination_unavailable", "erased"]
    assert (await world.tally()).filtered == 1
