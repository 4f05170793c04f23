"""Text templates for people: `{{profile.traits.email | somebody}} ordered`.

    render = compile_template("{{properties.revenue}} from {{userId | a guest}}")
    render({"properties": {"revenue": 39.95}})     # "39.95 from a guest"

`{{path}}` takes the value at a path of the mapping language (`properties.items[0].sku`, a leading
`$.` may be there, `.length` of lists and text). Missing and null give nothing. `{{path | text}}`
gives the text up to the braces, trimmed, when there is nothing else to show; it is the author's
own text and therefore not escaped. There is nothing more: no conditions, loops or raw values.

What is inserted reads as plain text: numbers without exponent or needless `.0`, `true` and
`false`, the items of a list joined by `, `, objects as JSON.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson

from junctor.sdk.mapping.path import Steps, parse_path

Escape = Callable[[str], str]
"""Makes a value harmless for the place where it is inserted."""

Render = Callable[[Mapping[str, Any]], str]
"""A compiled template: takes `Event.payload()` or any mapping."""

_OPEN: Final = "{{"
_CLOSE: Final = "}}"


class TemplateError(ValueError):
    """A template that can't be read; the message names the position, counted from 1."""

    def __init__(self, position: int, message: str) -> None:
        """Keep the zero-based `position` in the template."""
        self.position = position
        super().__init__(f"character {position + 1}: {message}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One `{{path | default}}`; `position` is where its braces stand, counted from 0."""

    position: int
    steps: Steps
    default: str | None = None

    def render(self, payload: Mapping[str, Any], escape: Escape) -> str:
        """Return the escaped value, or the default (as it is) where the value is empty."""
        text = plain_text(_lookup(payload, self.steps))
        if not text and self.default is not None:
            return self.default
        return escape(text)


def compile_template(text: str, *, escape: Escape = str) -> Render:
    """Parse a template once; the result fills it in, passing every value through `escape`.

    Raises:
        TemplateError: unbalanced, empty or triple braces.
    """
    pieces = parse_template(text)

    def render(payload: Mapping[str, Any]) -> str:
        return "".join(
            [piece if isinstance(piece, str) else piece.render(payload, escape) for piece in pieces]
        )

    return render


def has_placeholders(text: str) -> bool:
    """Whether a template takes anything from the event.

    Raises:
        TemplateError: as `compile_template`.
    """
    return any(not isinstance(piece, str) for piece in parse_template(text))


def parse_template(text: str) -> tuple[str | Placeholder, ...]:
    """Return literal texts and placeholders in order; for those who escape by context.

    Raises:
        TemplateError: unbalanced, empty or triple braces.
    """
    pieces: list[str | Placeholder] = []
    at = 0
    while True:
        start = text.find(_OPEN, at)
        literal = text[at:] if start < 0 else text[at:start]
        if _CLOSE in literal:
            raise TemplateError(at + literal.index(_CLOSE), "`}}` without `{{` before it")
        if literal:
            pieces.append(literal)
        if start < 0:
            return tuple(pieces)
        if text.startswith("{{{", start):
            raise TemplateError(start, "`{{{`: there are no raw values, write `{{path}}`")
        end = text.find(_CLOSE, start + 2)
        again = text.find(_OPEN, start + 2)
        if end < 0 or 0 <= again < end:
            raise TemplateError(start, "`{{` is never closed by `}}`")
        if text.startswith("}}}", end):
            raise TemplateError(end, "`}}}`: one brace too many")
        pieces.append(_placeholder(text[start + 2 : end], start))
        at = end + 2


def plain_text(value: Any) -> str:
    """Return a JSON value as a person would write it; None is empty."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = str(int(value)) if value.is_integer() else repr(value)
        return format(Decimal(text), "f") if "e" in text else text
    if isinstance(value, list | tuple):
        return ", ".join([plain_text(item) for item in value])
    try:
        return orjson.dumps(value, default=_as_dict).decode()
    except orjson.JSONEncodeError:  # nested beyond what orjson writes
        return ""


def _placeholder(inside: str, position: int) -> Placeholder:
    path, bar, default = inside.partition("|")
    steps = parse_path(path.strip())
    if not steps:
        raise TemplateError(position, "there is no path between the braces")
    return Placeholder(position, steps, default.strip() if bar else None)


def _lookup(value: Any, steps: Steps) -> Any:
    """Return what stands below `value`, or None; unlike `@path`, 0 and false have nothing below."""
    for key in steps:
        if isinstance(value, dict | Mapping):
            value = value.get(key)
        elif isinstance(value, list | tuple):
            if key == "length":
                value = len(value)
            elif key.isdecimal() and key.isascii() and len(key) < 10 and int(key) < len(value):
                value = value[int(key)]
            else:
                return None
        elif isinstance(value, str) and key == "length":
            value = len(value)
        else:
            return None
    return value


def _as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError
