"""Attributes: all aggregations, over a period or for ever, and when they next change."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from junctor.audiences.attributes import AttributeReader
from junctor.audiences.comparison import (
    Between,
    Compare,
    Comparison,
    Exists,
    Operator,
    compile_comparison,
)
from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import Attribute, AttributeCondition, Prop
from junctor.audiences.seen import Seen

from .arrivals import CASES, States, check_verdict, folded, named, scattered, seen, states_of
from .oracle_attributes import Case, random_case, raw, value

T0 = 1_700_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


def attribute(agg: Any, prop: str | Prop | None = None, **more: Any) -> AttributeReader:
    told = Prop((prop,)) if isinstance(prop, str) else prop
    return AttributeReader(Attribute("a", agg, named("a"), told, **more))


def event(at: int, rank: int, **properties: Any) -> Seen:
    return seen("a", T0 + at, rank, **properties)


def states(reader: AttributeReader, *events: Seen) -> States:
    return states_of(reader.kinds, lambda kind: folded(kind, events))


def read(reader: AttributeReader, *events: Seen, now: int = 0) -> Any:
    return reader.value(states(reader, *events), T0 + now)


ORDERS = [
    event(0, 1, v=30),
    event(5, 2, v="x"),
    event(9, 3),
    event(3, 4, v=12.5),
    event(7, 5, v=7.5),
]


@pytest.mark.parametrize(
    ("agg", "expected"),
    [
        ("counter", 5), ("sum", 50), ("min", 7.5), ("max", 30), ("mean", 50 / 3), ("first", 30),
        ("last", 7.5), ("unique_list", [7.5, "x", 12.5, 30]), ("most_frequent", 7.5),
        ("least_frequent", 7.5), ("category_count", {"7.5": 1, "x": 1, "12.5": 1, "30": 1}),
        ("approx_count_distinct", 4), ("time_since_last", 0.091), ("time_since_first", 0.1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("period", [None, DAY])
def test_each_aggregation_counts_what_has_the_property(
    agg: str, expected: Any, period: int | None
) -> None:
    assert read(attribute(agg, "v", period=period), *ORDERS, now=100) == expected


def test_of_nothing_a_counter_is_zero_and_all_else_is_null() -> None:
    assert attribute("counter").value({}, T0) == 0
    assert attribute("sum", "v").value({}, T0) is None
    assert attribute("time_since_last").value({}, T0) is None


def test_a_default_stands_for_nothing_and_is_banded() -> None:
    bands = (("low", 0), ("mid", 100))
    assert attribute("counter", default=5).value({}, T0) == 5
    assert attribute("last", "v", default="none").value({}, T0) == "none"
    assert attribute("sum", "v", default=150, bands=bands).value({}, T0) == "mid"


def test_a_band_is_the_highest_that_is_reached() -> None:
    reader = attribute("sum", "v", bands=(("low", 0), ("mid", 100), ("high", 500)))
    told = [(-1, None), (0, "low"), (99.9, "low"), (100, "mid"), (500, "high"), (10**6, "high")]
    for revenue, band in told:
        assert read(reader, event(0, 1, v=revenue)) == band
    assert reader.value({}, T0) is None
    assert attribute("last", "v", bands=(("low", 0),)).value(
        states(attribute("last", "v"), event(0, 1, v="text")), T0
    ) is None  # fmt: skip


def test_an_aggregation_of_values_needs_a_property() -> None:
    with pytest.raises(ValueError, match="sum needs a property"):
        attribute("sum")


def test_a_period_ends_with_the_millisecond() -> None:
    reader = attribute("counter", period=DAY)
    known = states(reader, event(0, 1), event(5, 2))
    assert reader.value(known, T0 + DAY - 1) == 2
    assert reader.next_change(known, T0 + 7) == T0 + DAY
    assert reader.value(known, T0 + DAY) == 1
    assert reader.next_change(known, T0 + DAY) == T0 + DAY + 5
    assert reader.value(known, T0 + DAY + 5) == 0
    assert reader.next_change(known, T0 + DAY + 5) == NEVER


def test_a_lifetime_value_is_forgotten_its_ttl_after_the_last_event() -> None:
    reader = attribute("sum", "v", ttl=DAY)
    known = states(reader, event(0, 1, v=1), event(DAY - 1, 2, v=2))
    assert reader.value(known, T0 + 2 * DAY - 2) == 3
    assert reader.next_change(known, T0 + DAY) == T0 + 2 * DAY - 1
    assert reader.value(known, T0 + 2 * DAY - 1) is None
    later = states(reader, event(0, 1, v=1), event(DAY, 2, v=2))
    assert reader.value(later, T0 + DAY) == 2


def test_a_late_event_brings_back_what_was_forgotten() -> None:
    reader = attribute("sum", "v", ttl=DAY)
    events = [event(0, 1, v=1), event(2 * DAY - 2, 2, v=2), event(DAY - 1, 3, v=4)]
    assert read(reader, *events[:2], now=2 * DAY) == 2
    assert read(reader, *events, now=2 * DAY) == 7


def test_times_since_run_on_in_fractions_of_the_unit() -> None:
    reader = attribute("time_since_last", unit=HOUR)
    known = states(reader, event(0, 1), event(HOUR, 2))
    assert reader.value(known, T0 + HOUR * 5 // 2) == 1.5
    assert reader.value(known, T0) == 0
    assert reader.next_change(known, T0) == T0 + HOUR + 1
    assert reader.next_change(known, T0 + 2 * HOUR) == T0 + 2 * HOUR + 1


def test_a_banded_time_since_changes_with_its_band() -> None:
    reader = attribute("time_since_last", unit=HOUR, bands=(("now", 0), ("old", 3)))
    known = states(reader, event(0, 1))
    assert reader.next_change(known, T0 + 5) == T0 + 3 * HOUR
    assert reader.value(known, T0 + 3 * HOUR - 1) == "now"
    assert reader.value(known, T0 + 3 * HOUR) == "old"


def test_a_condition_on_a_time_since_is_due_to_the_millisecond_and_waits_for_silence() -> None:
    leaf = attribute("time_since_last", unit=HOUR).leaf(
        AttributeCondition("a", Compare("gte", 1.5))
    )
    known = states_of(leaf.kinds, lambda kind: folded(kind, [event(0, 1)]))
    due = T0 + HOUR * 3 // 2
    assert leaf.verdict(known, T0, T0) == (False, NEVER, due)
    assert leaf.verdict(known, due, due - 1) == (False, NEVER, due)
    assert leaf.verdict(known, due, due).holds
    assert leaf.facts(known, due).value == 1.5


def test_a_condition_on_a_banded_attribute_compares_the_band() -> None:
    leaf = attribute("sum", "v", bands=(("low", 0), ("high", 10))).leaf(
        AttributeCondition("a", Compare("eq", "high"))
    )
    (kind,) = leaf.kinds
    for revenue, holds in ((9, False), (10, True)):
        known = {kind.key: folded(kind, [event(0, 1, v=revenue)])}
        assert leaf.verdict(known, T0, T0).holds is holds
    assert not leaf.verdict({}, T0, T0).holds


def test_a_count_that_falls_is_due_when_it_turns_the_condition() -> None:
    leaf = attribute("counter", period=DAY).leaf(AttributeCondition("a", Compare("gte", 3)))
    known = states_of(leaf.kinds, lambda kind: folded(kind, [event(at, at) for at in range(5)]))
    assert leaf.verdict(known, T0 + 9, T0 + 9) == (True, T0 + DAY + 2, NEVER)
    few = attribute("counter", period=DAY).leaf(AttributeCondition("a", Compare("lt", 3)))
    assert few.verdict(known, T0 + 9, T0 + 9) == (False, NEVER, T0 + DAY + 2)


def test_ties_go_to_the_value_seen_last() -> None:
    events = [event(at, at, v=letter) for at, letter in enumerate("abab")]
    assert read(attribute("most_frequent", "v"), *events) == "b"
    assert read(attribute("least_frequent", "v"), *events) == "b"
    assert read(attribute("least_frequent", "v"), *events, event(9, 9, v="a")) == "b"


def test_a_busiest_hour_is_in_utc() -> None:
    reader = attribute("most_frequent", Prop(("$time",), date_part="hour_of_day"))
    assert read(reader, event(0, 1), event(2 * HOUR, 2), event(DAY, 3)) == 22


def test_a_unique_list_has_the_hundred_newest_values() -> None:
    for period in (None, DAY):
        reader = attribute("unique_list", "v", period=period)
        events = [event(at, at, v=at % 150) for at in range(300)]
        assert read(reader, *events, now=300) == list(range(149, 49, -1))
        assert reader.error(states(reader, *events)) == ""


def test_too_many_values_degrade_frequencies_but_the_frequent_ones_stand_out() -> None:
    reader = attribute("most_frequent", "v")
    events = [event(at, at, v="often" if at % 3 == 0 else at) for at in range(1_000)]
    known = states(reader, *events)
    assert reader.value(known, T0) == "often"
    (kind,) = reader.kinds
    assert kind.degraded(known[kind.key])
    assert reader.error(known) == "more than 100 values"


@pytest.mark.parametrize("number", [1, 256, 257, 5_000])
def test_different_values_are_counted_exactly_and_then_nearly(number: int) -> None:
    reader = attribute("approx_count_distinct", "v")
    known = states(reader, *(event(at, at, v=f"user {at}") for at in range(number)))
    found = reader.value(known, T0)
    if number <= 256:
        assert (found, reader.error(known)) == (number, "")
    else:
        assert found == pytest.approx(number, rel=0.07)
        assert reader.error(known) == "±2.3%"


def test_too_many_different_values_in_a_period_are_told_as_such() -> None:
    reader = attribute("approx_count_distinct", "v", period=DAY)
    known = states(reader, *(event(at, at, v=at) for at in range(400)))
    assert reader.value(known, T0 + 500) == 257
    assert reader.error(known) == "more than 256"
    assert reader.value(known, T0 + DAY + 399 - 200) == 200
    later = states(reader, *(event(at, at, v=at) for at in range(400)), event(2 * DAY, 900, v=1))
    assert reader.error(later) == ""


@pytest.mark.parametrize("agg", ["counter", "sum", "min", "max", "time_since_first"])
def test_more_events_than_are_kept_are_summed_up_within_a_64th_of_the_period(agg: str) -> None:
    period = 64_000
    reader = attribute(agg, "v", period=period)
    random = Random(agg)
    events = [event(random.randrange(90_000), rank, v=random.randrange(100)) for rank in range(900)]
    events.sort(key=lambda one: one.at + random.choice([0, 0, 1_000]))
    known = states(reader, *events)
    assert reader.error(known) == "±1/64 of the period at its far edge"
    (kind,) = reader.kinds
    assert kind.degraded(known[kind.key])
    assert len(known[kind.key]) <= 256 + 2 * 128 + 2
    for now in range(T0 + 90_000, T0 + 160_000, 7_777):
        able = [
            raw(Case(replace(reader.attribute, period=period + edge), events), now) or 0
            for edge in (0, period // 64)
        ]
        if agg == "time_since_first":  # the oldest slot has the time of its newest event
            able[1] = max(0, able[0] - period / 64 / reader.attribute.unit)
        found = reader.value(known, now) or 0
        assert min(able) - 1e-9 <= found <= max(able) + 1e-9


def test_more_events_than_are_kept_leave_out_the_oldest_where_they_can_not_be_summed_up() -> None:
    reader = attribute("first", "v", period=DAY)
    events = [event(at, at, v=at) for at in range(300)]
    known = states(reader, *events)
    assert reader.value(known, T0 + 300) == 300 - 256
    assert reader.error(known) == "only the newest 256 events"
    later = states(reader, *events, event(DAY + 50, 900, v="x"))
    assert reader.error(later) == ""
    assert reader.value(later, T0 + DAY + 50) == 51


# -- against the definition ----------------------------------------------------------------------


def alike(one: Any, other: Any) -> bool:
    """Whether two figures are the same; numbers as good as the same, true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, bool) or isinstance(other, bool) or not isinstance(one, int | float):
        return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)
    return bool(other == pytest.approx(one, rel=1e-12, abs=1e-12))


