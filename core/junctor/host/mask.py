"""Hides secrets in what is shown: dry runs and what destinations say when they are checked."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

import orjson
from pydantic import BaseModel, SecretStr

HIDDEN: Final = "***"
_PLACEHOLDER: Final = re.compile(r"\{\{.*?\}\}")
_BASIC: Final = re.compile(r"(?i)\bbasic\s+([A-Za-z0-9+/_=-]+)")


class Mask:
    """Replaces every secret of some settings, however it is written in a request."""

    def __init__(self, settings: BaseModel) -> None:
        """Find the secrets of `settings`, also those in lists, tables and models below."""
        texts = {text for secret in secrets_in(settings) for text in _pieces(secret)}
        variants = {variant for text in texts for variant in _variants(text)}
        self._texts = sorted(variants, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return `text` without secrets, also without those in HTTP Basic credentials."""
        text = _BASIC.sub(self._basic, text)
        for secret in self._texts:
            text = text.replace(secret, HIDDEN)
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
    """Yield the secret, and of one that is a template what stands between its placeholders."""
    yield secret.strip()
    yield from (piece.strip() for piece in _PLACEHOLDER.split(secret))


def _variants(text: str) -> set[str]:
    in_json = orjson.dumps(text).decode()[1:-1]
    return {text, in_json, quote(text), quote(text, safe=""), quote_plus(text)} - {""}
