"""A store with a million people who have a history, made in a few minutes.

A few thousand people are made by the daemon itself, which takes in their events over HTTP. Then
each is copied many times, with ids of their own: rows of profiles, identifiers and members. So what
is kept of each is what the hub keeps, and only the typing was saved.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from benchmarks.loading import send
from benchmarks.subjects import DATABASE, hub
from benchmarks.traffic.load import Traffic
from junctor.model.profile import Profile

_PATTERNS: Final = 2_000
"""People whom the daemon makes, at most."""
_COPIES: Final = 40
"""How often each is copied, at least."""
_EVENTS_EACH: Final = 40
_OVER: Final = 20 * 86_400
"""Seconds in which their events lie."""
_TABLES: Final = (
    ("profiles", "id, record, behavior, due"),
    ("identifiers", "kind, value, profile"),
    ("members", "audience, subject, since, version"),
)


def make_people(config: str, folder: Path, people: int) -> None:
    """Make a store of `people` in `folder`: `u-0`, `u-1`, …, under the given configuration."""
    patterns = min(_PATTERNS, people // _COPIES)
    traffic = Traffic(patterns * _EVENTS_EACH, 100, 4, visits=patterns, over=_OVER)
    with hub(config, folder) as subject:
        send(subject.port, traffic, "seed")
        subject.wait_folded()
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = off")
        _multiply(connection, people)


def _multiply(connection: sqlite3.Connection, people: int) -> None:
    """Copy the people of a store until it has `people`; the log goes on behind the last id."""
    (head,) = connection.execute("select max(offset) from log").fetchone()
    patterns = _patterns(connection)
    connection.execute("begin")
    for copy in range(1, people // len(patterns)):
        _copy(connection, patterns, copy * len(patterns), head + copy * len(patterns))
    last = head + people + 1
    connection.execute(
        "insert into log select ?, source, message_id || ?, received_at, corrects_clock, json"
        " from log where offset = ?",
        (last, " again", head),
    )
    connection.execute("update meta set value = ? where key = 'position'", (last,))
    connection.execute("commit")
    connection.execute("pragma wal_checkpoint(truncate)")


def _patterns(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return (user number, record, behavior, due, memberships) of each person."""
    members: dict[str, list[tuple[Any, ...]]] = {}
    for audience, subject, since, version in connection.execute("select * from members"):
        members.setdefault(subject, []).append((audience, since, version))
    found = []
    for id, record, behavior, due in connection.execute("select * from profiles"):
        user = int(Profile.decode(id, record).identifiers["user_id"][0].removeprefix("u-"))
        found.append((user, record, behavior, due, members.get(str(id), ())))
    return found


def _copy(
    connection: sqlite3.Connection, patterns: list[tuple[Any, ...]], users: int, ids: int
) -> None:
    """Copy everybody once; their numbers begin at `users`, their profiles' ids behind `ids`."""
    profiles: list[tuple[Any, ...]] = []
    identifiers: list[tuple[Any, ...]] = []
    memberships: list[tuple[Any, ...]] = []
    for place, (user, record, behavior, due, members) in enumerate(patterns, 1):
        id, number = ids + place, str(users + user)
        own = record.replace(f'-{user}"'.encode(), f'-{number}"'.encode())
        own = own.replace(f"user-{user}@".encode(), f"user-{number}@".encode())
        theirs = behavior.replace(f'-{user}"'.encode(), f'-{number}"'.encode())
        profiles.append((id, own, theirs, due))
        for kind, values in Profile.decode(id, own).identifiers.items():
            identifiers += [(kind, value, id) for value in values]
        memberships += [(audience, str(id), since, version) for audience, since, version in members]
    made: tuple[list[tuple[Any, ...]], ...] = (profiles, identifiers, memberships)
    for (table, columns), rows in zip(_TABLES, made, strict=True):
        marks = ", ".join("?" * len(columns.split(", ")))
        connection.executemany(f"insert into {table} ({columns}) values ({marks})", rows)
