"""Entries and exits of one person or subject, by their number: what a stream goes on from."""

import sqlite3
from collections.abc import Sequence

from junctor.model.membership import TransitionRow

COLUMNS = "audience, version, subject, profile, at, entered, reason"


def number(connection: sqlite3.Connection, rows: Sequence[TransitionRow]) -> None:
    """Give ids to rows that were just inserted, in this order; on the connection that did it."""
    (last,) = connection.execute("select last_insert_rowid()").fetchone()
    for place, row in enumerate(rows, start=last - len(rows) + 1):
        row.id = place


def newest_transition(connection: sqlite3.Connection) -> int:
    """Return the id of the newest transition, 0 if there was none yet."""
    # not the greatest that is there: the newest may be gone, and no other gets its number
    select = "select seq from sqlite_sequence where name = 'transitions'"
    row = connection.execute(select).fetchone()
    return int(row[0]) if row is not None else 0


def transitions_of(
    connection: sqlite3.Connection, who: int | str, session: str | None, after: int, limit: int
) -> list[TransitionRow]:
    """Return the newest `limit` transitions with ids above `after`, in order.

    `who` is a person, with all whom they absorbed, and of them only one `session` if it is given;
    or the key of a subject that is no person.
    """
    # `+id`: the index on the person is to be used, not the order of all that there are
    select = f"select {COLUMNS}, transitions.id from transitions"
    newest = "and +transitions.id > ? order by +transitions.id desc limit ?"
    if isinstance(who, str):
        rows = connection.execute(
            f"{select} where profile = 0 and subject = ? {newest}", (who, after, limit)
        )
    else:
        people = (
            "with recursive people (person) as (select ? union select absorbed from merges"
            f" join people on survivor = person) {select} join people on profile = person"
        )
        rows = connection.execute(
            f"{people} where (? is null or subject = person || '/' || ?) {newest}",
            (who, session, session, after, limit),
        )
    return [made(*row) for row in reversed(rows.fetchall())]


def made(
    audience: str, version: str, subject: str, profile: int, at: int, entered: int, reason: str,
    id: int,
) -> TransitionRow:  # fmt: skip
    """Return the transition of a row: `COLUMNS` and the id."""
    return TransitionRow(audience, version, subject, profile, at, bool(entered), reason, id)
