"""The application behind the admin listener: for operators, never for the public."""

from contextlib import suppress
from typing import Any

import orjson
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from junctor.api.admin_guard import AdminGuard, Handler, add_headers
from junctor.api.audience_admin import audience_routes
from junctor.api.audience_operations import AudienceOperations, BadDefinition
from junctor.api.erasure_admin import erasure_routes
from junctor.api.erasure_operations import ErasureOperations
from junctor.api.health import health_routes
from junctor.api.openapi import openapi
from junctor.api.operations import NotFound, Operations
from junctor.api.reply import error_reply, json_reply
from junctor.api.request import BadRequest, body_of, flag_of, integer_of, limit_of, time_of
from junctor.store.port import StoreError
from junctor.telemetry.live import LiveStream
from junctor.telemetry.metrics import Metrics


def admin_app(
    operations: Operations,
    audiences: AudienceOperations,
    erasures: ErasureOperations,
    metrics: Metrics,
    live: LiveStream,
    token: str | None,
    logger: FilteringBoundLogger,
) -> web.Application:
    """Return the application; with a `token` every request but health must carry it."""
    guard = AdminGuard(token, metrics, logger)
    app = web.Application(middlewares=[_errors(logger), guard.middleware], client_max_size=2**20)
    app.on_response_prepare.append(add_headers)
    app.add_routes(health_routes(operations))
    app.add_routes(_Admin(operations, metrics, live).routes())
    app.add_routes(audience_routes(audiences))
    app.add_routes(erasure_routes(erasures))
    return app


def _errors(logger: FilteringBoundLogger) -> Any:
    """Answer every error as JSON that says what an operator needs, never how the hub is made."""

    @web.middleware
    async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except NotFound as error:
            return error_reply("not_found", str(error), 404)
        except (BadRequest, BadDefinition) as error:
            return error_reply("invalid_request", str(error), 400)
        except StoreError as error:
            return error_reply("store_unavailable", str(error), 503)
        except web.HTTPException as error:
            code = error.reason.lower().replace(" ", "_")
            allow = error.headers.get("Allow")
            headers = {"allow": allow} if allow is not None else None
            return error_reply(code, error.reason, error.status, headers)
        except Exception:
            logger.exception("request failed")
            return error_reply("internal_error", "the log says where it failed", 500)

    return errors


