"""Values of events as states keep them: short, and equal ones written alike."""

from typing import Any, Final

import orjson

from junctor.fql.values import is_number

LONGEST_TEXT: Final = 256
"""Characters that are kept of a text that is one of many."""
LONGEST_VALUE: Final = 1_024
"""Characters that are kept of a text, or bytes of JSON of a list or object, that stands alone."""
_LARGEST: Final = 1e290
"""Numbers beyond it, of which a sum could overflow, are none."""
_MOST_EXACT: Final = 2**53

Plain = str | int | float | bool


def number(value: Any) -> float | int | None:
    """Return a number, whole ones as integers; None for all else."""
    if is_number(value) and -_LARGEST <= value <= _LARGEST:
        return tidy(value)
    return None


def tidy(value: float | int) -> float | int:
    """Return a number as a whole one if it is whole and exact as a double."""
    if isinstance(value, int):
        return value if -_MOST_EXACT <= value <= _MOST_EXACT else float(value)
    return int(value) if value.is_integer() and abs(value) <= _MOST_EXACT else value


def scalar(value: Any) -> Plain | None:
    """Return a text (its beginning, if long), number or boolean; None for all else."""
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    return value if isinstance(value, bool) else number(value)


def whole(value: Any) -> Any:
    """Return any JSON value that is not too long; of a text its beginning."""
    if isinstance(value, str):
        return value[:LONGEST_VALUE]
    if isinstance(value, list | dict):
        return value if len(orjson.dumps(value)) <= LONGEST_VALUE else None
    return scalar(value)


def text(value: Plain) -> str:
    """Return a value as JSON: what it is known by in an object."""
    return orjson.dumps(value).decode()


def same(one: Plain, other: Plain) -> bool:
    """Tell whether two kept values are equal; true is not 1."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)
