"""The figures of a condition on events: what must be kept for each, and how it is read off that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final

from junctor.audiences.comparison import (
    AllOf,
    AnyOf,
    Between,
    Compare,
    Comparison,
    Test,
    compile_comparison,
)
from junctor.audiences.leaf import Kind
from junctor.audiences.nodes import EventCondition, Measure
from junctor.audiences.reach import Reach
from junctor.audiences.states.buckets import Buckets, Totals
from junctor.audiences.states.days import DAY
from junctor.audiences.states.distinct import Distinct
from junctor.audiences.states.groups import Groups
from junctor.audiences.states.readings import Day, Number, Reading, Value
from junctor.audiences.states.times import MOST, MOST_DAYS, Entries, Entry, First, Times, Whole
from junctor.audiences.states.totals import average_of, count_of, greatest_of, least_of, sum_of

Measuring = Callable[[Sequence[Entry]], Any]

AT_LEAST_ONE: Final = Compare("gte", 1)
_NUMBERS: Final[dict[str, Measuring]] = {
    "sum": sum_of, "avg": average_of, "min": least_of, "max": greatest_of,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of those of a kind's entries that lie in the window.

    `enough` entries stand for "so many or more". `least` and `most` say how many entries there must
    be, or may be, where nothing else is asked. Where there can be more than `exact` entries, those
    before the newest `exact` are slots, or mark that there were others.
    """

    kind: Kind
    key: str
    measure: Measuring
    test: Test
    enough: int | None = None
    exact: int | None = None
    least: int | None = None
    most: int | None = None

    def blurred_until(self, entries: Entries) -> int | None:
        """Return the time up to which the entries are not exact, None if all are."""
        if self.exact is None or len(entries) <= self.exact:
            return None
        return int(entries[-self.exact - 1][0])


def figures_of(condition: EventCondition, reach: Reach) -> tuple[Figure, ...]:
    """Return the figures that must all compare; the one that people ask for is the last."""
    build = _Builder(condition, reach)
    figures = []
    if condition.days is not None:
        figures.append(build.days(condition.days))
    if condition.measure is not None:
        figures.append(build.measured(condition.measure))
    implied = condition.count == AT_LEAST_ONE and any(
        not figure.test(figure.measure(())) for figure in figures
    )
    return tuple(figures) if implied else (build.count(), *figures)


def highest(comparison: Comparison) -> int:
    """Return the largest number that a comparison names, rounded up: all above it are alike."""
    match comparison:
        case Compare(_, int() | float() as operand):
            return max(ceil(operand), 0)
        case Between(low, high):
            return max(ceil(low), ceil(high), 0)
        case AnyOf(items) | AllOf(items):
            return max(map(highest, items), default=0)
        case _:
            return 0


def bounds(comparison: Comparison) -> tuple[int | None, int | None]:
    """Return how many at least, or at most, if a comparison of counts says nothing else."""
    match comparison:
        case Compare("gte", int() | float() as operand) if operand > 0:
            return ceil(operand), None
        case Compare("gt", int() | float() as operand) if operand >= 0:
            return floor(operand) + 1, None
        case Compare("lte", int() | float() as operand) if operand >= 0:
            return None, floor(operand)
        case Compare("lt", int() | float() as operand) if operand > 0:
            return None, ceil(operand) - 1
        case Compare("eq", 0):
            return None, 0
        case _:
            return None, None


@dataclass(frozen=True, slots=True)
class _Builder:
    condition: EventCondition
    reach: Reach

    @property
    def _grouped(self) -> bool:
        return bool(self.condition.same) or self.condition.per_session

    def count(self) -> Figure:
        pattern, until = self.condition.pattern, self.condition.window.until
        if self.condition.first:
            return self._figure(First(pattern), len, self.condition.count)
        needed = highest(self.condition.count) + 1
        many = self.reach.near > 0 or needed > MOST
        if many and not self._grouped:
            return self._figure(self._material(None), count_of, self.condition.count, exact=MOST)
        kept = MOST + 1 if many else needed
        return self._figure(
            Times(pattern, kept, until=until), len, self.condition.count, kept,
            MOST if many else None,
        )  # fmt: skip

    def days(self, comparison: Comparison) -> Figure:
        reach, day = self.reach, Day(self.condition.zone)
        if reach.near and reach.zone and reach.far:
            # Newer days stand before those of the window; whole days are as good as events.
            kept = min(reach.far // DAY + 2, MOST_DAYS + 1)
            return self._distinct(day, comparison, kept)
        return self._different(day, comparison, MOST_DAYS)

    def measured(self, measure: Measure) -> Figure:
        if measure.kind == "distinct":
            return self._different(Value(measure.prop), measure.comparison, MOST)
        number, measuring = Number(measure.prop), _NUMBERS[measure.kind]
        kind: Kind
        if self._grouped:
            pattern, until = self.condition.pattern, self.condition.window.until
            kind = Times(pattern, MOST + 1, number, until=until)
        else:
            kind = self._material(number)
        return self._figure(kind, measuring, measure.comparison, exact=MOST)

    def _different(self, reading: Reading, comparison: Comparison, most: int) -> Figure:
        if not self.reach.near:
            return self._distinct(reading, comparison, min(highest(comparison), most) + 1)
        pattern, until = self.condition.pattern, self.condition.window.until
        kind = (
            Times(pattern, most + 1, reading, until=until)
            if self._grouped
            else Whole(pattern, self.reach.length, reading, until=until, room=most + 1)
        )
        return self._figure(kind, _different_of, comparison, exact=most)

    def _distinct(self, reading: Reading, comparison: Comparison, kept: int) -> Figure:
        most = MOST_DAYS if isinstance(reading, Day) else MOST
        until = self.condition.window.until
        kind = Distinct(self.condition.pattern, kept, reading, until=until)
        return self._figure(kind, len, comparison, kept, most if kept > most else None)

    def _material(self, reading: Number | None) -> Buckets | Totals:
        window = self.condition.window
        pattern, since, until = self.condition.pattern, window.since, window.until
        if self.reach.far is None:
            return Totals(pattern, 1, reading, since, until)
        return Buckets(pattern, self.reach.length, reading, since, until)

    def _figure(
        self,
        kind: Kind,
        measuring: Measuring,
        comparison: Comparison,
        enough: int | None = None,
        exact: int | None = None,
    ) -> Figure:
        if self._grouped and isinstance(kind, Times):
            condition = self.condition
            kind = Groups(kind, condition.same, condition.per_session, self.reach.length)
        least, most = bounds(comparison) if measuring is len else (None, None)
        test = compile_comparison(comparison)
        return Figure(kind, kind.key, measuring, test, enough, exact, least, most)


def _different_of(entries: Sequence[Entry]) -> int:
    return len({entry[2] for entry in entries})