class _Admin:
    def __init__(self, operations: Operations, metrics: Metrics, live: LiveStream) -> None:
        self._operations = operations
        self._metrics = metrics
        self._live = live

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/metrics", self.metrics),
            web.get("/openapi.json", self.openapi),
            web.get("/api/status", self.status),
            web.get("/api/ledger", self.ledger),
            web.get(r"/api/events/{message_id:[\s\S]+}", self.event),
            web.get("/api/stream", self.stream, allow_head=False),
            web.get("/api/rejections", self.rejections),
            web.get("/api/dead-letters", self.dead_letters),
            web.get(r"/api/dead-letters/{id:\d{1,18}}", self.dead_letter),
            web.post("/api/dead-letters/replay", self.replay_dead),
            web.post("/api/dead-letters/purge", self.purge_dead),
            web.get("/api/replays", self.replays),
            web.post("/api/replays", self.replay),
            web.post(r"/api/replays/{id:\d{1,18}}/stop", self.stop_replay),
            web.get("/api/suppressions", self.suppressions),
            web.post("/api/suppressions", self.suppress),
            web.get("/api/profiles/{kind}/{value}", self.profile),
            web.post("/api/destinations/{id}/pause", self.pause),
            web.post("/api/destinations/{id}/resume", self.resume),
        ]

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.render(),
            headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def openapi(self, _: web.Request) -> web.Response:
        return json_reply(openapi())

    async def status(self, _: web.Request) -> web.Response:
        return json_reply(await self._operations.status())

    async def ledger(self, _: web.Request) -> web.Response:
        return json_reply(await self._operations.ledger())

    async def event(self, request: web.Request) -> web.Response:
        return json_reply(await self._operations.event(request.match_info["message_id"]))

    async def profile(self, request: web.Request) -> web.Response:
        match, record = request.match_info, request.query.get("record", "false")
        if record not in ("true", "false"):
            raise BadRequest("record: true or false")
        return json_reply(
            await self._operations.profile(match["kind"], match["value"], record=record == "true")
        )

    async def rejections(self, request: web.Request) -> web.Response:
        found = await self._operations.rejections(
            limit_of(request), integer_of(request.query.get("before"), "before")
        )
        return json_reply({"rejections": found})

    async def dead_letters(self, request: web.Request) -> web.Response:
        query = request.query
        letters = await self._operations.dead_letters(
            query.get("destination"),
            code=query.get("code"),
            since=time_of(query.get("since"), "since"),
            before=integer_of(query.get("before"), "before"),
            limit=limit_of(request),
        )
        return json_reply({"dead_letters": letters})

    async def dead_letter(self, request: web.Request) -> web.Response:
        return json_reply(await self._operations.dead_letter(int(request.match_info["id"])))

    async def replay_dead(self, request: web.Request) -> web.Response:
        chosen = _chosen(await body_of(request))
        return json_reply({"replayed": await self._operations.replay_dead(**chosen)})

    async def purge_dead(self, request: web.Request) -> web.Response:
        chosen = _chosen(await body_of(request))
        return json_reply({"purged": await self._operations.purge_dead(**chosen)})

    async def replays(self, _: web.Request) -> web.Response:
        return json_reply({"replays": await self._operations.replays()})

    async def replay(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        destination, since = body.get("destination"), time_of(body.get("since"), "since")
        if not isinstance(destination, str):
            raise BadRequest("destination: the id of a destination is needed")
        if since is None:
            raise BadRequest('since: a time is needed, such as "2026-01-31T12:00:00Z" or "2h"')
        until = time_of(body.get("until"), "until")
        dry_run = flag_of(body, "dry_run")
        done = await self._operations.replay(destination, since, until, dry_run=dry_run)
        return json_reply(done, 200 if dry_run else 202)

    async def stop_replay(self, request: web.Request) -> web.Response:
        await body_of(request)
        await self._operations.stop_replay(int(request.match_info["id"]))
        return json_reply({"state": "stopped"})

    async def suppressions(self, _: web.Request) -> web.Response:
        return json_reply({"suppressions": await self._operations.suppressions()})

    async def suppress(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        ids = body.get("user_ids")
        if not isinstance(ids, list) or not all(isinstance(id, str) and id.strip() for id in ids):
            raise BadRequest("user_ids: a list of user ids as text")
        suppressed = flag_of(body, "suppressed") if "suppressed" in body else True
        await self._operations.suppress([id.strip() for id in ids], suppressed=suppressed)
        return json_reply({"user_ids": len(ids), "suppressed": suppressed})

    async def pause(self, request: web.Request) -> web.Response:
        reason = (await body_of(request)).get("reason", "")
        if not isinstance(reason, str):
            raise BadRequest("reason: must be text")
        await self._operations.pause(request.match_info["id"], reason[:500])
        return json_reply({"state": "paused"})

    async def resume(self, request: web.Request) -> web.Response:
        await body_of(request)
        await self._operations.resume(request.match_info["id"])
        return json_reply({"state": "running"})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: one per ingest request and delivery, without event data."""
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream", "cache-control": "no-store"}
        )
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the client went away
            await response.write(b": listening\n\n")
            async for kind, notice in self._live.watch():
                data = orjson.dumps(notice)
                await response.write(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))
        return response


def _chosen(body: dict[str, Any]) -> dict[str, Any]:
    ids, destination, code = body.get("ids"), body.get("destination"), body.get("code")
    if ids is not None and not (
        isinstance(ids, list)
        and all(isinstance(id, int) and not isinstance(id, bool) and abs(id) < 2**62 for id in ids)
    ):
        raise BadRequest("ids: a list of numbers")
    for name, value in (("destination", destination), ("code", code)):
        if value is not None and not isinstance(value, str):
            raise BadRequest(f"{name}: must be text")
    if ids is None and destination is None:
        raise BadRequest("ids or destination: say which dead letters are meant")
    return {
        "ids": ids,
        "destination": destination,
        "code": code,
        "since": time_of(body.get("since"), "since"),
        "dry_run": flag_of(body, "dry_run"),
    }
