"""Event data inside Slack's markup, where `<!channel>` pings everybody.

Slack's control characters are `&`, `<` and `>` [docs.slack.dev, formatting message text]; they are
escaped in every value. That alone is not enough inside the author's own `<…>`: in
`<{{properties.url}}|open>` a value of `!channel` would ping. So a value there is treated as what
it stands for: the beginning of a link, a part of a link, or a link's label.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from junctor.sdk import TemplateError
from junctor.sdk.template import Escape, Placeholder, Render, parse_template

_RESERVED: Final = ":/?#[]@!$&'()*+,;=%~"
_SCHEME: Final = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
_SPOKEN_PING: Final = re.compile(r"(?<!\w)@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_ZERO_WIDTH_SPACE: Final = "\u200b"
_REORDERING: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Embeddings, overrides and isolates of Unicode: one left open turns around what follows it."""
_DROPPED: Final = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), *range(127, 160), 0x2028, 0x2029, *_REORDERING)
)


def escape_text(text: str) -> str:
    """Return `text` so that Slack shows it and nothing more.

    A spoken `@channel`, `@here` or `@everyone` gets an invisible space, for the places where Slack
    looks for mentions by itself. What turns around the direction of the author's own text is left
    out. Formatting characters like `*` are left alone.
    """
    text = text.translate(_DROPPED)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPOKEN_PING.sub("@" + _ZERO_WIDTH_SPACE, text) if "@" in text else text


def whole_url(text: str) -> str:
    """Return `text` as an absolute URL: what has no web or mail scheme gets `https://` in front."""
    text = text.strip()
    encoded = quote(text, safe=_RESERVED)
    return encoded if _SCHEME.match(text) else "https://" + encoded


def part_of_url(text: str) -> str:
    """Return `text` as a part of a path or query; slashes stay."""
    return quote(text, safe="/")


def compile_text(text: str) -> Render:
    """Compile a template of mrkdwn or plain text; every value is escaped for where it stands.

    Raises:
        TemplateError: not a template, or a value would choose a special mention (`<!{{…}}>`).
    """
    parts: list[tuple[Placeholder, Escape] | str] = []
    link: str | None = None  # what stands since the last "<" that is not closed
    for piece in parse_template(text):
        if isinstance(piece, str):
            parts.append(piece)
            link = _open_link(link, piece)
        else:
            parts.append((piece, _escape_in(link, piece)))
            link = None if link is None else link + "\0"
    return _joined(parts)


def compile_url(text: str) -> Render:
    """Compile the template of a URL field.

    Raises:
        TemplateError: not a template.
    """
    parts: list[tuple[Placeholder, Escape] | str] = []
    for piece in parse_template(text):
        if isinstance(piece, str):
            parts.append(piece)
        else:
            parts.append((piece, part_of_url if parts else whole_url))
    return _joined(parts)


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters of escaped text, never half an entity or half a link."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    link = cut.rfind("<")
    if link > cut.rfind(">"):
        cut = cut[:link]
    entity = cut.rfind("&", max(0, len(cut) - len("&amp")))
    if entity >= 0 and ";" not in cut[entity:]:
        cut = cut[:entity]
    return cut + "…"


def _open_link(link: str | None, literal: str) -> str | None:
    for character in literal:
        if character == "<":
            link = ""
        elif character == ">":
            link = None
        elif link is not None:
            link += character
    return link


def _escape_in(link: str | None, placeholder: Placeholder) -> Callable[[str], str]:
    if link is None or "|" in link:
        return escape_text
    if not link:
        return lambda text: escape_text(whole_url(text))
    if link.startswith("!") and "^" not in link:
        raise TemplateError(placeholder.position, "event data can't choose a special mention")
    return part_of_url


def _joined(parts: list[tuple[Placeholder, Escape] | str]) -> Render:
    def render(payload: Mapping[str, Any]) -> str:
        return "".join(
            [part if isinstance(part, str) else part[0].render(payload, part[1]) for part in parts]
        )

    return render
