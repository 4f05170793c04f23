"""The log and its duplicates filter."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from junctor.model.record import NewRecord, Record, Rejection
from junctor.store.dedupe import dedupe_key
from junctor.store.port import Appended, StoreError
from junctor.store.sqlite.writer import Writer, insert_rows, select_in, snapshot

COLUMNS: Final = "offset, source, message_id, received_at, corrects_clock, json"
_LEAST_GENERATION_MS: Final = 3_600_000


@dataclass(slots=True)
class _Request:
    records: Sequence[NewRecord]
    rejections: Sequence[Rejection]
    cursor: tuple[str, str] | None
    future: asyncio.Future[int]
    duplicates: int = 0


@dataclass(slots=True)
class _Generation:
    n: int
    started_at: int

    @property
    def table(self) -> str:
        return f"seen_{self.n}"


@dataclass(slots=True)
class Append:
    """Everything that waited for the writer goes in with few statements; a job of the writer."""

    log: "SqliteLog"
    requests: list[_Request] = field(default_factory=list)
    previous: int = 0
    stored: list[NewRecord] = field(default_factory=list)
    derived: bool = False
    """Whether it has events of the hub's own making, and leaves those that wait alone."""

    @property
    def proves_room(self) -> bool:
        """See Job."""
        return bool(self.stored)

    def run(self, connection: sqlite3.Connection) -> None:
        """See Job."""
        self._take()
        if self.requests:
            self.log.write(connection, self)

    def _take(self) -> None:
        waiting = self.log.waiting
        while waiting and not self.derived:
            self.requests.append(waiting.popleft())

    def committed(self) -> None:
        """See Job."""
        if self.stored:
            records = [
                Record(r.offset, r.source, r.message_id, r.received_at, r.corrects_clock, r.json,
                       r.body)
                for r in self.stored
            ]  # fmt: skip
            appended = Appended(self.previous, records)
            for listener in self.log.listeners:
                listener(appended)
        for request in self.requests:
            if not request.future.done():
                request.future.set_result(request.duplicates)

    def undone(self) -> None:
        """See Job."""
        if not self.requests:
            self._take()  # the transaction did not come to `run`; nobody else takes them
        self.log.forget_head()

    def failed(self, error: StoreError) -> None:
        """See Job."""
        for request in self.requests:
            if not request.future.done():
                request.future.set_exception(error)


