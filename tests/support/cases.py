"""The cases of docs/promises.md: what goes wrong, and what the hub does then."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).parents[1] / "promises" / "cases.toml"


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong. Tests show it with `@pytest.mark.case(number)`."""

    number: int
    title: str
    """What goes wrong."""
    promise: str
    """What the hub does."""
    not_shown: str = ""
    """Why no test shows it; empty where tests do."""


@dataclass(frozen=True)
class Area:
    """Cases that belong together."""

    name: str
    cases: Sequence[Case]


@dataclass(frozen=True)
class Run:
    """A test that injects faults under traffic and records figures by `record_property`.

    `faults`, `cases` and `result` may name these figures in braces, or `{all figures}`.
    """

    test: str
    """Name of the test's function."""
    promise: str
    faults: str
    cases: str
    result: str


@dataclass(frozen=True)
class Catalog:
    """All areas with their cases, and all runs."""

    areas: Sequence[Area]
    runs: Sequence[Run]

    @property
    def cases(self) -> Mapping[int, Case]:
        """The cases by number."""
        return {case.number: case for area in self.areas for case in area.cases}


def catalog() -> Catalog:
    """Read cases.toml."""
    data: dict[str, Any] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    areas = [Area(area["name"], [Case(**case) for case in area["case"]]) for area in data["area"]]
    return Catalog(areas, [Run(**run) for run in data["run"]])
