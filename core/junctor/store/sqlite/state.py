"""Profiles, identifiers and routing decisions."""

import sqlite3
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import orjson

from junctor.model.profile import Merge, Profile
from junctor.store.port import FoldResult, IdentifierKey, Routed
from junctor.store.sqlite.log import insert_rejections
from junctor.store.sqlite.writer import Writer, insert_rows, select_in

_PROFILES_CACHED: Final = 20_000
_IDENTIFIERS_CACHED: Final = 100_000

Decision = tuple[tuple[str, str], ...]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A bounded dict that forgets its oldest half when full."""

    def __init__(self, limit: int) -> None:
        """Hold up to `limit` entries."""
        self.entries: dict[K, V] = {}
        self._limit = limit

    def keep(self, entries: dict[K, V]) -> None:
        """Add or replace entries."""
        self.entries.update(entries)
        if len(self.entries) > self._limit:
            for key in list(self.entries)[: self._limit // 2]:
                del self.entries[key]


class SqliteState:
    """State on SQLite, with the recent part in memory."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        """Use the store's writer and reading connection."""
        self._writer = writer
        self._reader = reader
        self._profiles: Recent[int, Profile] = Recent(_PROFILES_CACHED)
        self._identifiers: Recent[IdentifierKey, int] = Recent(_IDENTIFIERS_CACHED)
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
        cached = self._identifiers.entries
        found = {key: cached[key] for key in keys if key in cached}
        missing = [key for key in keys if key not in found]
        if missing:
            by_kind: dict[str, list[str]] = {}
            for kind, value in missing:
                by_kind.setdefault(kind, []).append(value)
            loaded = {
                (kind, value): profile
                for kind, values in by_kind.items()
                for value, profile in _identifiers(self._reader, kind, values)
            }
            self._identifiers.keep(loaded)
            found.update(loaded)
        return found

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """See State."""
        cached = self._profiles.entries
        found = {id: cached[id] for id in ids if id in cached}
        missing = [id for id in ids if id not in found]
        if missing:
            select = "select id, record from profiles where id"
            loaded = {
                id: Profile.decode(id, r) for id, r in select_in(self._reader, select, missing)
            }
            self._profiles.keep(loaded)
            found.update(loaded)
        return found

    async def commit(self, result: FoldResult) -> None:
        """See State."""
        try:
            await self._writer.call(lambda connection: self._write(connection, result))
        except BaseException:
            self.forget()
            raise
        self._remember(result)  # only now: until then a reader would bring back what was before
        self.decisions()

    def forget(self) -> None:
        """Drop what is cached: somebody changed a profile and did not commit."""
        self._profiles.entries.clear()
        self._identifiers.entries.clear()

    def _remember(self, result: FoldResult) -> None:
        _keep(self._identifiers, result.identifiers)
        _keep(self._profiles, result.profiles)

    def _write(self, connection: sqlite3.Connection, result: FoldResult) -> None:
        rows: list[tuple[Any, ...]] = [
            (kind, value, id) for (kind, value), id in result.identifiers.items() if id is not None
        ]
        insert_rows(connection, "insert or replace into identifiers", rows)
        for (kind, value), id in result.identifiers.items():
            if id is None:
                connection.execute(
                    "delete from identifiers where kind = ? and value = ?", (kind, value)
                )
        rows = [(id, p.encode()) for id, p in result.profiles.items() if p is not None]
        insert_rows(connection, "insert or replace into profiles", rows)
        for id, profile in result.profiles.items():
            if profile is None:
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
        self._write_routing(connection, result.routed)
        insert_rejections(connection, result.rejections)
        connection.execute(
            "insert or replace into meta (key, value) values ('position', ?)", (result.offset,)
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


def position(connection: sqlite3.Connection) -> int:
    """Return the offset up to which the log is folded."""
    row = connection.execute("select value from meta where key = 'position'").fetchone()
    return 0 if row is None else int(row[0])


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
