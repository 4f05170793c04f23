"""Totals: what several entries come to, in the room of one.

An entry of several has the time and rank of the newest of them and, in place of a value, a total: a
list, by what is read.

| Reading | Total |
|---|---|
| none | `[count]` |
| numbers | `[count, sums, low, high]`; `sums` are floats that together are the exact sum |
| scalars | `[{label: [count, at, rank]}, whether too many]`, those of its newest event |
| labels | `[{label: [at, rank]}]`, the same |
| digests | `[digests, sketch]`: the different ones, or when there are too many a sketch |
| values as they are | none: the entry has the value, and the rank, of the earliest event |

What they come to does not depend on the order of entries, as long as there is room.
"""

from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import fsum
from types import MappingProxyType
from typing import Any, Final

from junctor.audiences.states.readings import Json, Label, Number, Reading, Scalar, Value
from junctor.audiences.states.scalars import text
from junctor.audiences.states.sketch import estimate, sketch, union
from junctor.audiences.states.times import MOST, Entries, Entry, order

MOST_LABELS: Final = 100
"""Different labels of a total."""

Total = list[Any]
Joining = Callable[[Entries], Entry]
"""Makes one entry of several; totals among them may be changed."""


def joining(reading: Reading | None) -> Joining:
    """Return what joins entries that have what `reading` finds."""
    return _JOININGS[type(reading)]


def _joined(totals: Callable[[Entries], Total]) -> Joining:
    def joined(entries: Entries) -> Entry:
        if len(entries) == 1:
            return entries[0]
        at, rank = max(map(order, entries))
        return [at, rank, totals(entries)]

    return joined


def _is_total(entry: Entry) -> bool:
    return len(entry) > 2 and type(entry[2]) is list


# -- counts and numbers --------------------------------------------------------------------------


def exact_sum(numbers: Iterable[float]) -> list[float]:
    """Return a sum without any rounding: floats of which each corrects those before it.

    It is the same whatever the order of `numbers`. `fsum` makes one float of it.
    """
    rest = list(numbers)
    parts = []
    while total := fsum(rest):
        parts.append(total)
        rest.append(-total)
    return parts


def _counted(entries: Entries) -> Total:
    return [count_of(entries)]


def _summed(entries: Entries) -> Total:
    values = [entry[2] for entry in entries]
    totals = [one if type(one) is list else [1, [one], one, one] for one in values]
    counts, sums, lows, highs = zip(*totals, strict=True)
    return [sum(counts), exact_sum(chain.from_iterable(sums)), min(lows), max(highs)]


def _summands(entries: Sequence[Entry]) -> list[float]:
    found: list[float] = []
    for entry in entries:
        value = entry[2]
        if type(value) is list:
            found += value[1]
        else:
            found.append(value)
    return found


def count_of(entries: Sequence[Entry]) -> int:
    """Return how many events the entries stand for."""
    return sum(entry[2][0] if len(entry) > 2 and type(entry[2]) is list else 1 for entry in entries)


def sum_of(entries: Sequence[Entry]) -> float:
    """Return the sum of their numbers, 0 without any."""
    return fsum(_summands(entries))


def average_of(entries: Sequence[Entry]) -> float | None:
    """Return the mean of their numbers, None without any."""
    return sum_of(entries) / count_of(entries) if entries else None


def least_of(entries: Sequence[Entry]) -> float | None:
    """Return the least of their numbers, None without any."""
    return min((e[2][2] if type(e[2]) is list else e[2] for e in entries), default=None)


def greatest_of(entries: Sequence[Entry]) -> float | None:
    """Return the greatest of their numbers, None without any."""
    return max((e[2][3] if type(e[2]) is list else e[2] for e in entries), default=None)


# -- scalars and labels --------------------------------------------------------------------------


