"""A pause holds events and burns none, whoever it is by: an error, the operator, the file."""

import pytest

from junctor.sdk import (
    AuthenticationFailed,
    DeliveryError,
    DestinationUnavailable,
    Misconfigured,
)

from .conftest import Start
from .world import Scripted, World, in_turn

PROBE = 300.0


async def state(world: World) -> tuple[str, str]:
    """Return who paused it and why, as stored; the worker must think the same."""
    (stored,) = await world.store.ledger.destinations()
    kept = world.worker().state
    assert (kept.paused, kept.paused_by) == (stored.paused, stored.paused_by)
    return stored.paused_by, stored.paused


@pytest.mark.case(31)
@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("401; check the credentials", status=401),
        AuthenticationFailed("403; check the credentials", status=403),
        Misconfigured("404; check the address", status=404),
        AuthenticationFailed(""),
    ],
)
async def test_a_refused_destination_is_paused_and_resumes_by_itself(
    start: Start, error: DeliveryError
) -> None:
    d = Scripted(in_turn(error, error))
    world = await start(d, flush_interval=0, concurrency=1)
    offsets = await world.send((1, "a"), (2, "b"), (1, "c"))
    await world.advance(PROBE - 1)
    assert len(d.calls) == 1
    assert await state(world) == ("error", error.message or error.code)
    assert (await world.tally()).pending == 3
    await world.advance(2)
    assert d.times == [0.0, PROBE], "one probe"
    await world.advance(PROBE)
    assert d.times[2] == 2 * PROBE
    assert await state(world) == ("", "")
    assert sorted(d.taken) == ["a", "b", "c"]
    assert set(d.times[2:]) == {2 * PROBE}
    first = await world.attempts(offsets[0])
    assert [(a.outcome, a.number) for a in first] == [
        ("retry", 1), ("retry", 1), ("delivered", 1),
    ]  # fmt: skip


PATIENCE = {"initial": "1s", "max": "1s", "give_up_after": "1h"}
DOWN, REFUSED = DestinationUnavailable("no"), AuthenticationFailed("401")


async def test_the_operators_pause_does_not_use_up_an_events_time(start: Start) -> None:
    d = Scripted(in_turn(DOWN, DOWN, DOWN, DOWN))
    world = await start(d, flush_interval=0, retry=PATIENCE, breaker={"failures": 1000})
    await world.send((1, "a"))
    await world.advance(2.5)
    await world.worker().pause("over the holidays")
    await world.advance(86_400 * 5)
    await world.worker().resume()
    await world.finish()
    assert d.taken == ["a"]


async def test_probes_that_fail_do_not_use_up_an_events_time(start: Start) -> None:
    d = Scripted(in_turn(DOWN, DOWN, DOWN, REFUSED, *[DOWN] * 40))
    world = await start(d, flush_interval=0, retry=PATIENCE, breaker={"failures": 1000})
    await world.send((1, "a"), (2, "b"))
    await world.advance(PROBE * 50)
    assert sorted(d.taken) == ["a", "b"]
    assert (await world.tally()).dead == 0


@pytest.mark.case(31)
async def test_a_gone_endpoint_is_not_probed(start: Start) -> None:
    d = Scripted(in_turn(Misconfigured("410", permanent=True)))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(86_400)
    assert len(d.calls) == 1
    assert await state(world) == ("gone", "410")
    await world.worker().resume()
    await world.finish()
    assert d.taken == ["a"]


async def test_a_probe_that_finds_the_endpoint_gone_is_the_last(start: Start) -> None:
    d = Scripted(in_turn(AuthenticationFailed("401"), Misconfigured("410", permanent=True)))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(86_400)
    assert len(d.calls) == 2
    assert (await state(world))[0] == "gone"


