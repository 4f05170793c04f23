"""Order per person: by scripted answers per event, as RudderStack's router is tested."""

from collections.abc import Sequence
from random import Random

import pytest

from junctor.delivery.settle import LEAST_TRIES
from junctor.sdk import (
    DeliveryError,
    DestinationUnavailable,
    Event,
    InvalidPayload,
    PartialFailure,
    RateLimited,
    Rejected,
)

from .conftest import Start
from .world import Scripted, World, once_each

ANSWERS: dict[int, DeliveryError | None] = {
    200: None,
    400: InvalidPayload("400", status=400),
    422: Rejected("declined"),
    429: RateLimited("429", retry_after=0.2, status=429),
    500: DestinationUnavailable("500", status=500),
}
SCRIPTS: list[tuple[list[int], str]] = [
    ([200], "delivered"),
    ([200], "delivered"),
    ([500, 500, 200], "delivered"),
    ([400], "dead_letter"),
    ([500, 400], "dead_letter"),
    ([429, 200], "delivered"),
    ([422], "discarded"),
    ([500, 429, 500, 200], "delivered"),
    ([500] * 60, "dead_letter"),
]
"""Answers to the tries of one event, and the fate that they make."""


def order_of_tries(d: Scripted, names: Sequence[str]) -> list[str]:
    """Return `names` in the order of their last tries."""
    last = {id: n for n, call in enumerate(d.calls) for id in call.ids}
    return sorted(names, key=lambda name: last[name])


@pytest.mark.case(36)
async def test_order_per_key_no_loss_and_each_fate_right(start: Start) -> None:
    """50 keys x 40 events, each with its own script; a restart in the middle."""
    random = Random(1)
    names = {(key, n): f"k{key}-{n}" for n in range(40) for key in range(50)}
    weights = [60, 60, 6, 4, 3, 3, 3, 2, 1]
    chosen = {name: random.choices(SCRIPTS, weights)[0] for name in names.values()}
    d = Scripted(
        once_each({name: [ANSWERS[a] for a in some] for name, (some, _) in chosen.items()})
    )
    world = await start(
        d, concurrency=16, flush_interval=0, breaker={"failures": 10_000},
        retry={"initial": "100ms", "max": "1s", "give_up_after": "3s"},
    )  # fmt: skip
    events = [(key, name) for (key, _), name in names.items()]
    await world.send(*events[:1000])
    await world.advance(0.5)
    await world.send(*events[1000:])
    await world.advance(0.3)
    await world.restart()
    await world.finish()
    assert await world.fates() == {name: fate for name, (_, fate) in chosen.items()}
    for key in range(50):
        mine = [names[key, n] for n in range(40)]
        assert order_of_tries(d, mine) == mine
        tries = [id for call in d.calls for id in call.ids if id.startswith(f"k{key}-")]
        assert tries == sorted(tries, key=mine.index), (
            "nobody is tried before the one ahead is done"
        )
    for name, (answers, fate) in chosen.items():
        count = sum(name in call.ids for call in d.calls)
        given_up = fate == "dead_letter" and len(answers) == 60
        assert count >= LEAST_TRIES if given_up else count == len(answers)


async def test_order_per_key_in_batches_with_partial_failures(start: Start) -> None:
    """Batches, item by item: an item that fails is tried again before later ones of its key."""
    random = Random(3)
    failing = {f"k{key}-{n}" for key in range(20) for n in range(20) if random.random() < 0.05}
    seen: set[str] = set()
    taken: list[str] = []

    def script(events: Sequence[Event]) -> DeliveryError | None:
        errors: dict[int, DeliveryError] = {}
        here = {event.message_id for event in events}
        for index, event in enumerate(events):
            key, _, n = event.message_id.partition("-")
            earlier = {f"{key}-{m}" for m in range(int(n))}
            assert earlier <= here | set(taken), "tried while an earlier one waited elsewhere"
            if event.message_id in failing - seen:
                seen.add(event.message_id)
                errors[index] = DestinationUnavailable("busy")
            else:
                taken.append(event.message_id)
        return PartialFailure(errors) if errors else None

    world = await start(Scripted(script, max_batch=20), flush_interval=0.05, concurrency=4)
    for n in range(20):
        await world.send(*[(key, f"k{key}-{n}") for key in range(20)])
        await world.advance(0.3)
    await world.finish()
    assert sorted(taken) == sorted(world.ids.values())
    assert seen == failing
    assert set((await world.fates()).values()) == {"delivered"}


@pytest.mark.case(36)
async def test_a_stuck_key_holds_up_nobody_else(start: Start) -> None:
    def script(events: Sequence[Event]) -> DeliveryError | None:
        return DestinationUnavailable("no") if events[0].message_id == "stuck" else None

    d = Scripted(script)
    world = await start(d, flush_interval=0, breaker={"failures": 1000})
    await world.send((1, "stuck"), *[(key, f"e{key}") for key in range(2, 50)], (1, "after"))
    await world.advance(3600)
    assert sorted(d.taken) == sorted(f"e{key}" for key in range(2, 50))
    assert (await world.tally()).pending == 2


