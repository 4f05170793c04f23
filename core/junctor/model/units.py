"""Durations, sizes and rates as people write them."""

import re
from typing import Final

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES: Final = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_DURATION: Final = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*(B|KB|MB|GB|KiB|MiB|GiB)")
_RATE: Final = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*/\s*(s|m|h)")


def parse_duration(text: object) -> object:
    """Return the seconds of "200ms", "30s", "5m", "24h", "7d", "4w"; other types pass."""
    if not isinstance(text, str):
        return text
    if match := _DURATION.fullmatch(text.strip()):
        return float(match[1]) * _SECONDS[match[2]]
    raise ValueError('not a duration; write for example "200ms", "30s", "5m", "24h" or "7d"')


def parse_size(text: object) -> object:
    """Return the bytes of "500KB", "5MiB", "2GiB"; other types pass."""
    if not isinstance(text, str):
        return text
    if match := _SIZE.fullmatch(text.strip()):
        return int(float(match[1]) * _BYTES[match[2]])
    raise ValueError('not a size; write for example "500KB", "5MiB" or "2GiB"')


def parse_rate(text: object) -> object:
    """Return the calls per second of "1/s", "100/m", "5000/h"; other types pass."""
    if not isinstance(text, str):
        return text
    if (match := _RATE.fullmatch(text.strip())) and float(match[1]) > 0:
        return float(match[1]) / _SECONDS[match[2]]
    raise ValueError('not a rate; write for example "1/s" or "100/m"')
