"""What happens to events at a destination."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson


class Outcome(StrEnum):
    """Fate of events in one delivery attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD_LETTER = "dead_letter"
    DISCARDED = "discarded"
    FILTERED = "filtered"


TERMINAL = frozenset({Outcome.DELIVERED, Outcome.DEAD_LETTER, Outcome.DISCARDED, Outcome.FILTERED})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row a request and outcome, append-only: several rows where a batch failed in part.

    `at` is epoch milliseconds, `duration` milliseconds; `number` counts tries from 1; `code` is
    the error's code, empty when delivered; `offsets` are the events of this outcome.
    """

    at: int
    duration: int
    number: int
    outcome: Outcome
    offsets: tuple[int, ...]
    code: str = ""
    status: int | None = None
    message: str = ""


@dataclass(slots=True)
class Parked:
    """Events that wait for another try, kept together so that a retry sends the same batch.

    Times are epoch milliseconds. `attempts` counts tries so far; `started_at` is the first of
    them, 0 before. `behind` marks events that only wait for an earlier one of the same person.
    """

    offsets: tuple[int, ...]
    retry_at: int
    attempts: int = 0
    started_at: int = 0
    code: str = ""
    message: str = ""
    behind: bool = False
    id: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a destination will not take, with all that is needed to try again.

    `at` is epoch milliseconds; `json` the canonical event.
    """

    destination: str
    offset: int
    at: int
    code: str
    message: str
    attempts: int
    source: str
    message_id: str
    type: str
    json: bytes
    id: int = 0


@dataclass(frozen=True, slots=True)
class DestinationState:
    """A destination's durable position.

    Every event routed to it up to offset `cursor` is settled or parked. `paused` names why it is
    paused ("" when it runs), `paused_by` is "operator" or "error"; `hold_until` is the epoch
    milliseconds before which a rate limit forbids a call.
    """

    id: str
    cursor: int
    paused: str = ""
    paused_by: str = ""
    paused_code: str = ""
    hold_until: int = 0
    fingerprint: str = ""


def pack_offsets(offsets: Sequence[int]) -> tuple[int, int, int, bytes | None]:
    """Return (first, last, count, gaps) of ascending offsets; gaps is None for a plain run."""
    first, last, count = offsets[0], offsets[-1], len(offsets)
    if last - first + 1 == count:
        return first, last, count, None
    previous, gaps = first, []
    for offset in offsets:
        gaps.append(offset - previous)
        previous = offset
    return first, last, count, orjson.dumps(gaps)


def unpack_offsets(first: int, last: int, gaps: bytes | None) -> tuple[int, ...]:
    """Return the offsets that `pack_offsets` packed."""
    if gaps is None:
        return tuple(range(first, last + 1))
    offsets, current = [], first
    for gap in orjson.loads(gaps):
        current += gap
        offsets.append(current)
    return tuple(offsets)


def in_order(offsets: Iterable[int]) -> tuple[int, ...]:
    """Return `offsets` ascending, each once."""
    return tuple(sorted(set(offsets)))
