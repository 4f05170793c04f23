"""Reads at decision time over HTTP: who may ask, and how errors are answered.

They live on the ingest listener. What is asked and answered is in decide.py, signals_api.py and
stream.py.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Final

import orjson
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from junctor.api.decide import Body, decide, identifiers, require_kinds
from junctor.api.history import History
from junctor.api.ids import Id, as_kept
from junctor.api.readers import ReaderKeys, Readers, SignedId
from junctor.api.reads import Reads
from junctor.api.signals_api import intervention, kind_of, online_attributes
from junctor.api.sources import BodyTimeout
from junctor.api.stream import Streams, Subscription, transition_event
from junctor.config.model import Server
from junctor.sdk.context import Clock
from junctor.sdk.errors import MalformedRequest, RequestTooLarge, SourceError, Unauthorized
from junctor.sdk.json import parse_json
from junctor.store.port import StoreError

READER_HEADER: Final = "x-junctor-reader"
LAST_ID_HEADER: Final = "last-event-id"
_EVENT_ID: Final = re.compile("[0-9]{1,18}")
_NOT_IDS: Final = frozenset({"reader", "signature", "expires"})
_EPOCH_SECONDS: Final = re.compile("[0-9]{1,12}")
_MOST_BODY: Final = 256 * 2**10
_MOST_STREAM_IDS: Final = 100
_HEADERS: Final = {"server": "junctor", "cache-control": "no-store"}
_PREFLIGHT: Final = {
    # No authorization: a read key has no place in a browser, which signs ids instead.
    "access-control-allow-headers": f"content-type, {READER_HEADER}, {LAST_ID_HEADER}",
    "access-control-max-age": "86400",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WrongMethod(SourceError):
    """The address is right, the method is not."""

    code: ClassVar[str] = "method_not_allowed"
    status: ClassVar[int] = 405


class ReadApi:
    """Answers readers of the present configuration."""

    def __init__(
        self, *, clock: Clock, logger: FilteringBoundLogger, history: History | None = None
    ) -> None:
        """Answer nobody before `configure`; `history` is what streams go on from."""
        self._clock = clock
        self._logger = logger
        self._readers = Readers({})
        self._body_timeout = Server().body_timeout
        self.streams = Streams(clock, logger, history)

    def configure(self, server: Server, reads: Reads, readers: Mapping[str, ReaderKeys]) -> None:
        """Read from `reads` for these readers, by name, from the next request on.

        When the readers have changed, open streams end, so that each proves itself again.
        """
        self._body_timeout = server.body_timeout
        self._reads = reads
        self.streams.follow(reads)
        now = Readers(readers)
        if now != self._readers:
            self.streams.end_all()
        self._readers = now

    def mount(self, app: web.Application) -> None:
        """Answer in `app`; when it shuts down the streams end."""
        app.add_routes(
            [
                self._route("POST", "/v1/decide", self._decide),
                self._route("GET", "/v1/stream", self._transitions),
                self._route("POST", "/api/v1/get-online-attributes", self._online_attributes),
                self._route("GET", "/api/v1/interventions", self._interventions),
            ]
        )
        app.on_shutdown.append(self._shut_down)

    async def _shut_down(self, _: web.Application) -> None:
        self.streams.close()

    # -- routes ----------------------------------------------------------------------------------

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        has_key = self._require_key(request)
        body = await self._body(request)
        if not has_key:
            reader = request.headers.get(READER_HEADER) or body.get("reader")
            self._require_signature(
                request, body.get("ids"), reader, body.get("signature"), body.get("expires")
            )
        return self._json(request, await decide(self._reads, body))

    async def _online_attributes(self, request: web.Request) -> web.StreamResponse:
        if not self._require_key(request):
            raise Unauthorized("the key of a reader is needed: Authorization: Bearer KEY")
        body = await self._body(request)
        return self._json(request, await online_attributes(self._reads, body))

    async def _transitions(self, request: web.Request) -> web.StreamResponse:
        asked, signed = self._stream_ids(request)
        require_kinds(self._reads, [kind for kind, _ in asked], "the query")
        ids = [as_kept(*one) for one in asked]
        last = request.headers.get(LAST_ID_HEADER, "")
        after = int(last) if _EVENT_ID.fullmatch(last) else None
        to = Subscription(ids, transition_event, signed, resumes=True, after=after)
        return await self._stream(request, to)

    async def _interventions(self, request: web.Request) -> web.StreamResponse:
        asked, signed = self._stream_ids(request)
        ids = [as_kept(kind_of(key), value) for key, value in asked]
        return await self._stream(
            request, Subscription(ids, partial(intervention, ids=asked), signed)
        )

    def _stream_ids(self, request: web.Request) -> tuple[list[Id], tuple[str, Id] | None]:
        """Return the ids in the query of whoever may read them; and who signed the only one."""
        query = request.query
        ids = [
            (kind, value.strip())
            for kind, value in query.items()
            if kind not in _NOT_IDS and value.strip()
        ]
        signed = None
        if not self._require_key(request):
            reader = request.headers.get(READER_HEADER) or query.get("reader")
            expires = query.get("expires")
            if expires is not None and not _EPOCH_SECONDS.fullmatch(expires):
                raise MalformedRequest("expires: epoch seconds")
            self._require_signature(
                request, dict(ids) if len(dict(ids)) == len(ids) else None, reader,
                query.get("signature"), int(expires) if expires is not None else None,
            )  # fmt: skip
            signed = str(reader), ids[0]
        if not 0 < len(ids) <= _MOST_STREAM_IDS:
            message = f"1 to {_MOST_STREAM_IDS} ids are needed, such as ?user_id=u-1"
            raise MalformedRequest(message)
        return ids, signed

    async def _stream(self, request: web.Request, to: Subscription) -> web.StreamResponse:
        headers = {**_HEADERS, **self._cors(request), "x-accel-buffering": "no"}
        return await self.streams.serve(request, headers, to)

    # -- who asks --------------------------------------------------------------------------------

    def _require_key(self, request: web.Request) -> bool:
        """Return whether a right key was sent; False without any, a wrong one is an error."""
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return False
        self._readers.require_key(authorization)
        return True

    def _require_signature(
        self, request: web.Request, ids: Any, reader: Any, signature: Any, expires: Any
    ) -> None:
        signed = None
        if signature is not None:
            if not isinstance(signature, str):
                raise MalformedRequest("signature: must be text, in hex")
            if not isinstance(reader, str):
                raise MalformedRequest("reader: the name of the reader whose secret signed the id")
            if expires is not None and (type(expires) is not int or expires < 0):
                raise MalformedRequest("expires: epoch seconds")
            found = identifiers(ids, "ids") if isinstance(ids, dict) else {}
            if len(found) != 1:
                raise MalformedRequest("ids: a signature is for exactly one id")
            ((kind, value),) = found.items()
            signed = SignedId(reader, kind, value, signature, expires)
        origin = request.headers.get("Origin")
        self._readers.require_signature(signed, origin, self._clock.now())

    # -- HTTP ------------------------------------------------------------------------------------

    def _route(self, method: str, path: str, handler: Handler) -> web.RouteDef:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if request.method == "OPTIONS":
                methods = {"access-control-allow-methods": f"{method}, OPTIONS"}
                cors = self._cors(request)
                preflight = {**cors, **methods, **_PREFLIGHT} if cors else {}
                return web.Response(status=204, headers={**_HEADERS, **preflight})
            try:
                if request.method != method:
                    raise WrongMethod(f"only {method}")
                return await handler(request)
            except SourceError as error:
                headers = _headers_of(error, method)
                return self._error(request, error.status, error.code, error.message, headers)
            except StoreError as error:
                self._logger.error("profiles can't be read", error=str(error))
                message = "profiles can't be read now; ask again"
                return self._error(request, 503, "store_unavailable", message, _ASK_AGAIN)
            except Exception:
                self._logger.exception("read failed", path=path)
                message = "the request could not be handled; ask again"
                return self._error(request, 500, "internal_error", message)

        return web.route("*", path, guarded)

    async def _body(self, request: web.Request) -> Body:
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding.strip().lower() not in ("", "identity"):
            raise MalformedRequest("content-encoding: a read is sent as plain JSON")
        text = bytearray()
        try:
            async with asyncio.timeout(self._body_timeout):
                async for chunk in request.content.iter_any():
                    text += chunk
                    if len(text) > _MOST_BODY:
                        raise RequestTooLarge(f"the body is over {_MOST_BODY} bytes")
        except TimeoutError:
            raise BodyTimeout("the body did not come in time") from None
        except ConnectionError:  # nobody is left to read the answer
            raise MalformedRequest("the body ended before its end") from None
        body = parse_json(bytes(text))
        if not isinstance(body, dict):
            raise MalformedRequest("the body must be an object")
        return body

    def _cors(self, request: web.Request) -> dict[str, str]:
        """Return what lets a page of a reader's origin see the answer; nothing for others."""
        origin = request.headers.get("Origin")
        if origin is None or origin not in self._readers.origins:
            return {}
        return {"access-control-allow-origin": origin, "vary": "Origin"}

    def _json(self, request: web.Request, answer: dict[str, Any]) -> web.Response:
        headers = {**_HEADERS, **self._cors(request), "content-type": "application/json"}
        body = orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS)
        return web.Response(body=body, headers=headers)

    def _error(
        self,
        request: web.Request,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Answer with an error as the sources do."""
        answer = {"success": False, "code": code, "message": message, "error": message}
        reply = self._json(request, answer)
        reply.set_status(status)
        reply.headers.update(headers or {})
        return reply


_ASK_AGAIN: Final = {"retry-after": "1"}


def _headers_of(error: SourceError, method: str) -> dict[str, str]:
    """Return the headers that belong to an error's status."""
    return {
        401: {"www-authenticate": "Bearer"}, 405: {"allow": f"{method}, OPTIONS"}, 503: _ASK_AGAIN,
    }.get(error.status, {})  # fmt: skip
