"""Comparisons: what `is`, `count` and the values of `where` say about one value.

Written as TOML; kept as a small tree that is hashable and can be written as canonical JSON.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from junctor.audiences.regex import compile_regex
from junctor.fql.values import is_number

Scalar = str | int | float | bool
Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte"]

MISSING: Final = None
"""A value that is not there; null counts as missing."""


@dataclass(frozen=True, slots=True)
class Compare:
    """`value OP operand`. "ne" is the negation of "eq": true when the value is missing."""

    op: Operator
    operand: Scalar

    def __eq__(self, other: object) -> bool:
        """Return whether it says the same; true is not 1."""
        return (
            isinstance(other, Compare)
            and self.op == other.op
            and _equal(self.operand, other.operand)
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """`value OP` the property of an earlier step of a sequence: `"$cart.id"`, `">$cart.total"`."""

    op: Operator
    step: str
    path: str


@dataclass(frozen=True, slots=True)
class Between:
    """Number from `low` to `high`, both included: `"3..5"`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Glob:
    """Text of which `*` stands for any part, `/` too; case counts."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Regex:
    """Text of up to 1,024 characters in which a regular expression is found: `{ re = "…" }`."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Has:
    """A list that has this item: `{ has = "x" }`."""

    item: Scalar

    def __eq__(self, other: object) -> bool:
        """Return whether it says the same; true is not 1."""
        return isinstance(other, Has) and _equal(self.item, other.item)


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether there is a value at all: `{ exists = true }`."""

    expected: bool


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of several comparisons holds: a list."""

    items: "tuple[Comparison, ...]"


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of several comparisons hold: a table with several operators, `{ gte = 1, lt = 5 }`."""

    items: "tuple[Comparison, ...]"


Comparison = Compare | Reference | Between | Glob | Regex | Has | Exists | AnyOf | AllOf
Test = Callable[[Any], bool]
"""Takes a value, None where there is none."""

_NUMBERS: Final = frozenset({int, float})
"""Types of numbers; `in` costs half of a call."""
_ORDERINGS: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = MappingProxyType(
    {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
)


def compare(op: Operator, left: Any, right: Any) -> bool:
    """Return `left OP right` for two values of events; missing equals nothing and has no order."""
    if op == "eq":
        return _equal(left, right)
    if op == "ne":
        return not _equal(left, right)
    return _ordered(left, right) and _ORDERINGS[op](left, right)


def _equal(left: Any, right: Any) -> bool:
    if left is None or (type(left) is bool) is not (type(right) is bool):
        return False
    return bool(left == right)


def _ordered(left: Any, right: Any) -> bool:
    if type(left) is str:
        return type(right) is str
    return is_number(left) and is_number(right)


def compile_comparison(comparison: Comparison) -> Test:
    """Return the test of a comparison.

    Raises:
        ValueError: it has a reference: it takes a second event to tell; see `compare`.
    """
    match comparison:
        case Compare(op, operand):
            return _compare(op, operand)
        case Between(low, high):
            return lambda value: type(value) in _NUMBERS and low <= value <= high
        case Glob(pattern):
            fits = compile_glob(pattern)
            return lambda value: type(value) is str and fits(value)
        case Regex(pattern):
            return compile_regex(pattern)
        case Has(item):
            equal = _compare("eq", item)
            return lambda value: type(value) is list and any(map(equal, value))
        case Exists(expected):
            return lambda value: (value is not None) is expected
        case AnyOf(items):
            return _compile_any(items)
        case AllOf(items):
            every = tuple(map(compile_comparison, items))
            return lambda value: all(test(value) for test in every)
        case Reference():
            raise ValueError("a reference can't be tested on one event")


def _compare(op: Operator, operand: Scalar) -> Test:
    if op == "ne":
        equal = _compare("eq", operand)
        return lambda value: not equal(value)
    if op != "eq":
        compared = _ORDERINGS[op]
        if type(operand) is str:
            return lambda value: type(value) is str and compared(value, operand)
        if type(operand) is bool:
            return lambda value: False
        return lambda value: type(value) in _NUMBERS and compared(value, operand)
    if type(operand) is str:
        return lambda value: type(value) is str and value == operand
    if type(operand) is bool:
        return lambda value: value is operand
    return lambda value: type(value) in _NUMBERS and value == operand


def _compile_any(items: tuple[Comparison, ...]) -> Test:
    texts = frozenset(
        item.operand
        for item in items
        if isinstance(item, Compare) and item.op == "eq" and type(item.operand) is str
    )
    others = tuple(
        compile_comparison(item)
        for item in items
        if not (isinstance(item, Compare) and item.op == "eq" and item.operand in texts)
    )
    if not others:
        return lambda value: type(value) is str and value in texts
    return lambda value: (
        (type(value) is str and value in texts) or any(test(value) for test in others)
    )


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Return the test of a pattern in which `*` stands for any part; linear in the text."""
    first, *middle, last = pattern.split("*") if "*" in pattern else (pattern, "")
    if "*" not in pattern:
        return pattern.__eq__
    if not any(middle):
        if not last:
            return lambda text: text.startswith(first)
        if not first:
            return lambda text: text.endswith(last)
    shortest = len(first) + len(last)
    parts = tuple(filter(None, middle))

    def fits(text: str) -> bool:
        end = len(text) - len(last)
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        at = len(first)
        for part in parts:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return fits
