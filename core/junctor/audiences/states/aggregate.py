"""Aggregates: what the values of events come to, in a form that merges.

An entry is `[at, rank, value]`, without a value where events count as such. An aggregate is plain
JSON, and what is read off it does not depend on the order of entries, while there is room for them.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from junctor.audiences.states.scalars import number, scalar, text, whole
from junctor.audiences.states.sketch import HASH_BITS, STANDARD_ERROR, sketch, union

Entry = list[Any]
Aggregated = Any

MOST_LISTED: Final = 100
"""Values that a list or a count of each value can have."""
MOST_DISTINCT: Final = 256
"""Different values up to which their number is exact."""


class Aggregate(Protocol):
    """How entries come to something. `coarse`: it may stand for many entries in little room."""

    @property
    def name(self) -> str:
        """Return what it is called in the key of a state."""
        ...

    @property
    def coarse(self) -> bool:
        """Return whether it takes little room, however many entries it is made of."""
        ...

    def take(self, value: Any) -> Any:
        """Return what is kept of a property's value, None if it doesn't count."""
        ...

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """Return what one or more entries come to."""
        ...

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """Return what the entries of both come to; `one` may be changed."""
        ...

    def error(self, known: Aggregated) -> str:
        """Return how exact it is, "" for exact."""
        ...

    def degraded(self, known: Aggregated) -> bool:
        """Return whether there were more values than it can hold."""
        ...

    def evidence(self, known: Aggregated) -> tuple[int, ...]:
        """Return the rank of the event that it names, if it names one."""
        ...


class Dated(Aggregate, Protocol):
    """An aggregate that knows how old its parts are, and so what it is in any window."""

    def since(self, known: Aggregated, after: int) -> Aggregated | None:
        """Return what entries later than `after` come to, None if there are none."""
        ...

    def oldest(self, known: Aggregated) -> int:
        """Return the time of the part that is the first to leave a window."""
        ...

    def newest(self, known: Aggregated) -> int:
        """Return the time of the part that is the last to leave a window."""
        ...


class _Plain:
    coarse = False

    def error(self, known: Aggregated) -> str:
        """See Aggregate: exact."""
        return ""

    def degraded(self, known: Aggregated) -> bool:
        """See Aggregate."""
        return bool(self.error(known))

    def evidence(self, known: Aggregated) -> tuple[int, ...]:
        """See Aggregate: none."""
        return ()


class Counter(_Plain):
    """A number of events."""

    name = "count"
    coarse = True

    def take(self, value: Any) -> Any:
        """See Aggregate: events count whatever their properties."""
        return None

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """See Aggregate."""
        return len(entries)

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """See Aggregate."""
        return one + other


class Numbers(_Plain):
    """`[how many, sum, least, greatest]`; the sum as numbers of which it is the rounded sum."""

    name = "numbers"
    coarse = True

    def take(self, value: Any) -> Any:
        """See Aggregate: numbers."""
        return number(value)

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """See Aggregate."""
        values = [entry[2] for entry in entries]
        return [len(values), [math.fsum(values)], min(values), max(values)]

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """See Aggregate."""
        least, greatest = min(one[2], other[2]), max(one[3], other[3])
        return [one[0] + other[0], exact_sum([*one[1], *other[1]]), least, greatest]


class Times(_Plain):
    """`[earliest, latest]` time of an event."""

    name = "times"
    coarse = True

    def take(self, value: Any) -> Any:
        """See Aggregate: events count whatever their properties."""
        return None

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """See Aggregate."""
        times = [entry[0] for entry in entries]
        return [min(times), max(times)]

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """See Aggregate."""
        return [min(one[0], other[0]), max(one[1], other[1])]


class Latest(Times):
    """Times of which only the latest is asked for."""

    name = "latest"

    def since(self, known: Aggregated, after: int) -> Aggregated | None:
        """See Dated."""
        return known if known[1] > after else None

    def oldest(self, known: Aggregated) -> int:
        """See Dated."""
        return int(known[1])

    def newest(self, known: Aggregated) -> int:
        """See Dated."""
        return int(known[1])


class First(_Plain):
    """The earliest entry."""

    name = "first"

    def take(self, value: Any) -> Any:
        """See Aggregate: any value."""
        return whole(value)

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """See Aggregate."""
        return min(entries, key=_order)

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """See Aggregate."""
        return min(one, other, key=_order)

    def evidence(self, known: Aggregated) -> tuple[int, ...]:
        """See Aggregate: the event."""
        return (known[1],)


class Last(_Plain):
    """The latest entry."""

    name = "last"

    def take(self, value: Any) -> Any:
        """See Aggregate: any value."""
        return whole(value)

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """See Aggregate."""
        return max(entries, key=_order)

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """See Aggregate."""
        return max(one, other, key=_order)

    def evidence(self, known: Aggregated) -> tuple[int, ...]:
        """See Aggregate: the event."""
        return (known[1],)

    def since(self, known: Aggregated, after: int) -> Aggregated | None:
        """See Dated."""
        return known if known[0] > after else None

    def oldest(self, known: Aggregated) -> int:
        """See Dated."""
        return int(known[0])

    def newest(self, known: Aggregated) -> int:
        """See Dated."""
        return int(known[0])


class Recent(_Plain):
    """Different values, each with `[at, rank]` of its latest entry; the most recent ones.

    They are known by `label`: JSON text, or a digest where only their number matters.
    """

    def __init__(self, name: str, most: int, label: Callable[[Any], str]) -> None:
        """Keep `most` values."""
        self.name = name
        self._most = most
        self._label = label

    def take(self, value: Any) -> Any:
        """See Aggregate: texts, numbers and booleans."""
        return scalar(value)

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """See Aggregate."""
        known: dict[str, list[int]] = {}
        for at, rank, value in entries:
            label = self._label(value)
            known[label] = max([at, rank], known.get(label, [at, rank]))
        return self._bounded(known)

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """See Aggregate."""
        for label, moment in other.items():
            one[label] = max(moment, one.get(label, moment))
        return self._bounded(one)

    def error(self, known: Aggregated) -> str:
        """See Aggregate: a list is that of the most recent values; a number may be too low."""
        full = self._most > MOST_DISTINCT and len(known) == self._most
        return f"more than {MOST_DISTINCT}" if full else ""

    def since(self, known: Aggregated, after: int) -> Aggregated | None:
        """See Dated."""
        return {label: moment for label, moment in known.items() if moment[0] > after} or None

    def oldest(self, known: Aggregated) -> int:
        """See Dated."""
        return int(min(known.values())[0])

    def newest(self, known: Aggregated) -> int:
        """See Dated."""
        return int(max(known.values())[0])

    def evidence(self, known: Aggregated) -> tuple[int, ...]:
        """See Aggregate: the newest event."""
        return (max(known.values())[1],)

    def _bounded(self, known: dict[str, list[int]]) -> dict[str, list[int]]:
        while len(known) > self._most:
            del known[min(known, key=lambda label: known[label])]
        return known


class Frequencies(_Plain):
    """`[values, whether too many]`: of each value `[count, at, rank]`, those of its latest entry.

    A value too many takes the place and the count of the rarest one (Metwally et al. 2005): counts
    are then too high, but a frequent value is not missed.
    """

    name = "frequencies"

    def take(self, value: Any) -> Any:
        """See Aggregate: texts, numbers and booleans."""
        return scalar(value)

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """See Aggregate."""
        values: dict[str, list[int]] = {}
        known: Aggregated = [values, False]
        for at, rank, value in entries:
            label = text(value)
            before = values.get(label)
            if before is None:
                self._admit(known, label, [1, at, rank])
            else:
                before[0] += 1
                if (at, rank) > (before[1], before[2]):
                    before[1], before[2] = at, rank
        return known

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """See Aggregate."""
        for label, more in other[0].items():
            before = one[0].get(label)
            if before is None:
                self._admit(one, label, more)
            else:
                one[0][label] = [before[0] + more[0], *max(before[1:], more[1:])]
        one[1] = one[1] or other[1]
        return one

    def error(self, known: Aggregated) -> str:
        """See Aggregate."""
        return f"more than {MOST_LISTED} values" if known[1] else ""

    def _admit(self, known: Aggregated, label: str, counted: list[int]) -> None:
        values: dict[str, list[int]] = known[0]
        if len(values) == MOST_LISTED:
            counted[0] += values.pop(min(values, key=lambda one: values[one]))[0]
            known[1] = True
        values[label] = counted


class Distinct(_Plain):
    """Different values: their hashes, ascending, or, when there are too many, a sketch (text)."""

    name = "distinct"

    def take(self, value: Any) -> Any:
        """See Aggregate: texts, numbers and booleans."""
        return scalar(value)

    def of(self, entries: Sequence[Entry]) -> Aggregated:
        """See Aggregate."""
        return self._bounded({_hash(entry[2]) for entry in entries})

    def merge(self, one: Aggregated, other: Aggregated) -> Aggregated:
        """See Aggregate."""
        if isinstance(one, str) and isinstance(other, str):
            return union(one, other)
        if isinstance(one, str):
            return sketch(other, one)
        if isinstance(other, str):
            return sketch(one, other)
        return self._bounded({*one, *other})

    def error(self, known: Aggregated) -> str:
        """See Aggregate."""
        return f"±{STANDARD_ERROR:.1%}" if isinstance(known, str) else ""

    def degraded(self, known: Aggregated) -> bool:
        """See Aggregate: a sketch is as good as promised."""
        return False

    def _bounded(self, hashes: set[int]) -> Aggregated:
        return sorted(hashes) if len(hashes) <= MOST_DISTINCT else sketch(hashes)


def exact_sum(values: Iterable[float]) -> list[float]:
    """Return few numbers that add up to the same as `values`, without rounding (Shewchuk 1997)."""
    parts: list[float] = []
    for value in values:
        kept = 0
        more = float(value)
        for part in parts:
            large, small = (more, part) if abs(more) >= abs(part) else (part, more)
            more = large + small
            if rest := small - (more - large):
                parts[kept] = rest
                kept += 1
        parts[kept:] = [more]
    return parts


def _order(entry: Entry) -> tuple[int, int]:
    return entry[0], entry[1]


def _hash(value: Any) -> int:
    return int.from_bytes(hashlib.sha256(text(value).encode()).digest()[: HASH_BITS // 8])
