"""The values a mapping works on, in JavaScript's terms: missing, truthiness, kinds, directives."""

import enum
from collections.abc import Callable
from typing import Any, Final

Resolver = Callable[[Any], Any]
"""A compiled piece of a mapping: payload in, value (or `MISSING`) out."""


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        """Be false, as JavaScript's undefined is."""
        return False

    def __repr__(self) -> str:
        """Print as the name it is imported by."""
        return "MISSING"


MISSING: Final = Missing.MISSING
"""Stands for a value that is not there, where None stands for JSON's null."""

ASIDE: Final = "_metadata"
"""The one key that may stand beside a directive; its value means nothing."""


class Constant:
    """A resolver that answers the same value whatever the payload."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        """Keep the value."""
        self.value = value

    def __call__(self, payload: Any) -> Any:
        """Return the value."""
        return self.value


def kind_of(value: Any) -> str:
    """Name the JSON kind of a value for a message, with its article."""
    if value is MISSING:
        return "nothing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a directive" if has_directive_key(value) else "an object"
    return f"a {type(value).__name__}"


def is_truthy(value: Any) -> bool:
    """Tell whether JavaScript takes the value for true: empty lists and objects are."""
    return isinstance(value, dict | list) or bool(value)


def is_present(value: Any) -> bool:
    """Tell whether the value is neither missing nor null."""
    return value is not MISSING and value is not None


def is_blank(value: Any) -> bool:
    """Tell whether the value is missing, null or loosely equal to `""` in JavaScript.

    A list compares as its items joined by commas, so `[]`, `[null]` and `[[""]]` are blank and
    `[[], []]` is not. White space is not blank.
    """
    if isinstance(value, dict):
        return False
    if isinstance(value, list):
        return not value or (len(value) == 1 and _joins_to_nothing(value[0]))
    return not value


def _joins_to_nothing(item: Any) -> bool:
    return not is_present(item) or item == "" or (isinstance(item, list) and is_blank(item))


def has_directive_key(value: Any) -> bool:
    """Tell whether the value is an object with a key that starts with `@`."""
    return isinstance(value, dict) and any(key.startswith("@") for key in value)


def is_directive(value: Any) -> bool:
    """Tell whether the engine evaluates the value: an object of `@` keys, `_metadata` aside."""
    return has_directive_key(value) and all(key.startswith("@") or key == ASIDE for key in value)


def directive_name(directive: dict[str, Any]) -> str:
    """Return the key that names the directive; of several the first counts."""
    return next(key for key in directive if key.startswith("@"))


def without_missing(value: Any) -> Any:
    """Copy a value without the object keys that are missing; list items keep their places."""
    if isinstance(value, dict):
        return {key: without_missing(item) for key, item in value.items() if item is not MISSING}
    if isinstance(value, list):
        return [without_missing(item) for item in value]
    return value
