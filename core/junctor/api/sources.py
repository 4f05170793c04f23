"""The ingest listener: HTTP requests to the sources, answered once what they brought is durable."""

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from junctor.api.client import client_address
from junctor.api.health import LIVE, READY
from junctor.api.keep import Brought, Keeper, Overloaded
from junctor.config.model import Server
from junctor.pipeline.ingest import Intake
from junctor.sdk.context import Clock
from junctor.sdk.errors import MalformedRequest, RequestTooLarge, SourceError
from junctor.sdk.settings import Settings
from junctor.sdk.source import InboundRequest, PushSource, Reply
from junctor.store.port import StoreError

_CORS: Final = {
    "server": "junctor",
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Retry-After",
}
_PREFLIGHT: Final = {
    "access-control-allow-methods": "POST, GET, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, x-retry-count",
    "access-control-max-age": "86400",
}
_JSON: Final = {"content-type": "application/json"}
_GZIP_OR_ZLIB: Final = 47
_SMALL_BODY: Final = 2**20
_MOST_VALUES: Final = 1_500_000

Sources = Mapping[str, PushSource[Settings]]
Answered = Callable[[str, int], None]
"""Is told of the source and the status of each answer."""


class BodyTimeout(SourceError):
    """The body did not come in time; 408, since SDKs send a batch again after it."""

    code = "request_timeout"
    status = 408


class UnknownSource(SourceError):
    """No source has this address."""

    code = "unknown_source"
    status = 404


class WrongMethod(SourceError):
    """The address is right, the method is not; `allow` has those that are."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allow: str) -> None:
        """Name the methods in the message, too."""
        super().__init__(f"use {allow}")
        self.allow = allow


class Ingest:
    """Takes requests for the sources of the present configuration."""

    def __init__(
        self,
        keeper: Keeper,
        *,
        clock: Clock,
        answered: Answered,
        logger: FilteringBoundLogger,
    ) -> None:
        """Hand what comes in to `keeper`."""
        self._keeper = keeper
        self._clock = clock
        self._answered = answered
        self._logger = logger
        self._waiting = 0
        self.draining = False
        self.configure(Server(), {})

    def configure(self, server: Server, sources: Sources) -> None:
        """Serve these sources under these limits from the next request on."""
        self._server = server
        self._sources = sources
        self._intake = Intake(server.max_event)
        mounts: dict[str, list[tuple[str, PushSource[Settings]]]] = {}
        for id, source in sources.items():
            for mount in source.mounts:
                mounts.setdefault(mount, []).append((id, source))
        self._mounts = sorted(mounts.items(), key=lambda mount: -len(mount[0]))

    async def handle(self, request: web.Request) -> web.Response:
        """Answer any request of the ingest listener that is not the hub's own."""
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=self._cors(request, preflight=True))
        source_id = ""
        try:
            source_id, reply = await self._accept(request)
            status, body, headers = reply.status, reply.body, dict(reply.headers)
        except SourceError as error:
            status, body, headers = error.status, _error(error.code, error.message), dict(_JSON)
            if status in (429, 503):
                headers["retry-after"] = "1"
            if isinstance(error, WrongMethod):
                headers["allow"] = error.allow
        except StoreError as error:
            self._logger.error("events can't be stored", error=str(error))
            status, headers = 503, {**_JSON, "retry-after": "5"}
            body = _error("store_unavailable", "events can't be made durable now; send again")
        except asyncio.CancelledError:
            raise
        except Exception:
            self._logger.exception("request failed", source=source_id)
            status, headers = 500, dict(_JSON)
            body = _error("internal_error", "the request could not be handled; send again")
        self._answered(source_id, status)
        return web.Response(status=status, body=body, headers={**self._cors(request), **headers})

    def _cors(self, request: web.Request, *, preflight: bool = False) -> dict[str, str]:
        headers = {**_CORS, **_PREFLIGHT} if preflight else dict(_CORS)
        origin = request.headers.get("Origin")
        if origin is not None:
            headers["access-control-allow-origin"] = origin
            headers["access-control-allow-credentials"] = "true"
            headers["vary"] = "Origin"
        return headers

    async def _accept(self, request: web.Request) -> tuple[str, Reply]:
        if self.draining:
            raise Overloaded("the hub is stopping; send again")
        if (request.content_length or 0) > self._server.max_body:
            raise RequestTooLarge(f"the body is over {self._server.max_body} bytes")
        self._require_room(request.content_length or 0)
        candidates, path = self._find(request.path, request.method)
        received = bytearray()
        counted = 0
        try:
            await self._receive(request, received)
            text = self._decoded(request, received)
            _refuse_swarm(text)
            counted = len(text)
            self._waiting += counted - len(received)
            received.clear()
            inbound = InboundRequest(
                request.method,
                path,
                text,
                {name.lower(): value for name, value in request.headers.items()},
                dict(request.query.items()),  # of several values the last
                client_address(
                    request.remote,
                    request.headers.getall("X-Forwarded-For", ()),
                    self._server.trusted_proxies,
                ),
                round(self._clock.now() * 1000),
            )
            # A request that nobody claims goes to the first, which says what is wrong with it.
            claiming = (one for one in candidates if len(candidates) > 1 and one[1].claims(inbound))
            id, source = next(claiming, candidates[0])
            reply, brought = self._read(id, source, inbound)
            del inbound, text  # many may wait, and parsed it takes many times its length
            if brought is not None:
                await self._keeper.keep(brought)
            return id, reply
        finally:
            self._waiting -= len(received) + counted

    def _require_room(self, more: int) -> None:
        if self._waiting + more + self._keeper.backlog() > self._server.max_pending:
            raise Overloaded("the hub is at its limit; send again")

    def _find(
        self, path: str, method: str
    ) -> tuple[Sequence[tuple[str, PushSource[Settings]]], str]:
        if path in (LIVE, READY):
            raise WrongMethod("GET, HEAD")
        path = path.rstrip("/")
        if path.startswith("/hooks/"):
            id, slash, token = path.removeprefix("/hooks/").partition("/")
            if id in self._sources:
                if method != "POST":
                    raise WrongMethod("POST")
                return [(id, self._sources[id])], slash + token
        else:
            for mount, sources in self._mounts:
                if path == mount or path.startswith(mount + "/"):
                    return sources, path.removeprefix(mount)
        raise UnknownSource("no source has this address")

    def _read(
        self, id: str, source: PushSource[Settings], inbound: InboundRequest
    ) -> tuple[Reply, Brought | None]:
        """Return the answer, and what it has to wait for."""
        accepted = source.accept(inbound)
        if isinstance(accepted, Reply):
            return accepted, None
        records, rejections = self._intake.records(
            id, accepted.records, accepted.refused, inbound.received_at,
            corrects_clock=accepted.corrects_clock,
        )  # fmt: skip
        if accepted.alone and rejections:
            raise MalformedRequest(rejections[0].reason)
        return accepted.reply, Brought(id, records, rejections)

    async def _receive(self, request: web.Request, body: bytearray) -> None:
        """Read the body as it was sent; what has come counts as waiting from then on."""
        server = self._server
        if (request.content_length or 0) > server.max_body:
            raise RequestTooLarge(f"the body is over {server.max_body} bytes")
        try:
            async with asyncio.timeout(server.body_timeout):
                async for chunk in request.content.iter_any():
                    body += chunk
                    self._waiting += len(chunk)
                    if len(body) > server.max_body:
                        raise RequestTooLarge(f"the body is over {server.max_body} bytes")
                    self._require_room(0)
        except TimeoutError:
            raise BodyTimeout("the body did not come in time") from None
        except ConnectionError:  # nobody is left to read the answer
            raise MalformedRequest("the body ended before its end") from None

    def _decoded(self, request: web.Request, body: bytearray) -> bytes:
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        if encoding in ("", "identity"):
            return bytes(body)
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise MalformedRequest("content-encoding: only gzip and deflate are understood")
        return _decompress(bytes(body), self._server.max_decompressed)


