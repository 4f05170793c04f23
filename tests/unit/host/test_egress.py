"""The guarded client: what it refuses to dial, what it makes of broken servers, what it unpacks."""

import asyncio
import gzip
import zlib
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from junctor.host.egress import is_refused
from junctor.sdk import DestinationUnavailable, Misconfigured, Request, Response
from junctor.sdk.http import MAX_RESPONSE_BYTES, send
from junctor.testkit.chaos import ELSEWHERE, LOOPBACK, ChaosReceiver

from .dialing import Client, Server, http

# -- addresses ----------------------------------------------------------------------------------

REFUSED = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "0.0.0.0": "this host",
    "10.1.2.3": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "carrier's own",
    "169.254.169.254": "cloud metadata",
    "192.0.2.7": "documentation",
    "198.18.0.1": "benchmarks",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "this host",
    "::1": "loopback",
    "::7f00:1": "IPv4-compatible loopback",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local with a scope",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "global multicast",
    "2001:db8::1": "documentation",
    "fd00:ec2::254": "cloud metadata",
    "::ffff:127.0.0.1": "IPv4-mapped loopback",
    "::ffff:169.254.169.254": "IPv4-mapped metadata",
    "::ffff:10.0.0.1": "IPv4-mapped private",
    "::ffff:0:127.0.0.1": "IPv4-translated loopback",
    "64:ff9b::7f00:1": "NAT64 loopback",
    "64:ff9b::a9fe:a9fe": "NAT64 metadata",
    "64:ff9b:1::a00:1": "NAT64 of a network's own, private",
    "2002:7f00:1::": "6to4 loopback",
    "2002:a9fe:a9fe::1": "6to4 metadata",
    "2001:0:7f00:1::": "Teredo",
}
DIALED = [
    "1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "192.167.1.1", "100.63.0.1", "169.253.0.1",
    "2606:4700:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.case(43)
@pytest.mark.parametrize("address", REFUSED, ids=lambda a: f"{a} {REFUSED[a]}")
def test_what_is_not_public_is_refused(address: str) -> None:
    assert is_refused(address, [])


@pytest.mark.parametrize("address", DIALED)
def test_public_addresses_are_dialed(address: str) -> None:
    assert not is_refused(address, [])


@pytest.mark.parametrize(
    ("address", "network", "refused"),
    [
        ("127.0.0.1", "127.0.0.0/8", False),
        ("::ffff:127.0.0.1", "127.0.0.0/8", False),
        ("127.0.0.1", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.0.0/16", False),
        ("10.2.2.3", "10.1.0.0/16", True),
        ("::1", "127.0.0.0/8", True),
        ("::1", "::1/128", False),
        ("fe80::1%eth0", "fe80::/10", False),
        ("fd00::1", "fd00::/8", False),
        ("169.254.169.254", "10.0.0.0/8", True),
        ("64:ff9b::a00:1", "10.0.0.0/8", False),
    ],
)
def test_allowed_networks_are_dialed(address: str, network: str, refused: bool) -> None:
    assert is_refused(address, [ip_network(network)]) is refused


# -- dialing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["2130706433", "017700000001", "127.1", "0", "0177.0.0.1"])
async def test_odd_spellings_of_loopback_do_not_even_resolve(client: Client, host: str) -> None:
    async with Server(http("200 OK")) as server:
        with pytest.raises(Misconfigured):
            await send(client([]), Request("POST", server.url(host), b"x"), now=0)
        assert server.connections == 0


@pytest.mark.case(43)
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "evil.test", "0x7f000001",
        "both.test",
    ],
)  # fmt: skip
async def test_no_spelling_of_loopback_is_dialed(
    client: Client, dns: dict[str, list[str]], host: str
) -> None:
    dns |= {
        "localhost": ["127.0.0.1"], "evil.test": ["127.0.0.1"], "both.test": ["::1", "127.0.0.1"],
    }  # fmt: skip
    async with Server(http("200 OK")) as server:
        with pytest.raises(Misconfigured) as refused:
            await send(client([]), Request("POST", server.url(host), b"x"), now=0)
        assert server.connections == 0
    assert "allow it in [egress]" in refused.value.message
    assert "is not a public address" in refused.value.message
    assert "secret-path" not in refused.value.message
    assert refused.value.disposition == "pause"
    assert not refused.value.permanent, "it is probed again: the file may allow it by then"


