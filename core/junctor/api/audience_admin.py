"""The admin side's calls about audiences."""

from typing import Any

from aiohttp import web

from junctor.api.audience_operations import AudienceOperations
from junctor.api.reply import json_reply
from junctor.api.request import BadRequest, body_of, limit_of, time_of
from junctor.audiences.language import SECTIONS


def audience_routes(operations: AudienceOperations) -> list[web.RouteDef]:
    """Return the routes."""
    calls = _Calls(operations)
    return [
        web.get("/api/audiences", calls.list),
        web.post("/api/audiences/preview", calls.preview),
        web.get("/api/audiences/{name}/members", calls.members),
        web.get("/api/audiences/{name}/explain/{kind}/{value}", calls.explain),
        web.get("/api/audiences/{name}/report", calls.report),
    ]


class _Calls:
    def __init__(self, operations: AudienceOperations) -> None:
        self._operations = operations

    async def list(self, _: web.Request) -> web.Response:
        return json_reply({"audiences": await self._operations.list()})

    async def members(self, request: web.Request) -> web.Response:
        name, after = request.match_info["name"], request.query.get("after", "")
        return json_reply(await self._operations.members(name, after, limit_of(request)))

    async def explain(self, request: web.Request) -> web.Response:
        match = request.match_info
        return json_reply(
            await self._operations.explain(match["name"], match["kind"], match["value"])
        )

    async def report(self, request: web.Request) -> web.Response:
        since = time_of(request.query.get("since"), "since")
        until = time_of(request.query.get("until"), "until")
        return json_reply(await self._operations.report(request.match_info["name"], since, until))

    async def preview(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        name, tables = body.get("audience"), body.get("tables")
        if not isinstance(name, str):
            raise BadRequest("audience: the name of an audience")
        if not isinstance(tables, dict) or not tables.keys() <= set(SECTIONS):
            raise BadRequest("tables: an object of the sections " + ", ".join(SECTIONS))
        return json_reply(await self._operations.preview(tables, name, _fraction(body)))


def _fraction(body: dict[str, Any]) -> float:
    fraction = body.get("sample", 1.0)
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction <= 1:
        raise BadRequest("sample: a number over 0 and at most 1")
    return float(fraction)
