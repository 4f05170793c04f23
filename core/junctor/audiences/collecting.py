"""What a Python file defines while it is loaded: each definition, and the line it stands on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from junctor.audiences.functions import Function


@dataclass(frozen=True, slots=True)
class Collected:
    """One definition: its table, and the function if it is a signal in Python."""

    section: str
    name: str
    table: dict[str, Any]
    line: int
    function: Function | None = None


@dataclass(slots=True)
class _Collection:
    file: str
    found: list[Collected] = field(default_factory=list)


_COLLECTION: Final[ContextVar[_Collection | None]] = ContextVar("collection", default=None)


@contextmanager
def collecting(file: str) -> Iterator[list[Collected]]:
    """Collect what is defined inside of this context, by code that was compiled as `file`."""
    collection = _Collection(file)
    before = _COLLECTION.set(collection)
    try:
        yield collection.found
    finally:
        _COLLECTION.reset(before)


def collect(
    section: str, name: str, table: dict[str, Any], function: Function | None = None
) -> None:
    """Note a definition, if a file is being loaded; else do nothing."""
    collection = _COLLECTION.get()
    if collection is not None:
        line = _line_in(collection.file)
        collection.found.append(Collected(section, name, table, line, function))


def _line_in(file: str) -> int:
    """Return the line of the file's outermost statement that is running, 1 if none is."""
    line, frame = 1, sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == file:
            line = frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]  # None ends it
    return line
