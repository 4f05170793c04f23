"""The figures of attributes: which aggregate each one needs, and how it is read off it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from junctor.audiences.canonical import digest
from junctor.audiences.nodes import Aggregation
from junctor.audiences.states.aggregate import (
    MOST_DISTINCT,
    MOST_LISTED,
    Aggregate,
    Counter,
    Dated,
    Distinct,
    First,
    Frequencies,
    Last,
    Latest,
    Numbers,
    Recent,
    Times,
)
from junctor.audiences.states.scalars import text, tidy
from junctor.audiences.states.sketch import estimate


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, read off an `aggregate` by `of`.

    Over a period it is read off `dated`, if it has one, instead of being made of all entries.
    `of_events` figures need no property.
    """

    aggregate: Aggregate
    of: Callable[[Any], Any]
    dated: Dated | None = None
    of_events: bool = False


def _mean(known: Any) -> float | int:
    return tidy(math.fsum(known[1]) / known[0])


def _listed(known: Any) -> list[Any]:
    return [
        orjson.loads(label) for label in sorted(known, key=lambda one: known[one], reverse=True)
    ]


def _most_frequent(known: Any) -> Any:
    return orjson.loads(max(known[0], key=lambda label: known[0][label]))


def _least_frequent(known: Any) -> Any:
    def rarity(label: str) -> tuple[int, int, int]:
        count, at, rank = known[0][label]
        return -count, at, rank

    return orjson.loads(max(known[0], key=rarity))


def _counts(known: Any) -> dict[str, int]:
    """Return how often there was each value; a number or boolean is named as JSON writes it."""
    found: dict[str, int] = {}
    for label in sorted(known[0], key=lambda one: known[0][one], reverse=True):
        value = orjson.loads(label)
        name = value if isinstance(value, str) else label
        found[name] = found.get(name, 0) + known[0][label][0]
    return found


def _distinct(known: Any) -> int:
    return estimate(known) if isinstance(known, str) else len(known)


def _third(known: Any) -> Any:
    return known[2]


_LAST: Final = Last()
_RECENT: Final = Recent("recent", MOST_LISTED, text)
_RECENT_DIGESTS: Final = Recent("recent digests", MOST_DISTINCT + 1, digest)

FIGURES: Final = MappingProxyType[Aggregation, Figure](
    {
        "counter": Figure(Counter(), int, of_events=True),
        "sum": Figure(Numbers(), lambda known: tidy(math.fsum(known[1]))),
        "min": Figure(Numbers(), _third),
        "max": Figure(Numbers(), lambda known: known[3]),
        "mean": Figure(Numbers(), _mean),
        "first": Figure(First(), _third),
        "last": Figure(_LAST, _third, dated=_LAST),
        "unique_list": Figure(_RECENT, _listed, dated=_RECENT),
        "most_frequent": Figure(Frequencies(), _most_frequent),
        "least_frequent": Figure(Frequencies(), _least_frequent),
        "category_count": Figure(Frequencies(), _counts),
        "approx_count_distinct": Figure(Distinct(), _distinct, dated=_RECENT_DIGESTS),
        "time_since_last": Figure(Times(), lambda known: known[1], dated=Latest(), of_events=True),
        "time_since_first": Figure(Times(), lambda known: known[0], of_events=True),
    }
)
