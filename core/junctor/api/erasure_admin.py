"""The admin side's calls about people who are to be forgotten."""

from aiohttp import web

from junctor.api.erasure_operations import CanNotErase, ErasureOperations
from junctor.api.reply import json_reply
from junctor.api.request import BadRequest, body_of, flag_of, integer_of, limit_of


def erasure_routes(operations: ErasureOperations) -> list[web.RouteDef]:
    """Return the routes."""
    calls = _Calls(operations)
    return [
        web.get("/api/erasures", calls.list),
        web.post("/api/erasures", calls.erase),
        web.get(r"/api/erasures/{id:\d{1,18}}", calls.show),
    ]


class _Calls:
    def __init__(self, operations: ErasureOperations) -> None:
        self._operations = operations

    async def list(self, request: web.Request) -> web.Response:
        kind, value = request.query.get("kind"), request.query.get("value")
        if (kind is None) != (value is None):
            raise BadRequest("kind and value: both, or none")
        before = integer_of(request.query.get("before"), "before")
        try:
            found = await self._operations.erasures(limit_of(request), before, kind, value)
        except CanNotErase as error:
            raise BadRequest(str(error)) from None
        return json_reply({"erasures": found})

    async def show(self, request: web.Request) -> web.Response:
        return json_reply(await self._operations.erasure(int(request.match_info["id"])))

    async def erase(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        kind, value = body.get("kind"), body.get("value")
        if not isinstance(kind, str) or not isinstance(value, str):
            raise BadRequest("kind and value: an identifier, as text")
        suppress, dry_run = flag_of(body, "suppress"), flag_of(body, "dry_run")
        try:
            done = await self._operations.erase(kind, value, suppress=suppress, dry_run=dry_run)
        except CanNotErase as error:
            raise BadRequest(str(error)) from None
        return json_reply(done, 200 if dry_run else 202)
