"""Plain output: tables for people, JSON for machines."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from junctor.model.problems import Problem

_WIDE: Final = 240
"""Columns where the output is no terminal: nothing is cut."""


def as_json(data: Any) -> None:
    """Print `data` as JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table; numbers stand to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [[cell(value) for value in row] for row in rows]
    numeric = [all(_is_number(text) for text in column) for column in zip(*shown, strict=True)]
    grid = Table(box=None, pad_edge=False, title=title or None, title_justify="left")
    for index, heading in enumerate(headings):
        right = bool(shown) and numeric[index]
        grid.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in shown:
        grid.add_row(*(Text(text) for text in row))
    width = None if sys.stdout.isatty() else _WIDE
    Console(file=sys.stdout, width=width, highlight=False).print(grid)


def facts(pairs: Mapping[str, Any]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        print(f"{name:<{width}}  {cell(value)}")


def problems(found: Sequence[Problem], word: str = "error", *, to_stderr: bool = False) -> None:
    """Print problems of the configuration: line (and file), path, what, and the hint below."""
    for one in found:
        place = f"{one.path}: " if one.path else ""
        out = sys.stderr if to_stderr else sys.stdout
        print(f"{word:<8} {one.place:<9} {place}{one.message}", file=out)
        if one.hint:
            print(f"{'':18} hint: {one.hint}", file=out)


def cell(value: Any) -> str:
    """Return a value as one line of text that is safe to show in a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else _plain(value)
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


def _plain(value: Any) -> str:
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _is_number(text: str) -> bool:
    return text.isdigit()
