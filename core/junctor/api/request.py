"""Reading what a request to the admin side says."""

from time import time
from typing import Any

import orjson
from aiohttp import web

from junctor.api.operations import parse_since


class BadRequest(Exception):
    """The request can't be understood; the message names the field."""


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that a request brings, an empty one without a body."""
    text = await request.read()
    if not text:
        return {}
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be an object")
    return body


def flag_of(body: dict[str, Any], name: str) -> bool:
    """Return a flag of a body; false if it is not there."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name}: true or false")
    return value


def limit_of(request: web.Request) -> int:
    """Return how many are asked for, 1 to 1000."""
    limit = integer_of(request.query.get("limit"), "limit")
    return 100 if limit is None else max(1, min(limit, 1000))


def integer_of(text: str | None, name: str) -> int | None:
    """Return a number of a query."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"{name}: must be a number")
    return int(text)


def time_of(value: Any, name: str) -> int | None:
    """Return a time or an age as epoch milliseconds."""
    if value is None:
        return None
    at = parse_since(value, round(time() * 1000)) if isinstance(value, str) else None
    if at is None or abs(at) > 2**53:
        raise BadRequest(f'{name}: a time such as "2026-01-31T12:00:00Z" or an age such as "2h"')
    return at
