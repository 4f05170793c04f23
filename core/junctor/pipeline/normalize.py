"""A record of the log becomes a canonical event. Pure.

Time is corrected once, by Segment's formula: timestamp = receivedAt - (sentAt - originalTimestamp)
[Segment spec, common fields]. The client's JSON is kept; only the envelope's fields are set.
"""

import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from junctor.model.record import Record

EARLIEST: Final = 31_536_000_000
"""Times before 1971 are taken for a clock that was never set."""
_LONGEST_TIME: Final = 64
FUTURE_TOLERANCE_MS: Final = 60_000
"""A corrected time further than this ahead of its receipt is taken for a broken clock."""

_LONG_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_IDS: Final = ("userId", "anonymousId", "groupId", "previousId")


def canonical(record: Record) -> tuple[dict[str, Any], int]:
    """Return the canonical event of `record` and its time in epoch milliseconds.

    The record's parsed body is taken over and changed. `timestamp` is corrected; what the client
    sent stays as `originalTimestamp` (the time of receipt where it sent none); `receivedAt` and
    `messageId` are set; null ids are dropped and numeric ones become text.
    """
    body = record.body
    if body is None:
        body = orjson.loads(record.json)
    record.body = None  # one owner: the log's view of the client's JSON is not this one any more
    assert body is not None
    received_at = record.received_at
    sent = body.get("timestamp")
    if sent is None:
        sent = body.get("originalTimestamp")
    original = parse_time(sent)
    if original is None:
        at = received_at
    else:
        at = original
        if record.corrects_clock and (sent_at := parse_time(body.get("sentAt"))) is not None:
            at = received_at - (sent_at - original)
        if at < EARLIEST or at > received_at + FUTURE_TOLERANCE_MS:
            at = received_at
    body["messageId"] = record.message_id
    timestamp = format_time(at)
    if body.get("originalTimestamp") is None:
        body["originalTimestamp"] = timestamp if sent is None else sent
    body["timestamp"] = timestamp
    body["receivedAt"] = format_time(received_at)
    for key in _IDS:
        if key in body:
            value = identifier_text(body[key])
            if value is None:
                del body[key]
            else:
                body[key] = value
    return body, at


def canonical_if_readable(record: Record) -> tuple[dict[str, Any], int] | None:
    """Return what `canonical` does, None for a record of which it can't make an event.

    For looks back: such a record was kept as a rejection when it was folded.
    """
    try:
        return canonical(record)
    except Exception:  # whatever is wrong with one old record, it must not hide the others
        return None


def parse_time(value: Any) -> int | None:
    """Return epoch milliseconds of an ISO-8601 text or an epoch number, None if it is neither.

    Text without a zone is UTC. Numbers up to 1e11 are seconds, larger ones milliseconds.
    """
    if isinstance(value, str):
        return _parse_text(value) if len(value) <= _LONGEST_TIME else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value):
        return None
    return round(value * 1000) if abs(value) < 1e11 else round(value)


@lru_cache(maxsize=256)  # a batch repeats its sentAt
def _parse_text(value: str) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return _parse_odd_time(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return math.floor(moment.timestamp() * 1000 + 0.5)
    except (OverflowError, ValueError):
        return None


def _parse_odd_time(text: str) -> int | None:
    shorter = _LONG_FRACTION.sub(r"\1", text.strip().upper())  # RFC 3339 allows a small t and z
    if shorter != text:
        return parse_time(shorter)
    try:
        number = float(text)
    except ValueError:
        return None
    return parse_time(number)


@lru_cache(maxsize=256)  # a batch shares its receivedAt
def format_time(milliseconds: int) -> str:
    """Return ISO-8601 UTC text with milliseconds and `Z`."""
    try:
        text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return format_time(0)
    return text[:-6] + "Z"


def identifier_text(value: Any) -> str | None:
    """Return an id as text without surrounding space; None for what can't be an id."""
    if isinstance(value, str):
        if value and value[0] > " " and value[-1] > " " and value.isascii():
            return value  # by far the most: nothing to strip
        return value.strip() or None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return None
