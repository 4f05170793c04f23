"""JSON values compared in JavaScript's terms: numbers are doubles, booleans are no numbers."""

import math
from typing import Any, TypeGuard

from junctor.sdk.mapping.number_text import js_number_text
from junctor.sdk.mapping.values import MISSING


def is_number(value: Any) -> TypeGuard[int | float]:
    """Tell whether a value is a number, which True and False are not."""
    kind = type(value)
    return kind is int or kind is float


def double(number: int | float) -> float:
    """Return the double nearest to a number; an integer beyond all doubles is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def literal_text(value: str | float | bool | None) -> str:
    """Return a written value as text: `5.0` is `5`, the constants are their names."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return js_number_text(value)


def same(left: Any, right: Any) -> bool:
    """Tell whether two values of an event are of one type and equal, lists item by item.

    Missing and null are one value here. Nesting is followed without recursion.
    """
    pairs = [(left, right)]
    while pairs:
        left, right = pairs.pop()
        if isinstance(left, str) or isinstance(right, str):
            if left != right:
                return False
        elif is_number(left) and is_number(right):
            if double(left) != double(right):
                return False
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif isinstance(left, dict) and isinstance(right, dict):
            if left.keys() != right.keys():
                return False
            pairs.extend((value, right[key]) for key, value in left.items())
        elif (None if left is MISSING else left) is not (None if right is MISSING else right):
            return False
    return True
