"""Event data in URLs and headers: encoded, so that it stays the value it is.

Neither line breaks, nor another path (`../`), nor another host can come from an event.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from junctor.sdk import InvalidPayload, compile_template
from junctor.sdk.template import Render, parse_template, plain_text

MAX_URL: Final = 8000
"""Longest URL sent; RFC 9110 4.1 asks servers to take at least that."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN: Final = frozenset((
    "connection", "content-encoding", "content-length", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade", "webhook-id", "webhook-signature", "webhook-timestamp",
    "x-signature",
))  # fmt: skip
_HEADER_SAFE: Final = "".join(map(chr, range(0x20, 0x7F)))
_DEEPEST: Final = 16


def check_url(template: str) -> None:
    """Check a URL template.

    Raises:
        ValueError: no http(s) URL, credentials, a fragment, or a placeholder before the path.
    """
    pieces = parse_template(template)
    literals = [piece if isinstance(piece, str) else piece.default or "" for piece in pieces]
    if re.search(r"[\s\x00-\x1f\x7f]", "".join(literals)):
        raise ValueError("a URL has no white space")
    try:
        parts = urlsplit(literals[0] if isinstance(pieces[0], str) else "")
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (IndexError, ValueError):
        good = False
    if not good:
        raise ValueError("an http(s) URL is expected")
    if "@" in parts.netloc:
        raise ValueError("no user and password in a URL; send them by settings.headers")
    if len(pieces) > 1 and not (parts.path or parts.query):
        raise ValueError("event data may stand in path and query only, not in the host")
    if "#" in template:
        raise ValueError("a URL to send to has no #fragment")


def check_header_name(name: str) -> None:
    """Check the name of a configured header.

    Raises:
        ValueError: no header name, or one that is not the operator's to set.
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header name is made of letters, digits and -_.")
    if name.lower() in _OWN:
        raise ValueError(f"header {name} is set by the connector or by HTTP itself")


def check_header_text(name: str, text: str, *, template: bool) -> None:
    """Check the value of a configured header.

    Raises:
        ValueError: characters that no header has; a template that can't be read.
    """
    if not text.isascii() or (text and not text.isprintable()):
        raise ValueError(f"header {name}: only printable ASCII is allowed")
    if template:
        compile_template(text)


def compile_url(template: str) -> Render:
    """Return the URL of an event as a function of its payload.

    The function raises InvalidPayload for a missing value, for one that would climb in the path,
    and for a URL over MAX_URL.
    """
    render = compile_template(template, escape=_url_part)

    def url(payload: Mapping[str, Any]) -> str:
        text = render(payload)
        if "/." in text and any(
            segment in (".", "..") for segment in urlsplit(text).path.split("/")
        ):
            raise InvalidPayload("a value of the event would lead to another path of the URL")
        return fitting_url(text)

    return url


def header_text(text: str) -> str:
    """Return `text` as one line of ASCII: everything else is percent-encoded as UTF-8."""
    return quote(text, safe=_HEADER_SAFE).strip()


def with_query(url: str, values: Mapping[str, Any]) -> str:
    """Return `url` with flattened `values` added to its query: dotted names, lists by index.

    Raises:
        InvalidPayload: the URL would be over MAX_URL.
    """
    flat: list[tuple[str, str]] = []
    _flatten(values, "", flat, 0)
    if not flat:
        return url
    return fitting_url(f"{url}{'&' if '?' in url else '?'}{urlencode(flat)}")


def fitting_url(url: str) -> str:
    """Return `url`.

    Raises:
        InvalidPayload: it is over MAX_URL.
    """
    if len(url) > MAX_URL:
        raise InvalidPayload(f"the URL would have over {MAX_URL} characters")
    return url


def _url_part(text: str) -> str:
    if not text:
        raise InvalidPayload("the event lacks a value of settings.url; give a default there")
    return quote(text, safe="")


def _flatten(value: Any, path: str, into: list[tuple[str, str]], depth: int) -> None:
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for name, item in value.items():
            _flatten(item, f"{path}.{name}" if path else str(name), into, depth + 1)
    elif isinstance(value, list) and depth < _DEEPEST:
        for index, item in enumerate(value):
            _flatten(item, f"{path}.{index}" if path else str(index), into, depth + 1)
    elif value is not None:
        into.append((path, plain_text(value)))
