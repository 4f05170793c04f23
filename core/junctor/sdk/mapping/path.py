"""Paths: how a mapping names a place in the payload (`get` of `@segment/actions-core`)."""

import re
from typing import Any

from junctor.sdk.mapping.js_text import utf16_length, utf16_units
from junctor.sdk.mapping.values import MISSING, Resolver

_SEPARATOR = re.compile(r"""\[(?=["'0-9])|\.|(?<=["'0-9])\]+""")
_QUOTES = str.maketrans("", "", "'\"")
_INDEX = re.compile(r"0|[1-9][0-9]*")

Steps = tuple[str, ...]


def lookup(payload: Any, path: str) -> Any:
    """Return the value at `path` as `@path` does, or `MISSING`.

    `path` is text such as `$.properties.items[0].sku`. A falsy value on the way is the result.
    """
    return walk(payload, parse_path(path))


def compile_path(path: str) -> Resolver:
    """Parse a path of `@path` once; the result takes a payload and answers like `lookup`."""
    return walker(parse_path(path))


def parse_path(path: str) -> Steps:
    """Split a path into keys; the first `$.` is dropped, wherever it stands."""
    return parse_bare_path(path.replace("$.", "", 1))


def parse_bare_path(path: str) -> Steps:
    """Split a path whose `$.` has no meaning, as inside a template."""
    return tuple(part.translate(_QUOTES) for part in _SEPARATOR.split(path) if part)


def walker(steps: Steps) -> Resolver:
    """Return a function that walks the given steps."""
    if len(steps) != 1:
        return lambda payload: walk(payload, steps)
    (only,) = steps

    def take(payload: Any) -> Any:
        return payload.get(only, MISSING) if isinstance(payload, dict) else walk(payload, steps)

    return take


def walk(value: Any, steps: Steps) -> Any:
    """Follow the steps down; stop at a falsy value and return it."""
    for key in steps:
        if isinstance(value, dict):
            value = value.get(key, MISSING)
        elif isinstance(value, list):
            value = _of_list(value, key)
        elif not value:
            return value
        elif isinstance(value, str):
            value = _of_text(value, key)
        else:
            return MISSING
    return value


def _of_list(items: list[Any], key: str) -> Any:
    if key == "length":
        return len(items)
    index = _index(key)
    return items[index] if 0 <= index < len(items) else MISSING


def _of_text(text: str, key: str) -> Any:
    if key == "length":
        return utf16_length(text)
    index = _index(key)
    if not 0 <= index < utf16_length(text):
        return MISSING
    return text[index] if text.isascii() else utf16_units(text)[index]


def _index(key: str) -> int:
    """Return the position a key means, or -1; `01` and `-1` are ordinary (absent) keys."""
    return int(key) if len(key) <= 10 and _INDEX.fullmatch(key) else -1
