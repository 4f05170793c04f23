"""A pytest plug-in: runs the tests that show a case, and writes what came of it into a page.

    python -m pytest -p tests.support.fault_report --promises docs/promises.md

Of all tests only those with the marker `case`, and the runs of cases.toml, are run.
"""

import os
import platform
import re
import sqlite3
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console
from rich.table import Table

from tests.support.cases import Case, Catalog, Run, catalog

_MARKED: Final = re.compile(r"(<!-- results -->\n).*?(?=<!-- /results -->)", re.S)
_NUMBERS: Final = "case numbers"
"""The property that carries a test's numbers from the worker that ran it."""

ALL: Final = "all figures"
"""Stands in a run's texts for whatever its test recorded."""

Row = tuple[str, ...]


@dataclass
class Outcomes:
    """What became of the tests."""

    by_case: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Outcome by test, by case."""
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What a test recorded, by its node id, for tests that ended."""
    failed: set[str] = field(default_factory=set)
    """Node ids."""

    def add(self, report: pytest.TestReport) -> None:
        """Take in one phase of a test; the worst of all phases counts."""
        figures: dict[str, Any] = dict(report.user_properties)
        for number in figures.pop(_NUMBERS, ()):
            known = self.by_case[number]
            if report.outcome != "passed" or report.nodeid not in known:
                known[report.nodeid] = report.outcome
        if report.when == "call":
            self.figures[report.nodeid] = figures
        if report.failed:
            self.failed.add(report.nodeid)

    def of_case(self, case: Case) -> str:
        """Return in words what was seen of a case."""
        if case.not_shown:
            return f"not shown: {case.not_shown}"
        outcomes = self.by_case.get(case.number, {})
        broken = {_function(test) for test, outcome in outcomes.items() if outcome == "failed"}
        if broken:
            return f"BROKEN: {', '.join(sorted(broken))}"
        count = sum(outcome == "passed" for outcome in outcomes.values())
        return f"kept, {count} test{'s' * (count != 1)}" if count else "not run"

    def of_run(self, run: Run) -> Iterator[Row]:
        """Yield a row for each time that a run's test was run."""
        for test, figures in sorted(self.figures.items()):
            if _function(test) == run.test:
                told = {name: _text(figures[name]) for name in figures}
                told[ALL] = "; ".join(f"{name}: {text}" for name, text in told.items())
                said = defaultdict(lambda: "?", told)
                result = "BROKEN" if test in self.failed else run.result.format_map(said)
                yield run.promise, run.faults.format_map(said), run.cases.format_map(said), result


def _function(node_id: str) -> str:
    return node_id.partition("[")[0].rpartition("::")[2]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def tables(of: Catalog, outcomes: Outcomes) -> Iterator[tuple[str, Row, Sequence[Row]]]:
    """Yield title, head and rows of each table."""
    head = ("promise", "faults injected", "cases", "result")
    yield "Faults under traffic", head, [row for run in of.runs for row in outcomes.of_run(run)]
    for area in of.areas:
        rows = [
            (str(case.number), case.title, case.promise, outcomes.of_case(case))
            for case in area.cases
        ]
        yield area.name, ("case", "what goes wrong", "what the hub does", "result"), rows


def markdown(of: Catalog, outcomes: Outcomes, measured: str) -> str:
    """Return what stands between the marks of the page."""
    text = f"\n{measured}\n"
    for title, head, rows in tables(of, outcomes):
        text += f"\n## {title}\n\n"
        for row in (head, ["---"] * len(head), *rows):
            text += "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n"
    return text + "\n"


def terminal(of: Catalog, outcomes: Outcomes, width: int) -> str:
    """Return the same as text of `width` columns."""
    out = StringIO()
    console = Console(file=out, width=width, markup=False, emoji=False, highlight=False)
    for title, head, rows in tables(of, outcomes):
        table = Table(*head, title=title, title_justify="left", show_lines=True)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    return out.getvalue()


def measured(now: datetime) -> str:
    """Say when, of what and on what."""
    git = ("git", "describe", "--always", "--dirty=, with changes")
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Measured on {now:%Y-%m-%d}, commit {commit or 'unknown'}: {os.cpu_count()} CPUs, "
        f"{memory:.0f} GiB, {platform.system()} on {platform.machine()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}."
    )


class FaultReport:
    """Collects while tests run, and writes at the end."""

    def __init__(self, page: Path) -> None:
        self._page = page
        self._catalog = catalog()
        self._outcomes = Outcomes()

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        runs = {run.test for run in self._catalog.runs}
        kept: list[pytest.Item] = []
        others: list[pytest.Item] = []
        for item in items:
            numbers = sorted({n for mark in item.iter_markers("case") for n in mark.args})
            if numbers:
                item.user_properties.append((_NUMBERS, numbers))
            name = getattr(item, "originalname", item.name)
            (kept if numbers or name in runs else others).append(item)
        config.hook.pytest_deselected(items=others)
        # Long ones first: else the last one runs alone for minutes.
        items[:] = sorted(kept, key=lambda item: item.get_closest_marker("slow") is None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._outcomes.add(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        text = markdown(self._catalog, self._outcomes, measured(datetime.now(UTC)))
        page = self._page.read_text(encoding="utf-8")
        written, count = _MARKED.subn(lambda found: found[1] + text, page)
        assert count == 1, f"{self._page} has no marks for the results"
        self._page.write_text(written, encoding="utf-8")
        width = terminalreporter.config.get_terminal_writer().fullwidth
        terminalreporter.write(terminal(self._catalog, self._outcomes, width))
        terminalreporter.write_line(f"{self._page} written")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--promises", type=Path, metavar="PAGE", help="write the fault report")


def pytest_configure(config: pytest.Config) -> None:
    page = config.getoption("--promises")
    if page is not None:
        config.pluginmanager.register(FaultReport(page))