@pytest.mark.case(31)
async def test_a_pause_survives_a_restart_and_is_probed_again(start: Start) -> None:
    d = Scripted(in_turn(AuthenticationFailed("401")))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(100)
    await world.restart()
    await world.send((2, "b"))
    await world.advance(PROBE - 1)
    assert len(d.calls) == 1
    await world.advance(2)
    assert sorted(d.taken) == ["a", "b"]


async def test_changed_settings_lift_a_pause_that_the_old_ones_caused(start: Start) -> None:
    d = Scripted(in_turn(Misconfigured("410", permanent=True)))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.settle()
    await world.restart()
    assert (await state(world))[0] == "gone", "the same settings lift nothing"
    world.fingerprint = "2"
    await world.restart()
    await world.finish()
    assert d.taken == ["a"]


async def test_the_operator_pauses_and_resumes(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    await world.worker().pause("for the night")
    await world.send((1, "a"), (1, "b"))
    await world.advance(86_400)
    assert d.calls == []
    assert await state(world) == ("operator", "for the night")
    world.fingerprint = "2"
    await world.restart()
    await world.advance(PROBE * 2)
    assert d.calls == [], "other settings do not lift what the operator wants"
    await world.worker().resume()
    await world.finish()
    assert d.taken == ["a", "b"]


async def test_a_call_in_flight_does_not_undo_the_operators_pause(start: Start) -> None:
    d = Scripted(in_turn(AuthenticationFailed("401")))
    d.hold()
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.settle()
    await world.worker().pause("mine")
    d.release()
    await world.settle()
    assert await state(world) == ("operator", "mine")
    assert (await world.tally()).pending == 1


async def test_a_success_in_flight_does_not_lift_the_operators_pause(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    d.hold()
    await world.send((1, "a"))
    await world.settle()
    await world.worker().pause("mine")
    d.release()
    await world.settle()
    assert d.taken == ["a"]
    assert await state(world) == ("operator", "mine")


async def test_a_destination_switched_off_in_the_file_holds_its_events(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0, enabled=False)
    await world.send((1, "a"))
    await world.advance(PROBE * 2)
    assert d.calls == []
    assert (await state(world))[0] == "configuration"
    world.destinations["d"] = (d, {"flush_interval": 0})
    await world.restart()
    await world.finish()
    assert d.taken == ["a"]


async def test_a_paused_destination_with_nothing_to_probe_does_not_spin(start: Start) -> None:
    d = Scripted(in_turn(AuthenticationFailed("401")))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.settle()
    world.present = lambda record: {"d": "filtered by the new file"}
    await world.advance(PROBE)  # the probe finds that its only event is not to go
    assert (await world.fates()) == {"a": "filtered"}
    await world.advance(PROBE)
    wakes = world.clock.next_due()
    assert wakes is None or wakes > 0
    world.present = None
    await world.send((2, "b"))
    await world.advance(PROBE * 2)
    assert d.taken == ["b"]


async def test_a_paused_destination_reads_one_event_to_probe_with(start: Start) -> None:
    """After a restart there is nothing in memory: the probe's event must be read."""
    d = Scripted(in_turn(AuthenticationFailed("401")))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.settle()
    world.present = lambda record: {"d": "" if b'"b' in record.json else "filtered"}
    await world.send((2, "b1"), (3, "b2"))
    await world.restart()
    await world.advance(PROBE * 3)
    assert sorted(d.taken) == ["b1", "b2"]


async def test_a_connector_that_cannot_start_is_paused_and_the_others_run(start: Start) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    broken = Scripted()
    broken.start_error = RuntimeError("secret")
    world.destinations["broken"] = (broken, {"flush_interval": 0})
    await world.restart()
    await world.send((1, "a"))
    await world.settle()
    assert d.taken == ["a"]
    assert broken.calls == []
    worker = world.worker("broken")
    assert worker.state.paused == "the connector could not start: RuntimeError"
    broken.start_error = None
    await worker.resume()
    await world.finish(id="broken")
    assert broken.taken == ["a"]
