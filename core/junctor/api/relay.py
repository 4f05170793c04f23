"""Requests that came to the wrong process: passed on to the hub.

A client may send events and ask for decisions over one connection, which stays where its first
request went: with the process of reads, or with a worker. What that can't answer it takes to the
hub, over a socket file of the store's folder, and brings the answer back.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy

REMOTE: Final = "x-junctor-remote"
"""Header of a request that is passed on: the address of the client."""
_OF_ONE_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "expect", REMOTE}
)
_ADDED_BY_CLIENTS: Final = (
    hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT,
)  # fmt: skip
_STREAM: Final = "text/event-stream"
_UNAVAILABLE: Final = (
    b'{"success":false,"code":"unavailable","message":"the hub can\'t be reached; send it again"}'
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Relay:
    """Passes requests on to the hub that listens on a socket file."""

    def __init__(self, path: Path) -> None:
        """Pass on to the socket file `path`; make it on a running loop."""
        self._session = aiohttp.ClientSession(
            "http://hub", connector=aiohttp.UnixConnector(str(path), limit=0),
            auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None), skip_auto_headers=_ADDED_BY_CLIENTS,
        )  # fmt: skip

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as the hub does; 503 if it is gone, so that clients send it again."""
        headers = _without_hops(request.headers)
        headers[REMOTE] = request.remote or ""
        body = request.content.iter_any() if request.can_read_body else None
        try:
            async with self._session.request(
                request.method, request.rel_url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                headers = _without_hops(answer.headers)
                if answer.content_type == _STREAM:
                    return await _passed_on(request, answer, headers)
                text = await answer.read()
                return web.Response(status=answer.status, body=text, headers=headers)
        except aiohttp.ClientError:
            headers = CIMultiDict({"retry-after": "1", "content-type": "application/json"})
            return web.Response(status=503, body=_UNAVAILABLE, headers=headers)

    async def close(self) -> None:
        """Let go of the connections to the hub."""
        await self._session.close()


async def _passed_on(
    request: web.Request, answer: aiohttp.ClientResponse, headers: CIMultiDict[str]
) -> web.StreamResponse:
    """Pass on an answer that does not end."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    with suppress(aiohttp.ClientError):  # the hub has ended it: the client comes again
        async for some in answer.content.iter_any():
            await response.write(some)
    return response


@web.middleware
async def as_the_client(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request that was passed on come from the client that sent it."""
    return await handler(request.clone(remote=request.headers.get(REMOTE, "")))


def _without_hops(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _OF_ONE_CONNECTION
    )
