"""Regular expressions that no text can make slow: a search costs by the length of the text.

The engine is Rust's regex, which pydantic brings along. It tries nothing twice, and so knows
neither look-around nor references back; an expression with these is none here.
"""

from collections.abc import Callable
from typing import Any, Final

from pydantic_core import SchemaError, SchemaValidator, core_schema

LONGEST_SEARCHED: Final = 1_024
"""Characters of a text that is searched; a longer one does not fit."""
_MARGIN: Final = 4
"""Columns before the expression where the engine's complaint shows it."""


class RegexError(ValueError):
    """It is no regular expression; `position` is the character from 1, None if nobody knows."""

    def __init__(self, reason: str, position: int | None) -> None:
        """Keep the engine's reason, which never repeats the expression."""
        super().__init__(reason)
        self.reason = reason
        self.position = position

    @property
    def mend(self) -> str:
        """What to do about it."""
        if self.reason.startswith(("look-around", "backreferences")):
            return (
                "it can't look around or back; to leave values out write `where` as FQL,"
                ' \'properties.x != "a" and properties.x != "b"\', or none = [ … ]'
            )
        if "size limit" in self.reason:
            return r"let it repeat less often, and say [a-z0-9] where `\w` says too much"
        return "in TOML write it in single quotes, then backslashes stay"


def compile_regex(pattern: str) -> Callable[[Any], bool]:
    """Return the test whether a value is a text of up to 1,024 characters in which it is found.

    Raises:
        RegexError: it is none, or larger than the engine allows.
    """
    schema = core_schema.str_schema(
        pattern=pattern, regex_engine="rust-regex", max_length=LONGEST_SEARCHED, strict=True
    )
    try:
        return SchemaValidator(schema).isinstance_python
    except SchemaError as error:
        raise _complaint(str(error)) from None


def _complaint(text: str) -> RegexError:
    """Return what the engine says: the expression, a line with `^` under the place, the reason."""
    *_, pointer, last = ["", *text.strip().splitlines()]
    reason = last.rpartition("rror: ")[2].rstrip(".")
    is_pointer = bool(pointer) and not pointer.strip(" ^") and "^" in pointer
    return RegexError(reason, pointer.index("^") - _MARGIN + 1 if is_pointer else None)
