"""HTTP as connectors see it: plain requests and responses, and what a status means.

`Request` is junctor's own record, not httpx's: golden files are made of it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import orjson

from junctor.sdk.errors import (
    AuthenticationFailed,
    DeliveryError,
    DestinationUnavailable,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    RateLimited,
)
from junctor.sdk.event import Event

MAX_RESPONSE_BYTES: Final = 1_048_576
_EXCERPT: Final = 200
_READ: Final = httpx.ByteStream(b"")
_RESETS: Final = ("x-ratelimit-reset-after", "ratelimit-reset", "x-ratelimit-reset")
_EPOCH: Final = 1e9
"""A number from here on is a time in epoch seconds, a thousand times as much in milliseconds."""
_HEADER_SAFE: Final = re.compile(r"[!-~]+")


class EgressRefused(OSError):
    """The host's guard refused to dial an address; raised below the HTTP client.

    The text is the same for every address: a dialer that tries several would otherwise hide the
    refusals behind an error of its own.
    """

    def __init__(self, address: str) -> None:
        """Keep the refused `address`."""
        super().__init__("not a public address")
        self.address = address


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as plain data. `content` are the exact bytes of the body."""

    method: str
    url: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(
        cls, method: str, url: str, data: Any, headers: Mapping[str, str] | None = None
    ) -> "Request":
        """Return a request with `data` as JSON body and its content type."""
        return cls(
            method, url, orjson.dumps(data), {"content-type": "application/json", **(headers or {})}
        )


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response: at most MAX_RESPONSE_BYTES of `content`, header names in lower case.

    `at` is when it came, epoch seconds; an HTTP-date in Retry-After is read against it.
    """

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the parsed body, or None when it is no JSON."""
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return None


def retry_after(response: Response) -> float | None:
    """Return the seconds that `Retry-After` asks for, or None when absent or unreadable.

    Seconds and HTTP-date are read [RFC 9110 10.2.3]; a time in the past counts as 0. A 429 without
    it may say when its limit ends in one of the headers that vendors use instead.
    """
    wait = _wait(response.headers.get("retry-after", "").strip(), response.at)
    if wait is None and response.status == 429:
        waits = (_reset(response.headers.get(name, ""), response.at) for name in _RESETS)
        wait = next((wait for wait in waits if wait is not None), None)
    return wait


def _wait(value: str, now: float) -> float | None:
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = date.timestamp() - now
    return max(0.0, seconds) if seconds < float("inf") else None


def _reset(value: str, now: float) -> float | None:
    """Return the seconds until a limit ends: vendors say so, or give the time itself."""
    try:
        number = float(value)
    except ValueError:
        return None
    if number >= _EPOCH * 1000:
        number /= 1000
    if number >= _EPOCH:
        number -= now
    return max(0.0, number) if number < float("inf") else None


def raise_for_status(response: Response) -> None:
    """Raise what the status means; 2xx returns.

    Raises:
        AuthenticationFailed: 401, 403.
        Misconfigured: 404, 410 and any redirect (none is followed).
        RateLimited: 429.
        DestinationUnavailable: 408, 425 and 5xx.
        InvalidPayload: every other status.
    """
    status = response.status
    if 200 <= status < 300:
        return
    said = f"HTTP {status}"
    excerpt = " ".join(response.text[:_EXCERPT].split())
    if excerpt:
        said = f"{said}: {excerpt}"
    if status in (401, 403):
        raise AuthenticationFailed(f"{said}; check the credentials", status=status)
    if status == 410:
        raise Misconfigured(f"{said}; the endpoint is gone", status=status, permanent=True)
    if status == 404 or 300 <= status < 400:
        raise Misconfigured(f"{said}; check the address", status=status)
    if status == 429:
        raise RateLimited(said, retry_after=retry_after(response), status=status)
    if status in (408, 425) or status >= 500:
        raise DestinationUnavailable(said, retry_after=retry_after(response), status=status)
    raise InvalidPayload(said, status=status)


def raise_for_items(statuses: Sequence[object], events: Sequence[Event]) -> None:
    """Raise what the statuses of a batch's items mean, one for each event in their order.

    Raises:
        PartialFailure: some items failed, each as `raise_for_status` has it.
        DestinationUnavailable: there is not a status for each event, so nobody knows whose is
            whose; all are to be sent again.
    """
    known = [one for one in statuses if type(one) is int]
    if len(known) != len(events) or len(known) != len(statuses):
        raise DestinationUnavailable(f"{len(known)} states for {len(events)} events")
    errors: dict[int, DeliveryError] = {}
    for index, status in enumerate(known):
        try:
            raise_for_status(Response(status))
        except DeliveryError as error:
            errors[index] = error
    if errors:
        raise PartialFailure(errors)


def idempotency_key(events: Sequence[Event]) -> str:
    """Return a key that is the same for every attempt at the same events.

    One event: its message id, where it can stand in a header. Else a digest of the message ids.
    """
    if len(events) == 1 and _HEADER_SAFE.fullmatch(events[0].message_id):
        return events[0].message_id
    digest = hashlib.sha256()
    for event in events:
        digest.update(event.message_id.encode() + b"\0")
    kind = "batch" if len(events) > 1 else "event"
    return f"{kind}-{digest.hexdigest()[:32]}"


async def send(client: httpx.AsyncClient, request: Request, *, now: float) -> Response:
    """Send `request`, read at most MAX_RESPONSE_BYTES, follow no redirect.

    Raises:
        DestinationUnavailable: refused, reset, timed out, or not speaking HTTP.
        Misconfigured: the URL or a header can't be sent at all, or the egress guard refused it.
    """
    try:
        outgoing = client.build_request(
            request.method,
            request.url,
            content=request.content or None,
            headers=dict(request.headers),
            params=dict(request.params) or None,
        )
        reply = await client.send(outgoing, stream=True, follow_redirects=False)
        try:
            content = bytearray()
            async for chunk in reply.aiter_bytes():
                content += chunk
                if len(content) >= MAX_RESPONSE_BYTES:
                    break
        finally:
            await reply.aclose()
            reply.stream = (
                _READ  # httpx's own knows the reply: a circle, with the body that was sent
            )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise Misconfigured(f"the request can't be sent: {type(error).__name__}") from None
    except ValueError:
        raise Misconfigured("the request can't be sent: bad URL or header") from None
    except httpx.HTTPError as error:
        refusal = _egress_refusal(error)
        if refusal is not None:
            raise Misconfigured(
                f"dialing {refusal.address} is refused: it is not a public address;"
                " allow it in [egress] if it is meant"
            ) from None
        why = f": {error}" if isinstance(error, httpx.ConnectError) and str(error) else ""
        said = f"{type(error).__name__} at {_host(request.url)}{why}"
        raise DestinationUnavailable(said) from error
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return Response(reply.status_code, bytes(content[:MAX_RESPONSE_BYTES]), headers, now)


def _egress_refusal(error: BaseException | None) -> EgressRefused | None:
    """Return the guard's refusal that lies under `error`, if there is one."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, EgressRefused):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _host(url: str) -> str:
    """Return scheme, host and port only: a path may hold a secret, as Slack's hooks do."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "an invalid URL"
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii', 'replace').rpartition('@')[2]}"


def utc(at: float) -> datetime:
    """Return epoch seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(at, UTC)
