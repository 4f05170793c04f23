"""Text as JavaScript sees it: UTF-16 units, `String(value)`, white space."""

import re
from typing import Any, Final

from junctor.sdk.mapping.number_text import js_number_text
from junctor.sdk.mapping.values import MISSING

WHITE_SPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What `String.prototype.trim` removes (ECMA-262, 12.2 and 12.3); `str.strip` differs."""

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def utf16_length(text: str) -> int:
    """Return `text.length`: the number of UTF-16 units."""
    if text.isascii():
        return len(text)
    return len(text) + sum(char > "\uffff" for char in text)


def utf16_units(text: str) -> list[str]:
    """Return the UTF-16 units of a text, each as a text; half of a pair is a lone surrogate."""
    if text.isascii() or max(text) <= "\uffff":
        return list(text)
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(data), 2)]


def join_surrogates(text: str) -> str:
    """Make one character again of two halves that came together."""
    if text.isascii():
        return text
    return _SURROGATE_PAIR.sub(
        lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text
    )


def js_text(value: Any) -> str:
    """Return `String(value)` of a JSON value; missing and null are empty, as in a template."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None or value is MISSING:
        return ""
    if isinstance(value, int | float):
        return js_number_text(value)
    if isinstance(value, list):
        return ",".join([js_text(item) for item in value])
    return "[object Object]"
