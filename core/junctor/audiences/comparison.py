"""Comparisons: what `is`, `count` and the values of `where` say about one value.

Written as TOML; kept as a small tree that is hashable and can be written as canonical JSON.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

Scalar = str | int | float | bool
Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte"]

MISSING: Final = None
"""A value that is not there; null counts as missing."""


@dataclass(frozen=True, slots=True)
class Compare:
    """`value OP operand`. "ne" is the negation of "eq": true when the value is missing."""

    op: Operator
    operand: Scalar


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
    """Text in which the regular expression is found somewhere: `{ re = "…" }`."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Has:
    """A list that has this item: `{ has = "x" }`."""

    item: Scalar


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
