"""The HTTP client that connectors are lent: pooled, fast, and guarded.

httpx on aiohttp's transport. Private, loopback, link-local (cloud metadata) and reserved addresses
are refused unless allowed; the address that is checked is the one that is dialed, so neither a
name, nor a redirect, nor a second DNS answer gets past it.
"""

import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from junctor.sdk.http import EgressRefused

_CONNECTIONS: Final = 512
_CONNECT_SECONDS: Final = 10.0
_GZIP: Final = 31
_UNPACK_BYTES: Final = 65_536
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""What IANA gives out for the public IPv6 network; all else is local, special or not in use."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")
_ALSO_REFUSED: Final = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # IETF protocol assignments: dummies, port control, TURN
            "192.88.99.0/24",  # relays of 6to4, given up by RFC 7526
            "168.63.129.16/32",  # Azure's own: the host of a virtual machine, with its secrets
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarks, ORCHID
            "3fff::/20",  # documentation, RFC 9637
        ),
    )
)
"""Beside what Python's own tables know, which differ from version to version."""

Network = IPv4Network | IPv6Network


def is_refused(address: str, allow: Sequence[Network]) -> bool:
    """Whether the guard forbids dialing `address` (text of an IP address, maybe with a scope)."""
    ip = _inner(ip_address(address.partition("%")[0]))
    if any(ip in network for network in allow if network.version == ip.version):
        return False
    if ip.version == 6 and ip not in _GLOBAL_UNICAST:
        return True
    if any(ip in network for network in _ALSO_REFUSED if network.version == ip.version):
        return True
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
    """aiohttp under httpx, every error as one of httpx's, no answer unpacked without bounds."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await super().handle_async_request(request)
            return _unpacked(response) if "content-encoding" in response.headers else response
        except httpx.ConnectTimeout as error:
            raise _named(error, request) from error.__cause__
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from error


def _named(error: httpx.ConnectTimeout, request: httpx.Request) -> httpx.TransportError:
    """Return what it was: below, every failure of a connection is taken for a time-out."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError):
        below = getattr(cause, "certificate_error", None) or cause.os_error
        reason = getattr(below, "reason", None)  # of TLS
        if isinstance(below, socket.gaierror):
            reason = below.strerror
        return httpx.ConnectError(reason or type(below).__name__, request=request)
    if isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, TimeoutError):
        return httpx.RemoteProtocolError(type(cause).__name__, request=request)
    return error


def _unpacked(response: httpx.Response) -> httpx.Response:
    """Return `response` with gzip undone piece by piece; what was not asked for is left as it is.

    httpx would unpack a whole chunk at once, and that once for every encoding the answer names: a
    few kilobytes could fill the memory.
    """
    encoding = response.headers.pop("content-encoding").strip().lower()
    if encoding in ("gzip", "x-gzip") and isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Unpacking(response.stream)
    return response


class _Unpacking(httpx.AsyncByteStream):
    def __init__(self, packed: httpx.AsyncByteStream) -> None:
        self._packed = packed
        self._zlib = zlib.decompressobj(_GZIP)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._packed:
            while chunk:
                try:
                    piece = self._zlib.decompress(chunk, _UNPACK_BYTES)
                except zlib.error as error:
                    raise httpx.DecodingError(str(error)) from error
                chunk = self._zlib.unconsumed_tail
                if piece:
                    yield piece
            if self._zlib.eof:
                return

    async def aclose(self) -> None:
        await self._packed.aclose()


def guarded_client(allow: Sequence[Network]) -> httpx.AsyncClient:
    """Return a client for connectors; call on a running event loop, close with `aclose`."""

    def open_socket(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        if is_refused(str(target[0]), allow):
            raise EgressRefused(str(target[0]))
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

    unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the session has its own, with all roots
    transport = _Transport(client=session, verify=unused)
    return httpx.AsyncClient(
        transport=transport,
        headers={"user-agent": "junctor", "accept-encoding": "gzip"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # connectors share the client
        timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )
