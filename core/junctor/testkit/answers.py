"""What a vendor may say on a bad day: the answers that a `ChaosReceiver` gives."""

import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import Enum, auto
from io import BytesIO
from typing import Final

import orjson


class Cut(Enum):
    """Where the vendor resets the connection."""

    BEFORE_THE_ANSWER = auto()
    IN_THE_BODY = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the vendor says, and how."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0
    """Seconds before the first byte; `math.inf` never answers."""
    pause: float = 0.0
    """Seconds after each piece of the body: a drip feed."""
    piece: int = 1
    """Bytes in a piece."""
    cut: Cut | None = None

    @property
    def takes(self) -> bool:
        """Whether the sender may count what it sent as taken: 2xx, whole, at some time."""
        return 200 <= self.status < 300 and self.cut is None and self.after < math.inf


OK: Final = Answer()
RESET: Final = Answer(cut=Cut.BEFORE_THE_ANSWER)
RESET_IN_THE_BODY: Final = Answer(body=b"x" * 1000, cut=Cut.IN_THE_BODY)
NEVER: Final = Answer(after=math.inf)
"""A black hole: takes the request and is silent."""


def json(data: object, status: int = 200) -> Answer:
    """Return `data` as JSON; with status 200 and a word of failure it is "200, but no"."""
    return Answer(status, orjson.dumps(data), {"content-type": "application/json"})


def per_item(statuses: Sequence[int]) -> Answer:
    """Return 207 with a status for each item of a batch; they may be too few or too many."""
    return json([{"status": status} for status in statuses], 207)


def redirect(location: str = "?", status: int = 307) -> Answer:
    """Return a redirect; by default back to where it came from, and so without end."""
    return Answer(status, b"", {"location": location})


def huge(size: int = 10_000_000) -> Answer:
    """Return a body of `size` bytes."""
    return Answer(body=b"x" * size)


def drip(body: bytes, pause: float, piece: int = 1) -> Answer:
    """Return `body` in pieces of so many bytes, `pause` seconds after each."""
    return Answer(body=body, pause=pause, piece=piece)


def gzip_bomb(mebibytes: int = 64) -> Answer:
    """Return zeros of so many MiB, a thousand times smaller on the way."""
    packed = BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(mebibytes):
            file.write(bytes(2**20))
    return Answer(body=packed.getvalue(), headers={"content-encoding": "gzip"})


def slow_down(retry_after: str | None = None, status: int = 429) -> Answer:
    """Return 429 or 503 with this `Retry-After`, None for without."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Answer(status, b"slow down", headers)


def retry_afters(now: float) -> dict[str, str]:
    """Return `Retry-After` in all its forms by name, the dates around `now` (epoch seconds)."""
    return {
        "seconds": "2",
        "fraction": "0.5",
        "zero": "0",
        "date": formatdate(now + 2, usegmt=True),
        "past date": formatdate(now - 3600, usegmt=True),
        "negative": "-30",
        "huge": "1" + "0" * 30,
        "endless": "inf",
        "not a number": "nan",
        "garbage": "in a while",
        "empty": "",
    }
