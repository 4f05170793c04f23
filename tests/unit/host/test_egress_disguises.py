"""Ways around the guard, as attackers know them: none leads into the network."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from junctor.host.egress import is_refused
from junctor.sdk import Misconfigured, Request
from junctor.sdk.http import send
from junctor_connectors.webhook.addressing import check_url, compile_url

from .dialing import Client, Server, http

pytestmark = pytest.mark.case(43)

PUBLIC, PRIVATE = "127.0.0.1", "127.0.0.2"
ONE_IS_PUBLIC = [ip_network("127.0.0.1/32")]
"""Nothing leaves this computer: one loopback address plays a public one, the other a private."""


# -- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("192.0.0.8", "dummy address"),
        ("192.0.0.9", "port control anycast"),
        ("192.0.0.170", "discovery of NAT64"),
        ("192.0.0.192", "metadata of Oracle's cloud"),
        ("192.88.99.1", "relay of 6to4"),
        ("100.100.100.200", "metadata of Alibaba's cloud"),
        ("168.63.129.16", "Azure's host of a virtual machine"),
        ("169.254.170.2", "credentials of Amazon's containers"),
        ("fd00:ec2::254", "metadata of Amazon's cloud"),
        ("fd20:ce::254", "metadata of Google's cloud"),
        ("2001:2::1", "benchmarks"),
        ("2001:20::1", "ORCHID"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
        ("3fff::1", "documentation"),
        ("5f00::1", "segment routing"),
        ("100::1", "discard"),
        ("64:ff9b:1::808:808", "NAT64 of a network's own"),
        ("64:ff9b:1:7f00:0:100:808:808", "the same, with its address elsewhere"),
        ("2002:a00:1::1", "6to4 of a private address"),
    ],
)
def test_special_addresses_are_refused_whatever_this_python_knows(address: str, what: str) -> None:
    assert is_refused(address, []), what


# -- spellings ----------------------------------------------------------------------------------

DISGUISED = {
    "userinfo": "http://good.example@127.0.0.1:{port}/",
    "userinfo with a password": "http://good.example:80@127.0.0.1:{port}/",
    "backslash": "http://good.example\\@127.0.0.1:{port}/",
    "backslash behind": "http://127.0.0.1:{port}\\@good.example/",
    "fragment": "http://127.0.0.1:{port}#@good.example/",
    "encoded slash": "http://127.0.0.1%2f@good.example:{port}/",
    "full-width digits": "http://１２７.０.０.１:{port}/",
    "circled digits": "http://①②⑦.⓪.⓪.①:{port}/",
    "ideographic dots": "http://127。0。0。1:{port}/",
    "circled letters": "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "capitals": "HTTP://LOCALHOST:{port}/",
    "trailing dot": "http://localhost.:{port}/",
    "trailing dot of an address": "http://127.0.0.1.:{port}/",
    "decimal": "http://2130706433:{port}/",
    "hexadecimal": "http://0x7f000001:{port}/",
    "hexadecimal parts": "http://0x7f.1:{port}/",
    "octal": "http://0177.0.0.1:{port}/",
    "short": "http://127.1:{port}/",
    "zero": "http://0:{port}/",
    "any address": "http://0.0.0.0:{port}/",
    "any IPv6 address": "http://[::]:{port}/",
    "IPv6 loopback": "http://[::1]:{port}/",
    "IPv4-mapped": "http://[::ffff:127.0.0.1]:{port}/",
    "IPv4-mapped in hexadecimal": "http://[::ffff:7f00:1]:{port}/",
    "written out": "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "IPv4-compatible": "http://[::127.0.0.1]:{port}/",
    "NAT64": "http://[64:ff9b::7f00:1]:{port}/",
    "6to4": "http://[2002:7f00:1::]:{port}/",
    "zone": "http://[fe80::1%25lo]:{port}/",
    "zone of another network": "http://[fe80::1%25eth0]:{port}/",
    "broadcast": "http://255.255.255.255:{port}/",
    "multicast": "http://224.0.0.1:{port}/",
    "carrier's own": "http://100.64.0.1:{port}/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "metadata by IPv6": "http://[fd00:ec2::254]/latest/meta-data/",
    "metadata by name": "http://metadata.google.internal/computeMetadata/v1/",
    "metadata by name, trailing dot": "http://metadata.google.internal./computeMetadata/v1/",
    "name of a loopback address": "http://loop.test:{port}/",
    "port of SSH": "http://127.0.0.1:22/",
    "no port": "http://127.0.0.1:0/",
    "Docker's socket": "http+unix://%2Fvar%2Frun%2Fdocker.sock/v1/info",
    "a socket file": "unix:///var/run/docker.sock",
    "a file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/_x",
    "bare TCP": "tcp://127.0.0.1:{port}/",
    "web socket": "ws://127.0.0.1:{port}/",
    "no slashes": "http:127.0.0.1:{port}",
    "three slashes": "http:///127.0.0.1:{port}/",
}


@pytest.mark.parametrize("url", DISGUISED.values(), ids=DISGUISED.keys())
async def test_no_disguise_leads_into_the_network(
    client: Client, dns: dict[str, list[str]], url: str
) -> None:
    dns |= {
        "localhost": ["::1", "127.0.0.1"], "localhost.": ["127.0.0.1"], "loop.test": ["127.0.0.1"],
        "metadata.google.internal": ["169.254.169.254"],
        "metadata.google.internal.": ["169.254.169.254"],
    }  # fmt: skip
    async with Server(http("200 OK")) as server:
        with pytest.raises(Misconfigured):
            await send(client([]), Request("POST", url.format(port=server.port), b"x"), now=0)
        assert server.connections == 0


# -- names that change ---------------------------------------------------------------------------


class Resolver:
    """Answers each look-up with the next of its addresses; the last one stays."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)
        self.asked = 0

    async def getaddrinfo(self, _: object, host: str, port: int, **__: Any) -> list[Any]:
        self.asked += 1
        address = self._addresses.pop(0) if len(self._addresses) > 1 else self._addresses[0]
        return socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> Resolver:
    resolver = Resolver(*addresses)

    async def getaddrinfo(self: object, host: str, port: int, **options: Any) -> list[Any]:
        return await resolver.getaddrinfo(self, host, port, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return resolver


def forget_names(client: httpx.AsyncClient) -> None:
    """Let the time pass that names are remembered."""
    transport: Any = client._transport
    transport.client.connector.clear_dns_cache()


@asynccontextmanager
async def beside(answer: bytes, **how: Any) -> AsyncIterator[tuple[Server, Server]]:
    """Run two servers on one port: at the public address and at the private one."""
    async with Server(answer, **how) as public, Server(answer, PRIVATE, public.port) as private:
        yield public, private


async def test_the_address_that_is_checked_is_the_one_that_is_dialed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebinding name is public when it is looked at, and private when it is dialed."""
    resolver = resolve(monkeypatch, PUBLIC, PRIVATE)
    guarded = client(ONE_IS_PUBLIC)
    async with beside(http("200 OK")) as (public, private):
        await send(guarded, Request("GET", public.url("rebinding.test")), now=0)
        assert resolver.asked == 1, "one look-up both to check and to dial"
        assert public.connections == 1
        forget_names(guarded)
        with pytest.raises(Misconfigured, match=r"dialing 127\.0\.0\.2 is refused"):
            await send(guarded, Request("GET", public.url("rebinding.test")), now=0)
        assert resolver.asked == 2
        assert private.connections == 0


async def test_a_name_with_public_and_private_addresses_is_dialed_at_the_public_one_only(
    client: Client, dns: dict[str, list[str]]
) -> None:
    dns["both.test"] = [PRIVATE, PUBLIC]
    async with beside(http("200 OK")) as (public, private):
        await send(client(ONE_IS_PUBLIC), Request("GET", public.url("both.test")), now=0)
        assert (public.connections, private.connections) == (1, 0)


async def test_a_kept_connection_leads_where_it_led_when_it_was_checked(
    client: Client, dns: dict[str, list[str]]
) -> None:
    dns["moving.test"] = [PUBLIC]
    guarded = client(ONE_IS_PUBLIC)
    async with beside(http("200 OK", close=False), keeps=True) as (public, private):
        for _ in range(3):
            await send(guarded, Request("GET", public.url("moving.test")), now=0)
            dns["moving.test"] = [PRIVATE]
            forget_names(guarded)
        assert (public.connections, len(public.requests)) == (1, 3)
        assert private.connections == 0
        await guarded.aclose()


async def test_a_client_that_follows_redirects_is_stopped_at_the_network(client: Client) -> None:
    """The hub follows none; what a plug-in does with its client is guarded all the same."""
    async with Server(http("200 OK"), PRIVATE) as private:
        answer = http("302 Found", b"", f"Location: {private.url(PRIVATE)}")
        async with Server(answer) as server:
            with pytest.raises(httpx.HTTPError):
                await client(ONE_IS_PUBLIC).get(server.url(), follow_redirects=True)
        assert private.connections == 0


@pytest.mark.parametrize(
    "variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
)
@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_a_proxy_of_the_environment_does_not_dial_for_the_hub(
    client: Client, monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    async with Server(http("200 OK")) as proxy:
        monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(Misconfigured, match=r"dialing 10\.0\.0\.1 is refused"):
            await send(client(ONE_IS_PUBLIC), Request("GET", "http://10.0.0.1/"), now=0)
        assert proxy.connections == 0


# -- addresses with event data in them -----------------------------------------------------------

BREAKING_OUT = [
    "@127.0.0.1/", "127.0.0.1", "//127.0.0.1/", "\\\\127.0.0.1\\", "/../../admin", "x@127.0.0.1:80",
    "#@127.0.0.1", "?@127.0.0.1", "\r\nHost: 127.0.0.1", "%2f%2f127.0.0.1", "．．／", "\u2025/x",
]  # fmt: skip


@pytest.mark.case(44)
@pytest.mark.parametrize("value", BREAKING_OUT)
@pytest.mark.parametrize("template", ["/{{v}}", "/a/{{v}}/b", "?q={{v}}"])
async def test_event_data_does_not_choose_the_host(
    client: Client, template: str, value: str
) -> None:
    async with Server(http("200 OK")) as server:
        url = compile_url(f"http://127.0.0.1:{server.port}{template}")({"v": value})
        await send(client(), Request("POST", url), now=0)
    first, *headers = server.requests[0].decode("ascii").strip().split("\r\n")
    method, target, version = first.split(" ")
    hosts = [line.lower() for line in headers if line.lower().startswith("host:")]
    assert (method, version) == ("POST", "HTTP/1.1")
    assert hosts == [f"host: 127.0.0.1:{server.port}"]
    before, after = ("/" + template.lstrip("/")).split("{{v}}")
    assert target.startswith(before)
    assert target.endswith(after)
    sent = target.removeprefix(before).removesuffix(after)
    assert not set(sent) & set("#&=\\ " if before.startswith("/?") else "/?#\\ ")
    assert unquote(sent) == value


@pytest.mark.case(44)
@pytest.mark.parametrize(
    "template",
    [
        "http://{{v}}/", "http://a.test:{{v}}/", "http://a.test@{{v}}/", "{{v}}://a.test/",
        "http://a.test{{v}}", "http://u:p@a.test/", "http://a.test@127.0.0.1/{{v}}",
    ],
)  # fmt: skip
def test_an_address_whose_host_an_event_would_choose_is_no_setting(template: str) -> None:
    with pytest.raises(ValueError, match=r"URL|not in the host"):
        check_url(template)
