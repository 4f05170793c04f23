"""One delivery, from the calls to the rows: which calls are made, what becomes of each event."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.delivery.call import ConnectorBug, Result, deliver
from junctor.delivery.settle import (
    BUG_TRIES,
    LEAST_TRIES,
    give_up,
    message_of,
    park_again,
    settlement,
)
from junctor.model.delivery import TERMINAL, Outcome, Parked
from junctor.model.processed import Processed
from junctor.sdk import (
    AuthenticationFailed,
    DeliveryError,
    DestinationUnavailable,
    Event,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    RateLimited,
    Rejected,
)

from .test_queue import event
from .world import Scripted, StepClock

Answer = Callable[[list[int]], BaseException | None]


def events(count: int, keys: int = 1000) -> list[Processed]:
    return [event(offset, offset % keys) for offset in range(1, count + 1)]


async def run(answer: Answer, count: int, **options: Any) -> tuple[Result, list[list[int]]]:
    """Deliver `count` events to what answers to lists of offsets; return the calls, too."""
    calls: list[list[int]] = []

    def script(some: Sequence[Event]) -> BaseException | None:
        calls.append([one.offset for one in some])
        return answer(calls[-1])

    options.setdefault("time_limit", 5)
    destination = Scripted(script)
    result = await deliver(destination, events(count), clock=destination.clock, **options)
    everywhere = [
        *result.delivered, *result.again, *(i for i, _ in result.dead),
        *(i for i, _ in result.discarded),
    ]  # fmt: skip
    offsets = sorted(item.event.offset for item in everywhere)
    assert offsets == list(range(1, count + 1)), "each event is in exactly one of the lists"
    return result, calls


def poison(*bad: int, error: type[DeliveryError] = InvalidPayload) -> Answer:
    """Refuse every call that carries one of `bad`."""
    return lambda offsets: error("bad data") if set(bad) & set(offsets) else None


def offsets(items: Sequence[Processed]) -> list[int]:
    return sorted(item.event.offset for item in items)


async def test_what_is_taken_is_delivered_in_one_call() -> None:
    result, calls = await run(lambda _: None, 500)
    assert calls == [list(range(1, 501))]
    assert len(result.delivered) == 500
    assert result.error is None


@pytest.mark.case(30)
async def test_a_refused_batch_is_halved_until_the_poison_is_alone() -> None:
    result, calls = await run(poison(3), 8)
    assert calls == [[*range(1, 9)], [1, 2, 3, 4], [1, 2], [3, 4], [3], [4], [5, 6, 7, 8]]
    assert [(item.event.offset, error.code) for item, error in result.dead] == [
        (3, "invalid_payload")
    ]
    assert offsets(result.delivered) == [1, 2, 4, 5, 6, 7, 8]


@pytest.mark.case(30)
@pytest.mark.parametrize("bad", [1, 257, 500])
async def test_one_poison_in_500_costs_few_calls(bad: int) -> None:
    result, calls = await run(poison(bad), 500)
    assert len(calls) <= 1 + 2 * 9
    assert offsets([item for item, _ in result.dead]) == [bad]
    assert len(result.delivered) == 499


async def test_calls_keep_the_order_of_the_events() -> None:
    _, calls = await run(poison(2, 5, error=Rejected), 8)
    taken = [call for call in calls if not {2, 5} & set(call)]
    assert [offset for call in taken for offset in call] == [1, 3, 4, 6, 7, 8]


async def test_declined_events_are_found_the_same_way_and_counted_as_discarded() -> None:
    result, _ = await run(poison(2, error=Rejected), 4)
    assert [(item.event.offset, error.code) for item, error in result.discarded] == [
        (2, "rejected")
    ]
    assert offsets(result.delivered) == [1, 3, 4]


@pytest.mark.parametrize(
    "error", [DestinationUnavailable, RateLimited, AuthenticationFailed, Misconfigured]
)
async def test_what_the_destination_is_to_blame_for_is_not_halved(
    error: type[DeliveryError],
) -> None:
    result, calls = await run(lambda _: error("no"), 8)
    assert calls == [[*range(1, 9)]]
    assert offsets(result.again) == [*range(1, 9)]
    assert result.failed == set(range(1, 9))
    assert isinstance(result.error, error)


async def test_an_outage_while_halving_stops_the_rest_in_order() -> None:
    def answer(some: list[int]) -> BaseException | None:
        if some == [3, 4]:
            return DestinationUnavailable("down")
        return InvalidPayload("bad") if 1 in some or 5 in some else None

    result, calls = await run(answer, 8)
    assert calls == [[*range(1, 9)], [1, 2, 3, 4], [1, 2], [1], [2], [3, 4]]
    assert offsets([item for item, _ in result.dead]) == [1]
    assert offsets(result.delivered) == [2]
    assert [item.event.offset for item in result.again] == [3, 4, 5, 6, 7, 8]
    assert result.failed == {3, 4}


@pytest.mark.case(29, 30)
async def test_each_item_of_a_partial_failure_has_its_own_fate() -> None:
    failure = PartialFailure(
        {
            0: InvalidPayload("bad", status=422),
            1: Rejected("no id"),
            2: DestinationUnavailable("busy"),
            4: RateLimited("slow"),
        }
    )
    result, calls = await run(lambda _: failure, 5)
    assert len(calls) == 1
    assert offsets([item for item, _ in result.dead]) == [1]
    assert offsets([item for item, _ in result.discarded]) == [2]
    assert offsets(result.again) == [3, 5]
    assert result.failed == {3, 5}
    assert offsets(result.delivered) == [4]


async def test_a_pause_among_item_errors_wins() -> None:
    failure = PartialFailure({0: DestinationUnavailable("x"), 1: AuthenticationFailed("401")})
    result, _ = await run(lambda _: failure, 3)
    assert isinstance(result.error, AuthenticationFailed)
    assert offsets(result.delivered) == [3]


async def test_items_that_share_one_refusal_are_halved_like_a_batch() -> None:
    """As when a connector leaves out what it can't express and the vendor refuses the others."""

    def answer(some: list[int]) -> BaseException | None:
        if len(some) == 1:
            return InvalidPayload("alone") if some[0] in (1, 4) else None
        bad = InvalidPayload("the batch") if 4 in some else None
        errors: dict[int, DeliveryError] = {}
        if bad is not None:
            errors = {i: bad for i, offset in enumerate(some) if offset != 1}
        if 1 in some:
            errors[some.index(1)] = InvalidPayload("cannot be built")
        return PartialFailure(errors) if errors else None

    result, _ = await run(answer, 8)
    assert {item.event.offset: error.message for item, error in result.dead} == {
        1: "cannot be built", 4: "alone",
    }  # fmt: skip
    assert offsets(result.delivered) == [2, 3, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "errors",
    [
        {-1: InvalidPayload("?")}, {3: InvalidPayload("?")}, {"e1": InvalidPayload("?")},
        {0: "just text"}, {0: None}, {0: PartialFailure({})},
    ],
)  # fmt: skip
async def test_a_partial_failure_that_makes_no_sense_delivers_nothing(errors: Any) -> None:
    failure = PartialFailure(errors)
    result, _ = await run(lambda some: failure if len(some) == 3 else None, 3)
    assert [call.error.code for call in result.calls if call.error] == ["connector_bug"]
    assert offsets(result.delivered) == [1, 2, 3]  # by the halves, which said nothing odd


