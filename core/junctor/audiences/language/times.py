"""Durations, lengths and dates, in milliseconds."""

import re
from datetime import UTC, date, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from junctor.audiences.language.refusal import Refusal
from junctor.audiences.nodes import Length
from junctor.audiences.states.days import LocalDays
from junctor.model.problems import closest
from junctor.model.units import parse_duration

DAY: Final = 86_400_000
_LONGEST: Final = 36_525 * DAY
_EXAMPLES: Final = 'write for example "30s", "8m", "48h", "7d" or "4w"'
_LENGTHS: Final = 'write for example ">=7d", "<1h" or "3d..5d"'
_BOUND: Final = re.compile(r"(>=|<=|>|<)\s*(.+)")
_RANGE: Final = re.compile(r"(.+?)\.\.(.+)")
_YEARS: Final = range(1970, 2201)


def parse_time(raw: Any) -> int:
    """Return the milliseconds of "48h".

    Raises:
        Refusal: it is no duration, or one of over a hundred years.
    """
    if not isinstance(raw, str):
        raise Refusal("must be a duration, as text", _EXAMPLES)
    try:
        seconds = parse_duration(raw)
    except ValueError:
        raise Refusal("is no duration", _EXAMPLES) from None
    assert isinstance(seconds, float)
    if seconds * 1000 > _LONGEST:
        raise Refusal("is longer than a hundred years", "use a shorter time")
    return round(seconds * 1000)


def parse_length(raw: Any) -> Length:
    """Return what ">=7d", "<1h", "3d..5d" or { gte = "1h", lt = "2h" } says; "7d" is at least that.

    Raises:
        Refusal: it says no length, or one that nothing can have.
    """
    if isinstance(raw, dict):
        length = _table(raw)
    elif isinstance(raw, str) and (match := _BOUND.fullmatch(raw.strip())):
        length = _bound(match[1], parse_time(match[2]))
    elif isinstance(raw, str) and (match := _RANGE.fullmatch(raw.strip())):
        length = Length(parse_time(match[1]), parse_time(match[2]) + 1)
    elif isinstance(raw, str) and raw.lstrip().startswith(("=", "!")):
        raise Refusal("can't be met to the millisecond", _LENGTHS)
    else:
        length = Length(parse_time(raw))
    if length.high is not None and (length.low or 0) >= length.high:
        raise Refusal("can never be met", "the lower end must be below the upper one")
    return length


def _bound(sign: str, time: int) -> Length:
    if sign.startswith(">"):
        return Length(low=time + (sign == ">"))
    return Length(high=time + (sign == "<="))


def _table(raw: dict[str, Any]) -> Length:
    signs = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
    bounds = []
    for key, value in raw.items():
        if key not in signs:
            raise Refusal("is no bound", "there is gt, gte, lt and lte", (key,))
        try:
            bounds.append(_bound(signs[key], parse_time(value)))
        except Refusal as error:
            raise Refusal(error.message, error.hint, (key,)) from None
    if not bounds:
        raise Refusal("is empty", _LENGTHS)
    lows = [bound.low for bound in bounds if bound.low is not None]
    highs = [bound.high for bound in bounds if bound.high is not None]
    return Length(max(lows, default=None), min(highs, default=None))


def parse_zone(raw: Any) -> str:
    """Return the name of a time zone that is there.

    Raises:
        Refusal: there is none of this name.
    """
    if not isinstance(raw, str):
        raise Refusal("must be text", 'write for example "Europe/Vienna"')
    try:
        zone(raw)
    except (ValueError, OSError, KeyError):
        match = closest(raw, available_timezones())
        hint = f'did you mean "{match}"?' if match else 'write for example "Europe/Vienna"'
        raise Refusal("there is no time zone of this name", hint) from None
    return raw


def zone(name: str) -> tzinfo:
    """Return a time zone; UTC also where the system knows no zones."""
    return UTC if name == "UTC" else ZoneInfo(name)


def parse_midnight(raw: Any, zone_name: str) -> int:
    """Return the epoch milliseconds at which a date begins in a time zone.

    Raises:
        Refusal: it is no date from 1970 to 2200.
    """
    day = raw
    if isinstance(raw, str):
        try:
            day = date.fromisoformat(raw) if len(raw) == len("2026-11-01") else None
        except ValueError:
            day = None
    if type(day) is not date or day.year not in _YEARS:
        raise Refusal("is no date", 'write for example "2026-11-01"')
    return LocalDays(zone_name).start(day.toordinal())
