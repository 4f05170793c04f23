"""Addresses to listen on, and networks, as people write them."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, BeforeValidator

_WILDCARDS: Final = ("0.0.0.0", "::")


class Address(NamedTuple):
    """Host and port; port 0 stands for any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than localhost may be anything."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def collides(self, other: "Address") -> bool:
        """Whether both can't be listened on at once."""
        if self.port != other.port or self.port == 0:
            return False
        hosts = {self.host, other.host}
        by_name = "localhost" in hosts and self.is_loopback and other.is_loopback
        return len(hosts) == 1 or by_name or not hosts.isdisjoint(_WILDCARDS)


def parse_address(text: str) -> Address:
    """Return host and port of "127.0.0.1:8080", "localhost:8080" or "[::1]:8080".

    Raises:
        ValueError: it is none; the message shows how one is written.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    well_formed = host and bracketed == (":" in host) and not set(host) & set(" /@[]")
    if not well_formed or not (port.isascii() and port.isdigit()) or int(port[:6]) > 65535:
        raise ValueError('not an address; write for example "127.0.0.1:8080" or "[::1]:8080"')
    return Address(host, int(port))


def _check(text: str) -> str:
    parse_address(text)
    return text


Listen = Annotated[str, AfterValidator(_check)]
"""Address and port as text; read it with `parse_address`."""


def parse_network(value: object) -> IPv4Network | IPv6Network:
    """Return the network of "10.0.0.0/8", "fd00::/8" or of a single address.

    Raises:
        ValueError: it is none; the message shows how one is written.
    """
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        # Numbers are addresses to the library: 0 would be 0.0.0.0.
        return ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(
            'not a network; write for example "10.0.0.0/8" or "fd00::/8", without host bits'
        ) from None


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(parse_network)]
"""A range of addresses."""
