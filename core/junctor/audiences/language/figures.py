"""Comparisons of counts and other figures: what they can be met by."""

import math
from collections.abc import Iterator
from typing import Any, Final

from junctor.audiences.comparison import (
    AllOf,
    AnyOf,
    Between,
    Compare,
    Comparison,
    compile_comparison,
)
from junctor.audiences.language.comparisons import parse_comparison
from junctor.audiences.language.refusal import Refusal
from junctor.fql.values import is_number

AT_LEAST_ONE: Final = Compare("gte", 1)
"""What `count` says where it is not written."""
_HINT: Final = 'write 3, ">=3" or "3..5"'


def parse_figure(raw: Any) -> Comparison:
    """Return a comparison with numbers.

    Raises:
        Refusal: it is no comparison, or one that no number meets.
    """
    comparison = parse_comparison(raw)
    list(_numbers(comparison))
    return comparison


def parse_count(raw: Any) -> Comparison:
    """Return a comparison with whole numbers from 0 on.

    Raises:
        Refusal: it is none, or says nothing: every count meets it, or none.
    """
    comparison = parse_comparison(raw)
    for figure in _numbers(comparison):
        if figure < 0:
            raise Refusal("can't be negative", "0 is the least there is")
        if figure != int(figure):
            raise Refusal("must be a whole number", _HINT)
    met = [fits for _, fits in _tried(comparison)]
    if not any(met):
        raise Refusal("can never be met", _HINT)
    if all(met):
        raise Refusal("is met by every count", _HINT)
    return comparison


def parse_least(raw: Any) -> int:
    """Return how many are needed: 3, or ">=3".

    Raises:
        Refusal: it is something else than a least number from 1 on.
    """
    match parse_count(raw):
        case Compare("eq" | "gte", int(least)) if least >= 1:
            return least
        case Compare("gt", int(below)):
            return below + 1
    raise Refusal("must be how many are needed, 1 at least", 'write 3 or ">=3"')


def holds_at(comparison: Comparison, count: int) -> bool:
    """Whether a count meets it."""
    return compile_comparison(comparison)(count)


def is_least(comparison: Comparison) -> bool:
    """Whether more never hurts: a count that meets it, and every larger one does."""
    met = [fits for _, fits in _tried(comparison)]
    return met == sorted(met)


def lowest(comparison: Comparison) -> int:
    """Return the lowest count that meets it."""
    return min(count for count, fits in _tried(comparison) if fits)


def _tried(comparison: Comparison) -> list[tuple[int, bool]]:
    """Return for the counts at which it can change whether they meet it, ascending."""
    test = compile_comparison(comparison)
    counts = {0}
    for figure in _numbers(comparison):
        near = math.floor(figure)
        counts.update((max(0, near - 1), near, near + 1))
    return [(count, test(count)) for count in sorted(counts)]


def _numbers(comparison: Comparison) -> Iterator[float]:
    match comparison:
        case Compare(_, operand) if is_number(operand):
            yield operand
        case Between(low, high):
            yield from (low, high)
        case AnyOf(items) | AllOf(items):
            for item in items:
                yield from _numbers(item)
        case _:
            raise Refusal("must compare with a number", _HINT)
