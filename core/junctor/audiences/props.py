"""What attributes read off an event: a property, one calculated from others, a part of a time."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from junctor.audiences.nodes import DatePart, Prop
from junctor.audiences.seen import Seen, reader
from junctor.audiences.states.scalars import number, scalar
from junctor.fql.values import is_number, literal_text

TIME: Final = "$time"
"""The path that stands for the event's own time, in epoch milliseconds."""

PropReader = Callable[[Seen], Any]


def prop_reader(prop: Prop) -> PropReader:
    """Return what reads `prop` off an event; None where it is missing.

    A part is taken of the event's time, of a number (epoch milliseconds) or of ISO 8601 text, in
    UTC; of anything else there is none.
    """
    paths = tuple(map(_path_reader, prop.paths))
    if prop.calculation is None:
        (read,) = paths
    else:
        calculate = _CALCULATIONS[prop.calculation]

        def read(seen: Seen) -> Any:
            values = (path(seen) for path in paths)
            return calculate([value for value in values if value is not None])

    if prop.date_part is None:
        return read
    part = _PARTS[prop.date_part]

    def read_part(seen: Seen) -> Any:
        moment = _moment(read(seen))
        return part(moment) if moment is not None else None

    return read_part


def _path_reader(path: str) -> PropReader:
    if path == TIME:
        return lambda seen: seen.at
    read = reader(path)
    return lambda seen: read(seen.body)


def _concat(values: Sequence[Any]) -> str | None:
    texts = [literal_text(value) for value in map(scalar, values) if value is not None]
    return "".join(texts) if texts else None


def _numeric(
    calculate: Callable[[list[int | float]], int | float],
) -> Callable[[Sequence[Any]], int | float | None]:
    def of(values: Sequence[Any]) -> int | float | None:
        numbers = [one for one in map(number, values) if one is not None]
        return number(calculate(numbers)) if numbers else None

    return of


def _coalesce(values: Sequence[Any]) -> Any:
    return next(iter(values), None)


_CALCULATIONS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {
    "concat": _concat,
    "sum": _numeric(math.fsum),
    "product": _numeric(math.prod),
    "min": _numeric(min),
    "max": _numeric(max),
    "coalesce": _coalesce,
}


def _moment(value: Any) -> datetime | None:
    try:
        if is_number(value):
            return datetime.fromtimestamp(value / 1000, UTC)
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _week(moment: datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year:04}-W{week:02}"


_PARTS: Final[dict[DatePart, Callable[[datetime], int | str]]] = {
    "hour_of_day": lambda moment: moment.hour,
    "day_of_week": lambda moment: moment.isoweekday(),
    "month_of_year": lambda moment: moment.month,
    "active_day": lambda moment: moment.date().isoformat(),
    "active_week": _week,
    "active_month": lambda moment: moment.date().isoformat()[:7],
}
