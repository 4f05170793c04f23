"""Different values, each by the newest event that has it."""

import random

import pytest

from junctor.audiences.comparison import Compare
from junctor.audiences.event_leaf import event_leaf
from junctor.audiences.nodes import EventCondition, Measure, Window
from junctor.audiences.states.readings import Number, Value
from tests.unit.audiences.oracle_events import (
    AT_LEAST_ONE,
    PATTERN,
    T0,
    a_count,
    a_window,
    check_cases,
    event,
    fold,
)


def different(rng: random.Random, unit: int, base: int) -> EventCondition:
    count = rng.choice([AT_LEAST_ONE, AT_LEAST_ONE, a_count(rng)])
    measure = Measure("distinct", "v", a_count(rng))
    return EventCondition(PATTERN, count, a_window(rng, unit, base), measure=measure)


def at_least(number: int, window: Window) -> EventCondition:
    measure = Measure("distinct", "v", Compare("gte", number))
    return EventCondition(PATTERN, AT_LEAST_ONE, window, measure=measure)


def test_different_values_hold_and_change_as_their_sentence_says() -> None:
    tally = check_cases(different, 500)
    assert tally.held > 0.1 * tally.cases
    assert tally.changing > 0.1 * tally.cases
    assert tally.waiting


def test_a_count_of_its_own_is_kept_only_where_the_figure_does_not_imply_one() -> None:
    few = Measure("distinct", "v", Compare("lte", 3))
    assert len(event_leaf(at_least(2, Window())).kinds) == 1
    assert len(event_leaf(EventCondition(PATTERN, AT_LEAST_ONE, Window(), measure=few)).kinds) == 2


@pytest.mark.parametrize(
    ("window", "degraded"), [(Window(within=10_000), True), (Window(within=200), False)]
)
def test_more_values_than_are_kept_degrade_what_reaches_back_to_them(
    window: Window, degraded: bool
) -> None:
    leaf = event_leaf(at_least(300, window))
    kind = leaf.kinds[0]
    state = fold(kind, [event(T0 + number, number, v=number) for number in range(300)])
    facts = leaf.facts({kind.key: state}, T0 + 300)
    assert facts.degraded is degraded
    assert kind.degraded(state)
    assert leaf.verdict({kind.key: state}, T0 + 300, T0 + 300).holds is False


def test_as_many_values_as_are_kept_do_not_degrade() -> None:
    leaf = event_leaf(at_least(256, Window()))
    kind = leaf.kinds[0]
    state = fold(kind, [event(T0 + number, number, v=number) for number in range(256)])
    assert leaf.verdict({kind.key: state}, T0 + 300, T0 + 300).holds
    assert not leaf.facts({kind.key: state}, T0 + 300).degraded


def test_numbers_that_are_equal_are_one_value_and_text_is_another() -> None:
    read = Value("v")
    assert read(event(T0, 1, v=2)) == read(event(T0, 1, v=2.0))
    assert read(event(T0, 1, v=2)) != read(event(T0, 1, v="2"))
    assert read(event(T0, 1, v=1)) != read(event(T0, 1, v=True))
    assert read(event(T0, 1, v=None)) is read(event(T0, 1)) is None


def test_only_numbers_are_numbers_and_none_that_could_make_a_sum_infinite() -> None:
    read = Number("v")
    found = [read(event(T0, 1, v=value)) for value in (2, 2.0, -0.5, True, "2", None, [2], 1e300)]
    assert found == [2, 2, -0.5, None, None, None, None, None]
    assert type(read(event(T0, 1, v=2.0))) is int
    assert type(read(event(T0, 1, v=2**60))) is float
