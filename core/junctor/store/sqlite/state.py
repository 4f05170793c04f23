"""Profiles, identifiers and routing decisions."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar

import orjson

from junctor.model.profile import Merge, Profile
from junctor.store.port import FoldResult, IdentifierKey, Routed, StoreError
from junctor.store.sqlite.erasing import begin_erasures
from junctor.store.sqlite.log import Append, SqliteLog, insert_rejections
from junctor.store.sqlite.memberships import (
    due,
    next_due,
    stored_subject,
    subject_rows,
    write_behavior,
)
from junctor.store.sqlite.writer import Writer, insert_rows, select_in

_PROFILES_CACHED: Final = 20_000
_IDENTIFIERS_CACHED: Final = 100_000

_UPDATE: Final = (
    "on conflict (id) do update set record = excluded.record, behavior = excluded.behavior,"
    " due = excluded.due"
)
"""Cheaper than a replacement, which takes the row out of its index and puts it in again."""

Decision = tuple[tuple[str, str], ...]
Row = tuple[bytes, bytes, int | None]
"""A profile as it is stored: record, behavior, due. Kept like this it takes a third of the memory,
costs the garbage collector nothing, and whoever reads has a copy of their own."""
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A bounded dict that forgets, when full, the half that was kept longest ago."""

    def __init__(self, limit: int) -> None:
        """Hold up to `limit` entries."""
        self.entries: dict[K, V] = {}
        self._limit = limit

    def keep(self, entries: Mapping[K, V]) -> None:
        """Add or replace entries; they are the newest then."""
        for key in entries:
            self.entries.pop(key, None)
        self.entries.update(entries)
        if len(self.entries) > self._limit:
            for key in list(self.entries)[: self._limit // 2]:
                del self.entries[key]


@dataclass(slots=True)
class _Commit:
    """One batch of the fold: its changes, and the events that it made, in one transaction."""

    state: "SqliteState"
    result: FoldResult
    rows: dict[int, Row | None]
    """Profiles as they are stored; None for those removed."""
    subjects: dict[str, Row | None]
    """The same of subjects that are no people."""
    derived: Append | None
    future: asyncio.Future[None]

    @property
    def proves_room(self) -> bool:
        return False

    def run(self, connection: sqlite3.Connection) -> None:
        self.state.write(connection, self)
        if self.derived is not None:
            self.derived.run(connection)

    def undone(self) -> None:
        if self.derived is not None:
            self.derived.undone()

    def committed(self) -> None:
        if self.derived is not None:
            self.derived.committed()
        if not self.future.done():
            self.future.set_result(None)

    def failed(self, error: StoreError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class SqliteState:
    """State on SQLite, with the recent part in memory."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection, log: SqliteLog) -> None:
        """Use the store's writer and reading connection; derived events go into `log`."""
        self._writer = writer
        self._reader = reader
        self._log = log
        self._subjects: Recent[str, Row] = Recent(_PROFILES_CACHED)
        self._profiles: Recent[int, Row] = Recent(_PROFILES_CACHED)
        self._identifiers: Recent[IdentifierKey, int] = Recent(_IDENTIFIERS_CACHED)
        self._ahead: _Commit | None = None
        """What is on its way to the disk; reads have to show it already."""
        self._routings: dict[Decision, int] = {}
        self._decisions: dict[int, Decision] = {}
        self.decisions()

    def decisions(self) -> dict[int, Decision]:
        """Return every decision by the id of its routing; only committed ones are remembered."""
        newest = next(reversed(self._decisions), 0)
        for id, decision in decisions_after(self._reader, newest):
            self._routings[decision] = id
            self._decisions[id] = decision
        return self._decisions

    async def position(self) -> int:
        """See State."""
        return position(self._reader)

    async def resolve(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, int]:
        """See State."""
        ahead = self._ahead.result.identifiers if self._ahead is not None else {}
        return _found(keys, ahead, self._identifiers, partial(load_identifiers, self._reader))

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """See State."""
        ahead = self._ahead.rows if self._ahead is not None else {}
        found = _found(ids, ahead, self._profiles, partial(_rows, self._reader))
        return {id: stored_profile(id, *row) for id, row in found.items()}

    async def commit(self, result: FoldResult) -> None:
        """See State."""
        await self.submit(result)

    def submit(self, result: FoldResult) -> Awaitable[None]:
        """See State."""
        assert self._ahead is None, "one at a time"
        derived = self._log.derived(result.derived) if result.derived else None
        rows = {id: None if one is None else _row(one) for id, one in result.profiles.items()}
        subjects = {key: None if one is None else _row(one) for key, one in result.subjects.items()}
        future = asyncio.get_running_loop().create_future()
        commit = _Commit(self, result, rows, subjects, derived, future)
        try:
            self._writer.submit(commit)
        except BaseException:
            self.forget()
            raise
        self._ahead = commit
        return self._durable(commit)

    async def _durable(self, commit: _Commit) -> None:
        try:
            await commit.future
        except BaseException:
            self._ahead = None
            self.forget()
            raise
        self._ahead = None
        _keep(self._identifiers, commit.result.identifiers)  # only now: until then a reader would
        _keep(self._profiles, commit.rows)  # bring back what was before
        _keep(self._subjects, commit.subjects)
        self.decisions()

    def forget(self) -> None:
        """Drop what is cached: somebody changed a profile and did not commit."""
        self._profiles.entries.clear()
        self._identifiers.entries.clear()
        self._subjects.entries.clear()

    def write(self, connection: sqlite3.Connection, commit: _Commit) -> None:
        """Store what the fold changed; runs on the writer's thread."""
        result = commit.result
        rows: list[tuple[Any, ...]] = [
            (kind, value, id) for (kind, value), id in result.identifiers.items() if id is not None
        ]
        insert_rows(connection, "insert or replace into identifiers", rows)
        for (kind, value), id in result.identifiers.items():
            if id is None:
                connection.execute(
                    "delete from identifiers where kind = ? and value = ?", (kind, value)
                )
        rows = [(id, *row) for id, row in commit.rows.items() if row is not None]
        insert_rows(connection, "insert into profiles (id, record, behavior, due)", rows, _UPDATE)
        for id, row in commit.rows.items():
            if row is None:
                connection.execute("delete from profiles where id = ?", (id,))
        for m in result.merges:
            connection.execute(
                "insert into merges (offset, at, survivor, absorbed, survivor_record,"
                " absorbed_record) values (?, ?, ?, ?, ?, ?)",
                (m.offset, m.at, m.survivor, m.absorbed, m.survivor_record, m.absorbed_record),
            )
        for c in result.conflicts:
            connection.execute(
                "insert into conflicts (offset, at, profile, reason) values (?, ?, ?, ?)",
                (c.offset, c.at, c.profile, c.reason),
            )
        subjects = [(key, *row) for key, row in commit.subjects.items() if row is not None]
        write_behavior(connection, result, subjects)
        begin_erasures(connection, result.erasures)
        self._write_routing(connection, result.routed)
        insert_rejections(connection, result.rejections)
        notes: dict[str, int | str | None] = {"position": result.offset, **result.notes}
        for name, note in notes.items():
            if note is None:
                connection.execute("delete from meta where key = ?", (name,))
            else:
                connection.execute(
                    "insert or replace into meta (key, value) values (?, ?)", (name, note)
                )

    def _write_routing(self, connection: sqlite3.Connection, routed: Sequence[Routed]) -> None:
        # by identity: most events of a batch share one decision, and hashing it is not free
        objects = {id(route.decision): route.decision for route in routed}
        ids = {
            key: self._routings.get(decision) or intern(connection, decision)
            for key, decision in objects.items()
        }
        rows = [(route.offset, route.profile, ids[id(route.decision)]) for route in routed]
        insert_rows(connection, "insert into routed", rows)
        counts: Counter[tuple[str, str]] = Counter()
        for key, n in Counter([id(route.decision) for route in routed]).items():
            decision = objects[key]
            for destination, reason in decision:
                counts[destination, "accepted"] += n
                if reason:
                    counts[destination, "filtered"] += n
        count(connection, counts)

    async def subjects(self, keys: Sequence[str]) -> dict[str, Profile]:
        """See State."""
        ahead = self._ahead.subjects if self._ahead is not None else {}
        found = _found(keys, ahead, self._subjects, partial(subject_rows, self._reader))
        return {key: stored_subject(key, *row) for key, row in found.items()}

    async def due(self, until: int, limit: int) -> tuple[list[int], list[str]]:
        """See State."""
        return due(self._reader, until, limit)

    async def profile_ids(self, after: int, limit: int) -> list[int]:
        """See State."""
        select = "select id from profiles where id > ? order by id limit ?"
        return [id for (id,) in self._reader.execute(select, (after, limit))]

    async def survivors(self, ids: Sequence[int]) -> dict[int, int]:
        """See State."""
        found: dict[int, int] = {}
        asked = {id: id for id in ids}  # who stands now for whom was asked about
        while asked:
            select = "select absorbed, survivor from merges where absorbed"
            merged = dict(select_in(self._reader, select, list(set(asked.values()))))
            asked = {id: merged[now] for id, now in asked.items() if now in merged}
            found.update(asked)
        return found

    async def notes(self, names: Sequence[str]) -> dict[str, str]:
        """See State."""
        rows = select_in(self._reader, "select key, value from meta where key", list(names))
        return {name: str(value) for name, value in rows}

    async def next_due(self) -> int | None:
        """See State."""
        return next_due(self._reader)

    async def routed(self, offsets: Sequence[int]) -> dict[int, Routed]:
        """See State."""
        select = "select offset, profile, routing from routed where offset"
        rows = list(select_in(self._reader, select, list(offsets)))
        decisions = self.decisions()
        return {
            offset: Routed(offset, profile, decisions[routing]) for offset, profile, routing in rows
        }

    async def merges(self, profile: int) -> list[Merge]:
        """See State."""
        rows = self._reader.execute(
            "select offset, at, survivor, absorbed, survivor_record, absorbed_record from merges"
            " where survivor = ? order by id",
            (profile,),
        )
        return [Merge(*row) for row in rows]


def load_identifiers(
    connection: sqlite3.Connection, keys: Sequence[IdentifierKey]
) -> dict[IdentifierKey, int]:
    """Return the profile id of each identifier that is known."""
    by_kind: dict[str, list[str]] = {}
    for kind, value in keys:
        by_kind.setdefault(kind, []).append(value)
    return {
        (kind, value): profile
        for kind, values in by_kind.items()
        for value, profile in _identifiers(connection, kind, values)
    }


def load_profiles(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Profile]:
    """Return the profiles that exist."""
    return {id: stored_profile(id, *row) for id, row in _rows(connection, ids).items()}


def _rows(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Row]:
    select = "select id, record, behavior, due from profiles where id"
    return {row[0]: row[1:] for row in select_in(connection, select, ids)}


def stored_profile(id: int, record: bytes, behavior: bytes, due: int | None) -> Profile:
    """Return the profile of a row of `profiles`."""
    profile = Profile.decode(id, record)
    profile.behavior, profile.due = behavior, due
    return profile


def position(connection: sqlite3.Connection) -> int:
    """Return the offset up to which the log is folded."""
    row = connection.execute("select value from meta where key = 'position'").fetchone()
    return 0 if row is None else int(row[0])


def _row(subject: Profile) -> Row:
    return subject.encode(), subject.behavior, subject.due


def _found(
    keys: Sequence[K],
    ahead: Mapping[K, V | None],
    recent: Recent[K, V],
    load: Callable[[Sequence[K]], Mapping[K, V]],
) -> dict[K, V]:
    """Return what there is of `keys`: on its way to the disk, kept in memory, or else loaded.

    What is None in `ahead` is about to be removed.
    """
    cached, found, missing = recent.entries, {}, []
    for key in keys:
        if key in ahead:
            value = ahead[key]
            if value is not None:
                found[key] = value
        elif key in cached:
            found[key] = cached[key]
        else:
            missing.append(key)
    if missing:
        loaded = load(missing)
        recent.keep(loaded)
        found.update(loaded)
    return found


def _keep(recent: Recent[K, V], changes: Mapping[K, V | None]) -> None:
    """Take over what was committed; None is what was removed."""
    kept = {key: value for key, value in changes.items() if value is not None}
    recent.keep(kept)
    if len(kept) < len(changes):
        for key, value in changes.items():
            if value is None:
                recent.entries.pop(key, None)


def decisions_after(connection: sqlite3.Connection, id: int) -> Iterator[tuple[int, Decision]]:
    """Yield the rows of routings with a higher id."""
    select = "select id, decision from routings where id > ? order by id"
    for found, text in connection.execute(select, (id,)):
        yield found, tuple((destination, reason) for destination, reason in orjson.loads(text))


def intern(connection: sqlite3.Connection, decision: Decision) -> int:
    """Return the id of a decision's row in routings; make the row if it is new."""
    cursor = connection.execute(
        "insert into routings (decision) values (?)"
        " on conflict (decision) do update set decision = excluded.decision returning id",
        (orjson.dumps(decision).decode(),),
    )
    return int(cursor.fetchone()[0])


def count(connection: sqlite3.Connection, counts: Counter[tuple[str, str]]) -> None:
    """Add to the counters of destinations."""
    for (destination, name), n in counts.items():
        connection.execute(
            "insert into counters values (?, ?, ?)"
            " on conflict (destination, name) do update set value = value + excluded.value",
            (destination, name, n),
        )


def _identifiers(
    connection: sqlite3.Connection, kind: str, values: list[str]
) -> list[tuple[str, int]]:
    select = "select value, profile from identifiers where kind = ? and value"
    return [(value, profile) for value, profile in select_in(connection, select, values, (kind,))]
