"""What is read off an event that is to be counted: nothing to count it, or a figure's material."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from junctor.audiences.canonical import digest
from junctor.audiences.seen import Reader, Seen, reader
from junctor.audiences.states.days import LocalDays
from junctor.fql.values import is_number

GREATEST: Final = 1e200
"""Numbers beyond it, either side of zero, count as none: their sums would not be finite."""


@dataclass(frozen=True)
class Number:
    """The number at `prop`; texts and booleans are none."""

    prop: str

    @cached_property
    def _value(self) -> Reader:
        return reader(self.prop)

    def __call__(self, seen: Seen) -> int | float | None:
        """Return the number, None where there is none."""
        value: Any = self._value(seen.body)
        if not is_number(value) or not -GREATEST <= value <= GREATEST:
            return None
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number


@dataclass(frozen=True)
class Value:
    """A digest of the value at `prop`."""

    prop: str

    @cached_property
    def _value(self) -> Reader:
        return reader(self.prop)

    def __call__(self, seen: Seen) -> str | None:
        """Return the digest, None where there is no value."""
        value = self._value(seen.body)
        return None if value is None else digest(value)


@dataclass(frozen=True)
class Day:
    """The number of the local day in `zone`."""

    zone: str

    @cached_property
    def _days(self) -> LocalDays:
        return LocalDays(self.zone)

    def __call__(self, seen: Seen) -> int:
        """Return the day's number."""
        return self._days.number(seen.at)


Reading = Number | Value | Day
