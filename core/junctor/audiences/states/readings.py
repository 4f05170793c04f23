"""What is read off an event: what is counted apart, added up, or kept as it is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from junctor.audiences.canonical import digest
from junctor.audiences.nodes import Prop
from junctor.audiences.props import prop_reader
from junctor.audiences.seen import Seen, reader
from junctor.audiences.states.days import LocalDays
from junctor.audiences.states.scalars import Plain, number, scalar, text, whole


@dataclass(frozen=True)
class _OfProperty:
    """Something of the value at a path, or of a property as attributes know it."""

    prop: str | Prop

    @cached_property
    def _value(self) -> Callable[[Seen], Any]:
        if isinstance(self.prop, Prop):
            return prop_reader(self.prop)
        read = reader(self.prop)
        return lambda seen: read(seen.body)


class Number(_OfProperty):
    """The number; texts and booleans are none."""

    def __call__(self, seen: Seen) -> int | float | None:
        """Return the number, None where there is none."""
        return number(self._value(seen))


class Value(_OfProperty):
    """A digest of the value: enough to tell it from others."""

    def __call__(self, seen: Seen) -> str | None:
        """Return the digest, None where there is no value."""
        value = self._value(seen)
        return None if value is None else digest(value)


class Scalar(_OfProperty):
    """A text, number or boolean."""

    def __call__(self, seen: Seen) -> Plain | None:
        """Return the value, None where there is none of these."""
        return scalar(self._value(seen))


class Label(_OfProperty):
    """A text, number or boolean as JSON, so that each is equal to itself only."""

    def __call__(self, seen: Seen) -> str | None:
        """Return the JSON, None where there is none of these."""
        value = scalar(self._value(seen))
        return None if value is None else text(value)


class Json(_OfProperty):
    """The value as it is."""

    def __call__(self, seen: Seen) -> Any:
        """Return the value, None where there is none or it is too long."""
        return whole(self._value(seen))


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


Reading = Number | Value | Scalar | Label | Json | Day
