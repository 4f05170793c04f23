"""What goes wrong with a mapping: before the first event, or with one event.

    MappingError      the mapping itself is wrong; raised by `compile_mapping`, lists every problem
    MappingRunError   the mapping cannot shape this payload; raised by calling a compiled mapping

Messages name places and kinds of value, never a value of the payload.
"""

from collections.abc import Iterable
from typing import Final

Where = tuple[str | int, ...]
"""Keys (and list positions) from the root of the mapping to the place meant."""

Problem = tuple[Where, str]
"""One thing wrong with a mapping: the place and a sentence."""


def format_where(where: Where) -> str:
    """Write a place as a person would: `user.tags[0].@path`; the root is `(root)`."""
    text = ""
    for key in where:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text or "(root)"


MAX_GROWTH: Final = 16 * 1024 * 1024
"""Most characters that one directive may make of one payload."""


class MappingError(ValueError):
    """A mapping that cannot be used; `problems` holds every reason found, in order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems and print one a line."""
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{format_where(at)}: {text}" for at, text in self.problems))


class MappingRunError(Exception):
    """A mapping that cannot shape one payload; `where` is the directive that gave up."""

    def __init__(self, where: Where, message: str) -> None:
        """Name the place in the mapping and what was wrong there."""
        self.where = where
        self.message = message
        super().__init__(f"{format_where(where)}: {message}")


def check_growth(characters: int) -> None:
    """Stop what a payload could blow up: raises `MappingRunError` above `MAX_GROWTH`."""
    if characters > MAX_GROWTH:
        raise MappingRunError((), "the result grows too long")
