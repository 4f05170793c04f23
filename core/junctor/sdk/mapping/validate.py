"""What may be said of a mapping before any event: `validate` collects every problem.

Two layers. `_Validator` knows what mapping-kit's own validation knows, including where it does not
look: inside list items, and below plain objects in `@literal` and `@excludeWhenNull`; what is wrong
there fails only if it is evaluated. `_refusals` adds what junctor refuses anywhere, because
mapping-kit would accept it and silently mean something else.
"""

import difflib
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

from junctor.sdk.mapping.errors import Problem, Where
from junctor.sdk.mapping.js_text import utf16_length
from junctor.sdk.mapping.values import (
    ASIDE,
    MISSING,
    directive_name,
    has_directive_key,
    is_directive,
    kind_of,
)

MAX_REPLACE_LENGTH: Final = 10
"""Longest pattern and replacement of `@replace`, in UTF-16 units."""

Check = Callable[[Any], str | None]
"""Looks at one option and returns what is wrong with it."""


def validate(mapping: Any) -> list[Problem]:
    """Return every problem of a mapping, each with its place; empty when it may be compiled."""
    validator = _Validator()
    validator.visit(mapping, ())
    return validator.problems


def refusals(mapping: Any) -> list[Problem]:
    """Return what is refused anywhere in a mapping, even where mapping-kit does not look."""
    return list(_refusals(mapping, ()))


class _Validator:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def visit(self, value: Any, where: Where) -> None:
        """Check a directive, or everything under an object; list items are not looked at."""
        if has_directive_key(value):
            self.directive(value, where)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.visit(item, (*where, key))

    def directive(self, value: dict[str, Any], where: Where) -> None:
        names = [key for key in value if key.startswith("@")]
        others = [key for key in value if not key.startswith("@") and key != ASIDE]
        name, options = names[0], value[names[0]]
        here = (*where, name)
        if len(names) > 1 or others:
            beside = ", ".join([*names[1:], *others])
            self.add(where, f"a directive stands alone, but beside {name} there is {beside}")
        elif name not in _KNOWN:
            self.add(where, f"there is no directive {name}{_suggestion(name)}")
        elif name in _OPTIONS:
            self.options(name, options, here)
        elif name == "@arrayPath":
            self.array_path(options, here)
        else:
            self.value(name, options, here)

    def value(self, name: str, value: Any, where: Where) -> None:
        """Check a directive that takes one value, itself perhaps a directive."""
        if name != "@liquid" and has_directive_key(value):
            self.directive(value, where)
        elif name in ("@path", "@template", "@liquid") and not isinstance(value, str):
            self.add(where, f"expected a string, got {kind_of(value)}")

    def options(self, name: str, options: Any, where: Where) -> None:
        """Check a directive that takes an object of options."""
        if not isinstance(options, dict) or has_directive_key(options):
            self.add(where, f"expected an object of options, got {kind_of(options)}")
            return
        self.visit(options, where)
        for option, (required, check) in _OPTIONS[name].items():
            value = options.get(option, MISSING)
            if value is MISSING:
                if required:
                    self.add(where, f'"{option}" is missing')
            elif complaint := check(value):
                self.add((*where, option), complaint)
        if name == "@merge" and isinstance(options.get("objects"), list):
            for index, item in enumerate(options["objects"]):
                here = (*where, "objects", index)
                if complaint := _object_or_directive(item):
                    self.add(here, complaint)
                self.visit(item, here)

    def array_path(self, items: Any, where: Where) -> None:
        if not isinstance(items, list):
            self.add(where, f"expected a list of a path and a shape, got {kind_of(items)}")
            return
        path, shape = [*items, MISSING, MISSING][:2]
        if complaint := _string_or_directive(path):
            self.add((*where, 0), complaint)
        self.visit(path, (*where, 0))
        self.visit(shape, (*where, 1))

    def add(self, where: Where, message: str) -> None:
        self.problems.append((where, message))


def _anything(value: Any) -> str | None:
    return None


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else f"expected a plain string, got {kind_of(value)}"


def _string_or_directive(value: Any) -> str | None:
    if isinstance(value, str) or has_directive_key(value):
        return None
    return f"expected a string or a directive, got {kind_of(value)}"


def _object_or_directive(value: Any) -> str | None:
    if isinstance(value, dict):
        return None
    return f"expected an object or a directive, got {kind_of(value)}"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"expected true or false, got {kind_of(value)}"


def _list(value: Any) -> str | None:
    return None if isinstance(value, list) else f"expected a list, got {kind_of(value)}"


def _one_of(*words: str) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, str) and value.lower() in words:
            return None
        return _string(value) or f"expected one of {', '.join(words)}"

    return check


def _string_of(least: int, most: int) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, str) and not least <= utf16_length(value) <= most:
            return f"expected {least} to {most} characters"
        return _string(value)

    return check


_OPTIONS: Final[dict[str, dict[str, tuple[bool, Check]]]] = {
    "@if": {},
    "@case": {"operator": (False, _string), "value": (False, _string_or_directive)},
    "@replace": {
        "pattern": (True, _string_of(1, MAX_REPLACE_LENGTH)),
        "replacement": (False, _string_of(0, MAX_REPLACE_LENGTH)),
        "value": (True, _string_or_directive),
        "ignorecase": (False, _boolean),
        "global": (False, _boolean),
    },
    "@json": {"value": (True, _anything), "mode": (True, _one_of("encode", "decode"))},
    "@flatten": {"separator": (False, _string), "value": (True, _anything)},
    "@merge": {"direction": (False, _one_of("left", "right")), "objects": (True, _list)},
    "@transform": {
        "apply": (True, _object_or_directive),
        "mapping": (True, _object_or_directive),
    },
}
"""For every directive with options: option → (required, check)."""

_KNOWN: Final = frozenset(_OPTIONS) | {
    "@path",
    "@template",
    "@literal",
    "@arrayPath",
    "@excludeWhenNull",
    "@liquid",
}


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, sorted(_KNOWN), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _refusals(value: Any, where: Where) -> Iterator[Problem]:
    if is_directive(value):
        name = directive_name(value)
        here = (*where, name)
        yield from _misunderstandings(name, value[name], here)
        yield from _refusals(value[name], here)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _refusals(item, (*where, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _refusals(item, (*where, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield where, "a number of a mapping must be finite"
    elif value is not None and not isinstance(value, str | bool | int | float):
        yield where, f"{kind_of(value)} is not a JSON value; write it as a string"


def _misunderstandings(name: str, options: Any, where: Where) -> Iterator[Problem]:
    """Find what mapping-kit accepts and takes for something else than what is written."""
    if not isinstance(options, dict):
        return
    blank = options.get("blank", MISSING)
    if name == "@if" and blank is not MISSING and not _has_directive(blank):
        hint = 'to test a field write { "@path" = "$.…" }'
        yield (*where, "blank"), f"a literal condition never changes; {hint}"
    for directive, option, words in (
        ("@merge", "direction", ("left",)),
        ("@json", "mode", ("encode", "decode")),
    ):
        word = options.get(option)
        if name != directive or not isinstance(word, str) or word in words:
            continue
        if word.lower() in words:
            yield (*where, option), f'write "{word.lower()}" in lower case'


def _has_directive(value: Any) -> bool:
    if isinstance(value, dict):
        return is_directive(value) or any(map(_has_directive, value.values()))
    return isinstance(value, list) and any(map(_has_directive, value))
