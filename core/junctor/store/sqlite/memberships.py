"""Audiences in the store: who is in, who came and went, whose time is due."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from junctor.model.membership import Member, TransitionRow
from junctor.model.profile import Profile
from junctor.store.port import FoldResult
from junctor.store.sqlite.writer import insert_rows, select_in

_TRANSITION = "audience, version, subject, profile, at, entered, reason"


def write_behavior(connection: sqlite3.Connection, result: FoldResult) -> None:
    """Store what a batch changed of audiences; runs on the writer's thread."""
    for merge in result.merges:
        _move(connection, merge.absorbed, merge.survivor)
    for id, profile in result.profiles.items():
        if profile is None:
            _remove(connection, id)
    for row in result.transitions:
        if row.entered:
            connection.execute(
                "insert or replace into members values (?, ?, ?, ?)",
                (row.audience, row.subject, row.at, row.version),
            )
        else:
            connection.execute(
                "delete from members where audience = ? and subject = ?",
                (row.audience, row.subject),
            )
    rows: list[Sequence[Any]] = [
        (r.audience, r.version, r.subject, r.profile, r.at, r.entered, r.reason)
        for r in result.transitions
    ]
    insert_rows(connection, f"insert into transitions ({_TRANSITION})", rows)
    goals = [(g.audience, g.profile, g.offset, g.at, g.value) for g in result.goals]
    insert_rows(connection, "insert or ignore into goals", goals)
    sessions = [(id, profile, at) for (id, profile), at in result.sessions.items()]
    insert_rows(connection, "insert or replace into sessions", sessions)
    subjects = [
        (key, s.encode(), s.behavior, s.due) for key, s in result.subjects.items() if s is not None
    ]
    insert_rows(connection, "insert or replace into subjects", subjects)


def _move(connection: sqlite3.Connection, absorbed: int, survivor: int) -> None:
    """Give to the survivor of a merge what was the absorbed profile's."""
    connection.execute(
        "update or ignore goals set profile = ? where profile = ?", (survivor, absorbed)
    )
    connection.execute(
        "insert or ignore into sessions select id, ?, seen_at from sessions where profile = ?",
        (survivor, absorbed),
    )
    _remove(connection, absorbed)


def _remove(connection: sqlite3.Connection, profile: int) -> None:
    own = str(profile)
    connection.execute(
        "delete from members where subject = ? or (subject > ? and subject < ?)",
        (own, f"{own}/", f"{own}0"),  # "0" follows "/": all sessions of the profile
    )
    connection.execute("delete from sessions where profile = ?", (profile,))


def load_subjects(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Profile]:
    """Return the subjects that exist, by key."""
    select = "select key, record, behavior, due from subjects where key"
    found = {}
    for key, record, behavior, due_at in select_in(connection, select, keys):
        subject = found[key] = Profile.decode(0, record)
        subject.behavior, subject.due = behavior, due_at
    return found


def due(connection: sqlite3.Connection, until: int, limit: int) -> tuple[list[int], list[str]]:
    """Return the profiles and the other subjects that are due, those due first."""
    where = "where due <= ? order by due limit ?"
    profiles = connection.execute(f"select id from profiles {where}", (until, limit))
    subjects = connection.execute(f"select key from subjects {where}", (until, limit))
    return [id for (id,) in profiles], [key for (key,) in subjects]


def next_due(connection: sqlite3.Connection) -> int | None:
    """Return the earliest time at which something is due."""
    rows = [
        connection.execute(f"select due from {table} where due is not null order by due limit 1")
        for table in ("profiles", "subjects")
    ]
    times = [int(row[0]) for cursor in rows for row in cursor]
    return min(times, default=None)


class SqliteMemberships:
    """Memberships on SQLite."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        """Use the store's reading connection."""
        self._reader = reader

    async def session_owners(self, session: str) -> list[int]:
        """See Memberships."""
        select = "select profile from sessions where id = ? order by seen_at desc limit 10"
        return [profile for (profile,) in self._reader.execute(select, (session,))]

    async def members(self, audience: str, after: str, limit: int) -> list[Member]:
        """See Memberships."""
        select = (
            "select subject, since from members where audience = ? and subject > ?"
            " order by subject limit ?"
        )
        return [Member(*row) for row in self._reader.execute(select, (audience, after, limit))]

    async def sizes(self) -> dict[str, int]:
        """See Memberships."""
        select = "select audience, count(*) from members group by audience"
        return dict(self._reader.execute(select))

    async def transitions(self, audience: str, since: int, until: int) -> list[TransitionRow]:
        """See Memberships."""
        rows = self._reader.execute(
            f"select {_TRANSITION} from transitions where audience = ? and at >= ? and at < ?"
            " order by at, id",
            (audience, since, until),
        )
        return [
            TransitionRow(name, version, subject, profile, at, bool(entered), reason)
            for name, version, subject, profile, at, entered, reason in rows
        ]