def _refuse_swarm(text: bytes) -> None:
    """Refuse a body of very many tiny values before it is parsed: as objects they fill the memory.

    A comma, a brace and a bracket stand for a value each; counting them is cheap beside parsing.
    """
    if len(text) <= _SMALL_BODY:
        return
    values = text.count(b",") + text.count(b"{") + text.count(b"[")
    if values > _MOST_VALUES:
        raise RequestTooLarge(f"the body holds over {_MOST_VALUES} values; send smaller batches")


def _decompress(body: bytes, most: int) -> bytes:
    """Return the text of one or several gzip members, of zlib's or of bare deflate."""
    text = bytearray()
    while body:
        decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            text += decoder.decompress(body, most + 1 - len(text))
        except zlib.error:
            if text:
                raise MalformedRequest("there is something behind the compressed body") from None
            decoder = zlib.decompressobj(-zlib.MAX_WBITS)  # without its wrapper, as some send it
            try:
                text += decoder.decompress(body, most + 1)
            except zlib.error:
                message = "the body is not compressed as content-encoding says"
                raise MalformedRequest(message) from None
        if len(text) > most:
            raise RequestTooLarge(f"the decompressed body is over {most} bytes")
        if not decoder.eof:
            raise MalformedRequest("the compressed body ends too early")
        body = decoder.unused_data
    return bytes(text)


def _error(code: str, message: str) -> bytes:
    return orjson.dumps({"success": False, "code": code, "message": message, "error": message})
