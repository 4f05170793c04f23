"""Figures: what a scenario found, by name.

A name is a measure ("p99 ms"), or whose it is and a measure ("hub: p99 ms"). Whose a ratio is has
a slash ("hub / bare: events/s").
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Figures = dict[str, float]

_BETTER_WHEN_MORE = ("events/s", "deliveries/s")


def more_is_better(name: str) -> bool:
    """Return whether a figure should grow: rates should, all else is cost, delay or loss."""
    return any(rate in name.rpartition(": ")[2] for rate in _BETTER_WHEN_MORE)


def of(whose: str, figures: Figures) -> Figures:
    """Return the figures under names that say whose they are."""
    return {f"{whose}: {measure}": figure for measure, figure in figures.items()}


def ratios(figures: Figures, whose: str, base: str, measures: Iterable[str]) -> Figures:
    """Return how many times as much one has of each measure as the other."""
    return {
        f"{whose} / {base}: {measure}": figures[f"{whose}: {measure}"]
        / figures[f"{base}: {measure}"]
        for measure in measures
    }


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value that `share` of the values are not above; not a number if there are none."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True)
class Summary:
    """A figure over all rounds."""

    median: float
    least: float
    most: float


def summaries(rounds: Sequence[Figures]) -> dict[str, Summary]:
    """Return the median and the spread of each figure of some rounds."""
    found = {}
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        found[name] = Summary(statistics.median(values), min(values), max(values))
    return found
