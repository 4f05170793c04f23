import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.config.address import Address, parse_address
from junctor.config.reference import toml
from junctor.model.units import parse_duration, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("30s", 30.0), ("1.5m", 90.0), ("24h", 86400.0), ("7d", 604800.0),
     ("4w", 2419200.0), (" 5 s ", 5.0)],
)  # fmt: skip
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("500KB", 500_000), ("5MiB", 5 * 2**20), ("2GiB", 2**31), ("1.5KiB", 1536)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "per_second"), [("1/s", 1.0), ("90/m", 1.5), ("3600 / h", 1.0), ("0.5/s", 0.5)]
)
def test_rates_are_read(text: str, per_second: float) -> None:
    assert parse_rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize("text", ["", "5", "5 parsecs", "-5s", "5MB", "s", "9" * 400 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "5", "5mb", "-5B", "9" * 400 + "B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "5", "5/d", "0/s", "-1/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        parse_rate(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_durations_are_written_as_they_are_read(milliseconds: int) -> None:
    text = toml(milliseconds / 1000, "duration").strip('"')

    assert parse_duration(text) == pytest.approx(milliseconds / 1000)


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_sizes_are_written_as_they_are_read(size: int) -> None:
    assert parse_size(toml(size, "size").strip('"')) == size


@pytest.mark.parametrize("rate", [1.0, 50.0, 0.5, 1 / 3600, 2.5])
def test_rates_are_written_as_they_are_read(rate: float) -> None:
    assert parse_rate(toml(rate, "rate").strip('"')) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
        ("localhost:65535", Address("localhost", 65535)),
        ("[::1]:8080", Address("::1", 8080)),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "8080", ":8080", "host:", "host:http", "host:65536", "host:-1", "::1:80", "[host]:80",
     "http://host:80", "a b:80", "host:٣", "host:" + "9" * 5000],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False)],
)  # fmt: skip
def test_loopback_is_told_from_what_others_can_reach(host: str, loopback: bool) -> None:
    assert Address(host, 80).is_loopback is loopback
