"""Aggregates: sums without rounding, and what does not depend on the order of entries."""

import math
from fractions import Fraction
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.states.aggregate import (
    MOST_LISTED,
    Distinct,
    Frequencies,
    Numbers,
    exact_sum,
)
from junctor.audiences.states.figures import FIGURES, Figure
from junctor.audiences.states.scalars import LONGEST_TEXT, LONGEST_VALUE, number, scalar, whole

numbers = st.floats(-1e200, 1e200) | st.integers(-(2**60), 2**60)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.lists(numbers, max_size=30))
def test_a_sum_is_exact_whatever_the_order(values: list[float]) -> None:
    parts = exact_sum(values)
    assert sum(map(Fraction, parts)) == sum(Fraction(float(value)) for value in values)
    assert math.fsum(parts) == math.fsum(exact_sum(values[::-1]))


def test_a_sum_of_many_prices_takes_little_room() -> None:
    random = Random(3)
    parts: list[float] = []
    for _ in range(10_000):
        parts = exact_sum([*parts, round(random.uniform(0, 500), 2)])
    assert len(parts) <= 4


def test_whole_figures_are_whole_numbers() -> None:
    known = Numbers().of([[0, 0, 1.5], [0, 1, 2.5]])
    found = [FIGURES[agg].of(known) for agg in ("sum", "mean")]
    assert (found, [type(one) for one in found]) == ([4, 2], [int, int])


@pytest.mark.parametrize("value", [True, "2", None, [2], math.nan, math.inf, 1e300, -(10**400)])
def test_what_is_no_number_or_too_large_a_one_counts_as_none(value: Any) -> None:
    assert number(value) is None


def test_long_values_are_cut_or_left_out() -> None:
    assert scalar("x" * 9_999) == "x" * LONGEST_TEXT
    assert whole("x" * 9_999) == "x" * LONGEST_VALUE
    assert whole({"a": [1]}) == {"a": [1]}
    assert whole(["x" * LONGEST_VALUE]) is None


def aggregates(figure: Figure) -> list[Any]:
    return [figure.aggregate, *([figure.dated] if figure.dated else [])]


@given(
    st.sampled_from(sorted(FIGURES)),
    st.lists(json_values, max_size=12),
    st.randoms(use_true_random=False),
)
def test_entries_in_parts_and_any_order_come_to_the_same(
    agg: Any, values: list[Any], random: Random
) -> None:
    for aggregate in aggregates(FIGURES[agg]):
        entries = []
        for rank, value in enumerate(values):
            taken = aggregate.take(value)
            if taken is not None or FIGURES[agg].of_events:
                entries.append([random.randint(0, 3), rank, taken])
        if not entries:
            return
        straight = aggregate.of(entries)
        parts = [[entry] for entry in random.sample(entries, len(entries))]
        merged = aggregate.of(parts[0])
        for part in parts[1:]:
            one, other = random.sample([merged, aggregate.of(part)], 2)
            merged = orjson.loads(orjson.dumps(aggregate.merge(one, other)))
        figure = FIGURES[agg].of
        assert figure(merged) == figure(straight)
        assert aggregate.error(merged) == aggregate.error(straight)


def test_too_many_values_of_two_halves_keep_the_frequent_one() -> None:
    frequencies = Frequencies()
    halves = []
    for half in range(2):
        some = [[at, at, f"{half} {at}"] for at in range(MOST_LISTED)]
        often = [[1_000 + at, half, "often"] for at in range(30)]
        halves.append(frequencies.of([*some, *often]))
    merged = frequencies.merge(*halves)
    assert len(merged[0]) == MOST_LISTED
    assert merged[0]['"often"'][0] >= 60
    assert FIGURES["most_frequent"].of(merged) == "often"
    assert frequencies.degraded(merged)


@pytest.mark.parametrize(("one", "other"), [(200, 200), (400, 10), (10, 400), (300, 300)])
def test_halves_with_many_different_values_merge_into_the_sketch_of_all(
    one: int, other: int
) -> None:
    distinct = Distinct()
    entries = [[at, at, f"value {at}"] for at in range(one + other)]
    merged = distinct.merge(distinct.of(entries[:one]), distinct.of(entries[one:]))
    assert merged == distinct.of(entries)
    assert not distinct.degraded(merged)
