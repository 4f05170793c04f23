"""The figures of attributes: what must be kept for each, and how it is read off that."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import Aggregation, Attribute
from junctor.audiences.states.buckets import SLOTS, Buckets, Totals
from junctor.audiences.states.distinct import Distinct, DistinctWithin
from junctor.audiences.states.readings import Json, Label, Number, Scalar, Value
from junctor.audiences.states.scalars import tidy
from junctor.audiences.states.sketch import STANDARD_ERROR
from junctor.audiences.states.times import MOST, Entries, EntriesKind, First, Times, Whole
from junctor.audiences.states.totals import (
    MOST_LABELS,
    count_of,
    frequencies,
    greatest_of,
    how_many,
    is_sketch,
    least_of,
    newest_labels,
    start,
    sum_of,
)

Measuring = Callable[[Entries], Any]
_Reading = type[Number] | type[Scalar] | type[Label] | type[Value] | type[Json]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the entries of a kind that are younger than `age` (ms), of the newest `most`.

    `measure` takes one entry at least.
    """

    kind: EntriesKind
    measure: Measuring
    age: int
    most: int

    def current(self, entries: Entries, now: int) -> Entries:
        """Return the entries that it is made of at `now`."""
        gone = bisect_left(entries, [now - self.age + 1]) if self.age < NEVER else 0
        return entries[max(gone, len(entries) - self.most) :]

    def error(self, entries: Entries) -> str:
        """Return how exact it was at the newest entry, "" for exact."""
        if is_sketch(entries[-1]):
            return f"±{STANDARD_ERROR:.1%}"
        if not self.kind.degraded(entries):
            return ""
        match self.kind:
            case Buckets():
                return f"±1/{SLOTS} of the period at its far edge"
            case DistinctWithin():
                return f"more than {MOST}"
            case Whole():
                return f"only the newest {MOST} events"
            case _:
                return f"more than {MOST_LABELS} values"


def figure_of(attribute: Attribute) -> Figure:
    """Return the figure of an attribute.

    Raises:
        ValueError: its aggregation needs a property, and it has none.
    """
    agg, prop = attribute.agg, attribute.prop
    reads, measure = _MEASURES[agg]
    reading = None
    if reads is not None:
        if prop is None:
            raise ValueError(f"{agg} needs a property")
        reading = reads(prop)
    pattern, period, ttl = attribute.pattern, attribute.period, attribute.ttl
    kind: EntriesKind
    most = NEVER
    match agg:
        case "last" | "time_since_last":
            kind = Times(pattern, 1, reading)
        case "first" | "time_since_first" if period is ttl is None:
            kind = First(pattern, 1, reading)
        case "unique_list" if period is ttl is None:
            kind = Distinct(pattern, MOST_LABELS, reading)
        case _ if period is None:
            kind, most = Totals(pattern, 1, reading, ttl=ttl or NEVER), 1
        case "unique_list":
            kind = DistinctWithin(pattern, period, reading, room=MOST_LABELS)
        case "approx_count_distinct":
            kind = DistinctWithin(pattern, period, reading)
        case "counter" | "sum" | "min" | "max" | "mean" | "time_since_first":
            kind = Buckets(pattern, period, reading)
        case _:
            kind, most = Whole(pattern, period, reading), MOST
    return Figure(kind, measure, period or ttl or NEVER, most)


def _sum(entries: Entries) -> float | int:
    return tidy(sum_of(entries))


def _mean(entries: Entries) -> float | int:
    return tidy(sum_of(entries) / count_of(entries))


def _earliest(entries: Entries) -> Any:
    return entries[0][2]


def _latest(entries: Entries) -> Any:
    return entries[-1][2]


def _list(entries: Entries) -> list[Any]:
    return [orjson.loads(label) for label in reversed(newest_labels(entries))]


def _most_frequent(entries: Entries) -> Any:
    known, _ = frequencies(entries)
    return orjson.loads(max(known, key=lambda label: known[label]))


def _least_frequent(entries: Entries) -> Any:
    known, _ = frequencies(entries)

    def rarity(label: str) -> tuple[int, int, int]:
        count, at, rank = known[label]
        return -count, at, rank

    return orjson.loads(max(known, key=rarity))


def _counts(entries: Entries) -> dict[str, int]:
    """Return how often there was each value; a number or boolean is named as JSON writes it."""
    known, _ = frequencies(entries)
    found: dict[str, int] = {}
    for label in sorted(known, key=lambda one: known[one], reverse=True):
        value = orjson.loads(label)
        name = value if isinstance(value, str) else label
        found[name] = found.get(name, 0) + known[label][0]
    return found


_MEASURES: Final = MappingProxyType[Aggregation, tuple[_Reading | None, Measuring]](
    {
        "counter": (None, count_of),
        "sum": (Number, _sum),
        "min": (Number, least_of),
        "max": (Number, greatest_of),
        "mean": (Number, _mean),
        "first": (Json, _earliest),
        "last": (Json, _latest),
        "unique_list": (Label, _list),
        "most_frequent": (Scalar, _most_frequent),
        "least_frequent": (Scalar, _least_frequent),
        "category_count": (Scalar, _counts),
        "approx_count_distinct": (Value, how_many),
        "time_since_last": (None, lambda entries: entries[-1][0]),
        "time_since_first": (None, lambda entries: start(entries[0])),
    }
)
"""What is read off an event, and what becomes of the entries."""
