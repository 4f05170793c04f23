"""Hides secrets in what is shown: dry runs, and what destinations say when they fail."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

import orjson
from pydantic import BaseModel, SecretStr

HIDDEN: Final = "***"
_PLACEHOLDER: Final = re.compile(r"\{\{.*?\}\}")
_BASIC: Final = re.compile(r"(?i)\bbasic\s+([A-Za-z0-9+/_=-]+)")
_LIKE_A_KEY: Final = re.compile(r"(?=.*[0-9A-Z]).{8,}", re.DOTALL)
"""A part of a URL that is probably its secret, not a word such as `services`."""
_TELLING: Final = 8
"""Characters of a secret from which on a piece of it tells something."""


class Mask:
    """Replaces every secret of some settings, however it is written in a request or an answer."""

    def __init__(self, settings: BaseModel) -> None:
        """Find the secrets of `settings`, also those in lists, tables and models below."""
        texts = {text for secret in secrets_in(settings) for text in _pieces(secret)}
        variants = {variant for text in texts for variant in _variants(text)}
        self._texts = sorted(variants, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return `text` without secrets, also without those in HTTP Basic credentials.

        What was cut off in the middle of a secret is hidden, if at least half of it is there.
        """
        text = _BASIC.sub(self._basic, text)
        for secret in self._texts:
            text = text.replace(secret, HIDDEN)
        for secret in self._texts:
            text = _without_beginning(text, secret)
        return text

    def _basic(self, match: re.Match[str]) -> str:
        try:
            credentials = base64.b64decode(match[1]).decode("utf-8", "replace")
        except ValueError:
            return match[0]
        return f"Basic {HIDDEN}" if any(one in credentials for one in self._texts) else match[0]


def secrets_in(value: Any) -> Iterator[str]:
    """Yield the text of every secret that settings, or a value in them, hold."""
    inner: Iterable[Any] = ()
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        inner = (field for _, field in value)
    elif isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    for one in inner:
        yield from secrets_in(one)


def _pieces(secret: str) -> Iterator[str]:
    """Yield the secret; of a template what stands between its placeholders; of a URL its keys."""
    for piece in {secret, *_PLACEHOLDER.split(secret)}:
        yield piece.strip()
        yield from _keys_of_url(piece.strip())


def _keys_of_url(url: str) -> Iterator[str]:
    """Yield what makes a URL a secret: a vendor's answer may repeat this part of it alone."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    if not parts.netloc:
        return
    values = [value for _, value in parse_qsl(parts.query)]
    for part in (*map(unquote, parts.path.split("/")), *values, unquote(parts.password or "")):
        if _LIKE_A_KEY.fullmatch(part):
            yield part


def _variants(text: str) -> set[str]:
    """Return how a secret is written in URLs, in JSON, HTML and reprs, and as base64."""
    in_json = orjson.dumps(text).decode()[1:-1]
    escaped = {in_json, in_json.replace("/", r"\/"), json.dumps(text)[1:-1], repr(text)[1:-1]}
    in_urls = {quote(text), quote(text, safe=""), quote_plus(text)}
    packed = {
        encode(one).decode().rstrip("=")
        for one in (text.encode(), f"{text}:".encode())
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
    }
    return {text, html.escape(text), *escaped, *in_urls, *packed} - {""}


def _without_beginning(text: str, secret: str) -> str:
    """Return `text` without the first half, or more, of a secret; a URL begins like others do."""
    least = max(_TELLING, (len(secret) + 1) // 2)
    if len(secret) < least or "://" in secret:
        return text
    start = text.find(secret[:least])
    while start >= 0:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(secret, text[start:], strict=False))
        cut = sum(1 for _ in same)
        text = text[:start] + HIDDEN + text[start + cut :]
        start = text.find(secret[:least], start + len(HIDDEN))
    return text
