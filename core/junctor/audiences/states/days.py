"""Local days of a time zone, by number; the days of clock changes are as long as they are."""

from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from junctor.audiences.leaf import NEVER

DAY: Final = 86_400_000

_FIRST, _LAST = date.min.toordinal() + 2, date.max.toordinal() - 2
_OLDEST = int(datetime.fromordinal(_FIRST).replace(tzinfo=UTC).timestamp()) * 1000
_NEWEST = int(datetime.fromordinal(_LAST).replace(tzinfo=UTC).timestamp()) * 1000


class LocalDays:
    """The days of a zone. Times are epoch milliseconds; days are numbered as `date` numbers them.

    Times and days of which Python knows no date are those of the nearest that it knows.
    """

    def __init__(self, zone: str) -> None:
        """Make the days of an IANA zone."""
        self.zone = zone

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def number(self, at: int) -> int:
        """Return the day in which a time lies."""
        second = min(max(at, _OLDEST), _NEWEST) // 1000
        return datetime.fromtimestamp(second, self._zone).toordinal()

    def start(self, number: int) -> int:
        """Return the day's first millisecond; NEVER, or its negative, for days without a date."""
        if not _FIRST < number < _LAST:
            return NEVER if number >= _LAST else -NEVER
        midnight = datetime.combine(date.fromordinal(number), time(), self._zone)
        at = int(midnight.timestamp()) * 1000
        if self.number(at - 1) < number:
            return at
        # Clocks that skip midnight: the day begins as they jump, not at the hour they never show.
        before, within = at - DAY, at
        while within - before > 1000:
            middle = (before + within) // 2000 * 1000
            if self.number(middle) < number:
                before = middle
            else:
                within = middle
        return within
