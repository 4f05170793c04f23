"""The tracking pixel: a call in the query of an image address, as mails carry it.

Source: Segment's documentation of the Pixel API.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from junctor.sdk import MalformedRequest, Reply, parse_json
from junctor_connectors.segment.keys import decode_base64

GIF: Final = Reply(
    200,
    base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"),
    # A cached image would count only the first opening.
    {"content-type": "image/gif", "cache-control": "no-store"},
)
"""Transparent, 1x1, 42 bytes: the answer to every pixel, also after an error."""

MAX_DEPTH: Final = 16
"""Most dots in a parameter name."""


def read_pixel(query: Mapping[str, str]) -> tuple[dict[str, Any], str | None]:
    """Return the call, and None or what is wrong with it; then the call is what could be read."""
    try:
        return _call(query), None
    except MalformedRequest as error:
        return {name: value for name, value in query.items() if name != "data"}, error.message


def _call(query: Mapping[str, str]) -> dict[str, Any]:
    """Return the call in `data` (base64 of a JSON object), or in dotted parameters without it."""
    data = query.get("data")
    if not data:
        return _nested(query)
    try:
        call = parse_json(decode_base64(data))
    except ValueError:
        raise MalformedRequest("`data` is no base64") from None
    except MalformedRequest:
        raise MalformedRequest("`data` is no base64 of JSON") from None
    if not isinstance(call, dict):
        raise MalformedRequest("`data` must be a JSON object")
    return call


def _nested(query: Mapping[str, str]) -> dict[str, Any]:
    """Return `{"properties": {"subject": "x"}}` for `properties.subject=x`; values stay text."""
    call: dict[str, Any] = {}
    for name, value in query.items():
        *parents, last = name.split(".")
        if len(parents) > MAX_DEPTH:
            raise MalformedRequest("a parameter name is nested too deeply")
        place = call
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise MalformedRequest(f"`{name}` is below a parameter that has a value itself")
        if isinstance(place.get(last), dict):
            raise MalformedRequest(f"`{name}` has a value and parameters below it")
        place[last] = value
    return call
