"""Guarded clients, and names that resolve to what a test says."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import httpx
import pytest

from junctor.host.egress import guarded_client

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.fixture
async def client() -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    opened: list[httpx.AsyncClient] = []

    def make(allow: Sequence[IPv4Network | IPv6Network] = LOOPBACK) -> httpx.AsyncClient:
        opened.append(guarded_client(allow))
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and the addresses they resolve to; numbers and addresses resolve as ever."""
    names: dict[str, list[str]] = {}

    async def getaddrinfo(
        self: object, host: str, port: int, **options: Any
    ) -> list[tuple[Any, ...]]:
        answer: list[tuple[Any, ...]] = []
        for address in names.get(host, [host]):
            answer += socket.getaddrinfo(
                address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        return answer

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return names
