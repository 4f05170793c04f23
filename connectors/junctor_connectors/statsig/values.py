"""Values and sizes as Statsig takes them.

Facts: Statsig's HTTP API (metadata is text to text; custom attributes are text, numbers, booleans
and lists of text), its guide on logging events (names with certain characters are dropped) and
its SDKs' event validator (soft sizes).
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from junctor.sdk import InvalidPayload
from junctor.sdk.template import plain_text

MAX_TEXT: Final = 128
"""Most characters of an event name, an id and a text value."""
MAX_OBJECT: Final = 4096
"""Most characters of a user and of metadata; counted here in bytes of JSON, to be safe."""

_FORBIDDEN: Final = re.compile(r"[\\\[\]{}<>#=;&$%|\0\r\n]")
_NOT_DATA: Final = frozenset(
    ("statsigCustomIDs", "statsigCustom", "statsigEnvironment", "privateAttributes")
)
_MOST_PARTS: Final = 16
"""Parts of a dotted name; what is nested deeper stays JSON."""
_BY_NEED: Final = (
    "userID", "statsigEnvironment", "customIDs", "email", "country", "locale", "appVersion", "ip",
    "userAgent", "custom",
)  # fmt: skip


def event_name(text: str) -> str:
    """Return `text` without the characters for which Statsig drops an event, and short enough."""
    return _FORBIDDEN.sub("_", text.strip())[:MAX_TEXT]


def event_value(properties: Mapping[str, Any], names: tuple[str, ...]) -> float | str | None:
    """Return the first property in `names` that is a number or text; numeric text as a number."""
    for name in names:
        value = properties.get(name)
        if value is None or isinstance(value, bool):
            continue
        if isinstance(value, (int, float)):
            return value
        if isinstance(value, str) and (text := value.strip()):
            return _number(text) if text[-1].isdigit() else text[:MAX_TEXT]
    return None


def add_metadata(properties: Mapping[str, Any], into: dict[str, str]) -> None:
    """Add properties as text: nested objects under dotted names, lists as JSON, no nulls."""
    for name, value in _only_data(properties).items():
        if isinstance(value, str):
            into[name] = value
        elif isinstance(value, dict):
            _flatten(value, name, _text, into)
        elif value is not None:
            into[name] = _TEXT_OF[type(value)](value)


def add_custom(traits: Mapping[str, Any], into: dict[str, Any]) -> None:
    """Add attributes in their legal types: nested objects flat, lists as lists of text."""
    for name, value in _only_data(traits).items():
        if isinstance(value, str):
            into[name] = value
        elif isinstance(value, dict):
            _flatten(value, name, _attribute, into)
        elif value is not None:
            into[name] = _attribute(value)


def flat_pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the pairs of Statsig's flat lists: `["companyID", "c1", "plan", "pro"]`."""
    if isinstance(value, list):
        for name, item in zip(value[::2], value[1::2], strict=False):
            if isinstance(name, str) and name and item is not None and item != "":
                yield name, item


def fitting_metadata(metadata: dict[str, str]) -> bytes:
    """Return metadata as JSON of at most MAX_OBJECT bytes: what does not fit is cut or left out."""
    text = json_bytes(metadata)
    if len(text) <= MAX_OBJECT:
        return text
    room = MAX_OBJECT - 2
    kept: dict[str, str] = {}
    for name, value in metadata.items():
        value = value[: max(0, room - len(name))]
        size = _entry_size(name, value)
        while value and size > room:  # a character is one to six bytes
            value = value[: len(value) - 1 - (size - room) // 6]
            size = _entry_size(name, value)
        if value:
            kept[name] = value
            room -= size
    return json_bytes(kept)


def fitting_user(user: dict[str, Any]) -> bytes:
    """Return a user as JSON of at most MAX_OBJECT bytes: ids are kept first, custom values last."""
    text = json_bytes(user)
    if len(text) <= MAX_OBJECT:
        return text
    room = MAX_OBJECT - len('{"statsigEnvironment":{},"customIDs":{},"custom":{}}')
    fitting: dict[str, Any] = {}
    for field in _BY_NEED:
        value = user.get(field)
        if isinstance(value, dict):
            fitting[field] = {}
        entries, into = (
            (value, fitting[field]) if isinstance(value, dict) else ({field: value}, fitting)
        )
        for name, item in entries.items():
            size = _entry_size(name, item)
            if item is not None and size <= room:
                into[name] = item
                room -= size
    return json_bytes(fitting)


def json_bytes(value: Any) -> bytes:
    """Return compact JSON.

    Raises:
        InvalidPayload: nested deeper than JSON can be written.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise InvalidPayload("a value can't be written as JSON: nested too deeply") from None


def json_text(value: Any) -> str:
    """Return compact JSON as text.

    Raises:
        InvalidPayload: nested deeper than JSON can be written.
    """
    return json_bytes(value).decode()


def _only_data(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `values` without the names that have a meaning of their own at Statsig."""
    if values.keys().isdisjoint(_NOT_DATA):
        return values
    return {name: value for name, value in values.items() if name not in _NOT_DATA}


def _flatten(
    values: dict[str, Any],
    path: str,
    leaf: Callable[[Any], Any],
    into: dict[str, Any],
    parts: int = 2,
) -> None:
    """Add what is no object below `path` under its dotted path; nulls are left out."""
    for name, value in values.items():
        if isinstance(value, dict) and parts < _MOST_PARTS:
            _flatten(value, f"{path}.{name}", leaf, into, parts + 1)
        elif value is not None:
            into[f"{path}.{name}"] = leaf(value)


def _text(value: Any) -> str:
    return _TEXT_OF[type(value)](value)


def _attribute(value: Any) -> Any:
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return [plain_text(item) for item in value]
    return json_text(value) if isinstance(value, (dict, list)) else value


def _entry_size(name: str, value: Any) -> int:
    """Return the bytes that an entry takes in a JSON object, with a comma."""
    return len(json_bytes({name: value})) - 1


def _number(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text[:MAX_TEXT]
    return number if math.isfinite(number) else text[:MAX_TEXT]


_TEXT_OF: Final[Mapping[type, Callable[[Any], str]]] = {
    str: str, int: str, bool: plain_text, float: plain_text, list: json_text, dict: json_text,
}  # fmt: skip
"""Text of a JSON value, by its exact type: a look-up is quicker than one question after another."""
