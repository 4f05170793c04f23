"""Who really sent a request, where proxies stand in between."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def client_address(
    remote: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]
) -> str | None:
    """Return the address of the client.

    `forwarded_for` are the values of X-Forwarded-For; they count only as far as the proxies that
    wrote them are `trusted`, read from the last, since anybody can write the first.
    """
    if remote is None or not trusted or not _is_in(remote, trusted):
        return remote
    client = remote
    named = [name.strip() for value in forwarded_for for name in value.split(",")]
    for name in reversed(named):
        address = name.strip("[]") if name.count(":") != 1 else name.partition(":")[0]
        if not _is_address(address):
            break
        client = address
        if not _is_in(address, trusted):
            break
    return client


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    if not _is_address(address):
        return False
    ip = ip_address(address)
    return any(ip in network for network in networks if network.version == ip.version)
