"""Events that come in over a connection of the thread of reads: handed to the hub's own loop.

A client may send events and ask for decisions over one connection, which stays where its first
request went. The body is read here, under the same limits; the hub does the rest as always.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from multidict import CIMultiDictProxy, MultiMapping

Handle = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class _Content:
    """A body's pieces, passed from one loop to another as they come."""

    next: Callable[[], Awaitable[bytes]]

    async def iter_any(self) -> AsyncIterator[bytes]:
        while piece := await self.next():
            yield piece


@dataclass(frozen=True, slots=True)
class _Request:
    """As much of a request as the ingest asks for."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    query: MultiMapping[str]
    content_length: int | None
    remote: str | None
    content: _Content


def forward(handle: Handle, hub: asyncio.AbstractEventLoop) -> Handle:
    """Return a handler that lets `handle` answer on the loop `hub`."""

    async def forwarded(request: web.Request) -> web.Response:
        here = asyncio.get_running_loop()

        async def next_piece() -> bytes:
            reading = asyncio.run_coroutine_threadsafe(request.content.readany(), here)
            return await asyncio.wrap_future(reading)

        copy = _Request(
            request.method, request.path, request.headers, request.query,
            request.content_length, request.remote, _Content(next_piece),
        )  # fmt: skip
        work: Any = handle(cast(web.Request, copy))
        answer = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, hub))
        return web.Response(
            status=answer.status, body=cast(bytes | None, answer.body), headers=answer.headers
        )

    return forwarded
