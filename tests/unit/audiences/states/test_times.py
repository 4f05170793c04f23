"""The newest events decide counts in every window; the earliest is the first."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.comparison import AllOf, AnyOf, Between, Compare, Comparison, Glob
from junctor.audiences.event_figures import highest
from junctor.audiences.event_leaf import event_leaf
from junctor.audiences.leaf import NEVER, Verdict
from junctor.audiences.nodes import EventCondition, Window
from junctor.audiences.states.times import SLACK, Times, Whole, newest
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

HOUR = 3_600_000


def counted(rng: random.Random, unit: int, base: int) -> EventCondition:
    return EventCondition(PATTERN, a_count(rng), a_window(rng, unit, base))


def first(rng: random.Random, unit: int, base: int) -> EventCondition:
    return EventCondition(PATTERN, AT_LEAST_ONE, a_window(rng, unit, base), first=True)


def test_counts_hold_and_change_as_their_sentences_say() -> None:
    tally = check_cases(counted, 400)
    assert tally.held > 0.2 * tally.cases
    assert tally.changing > 0.2 * tally.cases
    assert tally.waiting


def test_a_first_event_holds_and_changes_as_its_sentence_says() -> None:
    tally = check_cases(first, 200)
    assert tally.held
    assert tally.changing


@pytest.mark.parametrize(
    ("comparison", "number"),
    [
        (Compare("gte", 3), 3),
        (Compare("lt", 2.5), 3),
        (Compare("ne", -1), 0),
        (Between(2, 7), 7),
        (AnyOf((Compare("eq", 1), AllOf((Compare("gt", 4), Compare("lt", 9))))), 9),
        (Glob("3*"), 0),
    ],
)
def test_above_the_highest_number_named_all_counts_are_alike(
    comparison: Comparison, number: int
) -> None:
    assert highest(comparison) == number


def test_one_state_serves_every_window_and_threshold() -> None:
    few = event_leaf(EventCondition(PATTERN, Compare("gte", 2), Window(within=HOUR))).kinds[0]
    many = event_leaf(EventCondition(PATTERN, Compare("eq", 9), Window(since=T0))).kinds[0]
    assert few.key == many.key
    assert (few.size, many.size) == (3, 10)
    early = event_leaf(EventCondition(PATTERN, AT_LEAST_ONE, Window(until=T0))).kinds[0]
    assert early.key != few.key


def test_a_state_that_keeps_more_than_needed_serves_as_well() -> None:
    leaf = event_leaf(EventCondition(PATTERN, Compare("lte", 1), Window(within=HOUR)))
    events = [event(T0 + number, number) for number in range(9)]
    state = fold(Times(PATTERN, 20), events)
    verdict = leaf.verdict({leaf.kinds[0].key: state}, T0 + 9, T0 + 9)
    assert verdict == Verdict(False, NEVER, T0 + 7 + HOUR)


def test_an_absence_is_believed_only_when_silence_is() -> None:
    leaf = event_leaf(EventCondition(PATTERN, Compare("eq", 0), Window(within=HOUR)))
    states = {leaf.kinds[0].key: fold(leaf.kinds[0], [event(T0, 1)])}
    over = T0 + HOUR
    assert leaf.verdict(states, over - 1, over - 6) == Verdict(False, NEVER, over)
    assert leaf.verdict(states, over + 4, over - 1) == Verdict(False, NEVER, over)
    assert leaf.verdict(states, over + 5, over) == Verdict(True)
    assert leaf.verdict({}, T0, T0) == Verdict(True)


def test_an_event_ahead_of_the_clock_counts_at_once() -> None:
    leaf = event_leaf(EventCondition(PATTERN, AT_LEAST_ONE, Window(within=HOUR)))
    states = {leaf.kinds[0].key: fold(leaf.kinds[0], [event(T0 + 50_000, 1)])}
    assert leaf.verdict(states, T0, T0) == Verdict(True, T0 + 50_000 + HOUR)


def test_facts_name_the_count_and_its_newest_events() -> None:
    leaf = event_leaf(EventCondition(PATTERN, Compare("gte", 3), Window(within=HOUR)))
    kind = leaf.kinds[0]
    two = {kind.key: fold(kind, [event(T0 + number, number) for number in (5, 7)])}
    facts = leaf.facts(two, T0 + 9)
    assert (facts.value, facts.evidence, facts.error) == (2, [5, 7], "")
    assert not facts.degraded
    many = {kind.key: fold(kind, [event(T0 + number, number) for number in range(9)])}
    assert leaf.facts(many, T0 + 9).value == "at least 4"
    assert leaf.facts(many, T0 + 9 + HOUR).value == 0
    assert leaf.facts({}, T0).value == 0


def test_events_of_a_window_before_now_are_kept_until_it_has_passed_them() -> None:
    kind = Whole(PATTERN, HOUR)
    state = fold(kind, [event(T0, 1), event(T0 + HOUR, 2), event(T0 + HOUR + SLACK, 3)])
    assert state == [[T0, 1], [T0 + HOUR, 2], [T0 + HOUR + SLACK, 3]]
    assert kind.add(state, event(T0 + HOUR + SLACK + 1, 4), 1)[0] == [T0 + HOUR, 2]
    assert not kind.degraded(state)
    assert kind.degraded(fold(kind, [event(T0 + number, number) for number in range(300)]))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1),
    st.randoms(use_true_random=False),
)
def test_the_newest_is_the_same_in_any_order_and_any_halves(
    moments: list[tuple[int, int]], rng: random.Random
) -> None:
    events = [event(T0 + at, rank) for at, rank in moments]
    assert newest(split_and_merged(Times(PATTERN), events, rng)) == (
        T0 + max(moments)[0],
        max(moments)[1],
    )


def test_of_nothing_there_is_no_newest() -> None:
    assert newest(None) is None


def test_what_needs_few_events_is_exact_though_more_are_kept_for_another() -> None:
    state = fold(Times(PATTERN, 257), [event(T0 + number, number) for number in range(300)])
    assert Times(PATTERN, 257).degraded(state)
    assert not Times(PATTERN, 3).degraded(state)


def test_days_of_a_window_before_now_are_exact_up_to_as_many_events_as_days_are_kept() -> None:
    window = Window(far=36 * HOUR, near=12 * HOUR)
    leaf = event_leaf(
        EventCondition(PATTERN, AT_LEAST_ONE, window, days=Compare("eq", 2), zone="UTC")
    )
    events = [event(T0 + 23 * HOUR + 720_000 * number, number) for number in range(5)]
    events += [event(T0 + 25 * HOUR + number, 5 + number) for number in range(390)]
    states = {kind.key: fold(kind, events) for kind in leaf.kinds}
    now = T0 + 40 * HOUR
    assert leaf.verdict(states, now, now).holds
    assert not leaf.facts(states, now).degraded
    more = [*events, *(event(T0 + 26 * HOUR + number, 900 + number) for number in range(9))]
    states = {kind.key: fold(kind, more) for kind in leaf.kinds}
    assert leaf.facts(states, now).degraded
