"""The budget: what each figure is to be, and what it was when it was last measured."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.figures import Summary, more_is_better

BUDGET: Final = Path(__file__).with_name("budget.toml")
WORSE: Final = 0.2
"""Part of what it was by which a figure is worse before anybody is told."""
_HEAD: Final = """\
# By scenario: what the median of each figure is to be (`least`, `most`), and what it was when last
# measured (`was`), which `make bench BENCH=--remember` writes.
"""


@dataclass(frozen=True)
class Entry:
    """What is known of a figure beforehand."""

    least: float | None = None
    most: float | None = None
    was: float | None = None

    def target(self) -> str:
        """Return what the figure is to be, in words; "" where anything goes."""
        bounds = (("least", self.least), ("most", self.most))
        return ", ".join(f"{word} {bound:,g}" for word, bound in bounds if bound is not None)

    def is_missed(self, figure: float) -> bool:
        """Return whether the figure is not what it is to be; what is no number never is."""
        low = -float("inf") if self.least is None else self.least
        high = float("inf") if self.most is None else self.most
        return bool(self.target()) and not low <= figure <= high

    def change(self, figure: float) -> float | None:
        """Return how much the figure has changed, as a part of what it was; None if that is 0."""
        return figure / self.was - 1 if self.was else None

    def is_worse(self, name: str, figure: float) -> bool:
        """Return whether it has become worse by more than noise."""
        change = self.change(figure)
        if change is None or (self.least is not None and self.most is not None):
            return False
        return -change > WORSE if more_is_better(name) else change > WORSE


Budget = dict[str, dict[str, Entry]]
"""Entries by scenario and figure."""


def read_budget(path: Path = BUDGET) -> Budget:
    """Return the budget in a file."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        scenario: {name: Entry(**entry) for name, entry in table.items()}
        for scenario, table in tables.items()
    }


def remembered(budget: Budget, found: Mapping[str, Mapping[str, Summary]]) -> Budget:
    """Return the budget with the medians that were found now.

    Figures that a scenario no longer has are left out, unless they have a target: then the budget
    and the scenario disagree, which somebody should see.
    """
    kept = dict(budget)
    for scenario, figures in found.items():
        before = budget.get(scenario, {})
        missing = {n: entry for n, entry in before.items() if n not in figures and entry.target()}
        kept[scenario] = missing | {
            name: replace(before.get(name, Entry()), was=_rounded(figure.median))
            for name, figure in figures.items()
        }
    return kept


def budget_text(budget: Budget) -> str:
    """Return a budget as its file has it."""
    lines = [_HEAD]
    for scenario, entries in budget.items():
        lines.append(f"[{scenario}]")
        lines += [f'"{name}" = {{ {_entry_text(entry)} }}' for name, entry in entries.items()]
        lines.append("")
    return "\n".join(lines)


def _entry_text(entry: Entry) -> str:
    bounds = {"least": entry.least, "most": entry.most, "was": entry.was}
    return ", ".join(f"{key} = {value:.12g}" for key, value in bounds.items() if value is not None)


def _rounded(figure: float) -> float:
    return float(f"{figure:.4g}")
