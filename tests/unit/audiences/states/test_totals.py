"""Totals: sums without rounding, and what does not depend on the order of entries."""

import random
from fractions import Fraction
from math import fsum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.seen import Seen
from junctor.audiences.states.buckets import Totals
from junctor.audiences.states.readings import Json, Label, Number, Scalar, Value
from junctor.audiences.states.times import Entries
from junctor.audiences.states.totals import (
    MOST_LABELS,
    exact_sum,
    frequencies,
    how_many,
    is_sketch,
    newest_labels,
)
from tests.unit.audiences.oracle_events import PATTERN, T0, event, fold, split_and_merged

numbers = st.floats(-1e200, 1e200) | st.sampled_from([0.1, 0.2, 1e16, -1e16, 1e-300])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
READINGS: list[Any] = [None, Number("v"), Scalar("v"), Label("v"), Value("v")]
KINDS = [Totals(PATTERN, reading=reading) for reading in READINGS]
KINDS += [
    Totals(PATTERN, reading=reading, ttl=ttl)
    for reading in (*READINGS, Json("v"))
    for ttl in (1, 3)
]


@given(st.lists(numbers, max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
def test_an_exact_sum_does_not_depend_on_order_or_grouping(
    summands: list[float], rng: random.Random, cut: int
) -> None:
    whole = exact_sum(summands)
    shuffled = rng.sample(summands, len(summands))
    assert sum(map(Fraction, whole)) == sum(map(Fraction, summands))
    assert exact_sum(shuffled) == whole
    assert exact_sum([*exact_sum(shuffled[:cut]), *exact_sum(shuffled[cut:])]) == whole
    assert fsum(whole) == fsum(summands)


def test_a_sum_of_many_prices_takes_little_room() -> None:
    rng = random.Random(3)
    parts: list[float] = []
    for _ in range(10_000):
        parts = exact_sum([*parts, round(rng.uniform(0, 500), 2)])
    assert len(parts) <= 4


@given(
    st.sampled_from(KINDS),
    st.lists(json_values, max_size=12),
    st.randoms(use_true_random=False),
)
def test_events_in_parts_and_any_order_come_to_the_same(
    kind: Totals, values: list[Any], rng: random.Random
) -> None:
    events = [event(T0 + rng.randint(0, 5), rank, v=value) for rank, value in enumerate(values)]
    straight = fold(kind, sorted(events, key=lambda seen: (seen.at, seen.rank)))
    assert split_and_merged(kind, rng.sample(events, len(events)), rng) == straight


def test_too_many_values_of_two_halves_keep_the_frequent_one() -> None:
    kind = Totals(PATTERN, reading=Scalar("v"))
    halves = []
    for half in range(2):
        values = [*(f"{half} {number}" for number in range(MOST_LABELS)), *["often"] * 30]
        events = [event(T0 + n, n + half * 1_000, v=value) for n, value in enumerate(values)]
        halves.append(fold(kind, events))
    merged = kind.merge(*halves)
    known, too_many = frequencies(merged)
    assert too_many
    assert kind.degraded(merged)
    assert len(known) == MOST_LABELS
    assert known['"often"'][0] >= 60


def test_of_few_events_each_value_is_counted_exactly() -> None:
    entries: Entries = [[T0 + number, number, str(number % 200)] for number in range(250)]
    known, too_many = frequencies(entries)
    assert not too_many
    assert {label: count for label, (count, *_) in known.items()} == {
        f'"{number}"': 2 if number < 50 else 1 for number in range(200)
    }


def test_reading_frequencies_changes_nothing_of_what_is_kept() -> None:
    kind = Totals(PATTERN, reading=Scalar("v"))
    state = fold(kind, [event(T0 + n, n, v=n % 3) for n in range(9)])
    before = orjson.dumps(state)
    frequencies(state)
    assert orjson.dumps(state) == before


def test_labels_seen_last_stay_whatever_the_order() -> None:
    kind = Totals(PATTERN, reading=Label("v"), ttl=1_000)
    events = [event(T0 + n, n, v=n) for n in range(150)]
    state = fold(kind, random.Random(1).sample(events, 150))
    assert newest_labels(state) == [str(n) for n in range(50, 150)]


def visits(numbers: range) -> list[Seen]:
    return [event(T0 + number, number, v=f"value {number}") for number in numbers]


@pytest.mark.parametrize(("one", "other"), [(200, 200), (400, 10), (10, 400), (300, 300)])
def test_halves_with_many_different_values_merge_into_the_sketch_of_all(
    one: int, other: int
) -> None:
    kind = Totals(PATTERN, reading=Value("v"))
    halves = [fold(kind, visits(range(one))), fold(kind, visits(range(one, one + other)))]
    merged = kind.merge(*halves)
    assert merged == fold(kind, visits(range(one + other)))
    assert is_sketch(merged[-1])
    assert how_many(merged) == pytest.approx(one + other, rel=0.07)
    assert not kind.degraded(merged)
