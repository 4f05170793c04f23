"""Records as conditions see them, and in which order."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.audiences.presence import EXIT, IDLE
from junctor.audiences.seen import HUB, RANKS_PER_OFFSET, Seen
from junctor.model.record import Record
from junctor.pipeline.normalize import identifier_text, parse_time

LONGEST_ID: Final = 255
"""Characters of a session's or an account's id; longer ones are none."""
_NAMED: Final = {"page": "page_view", "screen": "screen_view"}


def seen_of(record: Record, body: Mapping[str, Any], at: int, rank: int) -> Seen:
    """Return an event as conditions see it."""
    context = body.get("context")
    session = identifier_text(context.get("sessionId")) if isinstance(context, dict) else None
    if session is not None and len(session) > LONGEST_ID:
        session = None
    name, known_at = _NAMED.get(body["type"], ""), 0
    if body["type"] == "track" and isinstance(said := body.get("event"), str):
        name = said
        if name == EXIT and record.source == HUB:
            name, known_at = _silent_exit(context)
    return Seen(name, body, at, rank, record.received_at, session or "", record.source, known_at)


def ranks(events: Sequence[tuple[Record, Mapping[str, Any], int]]) -> dict[int, int]:
    """Return the rank of each record (with body and time) by its offset: its place among events of
    the same time.

    Of one sender's those received together are in order of message id, whichever way they lie in
    their batch. All others keep the log's order, so that a rank does not depend on who is folded
    with whom; what the hub made stays behind its cause.
    """
    found = {record.offset: record.offset * RANKS_PER_OFFSET for record, _, _ in events}
    alike: dict[Any, list[Record]] = {}
    for record, body, at in events:
        if record.source != HUB:
            alike.setdefault(together(record, body, at), []).append(record)
    for records in alike.values():
        if len(records) > 1:
            places = sorted(record.offset for record in records)
            records.sort(key=lambda record: record.message_id)
            for place, record in zip(places, records, strict=True):
                found[record.offset] = place * RANKS_PER_OFFSET
    return found


def together(record: Record, body: Mapping[str, Any], at: int) -> tuple[int, int, str]:
    """Return what events have in common that change places: time, receipt and sender."""
    sender = body.get("anonymousId") or body.get("userId")
    return at, record.received_at, str(sender)


def uncut(records: list[Record], limit: int) -> list[Record]:
    """Return what was read of the log, `limit` records at most, up to the end of a receipt.

    Events received together must be ranked together, and the last receipt may go on. One that is
    larger than that is cut. Receipts need not be in order of time: only the end is left off.
    """
    if len(records) < limit:
        return records
    end = len(records)
    while end and records[end - 1].received_at == records[-1].received_at:
        end -= 1
    return records[:end] or records


def _silent_exit(context: Any) -> tuple[str, int]:
    """Return what conditions call an exit that the hub made, and when its silence was over."""
    said = context.get(HUB) if isinstance(context, dict) else None
    said = said if isinstance(said, dict) else {}
    name = EXIT if said.get("heartbeats") is True else IDLE
    return name, parse_time(said.get("known_at")) or 0
