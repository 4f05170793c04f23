"""The functions of the language: what they take, what they answer, how they do it.

Source: Segment, "Destination Filter Query Language" (Public API documentation). Where that page
leaves the answer open, JavaScript's conversion is used, as in the rest of Segment's languages.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from junctor.sdk.mapping.js_text import js_text, utf16_length
from junctor.sdk.mapping.values import MISSING, is_truthy


class Kind(StrEnum):
    """What is known of an operand before any event: `ANY` is a place in the event."""

    TEXT = "text"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    NULL = "null"
    ANY = "anything"


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    `takes` has the kind of each argument and `answers` the kind of the result, which may be null
    too. `apply` answers for one value; None marks the predicates of two arguments (`contains`,
    `match`), which are compiled with their second argument.
    """

    takes: tuple[Kind, ...]
    answers: Kind
    apply: Callable[[Any], Any] | None = None


TYPE_NAMES: Final = ("string", "number", "list", "bool", "null", "object")
"""Everything `typeof` answers; missing is `null`."""

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def length(value: Any) -> int | None:
    """Count the UTF-16 units of text or the items of a list; 0 for null and missing."""
    if isinstance(value, str):
        return utf16_length(value)
    if isinstance(value, list):
        return len(value)
    return 0 if value is None or value is MISSING else None


def type_of(value: Any) -> str:
    """Name the type of a value: one of `TYPE_NAMES`."""
    if value is None or value is MISSING:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list) else "object"


def to_bool(value: Any) -> bool:
    """Convert as JavaScript's `Boolean`: null, missing, 0, false and `""` are false."""
    return is_truthy(value)


def to_string(value: Any) -> str | None:
    """Convert as JavaScript's `String`: `5.0` is `5`, a list its items joined by commas.

    Null, missing and objects give null.
    """
    if value is None or value is MISSING or isinstance(value, dict):
        return None
    return _list_text(value) if isinstance(value, list) else js_text(value)


def _list_text(items: list[Any]) -> str:
    """Join items by commas, nested lists in their place; depth costs no stack."""
    texts: list[str] = []
    stack = items[::-1]
    while stack:
        item = stack.pop()
        if isinstance(item, list) and item:
            stack.extend(reversed(item))
        else:
            texts.append("" if item == [] else js_text(item))
    return ",".join(texts)


def to_number(value: Any) -> int | float | None:
    """Keep a number, read one from decimal text (white space around it is free), else null."""
    if isinstance(value, str):
        text = value.strip()
        return float(text) if _DECIMAL.fullmatch(text) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def on_text(change: Callable[[str], str]) -> Callable[[Any], str | None]:
    """Make a function that changes text and answers null for anything else."""
    return lambda value: change(value) if isinstance(value, str) else None


def titlecase(text: str) -> str:
    """Capitalize the first letter of every word; the rest of a word stays."""
    return " ".join([word[:1].upper() + word[1:] for word in text.split(" ")])


def _of_text(change: Callable[[str], str]) -> Function:
    return Function((Kind.TEXT,), Kind.TEXT, on_text(change))


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "contains": Function((Kind.TEXT, Kind.ANY), Kind.BOOLEAN),
        "match": Function((Kind.TEXT, Kind.TEXT), Kind.BOOLEAN),
        "length": Function((Kind.ANY,), Kind.NUMBER, length),
        "lowercase": _of_text(str.lower),
        "uppercase": _of_text(str.upper),
        "snakecase": _of_text(lambda text: text.replace(" ", "_")),
        "kebabcase": _of_text(lambda text: text.replace(" ", "-")),
        "titlecase": _of_text(titlecase),
        "typeof": Function((Kind.ANY,), Kind.TEXT, type_of),
        "bool": Function((Kind.ANY,), Kind.BOOLEAN, to_bool),
        "string": Function((Kind.ANY,), Kind.TEXT, to_string),
        "number": Function((Kind.ANY,), Kind.NUMBER, to_number),
    }
)
"""Every function of the language by name."""