class SqliteLog:
    """EventLog on SQLite."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection, dedupe_window: int) -> None:
        """Use the store's writer and reading connection; `dedupe_window` is in milliseconds."""
        self._writer = writer
        self._reader = reader
        self._window = dedupe_window
        self._generation_ms = max(dedupe_window, _LEAST_GENERATION_MS)
        self._head: int | None = None
        self._generations: list[_Generation] | None = None
        self.waiting: deque[_Request] = deque()
        self.listeners: list[Callable[[Appended], None]] = []

    def derived(self, records: Sequence[NewRecord]) -> Append:
        """Return what appends events of the hub's own making in another job's transaction."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return Append(self, [_Request(records, (), None, future)], derived=True)

    async def append(
        self,
        records: Sequence[NewRecord],
        rejections: Sequence[Rejection] = (),
        *,
        cursor: tuple[str, str] | None = None,
    ) -> int:
        """See EventLog."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._writer.submit_with(
            self.waiting, _Request(records, rejections, cursor, future), lambda: Append(self)
        )
        return await future

    def subscribe(self, listener: Callable[[Appended], None]) -> None:
        """See EventLog."""
        self.listeners.append(listener)

    async def read(self, after: int, limit: int) -> list[Record]:
        """See EventLog."""
        rows = self._reader.execute(
            f"select {COLUMNS} from log where offset > ? order by offset limit ?", (after, limit)
        )
        return [Record(*row) for row in rows]

    async def fetch(self, offsets: Sequence[int]) -> list[Record]:
        """See EventLog."""
        rows = select_in(self._reader, f"select {COLUMNS} from log where offset", list(offsets))
        return sorted((Record(*row) for row in rows), key=lambda record: record.offset)

    async def find(self, message_id: str, sources: Sequence[str]) -> list[Record]:
        """See EventLog."""
        keys = [dedupe_key(source, message_id) for source in sources]
        with snapshot(self._reader):  # a generation may be dropped meanwhile
            generations = self._reader.execute("select n, started_at from seen_generations")
            offsets = {
                offset
                for generation in [_Generation(*row) for row in generations]
                for (offset,) in select_in(
                    self._reader, f"select offset from {generation.table} where key", keys
                )
            }
        found = await self.fetch(sorted(offsets))
        return [record for record in found if record.message_id == message_id]

    async def head(self) -> int:
        """See EventLog."""
        return _head(self._reader)

    async def offset_at(self, at: int) -> int:
        """See EventLog; by bisection, since records come in order of time."""
        low, high = 0, _head(self._reader)
        while low < high:
            middle = (low + high + 1) // 2
            row = self._reader.execute(
                "select received_at from log where offset >= ? order by offset limit 1", (middle,)
            ).fetchone()
            if row is not None and row[0] < at:
                low = middle
            else:
                high = middle - 1
        return low

    async def source_cursor(self, source: str) -> str | None:
        """See EventLog."""
        row = self._reader.execute(
            "select cursor from source_cursors where source = ?", (source,)
        ).fetchone()
        return None if row is None else str(row[0])

    async def suppress(self, user_ids: Sequence[str], since: int) -> None:
        """See EventLog."""
        rows = [(user_id, since) for user_id in user_ids]
        into = "insert or ignore into suppressed"
        await self._writer.call(lambda connection: insert_rows(connection, into, rows))

    async def unsuppress(self, user_ids: Sequence[str]) -> None:
        """See EventLog."""
        rows = [(user_id,) for user_id in user_ids]
        delete = "delete from suppressed where user_id = ?"
        await self._writer.call(lambda connection: connection.executemany(delete, rows).rowcount)

    async def suppressed(self) -> dict[str, int]:
        """See EventLog."""
        return dict(self._reader.execute("select user_id, since from suppressed"))

    async def rejections(self, limit: int, before: int | None = None) -> list[Rejection]:
        """See EventLog."""
        rows = self._reader.execute(
            "select source, received_at, reason, json, id from rejections where id < ?"
            " order by id desc limit ?",
            (2**62 if before is None else before, limit),
        )
        return [Rejection(*row) for row in rows]

    def forget_head(self) -> None:
        """Read head and generations again before the next write: the last one was undone."""
        self._head = None
        self._generations = None

    def write(self, connection: sqlite3.Connection, append: Append) -> None:
        """Store what the requests brought; runs on the writer's thread."""
        if self._head is None:
            self._head = _head(connection)
        offset = append.previous = self._head
        records = [record for request in append.requests for record in request.records]
        for record in records:
            offset += 1
            record.offset = offset
        duplicates = self._mark_seen(connection, records) if records else set()
        if duplicates:
            for request in append.requests:
                request.duplicates = sum(r.offset in duplicates for r in request.records)
            records = [record for record in records if record.offset not in duplicates]
        if records:
            rows = [
                (r.offset, r.source, r.message_id, r.received_at, r.corrects_clock, r.json)
                for r in records
            ]
            insert_rows(connection, f"insert into log ({COLUMNS})", rows)
            self._head = records[-1].offset
        append.stored = records
        insert_rejections(connection, [r for q in append.requests for r in q.rejections])
        for request in append.requests:
            if request.cursor:
                connection.execute("insert or replace into source_cursors values (?, ?)",
                                   request.cursor)  # fmt: skip

    def _mark_seen(self, connection: sqlite3.Connection, records: list[NewRecord]) -> set[int]:
        """Note the records' keys; return the offsets of those that were there before."""
        now = records[0].received_at
        current, older = self._open_generations(connection, now)
        by_offset = {record.offset: record for record in records}
        duplicates: set[int] = set()
        if older:
            keys = [record.dedupe_key for record in records]
            for generation in older:
                select = f"select key, offset from {generation.table} where key"
                earlier = dict(select_in(connection, select, keys))
                if earlier:
                    duplicates |= {
                        r.offset
                        for r in records
                        if r.dedupe_key in earlier
                        and self._is_same(connection, r, earlier[r.dedupe_key], by_offset)
                    }
        fresh = [r for r in records if r.offset not in duplicates] if duplicates else records
        if not fresh:
            return duplicates
        into = f"insert or ignore into {current.table} (key, offset)"
        if insert_rows(connection, into, [(r.dedupe_key, r.offset) for r in fresh]) < len(fresh):
            select = f"select key, offset from {current.table} where key"
            stored = dict(select_in(connection, select, [r.dedupe_key for r in fresh]))
            for record in fresh:
                first = stored[record.dedupe_key]
                if first == record.offset:
                    continue
                if self._is_same(connection, record, first, by_offset):
                    duplicates.add(record.offset)
                else:  # older than the window, or another id with the same digest
                    stored[record.dedupe_key] = record.offset
                    connection.execute(
                        f"update {current.table} set offset = ? where key = ?",
                        (record.offset, record.dedupe_key),
                    )
        return duplicates

    def _is_same(
        self,
        connection: sqlite3.Connection,
        record: NewRecord,
        first: int,
        batch: dict[int, NewRecord],
    ) -> bool:
        if not self._window:
            return False
        earlier = batch.get(first)
        if earlier is not None:
            return (earlier.source, earlier.message_id) == (record.source, record.message_id)
        row = connection.execute(
            "select source, message_id, received_at from log where offset = ?", (first,)
        ).fetchone()
        if row is None:  # removed by retention, so that only the digest is left to tell
            return True
        same = row[:2] == (record.source, record.message_id)
        return same and record.received_at - int(row[2]) < self._window

    def _open_generations(
        self, connection: sqlite3.Connection, now: int
    ) -> tuple[_Generation, list[_Generation]]:
        """Return the generation to write to, and the older ones that the window reaches."""
        generations = self._generations
        if generations is None:
            rows = connection.execute("select n, started_at from seen_generations order by n")
            generations = [_Generation(*row) for row in rows]
        if not generations or now - generations[-1].started_at >= self._generation_ms:
            n = generations[-1].n + 1 if generations else 1
            generation = _Generation(n, now)
            connection.execute(
                f"create table {generation.table} (key integer primary key, offset integer)"
            )
            connection.execute("insert into seen_generations values (?, ?)", (n, now))
            generations.append(generation)
        self._generations = generations
        older = [
            generation
            for generation, following in pairwise(generations)
            if following.started_at > now - self._window
        ]
        return generations[-1], older

    def drop_generations(self, connection: sqlite3.Connection, now: int, oldest: int) -> None:
        """Drop the digests that neither the window nor a record (received from `oldest`) needs."""
        current, older = self._open_generations(connection, now)
        needed = {current.n, *(generation.n for generation in older)}
        generations, self._generations = self._generations or [], None
        for generation, following in pairwise(generations):
            if generation.n not in needed and following.started_at <= oldest:
                connection.execute(f"drop table {generation.table}")
                connection.execute("delete from seen_generations where n = ?", (generation.n,))


def insert_rejections(connection: sqlite3.Connection, rejections: Sequence[Rejection]) -> None:
    """Store rejected items."""
    insert_rows(
        connection,
        "insert into rejections (source, received_at, reason, json)",
        [(r.source, r.received_at, r.reason, r.json) for r in rejections],
    )


def _head(connection: sqlite3.Connection) -> int:
    """Return the newest offset there was: its event may be erased, and it is folded then."""
    select = (
        "select max(coalesce((select max(offset) from log), 0),"
        " coalesce((select value from meta where key = 'position'), 0))"
    )
    return int(connection.execute(select).fetchone()[0])
