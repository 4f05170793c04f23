"""Events that are not to be sent any more count as filtered, wherever they wait."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

import orjson

from junctor.model.delivery import Outcome, pack_offsets, unpack_offsets
from junctor.store.sqlite.state import count
from junctor.store.sqlite.writer import select_in

ROUTED_TO: Final = "routing in (select id from routings where instr(decision, ?))"
"""In SQL, not as a list of ids: senders choose `integrations`, so there may be very many."""
_ERASED: Final = ("erased", "the event was erased")
"""Code and message of the attempt that stands for an event that was withdrawn."""


def sent_to(destination: str) -> str:
    """Return what the text of every decision holds that sends an event to `destination`."""
    return orjson.dumps((destination, "")).decode()


def routed_to(connection: sqlite3.Connection, destination: str, offsets: Sequence[int]) -> set[int]:
    """Return which of these events go to `destination`."""
    select = f"select offset from routed where {ROUTED_TO} and offset"
    return {offset for (offset,) in select_in(connection, select, offsets, [sent_to(destination)])}


def beyond_cursor(
    connection: sqlite3.Connection, destination: str, offsets: Sequence[int]
) -> list[int]:
    """Return those of `offsets` that the cursor of `destination` has not passed."""
    rows = connection.execute("select cursor from destinations where id = ?", (destination,))
    return [offset for (cursor,) in rows for offset in offsets if offset > cursor]


def withdraw(
    connection: sqlite3.Connection,
    destination: str,
    pending: Collection[int],
    offsets: frozenset[int],
    groups: Collection[int] | None,
    at: int,
) -> int:
    """Settle as filtered `pending`, and what is parked of `offsets`; return how many that is."""
    taken = [sorted(pending)] if pending else []
    rows = connection.execute(
        "select id, first, last, gaps from parked where destination = ? and last >= ?"
        " and first <= ?",
        (destination, min(offsets), max(offsets)),
    ).fetchall()
    for id, *packed in rows:
        if groups is not None and id not in groups:
            continue
        group = unpack_offsets(*packed)
        if hit := [offset for offset in group if offset in offsets]:
            taken.append(hit)
            rest = [offset for offset in group if offset not in offsets]
            if rest:
                connection.execute(
                    "update parked set message = '', first = ?, last = ?, count = ?, gaps = ?"
                    " where id = ?",
                    (*pack_offsets(rest), id),
                )
            else:
                connection.execute("delete from parked where id = ?", (id,))
    for hit in taken:
        connection.execute(
            "insert into attempts (destination, at, duration, number, outcome, code, status,"
            " message, first, last, count, gaps) values (?, ?, 0, 0, ?, ?, null, ?, ?, ?, ?, ?)",
            (destination, at, Outcome.FILTERED.value, *_ERASED, *pack_offsets(hit)),
        )
    number = sum(map(len, taken))
    count(connection, Counter({(destination, "filtered"): number} if number else {}))
    return number
