"""Each of the cases has a test that shows it or a reason why none does, and the page says so."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Final

import pytest

from tests.support.cases import Catalog, Run, catalog
from tests.support.fault_report import ALL, Outcomes, markdown, tables, terminal

TESTS: Final = Path(__file__).parents[1]
PAGE: Final = TESTS.parent / "docs" / "promises.md"
COUNT: Final = 53
CATALOG: Final = catalog()


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in TESTS.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "mark.case(" in text or any(run.test in text for run in CATALOG.runs):
            yield path, ast.parse(text)


TREES: Final = dict(trees())


def marked() -> Mapping[int, int]:
    """Return how many markers name each number."""
    return Counter(
        ast.literal_eval(argument)
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.case"
        for argument in node.args
    )


def test_the_cases_are_numbered_without_a_gap() -> None:
    assert list(CATALOG.cases) == list(range(1, COUNT + 1))
    assert sum(len(area.cases) for area in CATALOG.areas) == COUNT


def test_every_case_is_shown_by_a_test_or_says_why_not_and_never_both() -> None:
    shown = set(marked())
    excused = {number for number, case in CATALOG.cases.items() if case.not_shown}
    assert sorted(CATALOG.cases.keys() - shown - excused) == [], "neither a test nor a reason"
    assert sorted(shown & excused) == [], "a test, and a reason why there is none"
    assert sorted(shown - CATALOG.cases.keys()) == [], "no such case"


@pytest.mark.parametrize("run", CATALOG.runs, ids=lambda run: str(run.test))
def test_every_run_has_its_test_and_its_figures(run: Run) -> None:
    homes = [
        tree
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == run.test
    ]
    assert len(homes) == 1
    said = {node.value for node in ast.walk(homes[0]) if isinstance(node, ast.Constant)}
    texts = (run.faults, run.cases, run.result)
    figures = {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}
    assert figures - said - {ALL} == set(), "figures that the test does not record"


def test_the_page_has_every_case_as_it_is_said_now() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", text, re.M)
    assert rows == [(str(c.number), c.title, c.promise) for c in CATALOG.cases.values()]
    assert "BROKEN" not in text
    assert "not run" not in text


# The report itself


def report(
    test: str,
    outcome: str,
    *numbers: int,
    when: str = "call",
    figures: Mapping[str, object] = MappingProxyType({}),
) -> pytest.TestReport:
    properties = [("case numbers", list(numbers)), *figures.items()]
    return pytest.TestReport(
        f"tests/test_x.py::{test}", ("", 0, ""), {}, outcome, None, when,  # type: ignore[arg-type]
        user_properties=properties,
    )  # fmt: skip


def said(outcomes: Outcomes, number: int) -> str:
    return outcomes.of_case(CATALOG.cases[number])


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_one_broken_phase_breaks_the_case(when: str) -> None:
    outcomes = Outcomes()
    for phase in ("setup", "call", "teardown"):
        outcome = "failed" if phase == when else "passed"
        outcomes.add(report("test_a", outcome, 13, when=phase))
        outcomes.add(report("test_b", "passed", 13, 14, when=phase))
    assert said(outcomes, 13) == "BROKEN: test_a"
    assert said(outcomes, 14) == "kept, 1 test"


def test_the_names_of_broken_tests_are_no_markup() -> None:
    outcomes = Outcomes()
    for case in ("[/a/{{v}}/b-#@127.0.0.1]", "[a::b|c]"):
        outcomes.add(report(f"test_a{case}", "failed", 13))
    assert said(outcomes, 13) == "BROKEN: test_a"
    outcomes.figures = {"x::test_kills": {"kills": "[/a] :warning:"}}
    run = Run("test_kills", "All | arrive", "{kills}", "", "{all figures}")
    assert "[/a] :warning:" in terminal(Catalog([], [run]), outcomes, 100)
    assert "| All \\| arrive | [/a] :warning: |  | kills: [/a] :warning: |" in markdown(
        Catalog([], [run]), outcomes, ""
    )


def test_what_was_skipped_was_not_shown() -> None:
    outcomes = Outcomes()
    outcomes.add(report("test_a", "passed", 13, when="setup"))
    outcomes.add(report("test_a", "skipped", 13))
    outcomes.add(report("test_a", "passed", 13, when="teardown"))
    assert said(outcomes, 13) == said(outcomes, 14) == "not run"
    assert said(outcomes, 27).startswith("not shown: ")


def test_a_run_shows_its_figures_and_a_broken_one_none() -> None:
    outcomes = Outcomes()
    run = Run("test_kills", "All arrive", "kill -9: {kills}", "{events} events", "{duplicates}")
    figures: Mapping[str, object] = {"events": 12_345, "duplicates": {"crm": "1 (0.01%)"}}
    outcomes.add(report(run.test, "passed", figures={"kills": 100, **figures}))
    outcomes.add(report(f"{run.test}[again]", "failed", figures={"kills": 7}))
    [(_, _, rows)] = tables(Catalog([], [run]), outcomes)
    assert rows == [
        ("All arrive", "kill -9: 100", "12,345 events", "crm 1 (0.01%)"),
        ("All arrive", "kill -9: 7", "? events", "BROKEN"),
    ]
    assert "| kill -9: 100 |" in markdown(Catalog([], [run]), outcomes, "Measured.")
