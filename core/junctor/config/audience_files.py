"""Audiences and the like that are written in Python: files are run, their definitions collected.

A file is run afresh each time, so that a reload finds what it says now.
"""

import linecache
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, Final, NamedTuple

from junctor.audiences.collecting import Collected, collecting
from junctor.audiences.functions import Function
from junctor.audiences.language import SECTIONS
from junctor.model.problems import Problem, written

KEY: Final = "audience_files"
_MODULE: Final = "junctor_audience_file"


class Place(NamedTuple):
    """Where something is defined: the name of a file, and a line from 1 on."""

    file: str
    line: int


@dataclass(slots=True)
class AudienceFiles:
    """What all files define together: tables by section and name, each with its place."""

    tables: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {section: {} for section in SECTIONS}
    )
    places: dict[str, Place] = field(default_factory=dict)
    """By the path of the definition, such as "audiences.high_intent"."""
    functions: list[Function] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def beside(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return the tables of a TOML file together with these; a name in both is a problem.

        TOML's stays then. A section that is no table in TOML is left as it is.
        """
        merged = dict(raw)
        for section, tables in self.tables.items():
            of_toml = raw.get(section, {})
            if not tables or not isinstance(of_toml, dict):
                continue
            for name in [name for name in tables if name in of_toml]:
                del tables[name]
                path = written((section, name))
                file, line = self.places.pop(path)
                message = f"is defined in {file} line {line} as well"
                self.problems.append(Problem(path, message, "choose another name"))
            merged[section] = {**of_toml, **tables}
        return merged

    def located(self, problem: Problem) -> Problem:
        """Return a problem with its file and line, if it is of something defined here."""
        for path, (file, line) in self.places.items():
            if problem.path == path or problem.path.startswith((f"{path}.", f"{path}[")):
                return replace(problem, file=file, line=line)
        return problem

    def _add(self, one: Collected, file: str) -> None:
        path = written((one.section, one.name))
        here = Place(file, one.line)
        if one.section not in self.tables:
            listed = ", ".join(SECTIONS)
            message = f'"{one.section}" can\'t be defined'
            self.problems.append(Problem("", message, f"there is {listed}", here.line, file))
        elif (before := self.places.get(path)) is not None:
            message = f"is defined in {before.file} line {before.line} already"
            self.problems.append(Problem(path, message, "choose another name", here.line, file))
        else:
            self.places[path] = here
            self.tables[one.section][one.name] = one.table
            if one.function is not None:
                self.functions.append(one.function)


def read_audience_files(paths: Sequence[Path]) -> AudienceFiles:
    """Run these files and return what they define, and what went wrong, `paths[0]` at KEY[0]."""
    read = AudienceFiles()
    for position, path in enumerate(paths):
        with collecting(str(path)) as collected:
            problem = _run(path)
        for one in collected:
            read._add(one, path.name)
        if problem is not None:
            read.problems.append(replace(problem, path=written((KEY, position))))
    return read


def _run(path: Path) -> Problem | None:
    """Run a file; return what went wrong, if anything did."""
    try:
        source = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no path"
        return Problem("", f"can't be read ({why})", "it is relative to the configuration file")
    linecache.cache.pop(str(path), None)  # a function's text is to be that of now
    module = sys.modules[_MODULE] = ModuleType(_MODULE)
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        return _blamed(error, path)
    finally:
        del sys.modules[_MODULE]
    return None


def _blamed(error: BaseException, path: Path) -> Problem:
    """Return an error as a problem, with the file's line that led to it."""
    said = " ".join(str(error).split())
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line, said = error.lineno, error.msg
    else:
        frames = [one for one in extract_tb(error.__traceback__) if one.filename == str(path)]
        line = frames[-1].lineno if frames else None
    message = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return Problem("", message, line=line, file=path.name)
