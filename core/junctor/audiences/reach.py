"""Which events a condition's window takes in at a time, and when time itself changes that."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import EventCondition
from junctor.audiences.states.days import DAY, LocalDays

_MARGIN: Final = 2 * DAY
"""More than what days of a zone, clock changes included, are ever longer than 24 hours in sum."""


@dataclass(frozen=True)
class Reach:
    """The window of a condition. Times are epoch milliseconds, lengths milliseconds.

    An event is taken in if near <= age < far and since <= its time < until. The age of an event
    ahead of the clock is 0. With `zone` set, lengths are whole days, and the age is how many local
    days ago it was.
    """

    far: int | None = None
    near: int = 0
    since: int = -NEVER
    until: int = NEVER
    zone: str | None = None

    @classmethod
    def of(cls, condition: EventCondition) -> "Reach":
        """Return a condition's. Whole days are local days where days are counted."""
        window = condition.window
        far = min((end for end in (window.within, window.far) if end is not None), default=None)
        near = window.near or 0
        local = condition.days is not None and far is not None and not (far % DAY or near % DAY)
        return cls(
            far,
            near,
            -NEVER if window.since is None else window.since,
            NEVER if window.until is None else window.until,
            condition.zone if local else None,
        )

    @property
    def length(self) -> int:
        """The age that no event exceeds; NEVER if there is none."""
        if self.far is None:
            return NEVER
        return self.far if self.zone is None else self.far + _MARGIN

    @cached_property
    def _days(self) -> LocalDays:
        return LocalDays(self.zone or "UTC")

    def first(self, now: int) -> int:
        """Return the earliest time of events that are taken in at `now`."""
        return self.since if self.far is None else max(self.since, self._aged(self.far, now))

    def end(self, now: int) -> int:
        """Return the time from which on no event is taken in at `now`; NEVER if there is none."""
        return min(self.until, self._aged(self.near, now)) if self.near else self.until

    def opens(self, at: int) -> int:
        """Return when an event at `at` that is too young is taken in; NEVER if it never is."""
        return self._later(at, self.near) if self.near and at < self.until else NEVER

    def closes(self, at: int) -> int:
        """Return when an event at `at` that is taken in no longer is; NEVER if it always is."""
        return NEVER if self.far is None else self._later(at, self.far)

    def _aged(self, age: int, now: int) -> int:
        """Return the earliest time of events that are younger than `age`."""
        if self.zone is None:
            return now - age + 1
        return self._days.start(self._days.number(now) - age // DAY + 1)

    def _later(self, at: int, age: int) -> int:
        """Return when an event at `at` reaches an age."""
        if self.zone is None:
            return at + age
        return self._days.start(self._days.number(at) + age // DAY)
