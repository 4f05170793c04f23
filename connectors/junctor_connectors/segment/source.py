"""Segment's HTTP tracking API, for its SDKs, for RudderStack's, and for plain HTTP callers.

Sources: Segment's documentation of the HTTP Tracking API, the Pixel API and its SDKs' host options;
requests recorded from the SDKs themselves.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, model_validator

from junctor.sdk import (
    Accepted,
    Context,
    InboundRequest,
    MalformedRequest,
    Manifest,
    PushSource,
    Refused,
    Reply,
    Secret,
    Settings,
    SourceError,
    Unauthorized,
)
from junctor_connectors.segment.keys import (
    WriteKeys,
    json_object,
    key_bytes,
    key_of,
    presented_keys,
)
from junctor_connectors.segment.pixel import GIF, read_pixel
from junctor_connectors.segment.records import batch, single

CALLS: Final = {
    "/identify": "identify",
    "/track": "track",
    "/page": "page",
    "/screen": "screen",
    "/group": "group",
    "/alias": "alias",
    # analytics.js posts to the first letter of the type.
    "/i": "identify",
    "/t": "track",
    "/p": "page",
    "/s": "screen",
    "/g": "group",
    "/a": "alias",
}
BATCHES: Final = frozenset({"/batch", "/import", "/b"})
SELF_METRICS: Final = "/m"
"""Where analytics.js counts its own doings, without a key; answered and dropped."""
PIXEL: Final = "/pixel/"
PROJECT_SETTINGS: Final = re.compile(r"/projects/([^/]+)/settings")


class SegmentSettings(Settings):
    """Who may send."""

    write_key: Annotated[Secret, Field(min_length=1)] | None = None
    """The write key that SDKs are given."""
    write_keys: tuple[Annotated[Secret, Field(min_length=1)], ...] = ()
    """More keys that are accepted as well: the old one, say, while a new one is rolled out."""

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.write_key is None and not self.write_keys:
            raise ValueError("`write_key` is missing")
        return self


class Segment(PushSource[SegmentSettings]):
    """The tracking API below `/v1`.

    A request may present its key twice, in the Basic header and in the body: each must be one of
    this source's. Sources that share `/v1` are told apart by the header's key, else by the body's.
    """

    manifest = Manifest(
        type="segment",
        title="Segment SDKs",
        summary="Segment's HTTP tracking API: SDKs for web, server and mobile, pixels, plain HTTP.",
    )
    settings_model = SegmentSettings
    mounts: ClassVar = ("/v1",)

    def __init__(self, settings: SegmentSettings, ctx: Context) -> None:
        """Take the keys out of the settings."""
        super().__init__(settings, ctx)
        first = () if settings.write_key is None else (settings.write_key,)
        self._keys = WriteKeys((*first, *settings.write_keys))

    def claims(self, request: InboundRequest) -> bool:
        """Whether the request presents a key of this source, or is one that needs none."""
        if request.path == SELF_METRICS:
            return True
        try:
            return next(_presented(request), b"") in self._keys
        except SourceError:
            return False

    def accept(self, request: InboundRequest) -> Accepted | Reply:
        """Authenticate and translate one request of the tracking API.

        Raises:
            Unauthorized: no key, or one that is not this source's.
            MalformedRequest: a body that is no JSON object, or no batch where one is expected.
        """
        path = request.path
        pixel, project = path.startswith(PIXEL), PROJECT_SETTINGS.fullmatch(path)
        reads = pixel or project
        if path not in CALLS and path not in BATCHES and path != SELF_METRICS and not reads:
            return _error(404, "not_found", "no such call in the tracking API")
        methods = ("GET", "HEAD") if reads else ("POST",)
        if request.method not in methods:
            allow = ", ".join(methods)
            return _error(405, "method_not_allowed", f"use {allow}", {"allow": allow})
        if pixel:
            return self._pixel(request)
        if path == SELF_METRICS:
            return Reply()
        self._keys.require(_presented(request))
        if project:
            return _settings_document(project[1], request)
        body = json_object(request)
        if path in BATCHES:
            records, refused = batch(body, request.remote)
            return Accepted(records, refused, corrects_clock=True)
        record = single(body, CALLS[path], request.remote)
        return Accepted((record,), alone=True, corrects_clock=True)

    def _pixel(self, request: InboundRequest) -> Accepted | Reply:
        """Take the call of a pixel; whatever is wrong with it, the answer is the image."""
        if request.method != "GET":
            return GIF
        try:
            self._keys.require(_presented(request))
        except Unauthorized:
            return GIF
        call, problem = read_pixel(request.query)
        name = request.path.removeprefix(PIXEL)
        type = CALLS.get(f"/{name}")
        if type is None:
            problem = "no such call in the pixel API"
        record = single(call, type or name, request.remote)
        if problem is not None:
            return Accepted(refused=(Refused(record, problem),), reply=GIF)
        return Accepted((record,), reply=GIF, corrects_clock=True)


def _presented(request: InboundRequest) -> Iterator[bytes]:
    """Yield every write key of the request, from wherever its path says keys are."""
    project = PROJECT_SETTINGS.fullmatch(request.path)
    if project:
        yield key_bytes(project[1])
    elif request.path.startswith(PIXEL):
        yield from key_of(request.query)
        yield from key_of(read_pixel(request.query)[0])
    else:
        yield from presented_keys(request)


def _settings_document(write_key: str, request: InboundRequest) -> Reply:
    """Return what analytics.js and the mobile SDKs load first: where to send, and nothing else.

    One integration only, since a second makes analytics.js load a bundle for it; sampleRate 0,
    since without it the page reports its own metrics to Segment.
    """
    host = request.headers.get("host")
    if not host:
        raise MalformedRequest("the Host header is missing")
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    document = {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{host}/v1",
                "protocol": forwarded if forwarded in ("http", "https") else "http",
                "addBundledMetadata": False,
            }
        },
        "metrics": {"sampleRate": 0},
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
        "edgeFunction": {},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "remotePlugins": [],
        "legacyVideoPluginsEnabled": False,
    }
    return Reply(200, json.dumps(document, separators=(",", ":")).encode())


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer in the shape that SDKs can read of every error."""
    body = {"success": False, "code": code, "message": message, "error": message}
    return Reply(
        status, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})}
    )
