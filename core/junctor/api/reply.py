"""JSON answers of the hub's own routes."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web


def json_reply(
    data: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return `data` as JSON."""
    return web.Response(
        status=status,
        body=orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS),
        headers={"content-type": "application/json", **(headers or {})},
    )


def error_reply(
    code: str, message: str, status: int, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an error object."""
    return json_reply({"error": {"code": code, "message": message}}, status, headers)
