"""A proxy in front of a hub that answers the first requests itself, as a bad day would."""

from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web

from tests.support.receiver import Answer

LOST: Final = Answer(-1)
"""The hub gets the request, the caller never sees the answer."""
SLOW_DOWN: Final = Answer(429, b'{"code":"slow","message":"slow down"}', {"retry-after": "1"})
BUSY: Final = Answer(503, b'{"code":"busy","message":"busy"}', {"retry-after": "1"})
BROKEN: Final = Answer(500, b"not even JSON")

BAD_DAYS: Final = {
    "429 with Retry-After": [SLOW_DOWN],
    "503 with Retry-After": [BUSY, BUSY],
    "500 twice": [BROKEN, BROKEN],
    "the answer is lost": [LOST],
    "the answer is lost, then 503": [LOST, BUSY],
}
"""What an SDK is told first."""


@dataclass
class Shim:
    """Its address, and the headers and final status of each request that came through."""

    address: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


@asynccontextmanager
async def shim(target: str, first: Iterable[Answer]) -> AsyncIterator[Shim]:
    """Answer with `first`, one a request, then hand everything over to `target`."""
    script = deque(first)
    seen = Shim()

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen.requests.append({name.lower(): value for name, value in request.headers.items()})
        answer = script.popleft() if script else None
        if answer is not None and answer is not LOST:
            seen.statuses.append(answer.status)
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        async with session.request(
            request.method, target + request.path_qs, data=body, headers=request.headers
        ) as reply:
            seen.statuses.append(reply.status)
            text = await reply.read()
        if answer is LOST:
            assert request.transport is not None
            request.transport.close()
        kept = ("content-type", "retry-after")
        headers = {name: value for name, value in reply.headers.items() if name.lower() in kept}
        return web.Response(status=reply.status, body=text, headers=headers)

    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", handle)
    # The body goes on as it came, compressed or not.
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    async with aiohttp.ClientSession() as session:
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            seen.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield seen
        finally:
            await runner.cleanup()