async def test_a_connector_bug_costs_the_others_nothing_but_a_call(start: Start) -> None:
    """The poison is found, tried three times, and dead; its neighbors go on at once."""

    def script(events: Sequence[Event]) -> BaseException | None:
        return KeyError("x") if any(e.message_id == "poison" for e in events) else None

    d = Scripted(script, max_batch=8)
    world = await start(d, flush_interval=0)
    await world.send(
        (1, "a"), (2, "b"), (3, "poison"), (4, "c"), (3, "behind it"), (5, "d"), (6, "e"), (7, "f")
    )
    await world.settle()
    assert sorted(d.taken) == ["a", "b", "c", "d", "e", "f"]
    assert await world.parked() == [
        (("poison",), 1, "connector_bug"), (("behind it",), 0, ""),
    ]  # fmt: skip
    await world.finish()
    assert d.taken[-1] == "behind it"
    fates = await world.fates()
    assert fates.pop("poison") == "dead_letter"
    assert set(fates.values()) == {"delivered"}
    (letter,) = await world.store.ledger.dead_letters("d")
    assert (letter.code, letter.attempts) == ("connector_bug", 3)
    assert letter.message == "KeyError in the connector"
    assert sum("connector bug" in said for said in world.said()) == 1


async def noisy(world: World, count: int) -> None:
    for first in range(0, count, 200):
        await world.send(*[(0, f"noisy-{n}") for n in range(first, first + 200)])


@pytest.mark.case(36)
@pytest.mark.parametrize(("batch", "count"), [(1, 2_200), (100, 10_000)])
async def test_a_noisy_key_starves_nobody_and_keeps_its_order(
    start: Start, batch: int, count: int
) -> None:
    def script(events: Sequence[Event]) -> DeliveryError | None:
        noisy = events[0].message_id.startswith("noisy")
        return DestinationUnavailable("no") if noisy and len(d.calls) < 30 else None

    d = Scripted(script, max_batch=batch)
    world = await start(
        d, flush_interval=0.01, breaker={"failures": 1000}, retry={"initial": "60s", "max": "60s"}
    )
    await noisy(world, count)
    await world.send(*[(key, f"e{key}") for key in range(1, 21)])
    await world.advance(1)
    assert sorted(d.taken) == sorted(f"e{key}" for key in range(1, 21)), "the others have passed"
    assert world.worker().queue.unsettled <= world.worker().limits.memory
    assert (await world.tally()).pending == count
    d.script = lambda _: None
    await world.restart()
    await world.finish()
    assert [id for id in d.taken if id.startswith("noisy")] == [f"noisy-{n}" for n in range(count)]
    assert max(len(call.ids) for call in d.calls) <= batch


async def test_events_spilled_behind_a_call_in_flight_do_not_overtake_it_after_a_crash(
    start: Start,
) -> None:
    world = await start(d := Scripted(), flush_interval=0)
    d.hold()
    await noisy(world, 2200)
    await world.advance(1)
    assert d.tried == [("noisy-0",)]
    assert len(await world.parked()) > 100
    await world.kill()
    d.release()
    await world.start_dispatcher()
    await world.finish()
    assert d.taken == [f"noisy-{n}" for n in range(2200)]
    assert (await world.tally()).delivered == 2200


async def test_a_backlog_goes_in_full_batches_though_each_call_holds_back_what_follows(
    start: Start,
) -> None:
    """Calls end soon: to take what they hold back out of memory would cut it up by person."""
    world = await start(d := Scripted(max_batch=100), flush_interval=0)
    d.hold()
    for first in range(0, 6_000, 200):
        await world.send(*[(n % 50, f"e{n}") for n in range(first, first + 200)])
    await world.settle()
    assert world.worker().queue.unsettled == world.worker().limits.memory
    d.release()
    await world.finish()
    assert len(d.taken) == 6_000
    assert len(d.calls) <= 1.5 * 6_000 / 100


async def test_a_group_that_is_over_a_lowered_limit_goes_in_several_calls(start: Start) -> None:
    d = Scripted(lambda _: DestinationUnavailable("no"), max_batch=10)
    world = await start(d, flush_interval=0)
    await world.send(*[(key, f"e{key}") for key in range(10)])
    await world.settle()
    assert [len(call.ids) for call in d.calls] == [10]
    world.destinations["d"] = (d, {"flush_interval": 0, "max_batch": 4})
    d.script = lambda _: None
    await world.restart()
    await world.finish()
    assert [len(call.ids) for call in d.calls[1:]] == [4, 4, 2]
