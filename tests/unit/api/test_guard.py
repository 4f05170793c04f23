"""Who may talk to the admin listener without a token."""

import pytest

from junctor.api.admin import _is_loopback


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8081", "LOCALHOST", "127.0.0.1", "127.0.0.1:8081", "127.9.9.9",
     "[::1]", "[::1]:8081"],
)  # fmt: skip
def test_this_computer_by_address_or_as_localhost(host: str) -> None:
    assert _is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.evil.example", "127.0.0.1.evil.example:8081", "localhost.evil.example",
     "10.0.0.1", "[2001:db8::1]:80", "", "[", "::1.evil.example"],
)  # fmt: skip
def test_a_name_that_only_looks_like_it_is_refused(host: str) -> None:
    assert not _is_loopback(host)