@pytest.mark.case(20)
async def test_a_connector_bug_is_isolated_and_the_events_before_it_are_delivered() -> None:
    def answer(some: list[int]) -> BaseException | None:
        return KeyError("secret of the event") if 3 in some else None

    result, calls = await run(answer, 4)
    assert calls == [[1, 2, 3, 4], [1, 2], [3, 4], [3]]
    assert offsets(result.delivered) == [1, 2]
    assert result.failed == {3}
    assert [item.event.offset for item in result.again] == [3, 4]
    assert isinstance(result.error, ConnectorBug)
    assert result.error.message == "KeyError in the connector"
    assert "world.py" in result.error.place


@pytest.mark.case(33)
async def test_a_call_that_takes_too_long_is_an_outage() -> None:
    destination = Scripted()
    destination.hold()
    result = await deliver(destination, events(2), time_limit=0.005, clock=destination.clock)
    assert isinstance(result.error, DestinationUnavailable)
    assert result.error.message == "no answer within 0.005 s"
    assert offsets(result.again) == [1, 2]
    assert destination.running == 0, "the connector's call is ended"


async def test_a_connector_that_cancels_itself_does_not_cancel_the_hub() -> None:
    result, _ = await run(lambda _: asyncio.CancelledError(), 1)
    assert isinstance(result.error, ConnectorBug)


