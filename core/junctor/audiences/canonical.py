"""Names for parts of definitions that stay the same from run to run: digests of their meaning."""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import orjson


def canonical(node: Any) -> Any:
    """Return a definition as plain data. Fields that have their default are left out."""
    if isinstance(node, tuple):
        return [canonical(item) for item in node]
    if not is_dataclass(node) or isinstance(node, type):
        return node
    plain: dict[str, Any] = {"": type(node).__name__}
    for field in fields(node):
        value = getattr(node, field.name)
        if field.default is MISSING or value != field.default or type(value) is bool:
            plain[field.name] = canonical(value)
    return plain


def fingerprint(*parts: Any) -> str:
    """Return 8 characters that name these definitions, numbers and texts."""
    return urlsafe_b64encode(_digest(parts)[:6]).decode()


def version(*parts: Any) -> str:
    """Return the version of a definition: 12 hexadecimal digits."""
    return _digest(parts).hex()[:12]


def digest(value: Any) -> str:
    """Return 8 characters that stand for a JSON value; equal numbers have one digest."""
    return urlsafe_b64encode(hashlib.sha256(_text(value)).digest()[:6]).decode()


def _text(value: Any) -> bytes:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _digest(parts: tuple[Any, ...]) -> bytes:
    text = orjson.dumps(canonical(parts), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).digest()
