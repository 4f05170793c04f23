"""Who may talk to the admin side: holders of the token, never a web page of somebody else's.

Without a token, whoever is on this computer: requests must be addressed to it by a loopback name,
which stops DNS rebinding. With or without, a browser must not carry requests of other pages here.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from junctor.api.reply import error_reply
from junctor.telemetry.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPEN: Final = frozenset({"/health/live", "/health/ready"})
"""What anybody may ask who reaches the listener."""
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
)
"""Of every answer. No `access-control-…` ever: no page of another origin may read."""
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_OWN_SITE: Final = ("same-origin", "none")
"""What `Sec-Fetch-Site` says of this listener's own pages, and of an address that was typed."""


class AdminGuard:
    """Decides about every request before the call it makes is looked at."""

    def __init__(self, token: str | None, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        """Ask for `token` as Bearer token; None: serve loopback names only."""
        self._expected = f"Bearer {token}".encode() if token is not None else None
        self._metrics = metrics
        self._logger = logger
        self._told = False

    @property
    def middleware(self) -> Any:
        """The guard as a middleware; it stands outside of all others."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path not in OPEN and (refusal := self._refusal(request)) is not None:
                return refusal
            return await handler(request)

        return guard

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._expected is not None:
            given = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, self._expected):
                self._note("token")
                reply = error_reply("unauthorized", "a Bearer token is needed", 401)
                reply.headers["www-authenticate"] = "Bearer"
                return reply
        elif "Host" not in request.headers or not is_loopback(request.host):
            self._note("host")
            return error_reply("forbidden", "without a token only loopback is served", 403)
        if not comes_from_here(request):
            self._note("origin")
            return error_reply("forbidden", "pages of another origin are not served", 403)
        writes = request.method not in _SAFE and request.match_info.http_exception is None
        if writes and request.content_type != "application/json":
            return error_reply("unsupported_media_type", "content-type: application/json", 415)
        return None

    def _note(self, reason: str) -> None:
        """Count a refusal, and say once that there are any: who guesses must not fill the log."""
        self._metrics.admin_refused.labels(reason).inc()
        if not self._told:
            self._told = True
            self._logger.warning("an admin request was refused", reason=reason)


def is_loopback(host: str) -> bool:
    """Whether a Host header names this computer by address or as localhost."""
    name = host[: host.index("]") + 1] if "]" in host else host.partition(":")[0]
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def comes_from_here(request: web.Request) -> bool:
    """Whether no page of another origin made a browser send this.

    A link that somebody follows from elsewhere is served, as a whole page and only to look.
    """
    headers = request.headers
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is None:  # no browser, or one that is old or not on a secure way here
        return origin is None or _netloc(origin) == request.host.lower()
    if site in _OWN_SITE:
        return True
    followed = (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest"))
    return request.method == "GET" and followed == ("navigate", "document")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer of the admin side says to browsers."""
    response.headers["server"] = "junctor"  # instead of versions
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