def frequencies(entries: Sequence[Entry], most: int = MOST) -> Total:
    """Return how often there was each value, and whether there were more than `most` of them.

    One too many takes the place and the count of the rarest (Metwally et al. 2005): counts are then
    too high, but a frequent one is not missed.
    """
    known: dict[str, list[int]] = {}
    too_many = False
    for entry in entries:
        value = entry[2]
        if type(value) is not list:
            too_many |= _count(known, most, text(value), 1, entry[0], entry[1])
        elif not known:
            known, too_many = value
        else:
            too_many |= value[1]
            for label, counted in value[0].items():
                too_many |= _count(known, most, label, *counted)
    return [known, too_many]


def _count(
    known: dict[str, list[int]], most: int, label: str, count: int, at: int, rank: int
) -> bool:
    """Count a label; return whether that took another's place."""
    before = known.get(label)
    if before is not None:
        before[0] += count
        if (at, rank) > (before[1], before[2]):
            before[1], before[2] = at, rank
        return False
    full = len(known) >= most
    if full:
        count += known.pop(min(known, key=known.__getitem__))[0]
    known[label] = [count, at, rank]
    return full


def _frequent(entries: Entries) -> Total:
    return frequencies(entries, MOST_LABELS)


def has_too_many(entry: Entry) -> bool:
    """Return whether an entry has a total of values of which there were too many."""
    return _is_total(entry) and entry[2][-1] is True


def newest_labels(entries: Sequence[Entry]) -> list[str]:
    """Return the different labels of entries that are one total or have a label each, in order."""
    if _is_total(entries[0]):
        known = entries[0][2][0]
        return sorted(known, key=lambda label: known[label])
    return [entry[2] for entry in entries]


def _listed(entries: Entries) -> Total:
    known: dict[str, list[int]] = {}
    for entry in entries:
        if not _is_total(entry):
            labels = {entry[2]: entry[:2]}
        elif known:
            (labels,) = entry[2]
        else:
            (known,) = entry[2]
            continue
        for label, moment in labels.items():
            known[label] = max(moment, known.get(label, moment))
    while len(known) > MOST_LABELS:
        del known[min(known, key=lambda label: known[label])]
    return [known]


# -- digests -------------------------------------------------------------------------------------


def how_many(entries: Sequence[Entry]) -> int:
    """Return how many digests there are in entries that are one total, or have another each.

    Of a sketch it is about so many.
    """
    if not _is_total(entries[-1]):
        return len(entries)
    digests, known = entries[-1][2]
    return estimate(known) if known else len(digests)


def is_sketch(entry: Entry) -> bool:
    """Return whether an entry has a sketch."""
    return _is_total(entry) and type(entry[2][-1]) is str and entry[2][-1] != ""


def _different(entries: Sequence[Entry]) -> Total:
    digests: set[str] = set()
    known = ""
    for entry in entries:
        if _is_total(entry):
            some, other = entry[2]
            digests.update(some)
            known = union(known, other) if known and other else known or other
        else:
            digests.add(entry[2])
    if digests and (known or len(digests) > MOST):
        known = sketch(map(_hash, digests), known or None)
    return [[] if known else sorted(digests), known]


def _hash(digest: str) -> int:
    return int.from_bytes(urlsafe_b64decode(digest))


# -- values --------------------------------------------------------------------------------------


def _earliest(entries: Entries) -> Entry:
    """Return the value of the earliest event, at the time of the newest."""
    _, rank, value, *_ = min(entries, key=lambda entry: (start(entry), entry[1]))
    return [max(entry[0] for entry in entries), rank, value]


def start(entry: Entry) -> int:
    """Return the time of the earliest event of an entry that says so, else of its newest."""
    return int(entry[3] if len(entry) > 3 else entry[0])


_JOININGS: Final[Mapping[type, Joining]] = MappingProxyType(
    {
        type(None): _joined(_counted), Number: _joined(_summed), Scalar: _joined(_frequent),
        Label: _joined(_listed), Value: _joined(_different), Json: _earliest,
    }
)  # fmt: skip
