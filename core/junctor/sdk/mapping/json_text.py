"""JSON text as JavaScript writes and reads it (`@json`)."""

import json
import re
from json.encoder import encode_basestring
from typing import Any

from junctor.sdk.mapping.number_text import js_number_text
from junctor.sdk.mapping.values import MISSING, Missing

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LAST_ARRAY_INDEX = 2**32 - 2


def stringify(value: Any) -> str | Missing:
    """Return `JSON.stringify(value)`: no spaces, integer-like keys first; missing stays missing."""
    return MISSING if value is MISSING else _write(value)


def _write(value: Any) -> str:
    if isinstance(value, str):
        return _quote(value)
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None or value is MISSING:
        return "null"
    if isinstance(value, int | float):
        text = js_number_text(value)
        return text if text[-1].isdigit() else "null"
    if isinstance(value, list):
        return "[" + ",".join([_write(item) for item in value]) + "]"
    members = [
        f"{_quote(key)}:{_write(value[key])}" for key in js_keys(value) if value[key] is not MISSING
    ]
    return "{" + ",".join(members) + "}"


def _quote(text: str) -> str:
    quoted = encode_basestring(text)
    if quoted.isascii():
        return quoted
    return _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", quoted)


def js_keys(value: dict[str, Any]) -> list[str]:
    """Return the keys in JavaScript's order: array indices ascending, then as inserted."""
    indices = [key for key in value if _is_array_index(key)]
    if not indices:
        return list(value)
    taken = set(indices)
    return sorted(indices, key=int) + [key for key in value if key not in taken]


def _is_array_index(key: str) -> bool:
    return _ARRAY_INDEX.fullmatch(key) is not None and int(key) <= _LAST_ARRAY_INDEX


def parse_or_keep(text: str) -> Any:
    """Return `JSON.parse(text)`, or the text itself where it is not JSON."""
    try:
        return _DECODER.decode(text.strip(" \t\n\r"))
    except ValueError:
        return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    if len(digits) <= 20:
        number = int(digits)
        if -(2**63) <= number < 2**64:
            return number
    return float(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_integer)
