"""Vendors with weather: they fail in every way that vendors do, and count what they took."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import orjson
from aiohttp import web

from tests.support.daemon import free_port

POISON: Final = "Poison"
"""Name of an event that no vendor takes."""
FAIR: Final = "fair"
FAULTS: Final = (
    "errors", "limits", "resets", "takes and resets", "slow", "mixed", "black hole", "down"
)  # fmt: skip
_SLOW: Final = 0.3
_LIMITED: Final = {"Retry-After": "1"}


class Vendor:
    """A receiver that keeps no event, only which ones it took, so that it can run for hours."""

    def __init__(self, random: Random) -> None:
        """Fail at random where the weather leaves that open."""
        self._random = random
        self.weather = FAIR
        self.port = free_port()
        self.taken = bytearray()
        """Which of `m-0`, `m-1`, ... were answered 2xx, or taken before a reset: a 1 each."""
        self.others: set[str] = set()
        self.repeated = 0
        self.calls = 0
        self.at_once = 0
        """Calls that are being answered."""
        self.most_at_once = 0
        self._changed = asyncio.Event()
        self._site: web.TCPSite | None = None

    @property
    def address(self) -> str:
        """Where it listens, or would if it were up."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def count(self) -> int:
        """How many different events it has."""
        return sum(self.taken) + len(self.others)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Be there, as the weather permits."""
        server = web.Server(self._handle)
        self._runner = web.ServerRunner(server, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.change(self.weather)
        try:
            yield
        finally:
            await self.change(FAIR)
            await self._runner.cleanup()

    async def change(self, weather: str) -> None:
        """Let the weather change; whoever waits in a black hole is let go without an answer."""
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()
        if weather == "down" and self._site is not None:
            await self._site.stop()
            self._site = None
        elif weather != "down" and self._site is None:
            self._site = web.TCPSite(self._runner, "127.0.0.1", self.port)
            await self._site.start()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(request, await request.read())
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        weather = self.weather
        if weather == "mixed":
            weather = self._random.choice((FAIR, *FAULTS[:5]))
        match weather:
            case "errors":
                return web.Response(status=500)
            case "limits":
                return web.Response(status=429, headers=_LIMITED)
            case "black hole":
                await self._changed.wait()
                return _reset(request)
            case "resets" | "down":
                return _reset(request)
            case "slow":
                await asyncio.sleep(_SLOW)
        events = _events(body)
        if any(event.get("event") == POISON for event in events):
            return web.Response(status=400)
        for event in events:
            self._take(event.get("messageId") or event["metadata"]["messageId"])
        return _reset(request) if weather == "takes and resets" else web.Response(status=202)

    def _take(self, id: str) -> None:
        known = id in self.others
        if id.startswith("m-"):
            number = int(id[2:])
            if number >= len(self.taken):
                self.taken.extend(bytes(number + 1 - len(self.taken)))
            known = bool(self.taken[number])
            self.taken[number] = 1
        else:
            self.others.add(id)
        self.repeated += known


def _reset(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _events(body: bytes) -> list[dict[str, Any]]:
    said = orjson.loads(body)
    if isinstance(said, list):
        return said
    return list(said["events"]) if "statsigMetadata" in said else [said]


async def changing(vendor: Vendor, random: Random, fair: float, foul: float) -> None:
    """Change the weather for ever: fair for about `fair` seconds, then a fault for `foul`."""
    while True:
        await vendor.change(FAIR)
        await asyncio.sleep(random.uniform(0.5 * fair, 1.5 * fair))
        await vendor.change(random.choice(FAULTS))
        await asyncio.sleep(random.uniform(0.5 * foul, 1.5 * foul))
