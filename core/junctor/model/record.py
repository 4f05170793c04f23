"""What stands in the log: one record an event, as the client sent it."""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class NewRecord:
    """An event that passed the ingest checks and is to be stored.

    `json` is the client's JSON object (unknown keys, order and integers kept), `body` the same
    parsed, None if nobody has it at hand; `type` and `user_id` are what stands there. `received_at`
    is epoch milliseconds. `corrects_clock` says whether `sentAt` may be used to correct the
    sender's clock. `dedupe_key` is a signed 64-bit digest of source and message id.
    """

    source: str
    message_id: str
    received_at: int
    corrects_clock: bool
    dedupe_key: int
    json: bytes
    body: dict[str, Any] | None
    type: str = ""
    user_id: str | None = None
    offset: int = 0


@dataclass(slots=True)
class Record:
    """An event in the log at `offset`; see NewRecord. `body` is None until somebody parses it."""

    offset: int
    source: str
    message_id: str
    received_at: int
    corrects_clock: bool
    json: bytes
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that was sent and can't be an event: kept with its reason.

    `received_at` is epoch milliseconds; `json` the item as JSON text, cut to a bounded length.
    """

    source: str
    received_at: int
    reason: str
    json: bytes
    id: int = 0
