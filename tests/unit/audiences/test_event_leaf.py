"""Conditions on events: what all figures have in common."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.comparison import (
    AllOf,
    AnyOf,
    Between,
    Compare,
    Comparison,
    compile_comparison,
)
from junctor.audiences.event_figures import bounds, highest
from junctor.audiences.event_leaf import MOST_LOOKS, event_leaf
from junctor.audiences.leaf import NEVER, Leaf, State, Verdict
from junctor.audiences.nodes import EventCondition, Measure, Window
from junctor.audiences.seen import Seen

from .oracle_events import (
    AT_LEAST_ONE,
    DAY,
    PATTERN,
    T0,
    Truth,
    a_count,
    a_window,
    check_cases,
    event,
    fold,
)

HOUR = 3_600_000

named = st.integers(0, 6) | st.sampled_from([0.5, 2.5, 4.0])
compared = st.builds(
    Compare, st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]), named
) | st.builds(Between, named, named)
comparisons: st.SearchStrategy[Comparison] = st.recursive(
    compared,
    lambda inner: (
        st.builds(AnyOf, st.tuples(inner, inner)) | st.builds(AllOf, st.tuples(inner, inner))
    ),
    max_leaves=3,
)


@given(comparisons, st.integers(0, 12))
def test_a_count_above_the_highest_number_named_is_like_the_next_one(
    comparison: Comparison, count: int
) -> None:
    test = compile_comparison(comparison)
    assert test(count) is test(min(count, highest(comparison) + 1))


@given(comparisons, st.integers(0, 12))
def test_bounds_say_the_same_as_the_comparison(comparison: Comparison, count: int) -> None:
    least, most = bounds(comparison)
    test = compile_comparison(comparison)
    if least is not None:
        assert test(count) is (count >= least)
    if most is not None:
        assert test(count) is (count <= most)


def states_of(leaf: Leaf, events: list[Seen]) -> dict[str, State]:
    return {kind.key: fold(kind, events) for kind in leaf.kinds}


def spending(comparison: Comparison, **more: Any) -> EventCondition:
    measure = Measure("sum", "n", comparison)
    return EventCondition(PATTERN, AT_LEAST_ONE, Window(within=HOUR), measure=measure, **more)


def test_a_change_too_far_ahead_is_told_in_stages_and_never_late() -> None:
    rng = random.Random(3)
    condition = spending(Between(5, 1_000))
    events = [event(T0 + 10 * n, n, n=rng.choice([1, 2])) for n in range(200)]
    leaf, truth = event_leaf(condition), Truth(condition, events)
    states = states_of(leaf, events)
    now, stages = T0 + 2_000, 0
    while (verdict := leaf.verdict(states, now, now)).holds:
        assert now < verdict.at < NEVER
        assert all(truth.at(at) for at in truth.moments if now <= at < verdict.at)
        now, stages = verdict.at, stages + 1
    assert not truth.at(now)
    assert 200 // MOST_LOOKS <= stages <= 200 // MOST_LOOKS + 1
    absent = event_leaf(spending(Compare("eq", 1)))
    states = states_of(absent, [event(T0 + 10 * n, n, n=2 - n // 199) for n in range(200)])
    now = T0 + 2_000
    while not (verdict := absent.verdict(states, now, now)).holds:
        now = min(verdict.at, verdict.quiet_at)
    assert now == T0 + 1_980 + HOUR


def everything(rng: random.Random, unit: int, base: int) -> EventCondition:
    measured = rng.choice(
        [
            Measure("distinct", "v", a_count(rng)),
            Measure("sum", "n", Compare("gte", rng.randint(-1, 4))),
            Measure("avg", "n", Compare("lt", rng.randint(0, 3))),
        ]
    )
    count = rng.choice([AT_LEAST_ONE, a_count(rng)])
    window = a_window(rng, unit, base)
    zone = "America/New_York"
    return EventCondition(PATTERN, count, window, a_count(rng), measured, zone=zone)


def test_count_days_and_figure_must_all_hold() -> None:
    tally = check_cases(everything, 400)
    assert tally.held > 0.05 * tally.cases
    assert tally.changing > 0.05 * tally.cases
    assert tally.waiting


def test_days_and_count_share_one_window_of_local_days() -> None:
    """Ten local days in autumn are an hour longer than ten times 24 hours."""
    condition = EventCondition(
        PATTERN, Compare("eq", 1), Window(within=10 * DAY), days=Compare("lte", 1),
        zone="Europe/Vienna",
    )  # fmt: skip
    leaf = event_leaf(condition)
    midnight = 1_792_274_400_000  # of October 18, 2026, in Vienna
    states = states_of(leaf, [event(midnight, 1)])
    end = midnight + 10 * DAY + HOUR
    assert leaf.verdict(states, end - 1, end - 1) == Verdict(True, end)


def test_an_end_of_a_window_that_lies_before_now_is_reached_by_itself() -> None:
    condition = EventCondition(PATTERN, AT_LEAST_ONE, Window(far=60 * DAY, near=30 * DAY))
    leaf = event_leaf(condition)
    states = states_of(leaf, [event(T0, 1)])
    assert leaf.verdict(states, T0, T0) == Verdict(False, T0 + 30 * DAY)
    entered = T0 + 30 * DAY
    assert leaf.verdict(states, entered, entered - 5_000) == Verdict(True, T0 + 60 * DAY)


@pytest.mark.parametrize("window", [Window(), Window(within=HOUR), Window(since=T0)])
def test_without_any_event_only_an_absence_holds(window: Window) -> None:
    for count, holds in (
        (Compare("eq", 0), True),
        (AT_LEAST_ONE, False),
        (Compare("ne", 0), False),
    ):
        leaf = event_leaf(EventCondition(PATTERN, count, window))
        assert leaf.verdict({}, T0, T0) == Verdict(holds)


def test_what_happened_never_goes_away_without_a_window() -> None:
    leaf = event_leaf(EventCondition(PATTERN, AT_LEAST_ONE, Window()))
    states = states_of(leaf, [event(T0, 1)])
    assert leaf.verdict(states, T0 + 10**12, T0 + 10**12) == Verdict(True)


def test_facts_show_the_figure_that_was_asked_for() -> None:
    leaf = event_leaf(spending(Compare("lte", 100)))
    events = [event(T0 + n, n, n=2.5) for n in range(8)]
    facts = leaf.facts(states_of(leaf, events), T0 + 9)
    assert (facts.value, facts.evidence, facts.error) == (20, [3, 4, 5, 6, 7], "")
    assert type(facts.value) is int
    assert not facts.degraded


def test_facts_of_combinations_are_those_of_one_that_fits_else_of_the_newest() -> None:
    leaf = event_leaf(spending(Compare("gte", 5), same=("v",)))
    events = [event(T0, 1, n=9, v="a"), event(T0 + 1, 2, n=1, v="b")]
    states = states_of(leaf, events)
    assert leaf.facts(states, T0 + 2).value == 9
    assert leaf.facts(states, T0 + HOUR).value == 1
    assert leaf.facts({}, T0).value == 0
