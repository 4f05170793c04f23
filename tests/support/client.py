"""Talking to a hub over HTTP as callers and operators do, whoever runs it."""

import asyncio
import base64
import io
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

_OUTCOME: Final = re.compile(r'junctor_events_total{outcome="(\w+)",source="\w+"} (\S+)')


@dataclass(frozen=True)
class Reply:
    """An answer of the hub."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class HubClient:
    """The two listeners of one hub."""

    def __init__(self, ingest: str, admin: str, session: aiohttp.ClientSession) -> None:
        self.ingest = ingest
        self.admin = admin
        self.session = session

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send `body` as it is to the ingest listener."""
        if isinstance(body, bytes):
            body = io.BytesIO(body)
        async with self.session.request(
            method, self.ingest + path, data=body, headers=headers, allow_redirects=False
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, headers, await response.read())

    async def batch(self, events: Sequence[Mapping[str, Any]], key: str) -> Reply:
        """Send a batch of Segment's tracking API."""
        body = orjson.dumps({"batch": events})
        return await self.ask("POST", "/v1/batch", body, basic(key))

    async def get(self, path: str) -> Any:
        """Read from the admin listener."""
        async with self.session.get(self.admin + path) as response:
            return orjson.loads(await response.read())

    async def ledger(self) -> dict[str, dict[str, Any]]:
        """Return the ledger by destination."""
        destinations: dict[str, dict[str, Any]] = (await self.get("/api/ledger"))["destinations"]
        return destinations

    async def outcomes(self) -> Counter[str]:
        """Return how many events this process accepted, rejected and knew already."""
        async with self.session.get(self.admin + "/metrics") as response:
            found = _OUTCOME.findall(await response.text())
        counts: Counter[str] = Counter()
        for outcome, count in found:
            counts[outcome] += round(float(count))
        return counts

    async def stored(self) -> int:
        """Return how many events this process stored."""
        return (await self.outcomes())["accepted"]

    async def settled(self, seconds: float = 30.0) -> dict[str, dict[str, Any]]:
        """Wait until no destination has anything left to do; return the ledger, which balances."""

        async def idle() -> bool:
            log = (await self.get("/api/status"))["log"]
            ledger = await self.ledger()
            return log["behind"] == 0 and not any(row["pending"] for row in ledger.values())

        await until(idle, seconds)
        ledger = await self.ledger()
        assert all(row["balanced"] for row in ledger.values()), ledger
        return ledger


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Ask until `true` says so; for what can only be polled.

    Raises:
        TimeoutError: it did not within `seconds`.
    """
    end = time.monotonic() + seconds
    while not await true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {true.__qualname__}")
        await asyncio.sleep(0.02)


def basic(key: str) -> dict[str, str]:
    """Return the header by which SDKs present their write key."""
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
