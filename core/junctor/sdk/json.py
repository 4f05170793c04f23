"""JSON in, strictly but kindly.

Fast path: orjson. Valid JSON that orjson declines (a lone surrogate escape, as JavaScript writes
for half an emoji) is read by the standard library and the lone half replaced by U+FFFD. NaN and
Infinity are no JSON [RFC 8259]; integers beyond 64 bits become doubles, as in JavaScript.
"""

import json
from typing import Any, Final

import orjson

from junctor.sdk.errors import MalformedRequest

_BOM: Final = b"\xef\xbb\xbf"


def parse_json(text: bytes) -> Any:
    """Return the value of UTF-8 JSON `text`; a byte order mark before it is skipped.

    Raises:
        MalformedRequest: no JSON; the message names line and column.
    """
    if text.startswith(_BOM):
        text = text[len(_BOM) :]
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "surrogate" not in error.msg or b"\\u" not in text:
            raise MalformedRequest(f"the body is no JSON: {error}") from None
    try:
        value = json.loads(text, parse_constant=_refuse)
        return orjson.loads(_whole_characters(json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"the body is no JSON: {error}") from None


def _whole_characters(text: str) -> str:
    """Return `text` with U+FFFD for every lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not allowed in JSON")
