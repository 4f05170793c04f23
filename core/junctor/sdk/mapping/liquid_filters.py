"""Liquid filters as liquidjs has them, where python-liquid's differ or are missing."""

import functools
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final

from liquid.exceptions import LiquidError
from liquid.undefined import Undefined

from junctor.sdk.mapping.errors import check_growth
from junctor.sdk.mapping.js_text import js_text, utf16_length
from junctor.sdk.mapping.json_text import stringify

Filter = Callable[..., Any]


class Disabled(LiquidError):
    """Something was used that a mapping may not use; its text is safe to show."""


def disabled_filter(name: str) -> Filter:
    """Return a filter that refuses to run."""

    def refuse(*values: Any, **options: Any) -> Any:
        raise Disabled(f'filter "{name}" is disabled', token=None)

    return refuse


def on_text(function: Filter) -> Filter:
    """Wrap a text filter of the library so that it reads its operands as liquidjs prints them."""

    @functools.wraps(function)  # the library marks filters that want the environment
    def with_text(value: Any, *operands: Any, **options: Any) -> Any:
        return function(printed(value), *[_operand(operand) for operand in operands], **options)

    return with_text


def _operand(value: Any) -> Any:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count else printed(value)


def printed(value: Any) -> str:
    """Print a value as liquidjs does: lists without separator, the rest as JavaScript."""
    if isinstance(value, list):
        return "".join(map(printed, value))
    if value is None or isinstance(value, str | bool | int | float | dict):
        return js_text(value)
    return str(value)


def _number(value: Any) -> float:
    """Return `Number(value)`, and 0 for what is no number."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(printed(value))
    except ValueError:
        return 0.0


def _neat(number: float) -> int | float:
    """Return a whole double as an integer, which is how it prints and compares."""
    return int(number) if number.is_integer() else number


def _arithmetic(operation: Callable[[float, float], float]) -> Filter:
    return lambda value, other=None: _neat(operation(_number(value), _number(other)))


def _divided_by(value: Any, other: Any = None, whole: Any = False) -> int | float:
    dividend, divisor = _number(value), _number(other)
    if divisor == 0:
        return math.copysign(math.inf, dividend) if dividend else math.nan
    quotient = dividend / divisor
    return math.floor(quotient) if whole else _neat(quotient)


def _modulo(value: float, other: float) -> float:
    return value % other if other else math.nan


def _round(value: Any, digits: Any = 0) -> int | float:
    number, places = _number(value), int(_number(digits))
    exact = Decimal(repr(number)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return _neat(float(exact))


def _replace(value: Any, old: Any = "", new: Any = "") -> str:
    text, sought, inserted = printed(value), printed(old), printed(new)
    check_growth(text.count(sought) * len(inserted))
    return text.replace(sought, inserted) if sought else inserted.join(text)


def _default(value: Any, fallback: Any = None, *, allow_false: bool = False) -> Any:
    if isinstance(value, str | list):
        return value or fallback
    if value is False:
        return value if allow_false else fallback
    return fallback if value is None or isinstance(value, Undefined) else value


def _size(value: Any) -> int:
    if isinstance(value, str):
        return utf16_length(value)
    return len(value) if isinstance(value, list) else 0


def _items(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else [value])


def _join(value: Any, separator: Any = " ") -> str:
    return printed(separator).join(map(js_text, _items(value)))


def _sum(value: Any, key: Any = None) -> int | float:
    if key is None:
        return _neat(_total(_items(value)))
    return _neat(_total(item.get(key) for item in _items(value) if isinstance(item, dict)))


def _total(values: Iterable[Any]) -> float:
    # Not sum(): since Python 3.12 it is more exact than JavaScript's additions.
    return functools.reduce(operator.add, map(_number, values), 0.0)


def _json(value: Any) -> str:
    return "" if isinstance(value, Undefined) else str(stringify(value))


def _date(value: Any, pattern: Any = None) -> Any:
    """Print a time in UTC; what is no time is returned as it is.

    There is no "now": a mapping answers the same whenever it runs.
    """
    if value in ("now", "today"):
        raise Disabled('date knows no "now"; use the timestamp of the event', token=None)
    moment = _moment(value)
    if moment is None:
        return value
    if pattern is None:
        pattern = "%A, %B %-e, %Y at %-l:%M %P %z"
    milliseconds = f"{moment.microsecond // 1000:03}"
    return moment.strftime(printed(pattern).replace("%L", milliseconds))


def _moment(value: Any) -> datetime | None:
    """Read ISO 8601, RFC 2822 or seconds since 1970; a time without offset is UTC."""
    try:
        if isinstance(value, str) and not value.isdecimal():
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                moment = parsedate_to_datetime(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


TEXT_FILTERS: Final = (
    *("append", "base64_decode", "base64_encode", "capitalize", "downcase", "escape"),
    *("escape_once", "lstrip", "prepend", "remove", "remove_first", "remove_last"),
    *("replace_first", "replace_last", "rstrip", "split", "squish", "strip", "strip_html"),
    *("strip_newlines", "truncate", "truncatewords", "upcase", "url_decode", "url_encode"),
)
"""Filters of the library that only need their operands read as text."""

FILTERS: Final[dict[str, Filter]] = {
    "plus": _arithmetic(lambda value, other: value + other),
    "minus": _arithmetic(lambda value, other: value - other),
    "times": _arithmetic(lambda value, other: value * other),
    "modulo": _arithmetic(_modulo),
    "at_least": _arithmetic(max),
    "at_most": _arithmetic(min),
    "divided_by": _divided_by,
    "abs": lambda value: _neat(abs(_number(value))),
    "ceil": lambda value: math.ceil(_number(value)),
    "floor": lambda value: math.floor(_number(value)),
    "round": _round,
    "replace": _replace,
    "default": _default,
    "size": _size,
    "join": _join,
    "sum": _sum,
    "json": _json,
    "jsonify": _json,
    "date": _date,
}
"""Filters written anew."""
