"""The HTTP client that connectors are lent: pooled, fast, and guarded.

httpx on aiohttp's transport. Private, loopback, link-local (cloud metadata) and reserved addresses
are refused unless allowed; the address that is checked is the one that is dialed, so neither a
name, nor a redirect, nor a second DNS answer gets past it.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from junctor.sdk.http import EgressRefused

_CONNECTIONS: Final = 512
_CONNECT_SECONDS: Final = 10.0
_NAT64: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")

Network = IPv4Network | IPv6Network


def is_refused(address: str, allow: Sequence[Network]) -> bool:
    """Whether the guard forbids dialing `address` (text of an IP address, maybe with a scope)."""
    ip = _inner(ip_address(address.partition("%")[0]))
    if any(ip in network for network in allow if network.version == ip.version):
        return False
    return not ip.is_global or ip.is_multicast


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _6TO4:
        return IPv4Address((int(ip) >> 80) & 0xFFFFFFFF)
    return ip


class _Transport(AiohttpTransport):
    """aiohttp under httpx, every error as one of httpx's."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from error


def guarded_client(allow: Sequence[Network]) -> httpx.AsyncClient:
    """Return a client for connectors; call on a running event loop, close with `aclose`."""

    def open_socket(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        if is_refused(str(target[0]), allow):
            raise EgressRefused(f"dialing {target[0]} is refused: it is not a public address")
        opened = socket.socket(family=family, type=kind, proto=protocol)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=_CONNECTIONS, keepalive_timeout=30, ttl_dns_cache=60, socket_factory=open_socket
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers={"User-Agent"},
            auto_decompress=False,
        )

    transport = _Transport(client=session)
    return httpx.AsyncClient(
        transport=transport,
        headers={"user-agent": "junctor"},
        timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )
