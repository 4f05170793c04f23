"""Audiences in the store: who is in, who came and went, whose time is due."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from junctor.model.membership import Goal, Member, TransitionRow
from junctor.model.profile import Profile
from junctor.store.port import FoldResult, StoreUnavailable
from junctor.store.sqlite.transitions import COLUMNS, made, number
from junctor.store.sqlite.writer import insert_rows, select_in


def write_behavior(
    connection: sqlite3.Connection, result: FoldResult, subjects: Sequence[Sequence[Any]]
) -> None:
    """Store what a batch changed of audiences; runs on the writer's thread.

    `subjects` are the rows of those that are no people.
    """
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
    if rows:
        insert_rows(connection, f"insert into transitions ({COLUMNS})", rows)
        number(connection, result.transitions)
    goals = [(g.audience, g.profile, g.offset, g.at, g.value) for g in result.goals]
    insert_rows(connection, "insert or ignore into goals", goals)
    sessions = [(id, profile, at) for (id, profile), at in result.sessions.items()]
    insert_rows(connection, "insert or replace into sessions", sessions)
    insert_rows(connection, "insert or replace into subjects", subjects)
    # Last: what was noted of somebody in this batch goes the same way as what was known before.
    absorbed = set()
    for merge in result.merges:
        _move(connection, merge.absorbed, merge.survivor)
        absorbed.add(merge.absorbed)
    for id, profile in result.profiles.items():
        if profile is None and id not in absorbed:
            _delete(connection, id)
    for key, subject in result.subjects.items():
        if subject is None:
            _delete_subject(connection, key)


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
    """Remove what a profile has now; its goals and what is past are left."""
    own = str(profile)
    connection.execute(
        "delete from members where subject = ? or (subject > ? and subject < ?)",
        (own, f"{own}/", f"{own}0"),  # "0" follows "/": all sessions of the profile
    )
    connection.execute("delete from sessions where profile = ?", (profile,))


def _delete(connection: sqlite3.Connection, profile: int) -> None:
    """Remove all that is known of a deleted person, and of those who became one with them.

    Entries and exits are kept without the person, so that sizes of the past stay right.
    """
    _remove(connection, profile)
    connection.execute("delete from goals where profile = ?", (profile,))
    rows = connection.execute(
        "with recursive gone (id) as (select ? union select absorbed from merges"
        " join gone on survivor = gone.id) select t.id, audience, subject from transitions t"
        " join gone on profile = gone.id order by t.id",
        (profile,),
    )
    _unname(
        connection, [(id, audience, subject.partition("/")[2]) for id, audience, subject in rows]
    )


def _delete_subject(connection: sqlite3.Connection, key: str) -> None:
    """Remove a subject that is no person; its entries and exits as in `_delete`."""
    connection.execute("delete from subjects where key = ?", (key,))
    connection.execute("delete from members where subject = ?", (key,))
    rows = connection.execute(
        "select id, audience, subject from transitions where profile = 0 and subject = ?"
        " order by id",
        (key,),
    )
    _unname(connection, rows.fetchall())


def _unname(connection: sqlite3.Connection, rows: Sequence[tuple[int, str, str]]) -> None:
    """Let transitions (id, audience, whose) tell no more than which of them belong together."""
    first: dict[tuple[str, str], int] = {}
    names = [
        (f"gone/{first.setdefault((audience, whose), id)}", id) for id, audience, whose in rows
    ]
    connection.executemany("update transitions set profile = 0, subject = ? where id = ?", names)


def load_subjects(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Profile]:
    """Return the subjects that exist, by key."""
    rows = subject_rows(connection, keys)
    return {key: stored_subject(key, *row) for key, row in rows.items()}


def subject_rows(
    connection: sqlite3.Connection, keys: Sequence[str]
) -> dict[str, tuple[bytes, bytes, int | None]]:
    """Return record, behavior and due of the subjects that exist, by key."""
    select = "select key, record, behavior, due from subjects where key"
    return {row[0]: row[1:] for row in select_in(connection, select, keys)}


def stored_subject(key: str, record: bytes, behavior: bytes, due: int | None) -> Profile:
    """Return the subject of a row of `subjects`."""
    subject = Profile.decode(0, record)
    subject.subject, subject.behavior, subject.due = key, behavior, due
    return subject


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


def session_owners(connection: sqlite3.Connection, session: str) -> list[int]:
    """Return the profiles that a session belongs to, the one last seen first."""
    # as the index has them: a sender may give one session to very many people
    select = (
        "select profile from sessions where id = ? order by seen_at desc, profile desc limit 10"
    )
    return [profile for (profile,) in connection.execute(select, (session,))]


class SqliteMemberships:
    """Memberships on SQLite."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        """Use the store's reading connection."""
        self._reader = reader

    async def session_owners(self, session: str) -> list[int]:
        """See Memberships."""
        return session_owners(self._reader, session)

    async def members(self, audience: str, after: str, limit: int) -> list[Member]:
        """See Memberships."""
        select = (
            "select subject, since from members where audience = ? and subject > ?"
            " order by subject limit ?"
        )
        return [Member(*row) for row in self._reader.execute(select, (audience, after, limit))]

    async def told_by_others(self) -> list[str]:
        """See Memberships."""
        select = "select distinct audience from members where version = 'told'"
        return [audience for (audience,) in self._reader.execute(select)]

    async def sizes(self) -> dict[str, int]:
        """See Memberships; with many members it takes a while, so somebody else counts."""
        (_, _, file), *_ = self._reader.execute("pragma database_list")
        return await asyncio.to_thread(_sizes, Path(file))

    async def transitions(
        self,
        audience: str,
        since: int,
        until: int,
        *,
        after: TransitionRow | None = None,
        limit: int | None = None,
    ) -> list[TransitionRow]:
        """See Memberships."""
        at, id = (since, 0) if after is None else (after.at, after.id)
        rows = self._reader.execute(
            f"select {COLUMNS}, id from transitions where audience = ? and at < ?"
            " and (at, id) > (?, ?) order by at, id limit ?",
            (audience, until, at, id, -1 if limit is None else limit),
        )
        return [made(*row) for row in rows]

    async def last_transition(self, audience: str) -> int | None:
        """See Memberships."""
        select = "select max(at) from transitions where audience = ?"
        (at,) = self._reader.execute(select, (audience,)).fetchone()
        return None if at is None else int(at)

    async def goals(self, audience: str, after: Goal | None, limit: int) -> list[Goal]:
        """See Memberships."""
        rows = self._reader.execute(
            "select audience, profile, offset, at, value from goals"
            " where audience = ? and (profile, offset) > (?, ?) order by profile, offset limit ?",
            (audience, *((after.profile, after.offset) if after is not None else (-1, 0)), limit),
        )
        return [Goal(*row) for row in rows]

    async def people(self, after: int, limit: int) -> list[Profile]:
        """See Memberships."""
        select = "select id, record, behavior, due from profiles where id > ? order by id limit ?"
        found = []
        for id, record, behavior, due_at in self._reader.execute(select, (after, limit)):
            profile = Profile.decode(id, record)
            profile.behavior, profile.due = behavior, due_at
            found.append(profile)
        return found

    async def subject_keys(self, sort: str, after: str, limit: int) -> list[str]:
        """See Memberships."""
        first = max(after, f"{sort}:")
        select = "select key from subjects where key > ? and key < ? order by key limit ?"
        rows = self._reader.execute(select, (first, f"{sort};", limit))  # ";" follows ":"
        return [key for (key,) in rows]


def _sizes(file: Path) -> dict[str, int]:
    """Count on a connection of its own: the store's is not held up."""
    select = "select audience, count(*) from members group by audience"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            return dict(connection.execute(select))
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the store can't read: {error}") from None