async def test_the_address_is_looked_at_when_it_is_dialed_not_before(
    client: Client, dns: dict[str, list[str]]
) -> None:
    """A name that was harmless at the first look may be anything at the second."""
    async with Server(http("200 OK")) as server:
        dns["rebinding.test"] = ["127.0.0.1"]
        with pytest.raises(Misconfigured, match=r"dialing 127\.0\.0\.1 is refused"):
            await send(client([]), Request("GET", server.url("rebinding.test")), now=0)


async def test_what_is_allowed_is_dialed(client: Client, dns: dict[str, list[str]]) -> None:
    dns["app.test"] = ["127.0.0.1"]
    async with Server(http("202 Accepted", b"taken", "X-Id: 7")) as server:
        for host in ("127.0.0.1", "app.test"):
            response = await send(client(), Request("POST", server.url(host), b"body"), now=12.5)
            assert response.status == 202
            assert response.content == b"taken"
            assert response.headers["x-id"] == "7"
            assert response.at == 12.5
    assert len(server.requests) == 2


@pytest.mark.case(29)
@pytest.mark.case(43)
async def test_no_redirect_is_followed(client: Client) -> None:
    async with Server(http("200 OK")) as target:
        answer = http("302 Found", b"", f"Location: {target.url()}")
        async with Server(answer) as server:
            response = await send(client(), Request("GET", server.url()), now=0)
        assert response.status == 302
        assert target.connections == 0


