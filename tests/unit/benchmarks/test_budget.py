"""A figure is judged by the budget: whether it is what it is to be, and whether it got worse."""

from pathlib import Path

import pytest

from benchmarks.budget import Entry, budget_text, read_budget, remembered
from benchmarks.figures import Summary, of, quantile, ratios, summaries
from benchmarks.report import number
from benchmarks.scenarios import SCENARIOS


@pytest.mark.parametrize(
    ("entry", "figure", "missed"),
    [
        (Entry(least=0.45), 0.45, False),
        (Entry(least=0.45), 0.449, True),
        (Entry(most=50), 50, False),
        (Entry(most=50), 50.1, True),
        (Entry(most=0), 1, True),
        (Entry(least=0.9, most=1.1), 1.0, False),
        (Entry(least=0.9, most=1.1), 0.8, True),
        (Entry(least=0.9, most=1.1), 1.2, True),
        (Entry(most=50), float("nan"), True),
        (Entry(was=7), 100, False),
    ],
)
def test_a_target_is_missed_beyond_its_bounds_only(
    entry: Entry, figure: float, missed: bool
) -> None:
    assert entry.is_missed(figure) is missed


@pytest.mark.parametrize(
    ("name", "figure", "worse"),
    [
        ("hub: events/s", 81, False),
        ("hub: events/s", 79, True),
        ("hub: events/s", 130, False),
        ("one / none: events/s per free CPU", 79, True),
        ("hub: p99 ms", 119, False),
        ("hub: p99 ms", 121, True),
        ("hub: p99 ms", 50, False),
        ("peak MB", 121, True),
    ],
)
def test_rates_are_worse_when_they_shrink_and_costs_when_they_grow(
    name: str, figure: float, worse: bool
) -> None:
    assert Entry(was=100).is_worse(name, figure) is worse


def test_nothing_is_worse_than_what_was_never_measured() -> None:
    assert not Entry().is_worse("p99 ms", 1_000)
    assert not Entry(was=0).is_worse("lost events", 3)


def test_what_is_remembered_keeps_targets_and_leaves_other_scenarios_alone(tmp_path: Path) -> None:
    before = {
        "one": {"p99 ms": Entry(most=50, was=9), "gone ms": Entry(was=3), "lost": Entry(most=0)},
        "two": {"x: events/s": Entry(least=0.45, was=1)},
    }
    found = {"one": {"p99 ms": Summary(12.34567, 1, 20), "new µs": Summary(0.0, 0, 0)}}
    file = tmp_path / "budget.toml"
    file.write_text(budget_text(remembered(before, found)), encoding="utf-8")
    assert read_budget(file) == {
        "one": {
            "lost": Entry(most=0),
            "p99 ms": Entry(most=50, was=12.35),
            "new µs": Entry(was=0),
        },
        "two": {"x: events/s": Entry(least=0.45, was=1)},
    }


def test_the_budget_is_about_scenarios_that_there_are() -> None:
    budget = read_budget()
    assert budget.keys() <= SCENARIOS.keys()
    assert any(entry.target() for entries in budget.values() for entry in entries.values())


def test_figures_of_rounds_are_told_by_median_and_spread() -> None:
    assert summaries([{"ms": 3.0}, {"ms": 1.0}, {"ms": 9.0}]) == {"ms": Summary(3, 1, 9)}


def test_ratios_are_made_of_figures_of_the_same_round() -> None:
    found = of("hub", {"events/s": 30.0}) | of("bare", {"events/s": 60.0})
    assert ratios(found, "hub", "bare", ["events/s"]) == {"hub / bare: events/s": 0.5}


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile([5, 1, 4, 2, 3], 0.5) == 3
    assert quantile(range(1, 101), 0.99) == 100
    assert quantile([7], 0.99) == 7
    assert quantile([], 0.5) != quantile([], 0.5), "not a number"


def test_figures_are_shown_with_the_digits_that_count() -> None:
    assert [number(x) for x in (0, 0.1234, 3.456, 12345.6)] == ["0", "0.123", "3.46", "12,346"]