async def test_a_call_can_be_canceled() -> None:
    destination = Scripted()
    destination.hold()
    task = asyncio.create_task(
        deliver(destination, events(1), time_limit=5, clock=destination.clock)
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_further_calls_wait_as_long_as_they_are_told() -> None:
    clock, times = StepClock(), []
    waits = iter([0.5, 0.0])

    def script(some: Sequence[Event]) -> BaseException | None:
        times.append(clock.monotonic())
        return InvalidPayload("bad") if len(some) > 1 else None

    task = asyncio.create_task(
        deliver(
            Scripted(script), events(2), time_limit=5, clock=clock,
            before_call=lambda: next(waits),
        )
    )  # fmt: skip
    await clock.advance(1)
    assert times == [0.0, 0.5, 0.5]
    assert len((await task).delivered) == 2


async def test_when_no_more_calls_are_wanted_the_rest_is_kept() -> None:
    result, calls = await run(poison(1), 4, before_call=lambda: None)
    assert calls == [[1, 2, 3, 4]]
    assert [item.event.offset for item in result.again] == [1, 2, 3, 4]
    assert result.error is None
    assert result.failed == set()


async def test_more_than_a_call_may_carry_goes_in_several() -> None:
    result, calls = await run(lambda _: None, 7, most=(3, 1000))
    assert calls == [[1, 2, 3], [4, 5, 6], [7]]
    assert len(result.delivered) == 7
    _, calls = await run(lambda _: None, 5, most=(100, 2))
    assert calls == [[1, 2], [3, 4], [5]]


# -- giving up ----------------------------------------------------------------------------------


def failed(error: DeliveryError, count: int = 2) -> Result:
    items = events(count)
    result = Result(again=list(items), failed={items[0].event.offset}, error=error)
    return result


@pytest.mark.parametrize(
    ("error", "attempts", "age_ms", "dead"),
    [
        (DestinationUnavailable("x"), LEAST_TRIES, 60_000, True),
        (DestinationUnavailable("x"), LEAST_TRIES, 59_999, False),
        (DestinationUnavailable("x"), LEAST_TRIES - 1, 10**9, False),
        (DestinationUnavailable("x"), 10_000, 59_999, False),
        (ConnectorBug("x"), BUG_TRIES, 0, True),
        (ConnectorBug("x"), BUG_TRIES - 1, 10**9, False),
        (RateLimited("x"), 10_000, 10**9, False),
        (AuthenticationFailed("x"), 10_000, 10**9, False),
        (Misconfigured("x"), 10_000, 10**9, False),
    ],
)
def test_events_are_given_up_after_budget_and_least_tries(
    error: DeliveryError, attempts: int, age_ms: int, dead: bool
) -> None:
    result = failed(error)
    give_up(result, attempts=attempts, started_at=5, now=5 + age_ms, give_up_after=60)
    assert offsets([item for item, _ in result.dead]) == ([1] if dead else [])
    assert offsets(result.again) == ([2] if dead else [1, 2]), "who stood behind lives on"


# -- rows ---------------------------------------------------------------------------------------


def rows(result: Result, **changes: Any) -> Any:
    options: dict[str, Any] = {
        "number": 1, "filtered": [], "gone": [], "park": [], "unpark": [], "cursor": 0, "now": 7,
    }  # fmt: skip
    return settlement("d", result, **{**options, **changes})


async def test_there_is_a_row_for_each_call_and_outcome() -> None:
    result, _ = await run(poison(2, error=Rejected), 4)
    settled = rows(result, number=3)
    assert [(a.outcome, a.offsets, a.code) for a in settled.attempts] == [
        ("retry", (1, 2, 3, 4), "rejected"),
        ("retry", (1, 2), "rejected"),
        ("delivered", (1,), ""),
        ("discarded", (2,), "rejected"),
        ("delivered", (3, 4), ""),
    ]
    assert {a.number for a in settled.attempts} == {3}


async def test_a_dead_letter_holds_code_message_and_the_event() -> None:
    result, _ = await run(lambda _: InvalidPayload("no email: 422", status=422), 1)
    (letter,) = rows(result, number=4).dead
    assert (letter.destination, letter.offset, letter.at) == ("d", 1, 7)
    assert (letter.code, letter.message, letter.attempts) == ("invalid_payload", "no email: 422", 4)
    assert (letter.message_id, letter.type, letter.json) == ("e1", "track", b"x")
    (row,) = rows(result).attempts
    assert (row.outcome, row.status, row.message) == ("dead_letter", 422, "no email: 422")


def test_filtered_and_erased_events_are_accounted_for() -> None:
    settled = rows(Result(), filtered=events(2), gone=[9, 8])
    assert [(a.outcome, a.offsets, a.code) for a in settled.attempts] == [
        ("filtered", (8, 9), "erased"), ("filtered", (1, 2), "filtered_at_send"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "kept"),
    [("x" * 600, "x" * 500), ("bad \ud800 text", "bad ? text"), ("nul \0", "nul \0"), (7, "7")],
)
def test_what_a_connector_says_can_always_be_stored(said: Any, kept: str) -> None:
    assert message_of(InvalidPayload(said)) == kept


ITEM_ERRORS: list[Callable[[], DeliveryError]] = [
    lambda: DestinationUnavailable("x", status=503),
    lambda: RateLimited("x", retry_after=3),
    lambda: InvalidPayload("x", status=400),
    lambda: Rejected("x"),
    lambda: AuthenticationFailed("x"),
]
ERRORS: list[Callable[[], Exception]] = [*ITEM_ERRORS, lambda: KeyError("x")]


@given(data=st.data(), count=st.integers(1, 12), tries=st.integers(1, 5))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_every_event_has_at_most_one_terminal_outcome_and_none_is_lost(
    data: st.DataObject, count: int, tries: int
) -> None:
    """Whatever a destination answers, try by try: rows, dead letters and what is left agree."""

    def script(some: Sequence[Event]) -> BaseException | None:
        kind = data.draw(st.integers(0, len(ERRORS) + 3), "answer")
        if kind < len(ERRORS):
            return ERRORS[kind]()
        if kind == len(ERRORS):
            indexes = data.draw(st.sets(st.integers(0, len(some) - 1)), "items")
            errors = st.sampled_from([make() for make in ITEM_ERRORS])
            return PartialFailure({index: data.draw(errors, "error") for index in indexes})
        return None

    async def play() -> None:
        destination = Scripted(script)
        left, number = events(count, keys=3), 0
        done: dict[int, Outcome] = {}
        while left and number < tries:
            number += 1
            result = await deliver(
                destination, left, time_limit=5, clock=destination.clock, most=(5, 100)
            )
            give_up(result, attempts=number, started_at=0, now=10**9, give_up_after=1)
            settled = rows(result, number=number)
            for row in settled.attempts:
                assert row.offsets == tuple(sorted(set(row.offsets)))
                for offset in row.offsets if row.outcome in TERMINAL else ():
                    assert offset not in done, "a second terminal outcome"
                    done[offset] = row.outcome
            assert [d.offset for d in settled.dead] == [i.event.offset for i, _ in result.dead]
            assert all(done[d.offset] is Outcome.DEAD_LETTER for d in settled.dead)
            again = sorted(result.again, key=lambda item: item.event.offset)
            assert offsets(again) == sorted(set(range(1, count + 1)) - set(done))
            assert (not again) or result.error is not None
            left = again

    asyncio.run(play())


def test_parked_groups_keep_together_what_was_tried_together() -> None:
    items = [event(1, 7), event(2, 8), event(3, 7), event(4, 9), event(5, 8), event(6, 5)]
    result = Result(again=list(items), failed={1, 2}, error=DestinationUnavailable("down"))
    before = Parked((1, 2, 3, 4, 5, 6), 0, attempts=4, started_at=100)
    groups = park_again(
        result, before, number=5, started_at=100, retry_at=900, now=200, ordered=True
    )
    assert [(g.parked.offsets, g.parked.attempts, g.keys, g.parked.behind) for g in groups] == [
        ((1, 2), 5, frozenset({7, 8}), False),
        ((3,), 4, frozenset({7}), True),
        ((5,), 4, frozenset({8}), True),
        ((4, 6), 4, frozenset({9, 5}), True),
    ]
    assert {(g.parked.retry_at, g.parked.code, g.parked.started_at) for g in groups} == {
        (900, "destination_unavailable", 100)
    }
    loose = park_again(
        result, before, number=5, started_at=100, retry_at=900, now=200, ordered=False
    )
    assert [g.parked.offsets for g in loose] == [(1, 2), (3, 4, 5, 6)]


def test_who_stood_behind_a_connector_bug_need_not_wait_for_it() -> None:
    items = [event(1, 7), event(2, 8)]
    result = Result(again=list(items), failed={1}, error=ConnectorBug("KeyError"))
    tried, behind = park_again(
        result, Parked((), 0), number=1, started_at=50, retry_at=900, now=200, ordered=True
    )
    assert (tried.parked.retry_at, tried.parked.attempts, tried.parked.started_at) == (900, 1, 50)
    assert (behind.parked.retry_at, behind.parked.attempts, behind.parked.code) == (200, 0, "")


async def test_a_key_that_the_vendor_repeats_is_hidden_in_every_error() -> None:
    def echo(_: list[int]) -> DeliveryError:
        return PartialFailure(
            {0: InvalidPayload("bad key sk-123"), 1: DestinationUnavailable("sk-123 is slow")}
        )

    result, _ = await run(echo, 2, mask=lambda text: text.replace("sk-123", "***"))
    assert [error.message for _, error in result.dead] == ["bad key ***"]
    assert result.error is not None
    assert result.error.message == "*** is slow"


class Body:
    """What a connector had at hand."""


@pytest.mark.parametrize("of_an_item", [False, True])
async def test_of_a_failed_call_the_error_is_kept_and_nothing_that_the_connector_had(
    of_an_item: bool,
) -> None:
    """Its frames hold events and bodies; in a circle they would stay until the next collection."""
    bodies: list[weakref.ref[Body]] = []

    class Failing(Scripted):
        async def deliver(self, events: Sequence[Event]) -> None:
            body = Body()
            bodies.append(weakref.ref(body))
            try:
                try:
                    raise KeyError("below")
                except KeyError as below:
                    raise DestinationUnavailable("down") from below
            except DestinationUnavailable as error:
                if of_an_item:
                    raise PartialFailure({0: error, 1: InvalidPayload("bad data")}) from error
                raise

    gc.disable()
    try:
        destination = Failing()
        result = await deliver(destination, events(2), time_limit=5, clock=destination.clock)
        assert result.error is not None
        assert [body() for body in bodies] == [None]
    finally:
        gc.enable()