async def test_proxies_of_the_environment_are_not_used(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Server(http("200 OK", b"proxy")) as proxy, Server(http("200 OK", b"own")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        response = await send(client(), Request("GET", server.url()), now=0)
    assert response.content == b"own"


async def test_a_request_says_who_it_is_and_keeps_no_cookies(client: Client) -> None:
    async with Server(http("200 OK", b"", "Set-Cookie: session=1; Path=/")) as server:
        one = client()
        await send(one, Request("GET", server.url()), now=0)
        await send(one, Request("GET", server.url(), headers={"x-own": "yes"}), now=0)
    first, second = (request.lower() for request in server.requests)
    assert b"user-agent: junctor\r\n" in first
    assert b"accept-encoding: gzip\r\n" in first
    assert b"cookie" not in second
    assert b"x-own: yes" in second


# -- broken servers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"garbage\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnot a chunk",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nnot zip",
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_an_outage(client: Client, answer: bytes) -> None:
    async with Server(answer) as server:
        with pytest.raises(DestinationUnavailable) as failed:
            await send(client(), Request("POST", server.url(), b"x"), now=0)
    assert "secret-path" not in failed.value.message
    assert f"http://127.0.0.1:{server.port}" in failed.value.message


@pytest.mark.case(28)
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly"])
async def test_a_reset_is_an_outage(client: Client, answer: bytes) -> None:
    async with Server(answer, reset=True) as server:
        with pytest.raises(DestinationUnavailable):
            await send(client(), Request("POST", server.url(), b"x"), now=0)


@pytest.mark.case(28)
async def test_a_refused_connection_is_an_outage(client: Client) -> None:
    async with Server() as server:
        url = server.url()
    with pytest.raises(
        DestinationUnavailable, match=r"ConnectError at http://127.*: ConnectionRefusedError"
    ):
        await send(client(), Request("POST", url, b"x"), now=0)


@pytest.mark.case(28)
async def test_a_tls_failure_is_an_outage(client: Client) -> None:
    async with Server(b"this is no TLS\r\n", greets=True) as server:
        with pytest.raises(
            DestinationUnavailable, match=r"ConnectError at https://127.*: WRONG_VERSION_NUMBER"
        ):
            await send(client(), Request("POST", server.url(scheme="https"), b"x"), now=0)


@pytest.mark.parametrize("certificate", [LOOPBACK, ELSEWHERE], ids=["by nobody", "of another"])
async def test_a_certificate_that_nobody_vouches_for_is_an_outage(
    client: Client, certificate: Path
) -> None:
    async with ChaosReceiver(certificate=certificate) as vendor:
        with pytest.raises(DestinationUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await send(client(), Request("POST", vendor.address, b"secret"), now=0)
        assert not vendor.requests


@pytest.mark.case(28)
async def test_a_name_that_does_not_resolve_is_an_outage(
    client: Client, dns: dict[str, list[str]]
) -> None:
    with pytest.raises(DestinationUnavailable):
        await send(client(), Request("POST", "http://nowhere.test/x", b"x"), now=0)


@pytest.mark.parametrize(
    "url",
    [
        "", "no scheme", "/path", "ftp://example.test/", "http://", "http:///path",
        "http://a.test:99999/", "http://[::1/", "http://a.test/\x00", "http://a..test/",
        f"http://{'a' * 70}.test/", "http://\ud800.test/",
    ],
)  # fmt: skip
async def test_a_url_that_is_none_is_misconfigured(client: Client, url: str) -> None:
    with pytest.raises(Misconfigured):
        await send(client(), Request("POST", url, b"x"), now=0)


@pytest.mark.parametrize(
    "header",
    [("x", "a\r\nb: c"), ("x", "a\nb"), ("x", "a\x00b"), ("x", "€"), ("x\r\ny", "z")],
)  # fmt: skip
async def test_a_header_that_is_none_is_misconfigured_and_never_sent(
    client: Client, header: tuple[str, str]
) -> None:
    async with Server(http("200 OK")) as server:
        with pytest.raises(Misconfigured):
            await send(client(), Request("POST", server.url(), b"x", dict([header])), now=0)
        assert server.requests == []


# -- large answers ------------------------------------------------------------------------------


async def read(client: Client, answer: bytes) -> Response:
    async with Server(answer) as server:
        return await send(client(), Request("GET", server.url()), now=0)


async def test_a_large_answer_is_cut(client: Client) -> None:
    response = await read(client, http("200 OK", b"x" * (MAX_RESPONSE_BYTES * 3)))
    assert len(response.content) == MAX_RESPONSE_BYTES


@pytest.mark.case(33)
async def test_an_endless_answer_is_cut(client: Client) -> None:
    body = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_RESPONSE_BYTES * 3)
    assert len((await read(client, body)).content) == MAX_RESPONSE_BYTES


async def test_a_gzip_answer_is_unpacked(client: Client) -> None:
    packed = gzip.compress(b'{"ok": true}')
    response = await read(client, http("200 OK", packed, "Content-Encoding: gzip"))
    assert response.json() == {"ok": True}
    response = await read(client, http("200 OK", packed, "Content-Encoding: X-GZIP"))
    assert response.json() == {"ok": True}


@pytest.mark.case(33)
async def test_a_gzip_bomb_is_cut_without_being_unpacked_whole(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = 0
    decompressobj = zlib.decompressobj

    class Watched:
        def __init__(self, wbits: int) -> None:
            self._real = decompressobj(wbits)

        def decompress(self, data: bytes, most: int = 0) -> bytes:
            nonlocal longest
            piece = self._real.decompress(data, most)
            longest = max(longest, len(piece))
            return piece

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    bomb = gzip.compress(b"\0" * (64 * 2**20), 9)
    assert len(bomb) < 100_000
    monkeypatch.setattr(zlib, "decompressobj", Watched)
    response = await read(client, http("200 OK", bomb, "Content-Encoding: gzip"))
    assert len(response.content) == MAX_RESPONSE_BYTES
    assert longest <= 2**16


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,deflate", "br", "deflate", "zstd", "x"])
async def test_packing_that_was_not_asked_for_is_left_alone(client: Client, encoding: str) -> None:
    """A bomb in a bomb would fill the memory at its second unpacking."""
    packed = gzip.compress(gzip.compress(b"\0" * 2**20, 9))
    response = await read(client, http("200 OK", packed, f"Content-Encoding: {encoding}"))
    assert response.status == 200
    assert response.content == packed


async def test_what_follows_a_gzip_answer_is_not_read(client: Client) -> None:
    packed = gzip.compress(b"all") + b"junk" * 1000
    response = await read(client, http("200 OK", packed, "Content-Encoding: gzip"))
    assert response.content == b"all"


async def test_an_answer_to_the_end_frees_the_connection_for_the_next(client: Client) -> None:
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    one = client()
    for _ in range(5):
        assert (await send(one, Request("GET", url), now=0)).content == b"ok"
    assert accepted == 1
    await one.aclose()
    server.close()
    await server.wait_closed()