def check_value(case: Case, random: Random) -> bool:
    """Compare values at some times, and that none changes before it may; tell if one was there."""
    reader = AttributeReader(case.attribute)
    (kind,) = reader.kinds
    twice = case.attribute.period is not None
    known = states_of(reader.kinds, lambda kind: scattered(kind, case.events, random, twice=twice))
    assert not any(kind.degraded(state) for state in known.values())
    assert reader.error(known) == ""
    newest = max((one.at for one in case.events), default=100)
    found = False
    for _ in range(4):
        now = newest + random.choice([0, 0, 1, -5, random.randint(0, 250)])
        assert alike(reader.raw(known, now), raw(case, now))
        told = reader.value(known, now)
        assert alike(told, value(case, now))
        change = reader.next_change(known, now)
        assert now < change <= NEVER
        for later in range(now, min(change, now + 60)):
            assert alike(value(case, later), told)
        if change == NEVER:
            assert alike(value(case, now + 10**9), told)
        found |= told is not None
    return found


def random_comparison(random: Random, case: Case) -> Comparison:
    """Return a comparison with something that the attribute may be."""
    figures = [value(case, 100 + random.randint(0, 300)) for _ in range(3)]
    some = random.choice([0, 1, 2.5, 7, "a", "low", *figures])
    if isinstance(some, list | dict) or some is None:
        return Exists(random.random() < 0.5)
    if isinstance(some, int | float) and random.random() < 0.3:
        return Between(some, some + 3)
    operators: list[Operator] = ["eq", "ne", "gt", "gte", "lt", "lte"]
    return Compare(random.choice(operators), some)


def check_leaf(case: Case, random: Random) -> bool:
    comparison = random_comparison(random, case)
    test = compile_comparison(comparison)
    leaf = AttributeReader(case.attribute).leaf(AttributeCondition("a", comparison))
    twice = case.attribute.period is not None
    known = states_of(leaf.kinds, lambda kind: scattered(kind, case.events, random, twice=twice))
    newest = max((one.at for one in case.events), default=100)
    lag, held = random.choice([0, 0, 3, 40]), False
    for _ in range(3):
        now = newest + random.choice([0, 1, -5, random.randint(0, 250)])
        holds = check_verdict(leaf, known, now, lag, range(now, now + 50))
        assert holds is (test(value(case, now)) and test(value(case, now - lag)))
        held |= holds
    return held


def test_many_random_attributes_are_as_the_definition_says() -> None:
    found = held = 0
    for seed in range(CASES):
        random = Random(seed)
        case = random_case(random)
        found += check_value(case, random)
        held += check_leaf(case, random)
    print(f"{CASES} cases, {found} of them with a value, {held} with a verdict that holds")
    assert found > CASES // 2
    assert held > CASES // 4
