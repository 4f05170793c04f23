"""Figures as they are shown: short, and never on another side of what they are compared with."""

import math
from collections.abc import Iterable
from typing import Final

_SIGNIFICANT: Final = 6
_LEAST_DECIMALS: Final = 2
_MOST_DECIMALS: Final = 15
_AGES: Final = ((86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1000, "seconds"))


def readable(value: float, limits: Iterable[float] = ()) -> float:
    """Return `value` with six significant digits, at least two decimals, more where they tell.

    They do where a shorter number would not stand to each of `limits` as the value does: what is
    shown beside "at least 12" is below 12 only if the value is.
    """
    if not math.isfinite(value) or value == 0:
        return value
    limits = tuple(limits)
    sides = [_side(value, limit) for limit in limits]
    least = max(_LEAST_DECIMALS, _SIGNIFICANT - 1 - math.floor(math.log10(abs(value))))
    for decimals in range(least, max(least, _MOST_DECIMALS) + 1):
        short = round(value, decimals) + 0.0  # no negative zero
        if [_side(short, limit) for limit in limits] == sides:
            return short
    return value


def age_words(milliseconds: int) -> str:
    """Return how old something is, cut to a tenth: "2.9 days" is not yet three."""
    for unit, word in _AGES:
        if milliseconds >= unit:
            return f"{milliseconds * 10 // unit / 10:.1f} {word}"
    return f"{milliseconds} milliseconds"


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)
