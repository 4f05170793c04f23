"""Where a key stands in the file: tomllib does not say, so headers and keys are read again."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from junctor.model.problems import TomlPath, written

_HEADER: Final = re.compile(r"\s*(\[\[?)[^\[\]].*?\]\]?\s*(?:#.*)?")
_KEY: Final = re.compile(r"""\s*((?:[A-Za-z0-9_.\- \t]|"(?:[^"\\]|\\.)*"|'[^']*')+?)\s*=""")
_QUOTES: Final = re.compile(r'"""|\'\'\'')


class Lines:
    """Line numbers of the tables and keys of a TOML text, which must be valid."""

    def __init__(self, text: str) -> None:
        """Find all headers, and all keys that begin a line."""
        self._line_of: dict[str, int] = {}
        for path, number in _places(text):
            self._line_of.setdefault(written(path), number)

    def of(self, path: str) -> int | None:
        """Return the line of a path as `written`, or of the nearest table or key around it."""
        while path:
            if path in self._line_of:
                return self._line_of[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None


def _places(text: str) -> Iterator[tuple[TomlPath, int]]:
    table: TomlPath = ()
    counts: dict[TomlPath, int] = {}
    open_quotes = ""
    for number, line in enumerate(text.splitlines(), start=1):
        inside_text = bool(open_quotes)
        for quotes in _QUOTES.findall(line):
            if not open_quotes:
                open_quotes = quotes
            elif quotes == open_quotes:
                open_quotes = ""
        if inside_text:
            continue
        if header := _HEADER.fullmatch(line):
            table = _keys(line)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            for length in range(1, len(table) + 1):
                yield table[:length], number
        elif key := _KEY.match(line):
            path = (*table, *_keys(f"{key[1]} = 0"))
            for length in range(len(table) + 1, len(path) + 1):
                yield path[:length], number


def _keys(line: str) -> TomlPath:
    """Return the keys that one header or one `key = 0` line names; () when it names none."""
    try:
        value: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()  # the line is part of a multi-line value
    path: list[str | int] = []
    while value and isinstance(value, dict | list):
        if isinstance(value, list):
            value = value[0]
        else:
            key = next(iter(value))
            path.append(key)
            value = value[key]
    return tuple(path)
