"""Health, the same on both listeners: live means the process answers, ready that it can store."""

from typing import Final

from aiohttp import web

from junctor.api.operations import Operations
from junctor.api.reply import json_reply

LIVE: Final = "/health/live"
READY: Final = "/health/ready"


def health_routes(operations: Operations) -> list[web.RouteDef]:
    """Return the routes of health."""

    async def live(_: web.Request) -> web.Response:
        return json_reply({"status": "live"})

    async def ready(_: web.Request) -> web.Response:
        problem = operations.problem()
        if problem:
            return json_reply(
                {"status": "not ready", "problem": problem}, 503, {"retry-after": "5"}
            )
        warning = operations.warning()
        return json_reply({"status": "ready"} | ({"warning": warning} if warning else {}))

    return [web.get(LIVE, live), web.get(READY, ready)]
