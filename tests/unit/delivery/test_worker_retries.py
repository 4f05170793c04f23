"""When something is tried again: backoff, Retry-After, the breaker, and all of it over restarts."""

import math

import pytest

from junctor.sdk import (
    DeliveryError,
    DestinationUnavailable,
    InvalidPayload,
    RateLimited,
    Response,
    raise_for_status,
)
from junctor.testkit import answers
from junctor.testkit.doubles import START

from .conftest import Start
from .world import Scripted, World, in_turn, once_each

DOWN = DestinationUnavailable
NO_BREAKER = {"failures": 1000}


def retry(initial: float = 1, most: float = 8, budget: float = 86_400) -> dict[str, float]:
    return {"initial": initial, "max": most, "give_up_after": budget}


async def sent(world: World, d: Scripted, *events: tuple[int, str], wait: float) -> list[float]:
    await world.send(*events)
    await world.advance(wait)
    return d.times


@pytest.mark.case(32, 35)
@pytest.mark.parametrize(
    ("jitter", "times"),
    [
        (1.0, [0, 1, 3, 7, 15, 23, 31]),
        (0.0, [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
    ],
)
async def test_waits_double_up_to_a_limit_and_jitter_takes_up_to_half(
    start: Start, jitter: float, times: list[float]
) -> None:
    d = Scripted(lambda _: DOWN("no"))
    world = await start(d, jitter=jitter, retry=retry(), breaker=NO_BREAKER, flush_interval=0)
    assert await sent(world, d, (1, "a"), wait=32) == times


@pytest.mark.case(28)
async def test_a_retry_sends_the_same_batch_again(start: Start) -> None:
    d = Scripted(in_turn(DOWN("no")), max_batch=3)
    world = await start(d, retry=retry(), flush_interval=0)
    await world.send((1, "a"), (2, "b"), (3, "c"))
    await world.settle()
    await world.send((4, "x"))
    await world.finish()
    assert d.tried == [("a", "b", "c"), ("x",), ("a", "b", "c")]
    assert set((await world.fates()).values()) == {"delivered"}


@pytest.mark.case(38)
async def test_tries_and_due_times_survive_a_restart(start: Start) -> None:
    d = Scripted(lambda _: DOWN("no"))
    world = await start(d, retry=retry(), breaker=NO_BREAKER, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(3.5)  # tries at 0, 1, 3; the next is due at 7
    await world.restart()
    await world.advance(3)
    assert d.times == [0, 1, 3]
    await world.advance(1)
    assert d.times == [0, 1, 3, 7]
    assert await world.parked() == [(("a",), 4, "destination_unavailable")]
    await world.advance(8)
    assert d.times[-1] == 15, "the wait goes on growing where it was"


async def test_an_event_is_given_up_when_its_time_is_over(start: Start) -> None:
    d = Scripted(lambda _: DOWN("still down", status=503))
    world = await start(d, retry=retry(budget=20), breaker=NO_BREAKER, flush_interval=0)
    (offset,) = await world.send((1, "a"))
    await world.finish()
    assert d.times == [0, 1, 3, 7, 15, 23]
    (letter,) = await world.store.ledger.dead_letters("d")
    assert (letter.code, letter.message) == ("destination_unavailable", "still down")
    assert (letter.attempts, letter.message_id) == (6, "a")
    rows = await world.attempts(offset)
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row.outcome for row in rows] == ["retry"] * 5 + ["dead_letter"]
    assert {row.status for row in rows} == {503}
    assert (await world.tally()).dead == 1


async def test_no_event_is_given_up_before_its_third_try(start: Start) -> None:
    d = Scripted(lambda _: DOWN("no"))
    world = await start(d, retry=retry(100, 100, budget=1), breaker=NO_BREAKER, flush_interval=0)
    await world.send((1, "a"))
    await world.finish()
    assert d.times == [0, 100, 200]


@pytest.mark.case(36)
async def test_giving_up_the_head_of_a_key_frees_the_others_in_order(start: Start) -> None:
    def script(events: object) -> DeliveryError | None:
        return DOWN("no") if "head" in d.calls[-1].ids else None

    d = Scripted(script)
    world = await start(d, retry=retry(budget=5), breaker=NO_BREAKER, flush_interval=0)
    await world.send((1, "head"), (1, "b"), (2, "other"), (1, "c"))
    await world.finish()
    assert d.taken == ["other", "b", "c"]
    assert (await world.fates())["head"] == "dead_letter"


async def test_who_stood_behind_has_tries_of_its_own(start: Start) -> None:
    """The halves of a refused batch: an outage at the first must not use up the second's tries."""

    def script(events: object) -> DeliveryError | None:
        ids = d.calls[-1].ids
        if len(ids) > 1 and "a" in ids:
            return InvalidPayload("one of these")
        return DOWN("no") if ids == ("a",) or len(d.calls) < 12 else None

    d = Scripted(script, max_batch=2)
    world = await start(d, retry=retry(1, 1, budget=2), breaker=NO_BREAKER, flush_interval=0)
    await world.send((1, "a"), (2, "b"))
    await world.settle()
    assert sorted(await world.parked()) == [
        (("a",), 1, "destination_unavailable"), (("b",), 0, "destination_unavailable"),
    ]  # fmt: skip
    await world.finish()
    number = [a.number for a in await world.attempts(2)]
    assert number == sorted(number)


# -- rate limits --------------------------------------------------------------------------------


@pytest.mark.case(32)
@pytest.mark.parametrize(
    ("asked", "next_try"),
    [
        (None, 2.0),  # backoff: the first wait is `initial`
        (7.5, 7.5),
        (0, 2.0),
        (-30, 2.0),
        (math.nan, 2.0),
        (10.0**9, 3600.0),
        (math.inf, 3600.0),
    ],
)
async def test_a_rate_limit_holds_the_whole_destination(
    start: Start, asked: float | None, next_try: float
) -> None:
    d = Scripted(in_turn(RateLimited("slow down", retry_after=asked)))
    world = await start(d, retry=retry(2, 60), concurrency=1, flush_interval=0)
    await world.send((1, "a"), (2, "b"))
    await world.advance(next_try - 0.01)
    assert d.tried == [("a",)]
    await world.advance(0.02)
    assert d.times == [0.0, next_try, next_try]
    assert sorted(d.taken) == ["a", "b"]


FORMS = {
    "seconds": 2.0, "fraction": 0.5, "date": 2.0, "huge": 3600.0,
    "zero": 1.0, "past date": 1.0, "negative": 1.0, "endless": 1.0, "not a number": 1.0,
    "garbage": 1.0, "empty": 1.0,
}  # fmt: skip
"""Forms of Retry-After, and the wait in seconds that comes of them: 1 is the first of backoff."""


@pytest.mark.case(32)
@pytest.mark.parametrize("form", answers.retry_afters(0))
async def test_every_form_of_retry_after_makes_a_wait_that_ends(start: Start, form: str) -> None:
    asked = answers.retry_afters(START)[form]
    d = Scripted(lambda _: limited(asked) if len(d.calls) == 1 else None)
    world = await start(d, retry=retry(), flush_interval=0)
    await world.send((1, "a"), (1, "b"))
    await world.finish()
    assert d.taken == ["a", "b"]
    assert d.times == pytest.approx([0, FORMS[form], FORMS[form]], abs=0.01)


def limited(asked: str) -> DeliveryError | None:
    try:
        raise_for_status(Response(429, headers={"retry-after": asked}, at=START))
    except DeliveryError as error:
        return error
    return None


async def test_rate_limits_cost_no_attempt_and_never_burn_an_event(start: Start) -> None:
    d = Scripted(in_turn(*[RateLimited("slow", status=429)] * 30))
    world = await start(d, retry=retry(budget=1), flush_interval=0)
    (offset,) = await world.send((1, "a"))
    await world.advance(100)
    assert await world.parked() == [(("a",), 0, "rate_limited")]
    await world.finish()
    assert (await world.fates()) == {"a": "delivered"}
    rows = await world.attempts(offset)
    assert {row.number for row in rows} == {1}
    assert len(rows) == 31


async def test_rate_limits_without_a_number_wait_longer_and_longer(start: Start) -> None:
    d = Scripted(in_turn(*[RateLimited("slow")] * 4))
    world = await start(d, retry=retry(1, 4), flush_interval=0)
    await world.send((1, "a"))
    await world.finish()
    assert d.times == [0, 1, 3, 7, 11]
    d.script = in_turn(RateLimited("slow"))
    await world.send((1, "b"))
    await world.finish()
    assert d.times[5:] == [11, 12], "a success forgets it"


async def test_calls_in_flight_that_are_limited_together_count_once(start: Start) -> None:
    d = Scripted(in_turn(*[RateLimited("slow")] * 4))
    d.hold()
    world = await start(d, retry=retry(1, 60), concurrency=4, flush_interval=0)
    await world.send(*[(key, f"e{key}") for key in range(4)])
    await world.settle()
    d.release()
    await world.advance(1)
    assert len(d.calls) == 8


async def test_a_long_hold_survives_a_restart(start: Start) -> None:
    d = Scripted(in_turn(RateLimited("slow", retry_after=60)))
    world = await start(d, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(1)
    await world.restart()
    await world.send((2, "b"))
    await world.advance(58)
    assert d.tried == [("a",)]
    await world.advance(1.1)
    assert d.times == [0.0, 60.0, 60.0]


@pytest.mark.case(32)
async def test_order_is_kept_while_rate_limited(start: Start) -> None:
    d = Scripted(in_turn(None, RateLimited("x", retry_after=1), None, RateLimited("x")))
    world = await start(d, flush_interval=0, concurrency=4)
    await world.send(*[(1, f"e{n}") for n in range(6)])
    await world.finish()
    assert d.taken == [f"e{n}" for n in range(6)]


# -- the breaker --------------------------------------------------------------------------------


@pytest.mark.case(34, 35)
async def test_the_breaker_opens_probes_with_one_call_and_closes(start: Start) -> None:
    d = Scripted(lambda _: DOWN("no"))
    world = await start(
        d, retry=retry(100, 100), breaker={"failures": 3, "cooldown": 5}, concurrency=4,
        flush_interval=0,
    )  # fmt: skip
    await world.send(*[(key, f"e{key}") for key in range(3)])
    await world.settle()
    assert world.worker().standing.breaker.state == "open"
    await world.send(*[(key, f"e{key}") for key in range(3, 20)])
    await world.advance(4.9)
    assert len(d.calls) == 3, "left alone"
    await world.advance(0.2)
    assert d.times[3:] == [5.0], "one probe"
    await world.advance(10)
    assert d.times[3:] == [5.0, 15.0], "the pause doubles"
    d.script = lambda _: None
    await world.advance(20)
    assert world.worker().standing.breaker.state == "closed"
    assert set(d.times[5:]) == {35.0}, "what had failed does not wait for its time"
    assert len(d.taken) == 20
    assert d.most_running <= 4


@pytest.mark.case(35)
async def test_while_the_probe_is_out_nothing_else_goes(start: Start) -> None:
    d = Scripted(lambda _: DOWN("no"))
    world = await start(d, breaker={"failures": 1, "cooldown": 5}, flush_interval=0)
    await world.send((1, "a"))
    await world.settle()
    await world.send((2, "b"), (3, "c"))
    d.hold()
    await world.advance(60)
    assert len(d.calls) == 2
    assert d.running == 1
    assert world.worker().standing.breaker.state == "half_open"
    d.script = lambda _: None
    d.release()
    await world.finish()
    assert sorted(d.taken) == ["a", "b", "c"]


async def test_late_failures_of_the_same_outage_do_not_lengthen_it(start: Start) -> None:
    d = Scripted(lambda _: DOWN("no"))
    d.hold()
    world = await start(
        d, breaker={"failures": 2, "cooldown": 5}, concurrency=8, flush_interval=0,
        retry=retry(100, 100),
    )  # fmt: skip
    await world.send(*[(key, f"e{key}") for key in range(8)])
    await world.settle()
    d.release()
    await world.advance(5)
    assert d.times[8:] == [5.0]


async def test_refusals_of_single_events_do_not_open_the_breaker(start: Start) -> None:
    d = Scripted(lambda _: InvalidPayload("bad"))
    world = await start(d, breaker={"failures": 1, "cooldown": 50}, flush_interval=0)
    await world.send(*[(key, f"e{key}") for key in range(10)])
    await world.settle()
    assert world.worker().standing.breaker.state == "closed"
    assert (await world.tally()).dead == 10


async def test_a_probe_without_order_sends_nothing_twice(start: Start) -> None:
    d = Scripted(in_turn(DOWN("no")), max_batch=5)
    world = await start(
        d, ordering="none", retry=retry(100, 100), breaker={"failures": 1, "cooldown": 5},
        flush_interval=0,
    )  # fmt: skip
    await world.send((1, "a"), (2, "b"))
    await world.finish()
    assert d.tried == [("a", "b"), ("a", "b")]
    assert (await world.tally()).delivered == 2


# -- time ---------------------------------------------------------------------------------------


@pytest.mark.case(39)
@pytest.mark.parametrize("jump", [-3600, 3600, 8 * 3600, -0.9])
async def test_waits_are_as_long_as_meant_when_the_wall_clock_is_set(
    start: Start, jump: float
) -> None:
    d = Scripted(in_turn(*[DOWN("no")] * 4, RateLimited("slow", retry_after=10)))
    world = await start(d, retry=retry(budget=1000), breaker=NO_BREAKER, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(3.5)  # tries at 0, 1, 3; the next is due at 7
    world.clock.step(jump)
    await world.advance(6.6)
    assert d.times[:4] == pytest.approx([0, 1, 3, 7], abs=1)
    assert len(d.calls) == 4
    await world.finish()
    assert d.times[4:] == pytest.approx([15, 25], abs=1)
    assert d.taken == ["a"]


async def test_an_old_failure_is_not_given_up_because_the_clock_was_set_ahead(
    start: Start,
) -> None:
    d = Scripted(lambda _: DOWN("no") if len(d.calls) < 8 else None)
    world = await start(d, retry=retry(budget=60), breaker=NO_BREAKER, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(8)
    world.clock.step(86_400)
    await world.finish()
    assert d.taken == ["a"]


async def test_each_event_keeps_its_own_schedule(start: Start) -> None:
    d = Scripted(once_each({"a": [DOWN("no")] * 2, "b": [DOWN("no")]}))
    world = await start(d, retry=retry(), breaker=NO_BREAKER, flush_interval=0)
    await world.send((1, "a"))
    await world.advance(0.5)
    await world.send((2, "b"))
    await world.finish()
    assert [(call.at, call.ids[0]) for call in d.calls] == [
        (0.0, "a"), (0.5, "b"), (1.0, "a"), (1.5, "b"), (3.0, "a"),
    ]  # fmt: skip


async def test_an_outage_that_names_its_end_is_believed(start: Start) -> None:
    d = Scripted(in_turn(DOWN("HTTP 503", retry_after=20, status=503)))
    world = await start(d, jitter=1.0, retry=retry(), breaker=NO_BREAKER, flush_interval=0)
    assert await sent(world, d, (1, "a"), wait=30) == [0, 20]


async def test_after_a_hold_one_call_asks_whether_it_is_over(start: Start) -> None:
    limited = [RateLimited("HTTP 429", retry_after=2) for _ in range(4)]
    d = Scripted(in_turn(*limited), max_batch=1)
    world = await start(d, concurrency=4, flush_interval=0)
    await world.send(*((n, f"e{n}") for n in range(8)))
    await world.advance(1.9)
    first = len(d.times)
    assert first <= 4
    await world.advance(0.2)
    assert len(d.times) == first + 1 or set((await world.fates()).values()) == {"delivered"}
    await world.finish()
    assert set((await world.fates()).values()) == {"delivered"}
