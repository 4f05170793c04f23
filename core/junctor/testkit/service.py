"""The vendor's side of a connector under test: it records, answers, fails and hangs on command."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

import httpx
import respx

from junctor.sdk import Response

OK: Final = Response(200)
ELSEWHERE: Final = "elsewhere.invalid"
"""The host that a redirect of the kit points to."""


class Fault(StrEnum):
    """Failures below HTTP."""

    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"


@runtime_checkable
class Service(Protocol):
    """What a conformance class needs of a stand-in; connectors without HTTP bring their own."""

    def received(self) -> Sequence[object]:
        """Return all that arrived so far, oldest first; equal items mean equal bytes."""
        ...

    def fail_with(self, failure: int | str | None) -> None:
        """Fail from now on, by an HTTP status or a `Fault`; None makes everything well again."""
        ...

    def hang(self) -> None:
        """Take whatever comes from now on and never answer, until `fail_with` is called."""
        ...


class HttpService(respx.MockRouter):
    """Any HTTP service: a respx router that answers `ok` where no route of the test's own matches.

    It stands behind `httpx.MockTransport(service.async_handler)`: nothing is patched. Like a real
    transport it refuses header values with CR, LF or NUL in them.
    """

    def __init__(self, ok: Response = OK) -> None:
        """Answer `ok` until told otherwise."""
        super().__init__(assert_all_called=False, assert_all_mocked=True)
        self._ok = ok
        self._answer: Callable[[httpx.Request], Response] | None = None
        self._fault: Fault | None = None
        self._hangs = False

    def received(self) -> list[httpx.Request]:
        """Return the requests so far, oldest first."""
        return [call.request for call in self.calls]

    def fail_with(self, failure: int | str | None) -> None:
        """Answer with this status, or fail below HTTP, from now on; None goes back to `ok`."""
        self._fault, self._answer, self._hangs = None, None, False
        if isinstance(failure, int):
            self.answer(Response(failure))
        elif failure is not None:
            self._fault = Fault(failure)

    def answer(self, reply: Response | Callable[[httpx.Request], Response]) -> None:
        """Answer with this, or with what the function makes of a request, from now on."""
        self.fail_with(None)
        self._answer = reply if callable(reply) else lambda request: reply

    def hang(self) -> None:
        """Take requests and never answer."""
        self._hangs = True

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, as `httpx.MockTransport` wants it."""
        await request.aread()
        for value in request.headers.values():
            if any(char in value for char in "\r\n\0"):
                raise httpx.LocalProtocolError("illegal header value", request=request)
        if self._hangs:
            self.record(request)
            await asyncio.Event().wait()
        if self._fault is not None:
            self.record(request)
            raise _raised(self._fault, request)
        if self._answer is None and self.routes:
            return await super().async_handler(request)
        reply = (self._answer or (lambda request: self._ok))(request)
        await asyncio.sleep(0)  # as a real answer, never in the same turn of the event loop
        response = httpx.Response(
            reply.status, content=reply.content, headers=dict(reply.headers), request=request
        )
        self.record(request, response=response)
        return response


def client(service: object) -> httpx.AsyncClient:
    """Return the HTTP client of a connector whose vendor is `service`.

    Where the stand-in does not speak HTTP, every address refuses the connection.
    """
    if isinstance(service, HttpService):
        return httpx.AsyncClient(transport=httpx.MockTransport(service.async_handler))
    return httpx.AsyncClient(transport=httpx.MockTransport(_nobody))


def fingerprint(item: object) -> object:
    """Return what two identical attempts have in common: for a request, all of its bytes."""
    if isinstance(item, httpx.Request):
        return item.method, str(item.url), tuple(item.headers.multi_items()), item.content
    return item


def text_of(item: object) -> str:
    """Return what arrived as text, to look for events in it."""
    if not isinstance(item, httpx.Request):
        return item.decode("utf-8", "replace") if isinstance(item, bytes) else repr(item)
    lines = [str(item.url), *(f"{name}: {value}" for name, value in item.headers.items())]
    return "\n".join([*lines, body_of(item).decode("utf-8", "replace")])


def body_of(request: httpx.Request) -> bytes:
    """Return the body of a request, decompressed."""
    if request.headers.get("content-encoding") in ("gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(request.content)
    return request.content


def _raised(fault: Fault, request: httpx.Request) -> httpx.HTTPError:
    if fault is Fault.REFUSED:
        return httpx.ConnectError("connection refused", request=request)
    if fault is Fault.RESET:
        return httpx.ReadError("connection reset by peer", request=request)
    return httpx.ReadTimeout("no answer in time", request=request)


def _nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("this stand-in does not speak HTTP", request=request)
