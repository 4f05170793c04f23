"""Sums and the like, and counts of many: exact while events are few, in slots when they are not."""

import random
from math import fsum

from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.comparison import Between, Compare, Comparison
from junctor.audiences.event_leaf import event_leaf
from junctor.audiences.leaf import State
from junctor.audiences.nodes import EventCondition, Measure, Measured, Window
from junctor.audiences.seen import Seen
from junctor.audiences.states.buckets import (
    SLOTS,
    Buckets,
    Totals,
    average_of,
    count_of,
    exact_sum,
    greatest_of,
    least_of,
    sum_of,
)
from junctor.audiences.states.readings import Number
from junctor.audiences.states.times import MOST, SLACK
from tests.unit.audiences.oracle_events import (
    AT_LEAST_ONE,
    PATTERN,
    T0,
    a_count,
    a_window,
    check_cases,
    event,
    fold,
    split_and_merged,
)

MEASURED: list[Measured] = ["sum", "avg", "min", "max"]
HOUR = 3_600_000


def a_figure(rng: random.Random) -> Comparison:
    number = rng.choice([0, 1, 2, 0.3, -3, 2.1])
    comparisons: list[Comparison] = [
            Compare("gte", number), Compare("gt", number), Compare("lt", number),
            Compare("lte", number), Compare("eq", number), Compare("ne", number),
            Between(number, number + 2),
        ]  # fmt: skip
    return rng.choice(comparisons)


def measured(rng: random.Random, unit: int, base: int) -> EventCondition:
    count = rng.choice([AT_LEAST_ONE, AT_LEAST_ONE, a_count(rng)])
    measure = Measure(rng.choice(MEASURED), "n", a_figure(rng))
    return EventCondition(PATTERN, count, a_window(rng, unit, base), measure=measure)


def test_figures_hold_and_change_as_their_sentences_say() -> None:
    tally = check_cases(measured, 700)
    assert tally.held > 0.1 * tally.cases
    assert tally.changing > 0.1 * tally.cases
    assert tally.waiting


numbers = st.floats(-1e200, 1e200) | st.sampled_from([0.1, 0.2, 1e16, -1e16, 1e-300])


@given(st.lists(numbers, max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
def test_an_exact_sum_does_not_depend_on_order_or_grouping(
    summands: list[float], rng: random.Random, cut: int
) -> None:
    whole = exact_sum(summands)
    shuffled = rng.sample(summands, len(summands))
    assert exact_sum(shuffled) == whole
    assert exact_sum([*exact_sum(shuffled[:cut]), *exact_sum(shuffled[cut:])]) == whole
    assert fsum(whole) == fsum(summands)


def many(rng: random.Random, count: int, span: int) -> list[Seen]:
    return [
        event(T0 + rng.randrange(span), number, n=rng.choice([1, 2, 0.1, -7]))
        for number in range(count)
    ]


def test_many_events_make_the_same_slots_in_whatever_order_and_split_they_come() -> None:
    for seed in range(12):
        rng = random.Random(seed)
        window = rng.choice([HOUR, 24 * HOUR, 100])
        events = many(rng, rng.choice([260, 400, 700]), rng.choice([window, 3 * window, 50]))
        kind = Buckets(PATTERN, rng.choice([None, Number("n")]), size=window)
        state = fold(kind, sorted(events, key=lambda seen: (seen.at, seen.rank)))
        assert fold(kind, rng.sample(events, len(events))) == state
        assert split_and_merged(kind, rng.sample(events, len(events)), rng) == state
        assert len(state) <= MOST + (window + SLACK) // kind.width + 2


def test_many_events_are_counted_with_an_error_of_a_slot_at_the_far_edge() -> None:
    for seed in range(10):
        rng = random.Random(seed)
        events = many(rng, 900, 24 * HOUR)
        leaf = event_leaf(EventCondition(PATTERN, Compare("gte", 300), Window(within=20 * HOUR)))
        kind = leaf.kinds[0]
        assert isinstance(kind, Buckets)
        assert kind.width * SLOTS <= 20 * HOUR
        state = fold(kind, events)
        now = T0 + rng.randrange(24 * HOUR, 30 * HOUR)
        facts = leaf.facts({kind.key: state}, now)
        exact = sum(now - seen.at < 20 * HOUR for seen in events)
        blurred = sum(now - seen.at < 20 * HOUR + kind.width for seen in events)
        assert exact <= facts.value <= blurred
        assert facts.degraded
        assert facts.error == "±1/68 of the window at the far edge"


def test_what_left_the_window_no_longer_makes_a_count_inexact() -> None:
    leaf = event_leaf(EventCondition(PATTERN, Compare("gte", 300), Window(within=HOUR)))
    kind = leaf.kinds[0]
    state = fold(kind, [event(T0 + number, number) for number in range(400)])
    assert leaf.verdict({kind.key: state}, T0 + 400, T0 + 400).holds
    assert leaf.facts({kind.key: state}, T0 + 400).degraded
    later = leaf.facts({kind.key: state}, T0 + HOUR + 200)
    assert (later.value, later.error, later.degraded) == (199, "", False)


def test_slots_are_let_go_when_no_window_reaches_them() -> None:
    kind = Buckets(PATTERN, size=HOUR)
    state = fold(kind, [event(T0 + number, number) for number in range(400)])
    assert kind.add(state, event(T0 + 2 * HOUR + SLACK, 400), 1) == [[T0 + 2 * HOUR + SLACK, 400]]


def test_without_a_window_totals_of_any_number_of_events_are_exact() -> None:
    rng = random.Random(1)
    events = many(rng, 1_000, HOUR)
    kind = Totals(PATTERN, Number("n"))
    state: State = fold(kind, events)
    assert split_and_merged(kind, rng.sample(events, 1_000), rng) == state
    values = [seen.body["properties"]["n"] for seen in events]
    assert sum_of(state) == fsum(values)
    assert average_of(state) == fsum(values) / 1_000
    assert (count_of(state), least_of(state), greatest_of(state)) == (1_000, -7, 2)
    assert not kind.degraded(state)
    newest = max(events, key=lambda seen: (seen.at, seen.rank))
    assert kind.add(state, newest, 1) == state


def test_many_are_counted_exactly_where_there_is_no_window() -> None:
    leaf = event_leaf(EventCondition(PATTERN, Compare("eq", 700), Window(since=T0)))
    kind = leaf.kinds[0]
    events = [event(T0 + number - 50, number) for number in range(750)]
    assert leaf.verdict({kind.key: fold(kind, events)}, T0, T0).holds


def test_a_sum_of_no_numbers_is_0_and_other_figures_are_missing() -> None:
    events = [event(T0, 1, n="many")]
    for kind, holds in (("sum", True), ("avg", False), ("min", False), ("max", False)):
        measure = Measure(kind, "n", Compare("lt", 100))  # type: ignore[arg-type]
        leaf = event_leaf(EventCondition(PATTERN, AT_LEAST_ONE, Window(), measure=measure))
        states = {kind.key: fold(kind, events) for kind in leaf.kinds}
        assert leaf.verdict(states, T0, T0).holds is holds
        assert not leaf.verdict({}, T0, T0).holds, "it takes an event"
