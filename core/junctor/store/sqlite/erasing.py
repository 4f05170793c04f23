"""People who are to be forgotten, in SQLite.

What a sender has no influence on the size of is searched on threads with connections of their own.
"""

import asyncio
import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from junctor.model.delivery import unpack_offsets
from junctor.model.erasure import Erasure
from junctor.store.erasures import Traces, pieces
from junctor.store.mentions import Mentions
from junctor.store.port import StoreUnavailable
from junctor.store.sqlite.writer import Writer, insert_rows

T = TypeVar("T")

_COLUMNS: Final = (
    "offset, at, people, ids, digests, until, events, dead_letters, rejections, erased_at, done_at"
)
_FREED: Final = 2_000
"""Free pages that are given up in one job of the writer."""
_PATIENCE: Final = 2.0
"""Seconds that a search waits for who is in its way."""
_GLIMPSE: Final = 0.05
"""Seconds that a checkpoint waits for who reads: nobody can write meanwhile."""
_FEW: Final = 8
_LOWER: Final = "lower(cast(d.json as text))"
"""Of ASCII only."""
_IN_LIST: Final = "(select value from json_each(?))"
_FOLDED: Final = (
    "select d.offset, d.json from routed r cross join log d on d.offset = r.offset where"
)
"""In this order: the log is large, and few of its rows are asked for."""
_FAMILY: Final = (
    "with recursive family (id) as (select ? union select absorbed from merges"
    " join family on survivor = family.id) select id from family"
)


def begin_erasures(connection: sqlite3.Connection, erasures: Sequence[Erasure]) -> None:
    """Store people who are to be forgotten, with all whom they absorbed; on the writer's thread.

    Merges hold whole records, so they go at once.
    """
    for erasure in erasures:
        people: dict[int, None] = {}
        for profile in erasure.people:
            people |= dict.fromkeys(id for (id,) in connection.execute(_FAMILY, (profile,)))
        for side in ("survivor", "absorbed"):
            connection.executemany(f"delete from merges where {side} = ?", [(id,) for id in people])
        _save(connection, replace(erasure, people=tuple(people)))


class SqliteErasures:
    """Erasures on SQLite."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection, file: Path) -> None:
        """Use the store's writer and reading connection; `file` is the database."""
        self._writer = writer
        self._reader = reader
        self._file = file

    async def under_way(self) -> list[Erasure]:
        """See Erasures."""
        return self._read("where done_at = 0 order by offset")

    async def get(self, offset: int) -> Erasure | None:
        """See Erasures."""
        return next(iter(self._read("where offset = ?", offset)), None)

    async def newest(
        self, limit: int, *, before: int | None = None, digest: str | None = None
    ) -> list[Erasure]:
        """See Erasures."""
        where = "where offset < ?" if digest is None else "where offset < ? and instr(digests, ?)"
        values = [2**62 if before is None else before, *([] if digest is None else [digest])]
        return self._read(f"{where} order by offset desc limit ?", *values, limit)

    def _read(self, where: str, *values: object) -> list[Erasure]:
        rows = self._reader.execute(f"select {_COLUMNS} from erasures {where}", values)
        return [_erasure(*row) for row in rows]

    async def family(self, profile: int) -> tuple[int, ...]:
        """See Erasures."""
        return tuple(id for (id,) in self._reader.execute(_FAMILY, (profile,)))

    async def events(self, erasure: Erasure, told_by: str) -> Sequence[int]:
        """See Erasures."""
        return await self._search(lambda connection: _events(connection, erasure, told_by))

    async def telling(self, erasure: Erasure) -> Sequence[int]:
        """See Erasures."""
        return await self._search(lambda connection: _theirs(connection, erasure, erasure.offset))

    async def traces(self, erasure: Erasure, offsets: Sequence[int]) -> Traces:
        """See Erasures."""
        return await self._search(lambda connection: _traces(connection, erasure, offsets))

    async def remove_events(self, erasure: Erasure, offsets: Sequence[int]) -> None:
        """See Erasures."""
        rows = [(offset,) for offset in offsets]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("delete from log where offset = ?", rows)
            connection.executemany("update routed set profile = 0 where offset = ?", rows)
            _save(connection, erasure)

        await self._writer.call(write)

    async def remove_traces(self, erasure: Erasure, traces: Traces) -> None:
        """See Erasures.

        What destinations said last goes first: by the attempts it is found again.
        """
        said = [(id,) for id in traces.destinations]
        await self._writer.call(lambda connection: _hush(connection, said))
        for table, ids in (
            ("dead_letters", traces.letters),
            ("rejections", traces.rejections),
            ("conflicts", traces.conflicts),
        ):
            for piece in pieces(ids):
                await self._each(f"delete from {table} where id = ?", piece)
        for piece in pieces(traces.shared):
            await self._each("update dead_letters set message = '' where id = ?", piece)
        for piece in pieces(traces.remarks):
            await self._each("update attempts set message = '' where id = ?", piece)
        await self.advance(erasure)

    async def advance(self, erasure: Erasure) -> None:
        """See Erasures."""
        await self._writer.call(lambda connection: _save(connection, erasure))

    async def wipe(self) -> bool:
        """See Erasures.

        What is deleted is overwritten with zeros in its page (`secure_delete`), but not in pages
        that became free as a whole: these are given up; a file that can't give them up has them
        overwritten. Then the write-ahead log, which has pages as they were, is emptied.
        """
        while await self._writer.call(_give_up_pages):
            pass
        return await self._search(_empty_the_wal, _GLIMPSE)

    async def _each(self, statement: str, keys: Sequence[int]) -> None:
        rows = [(key,) for key in keys]
        await self._writer.call(lambda connection: connection.executemany(statement, rows).rowcount)

    async def _search(
        self, work: Callable[[sqlite3.Connection], T], patience: float = _PATIENCE
    ) -> T:
        """Work on another thread, on a connection of its own."""

        def search() -> T:
            with closing(
                sqlite3.connect(self._file, isolation_level=None, timeout=patience)
            ) as connection:
                return work(connection)

        try:
            return await asyncio.to_thread(search)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store can't read: {error}") from None


def _erasure(offset: int, at: int, people: str, ids: str, digests: str, *more: int) -> Erasure:
    pairs = tuple((kind, value) for kind, value in orjson.loads(ids))
    return Erasure(
        offset, at, tuple(orjson.loads(people)), pairs, tuple(orjson.loads(digests)), *more
    )


def _save(connection: sqlite3.Connection, e: Erasure) -> None:
    row: tuple[Any, ...] = (
        e.offset, e.at, _json(e.people), _json(e.ids), _json(e.digests), e.until, e.events,
        e.dead_letters, e.rejections, e.erased_at, e.done_at,
    )  # fmt: skip
    insert_rows(connection, f"insert or replace into erasures ({_COLUMNS})", [row])


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(list(values)).decode()


def _hush(connection: sqlite3.Connection, destinations: Sequence[tuple[str]]) -> None:
    """Keep only the code of what these destinations said last."""
    connection.executemany(
        "update destinations set paused = paused_code where id = ? and paused_code != ''",
        destinations,
    )
    connection.executemany("update parked set message = '' where destination = ?", destinations)


def _events(connection: sqlite3.Connection, erasure: Erasure, told_by: str) -> Sequence[int]:
    first = min(erasure.people, default=0)  # nobody has events before the one that is their id
    found = _theirs(connection, erasure, first)
    said = Mentions(erasure.ids)
    nobody_s = f"{_FOLDED} r.offset < ? and r.profile = 0"
    found.extend(_mentioning(connection, nobody_s, (erasure.offset,), said))
    told = f"{_FOLDED} r.offset > ? and r.offset <= ? and r.profile = r.offset and d.source = ?"
    values = (erasure.offset, erasure.until, told_by)
    found.extend(_mentioning(connection, told, values, said))
    return array("q", sorted(found))


def _theirs(connection: sqlite3.Connection, erasure: Erasure, first: int) -> "array[int]":
    """Return the events from offset `first` on that are routed as the person's."""
    found = array("q")
    if erasure.people:
        rows = connection.execute(
            f"select offset from routed where offset between ? and ? and profile in {_IN_LIST}"
            " order by offset",
            (first, erasure.until, _json(erasure.people)),
        )
        found.extend(row[0] for row in rows)
    return found


def _traces(connection: sqlite3.Connection, erasure: Erasure, offsets: Sequence[int]) -> Traces:
    people, said = _json(erasure.people), Mentions(erasure.ids)
    theirs = connection.execute(
        "select d.id from dead_letters d join routed r on r.offset = d.offset"
        f" where d.offset < ? and r.profile in {_IN_LIST}",
        (erasure.offset, people),
    )
    letters = [id for (id,) in theirs]
    letters += _mentioning(
        connection,
        "select d.id, d.json from dead_letters d left join routed r on r.offset = d.offset"
        " where d.offset < ? and coalesce(r.profile, 0) = 0",
        (erasure.offset,),
        said,
    )
    rejections = _mentioning(
        connection,
        "select d.id, d.json from rejections d where d.received_at <= ?",
        (erasure.at,),
        said,
    )
    of_theirs = f"select id from conflicts where profile in {_IN_LIST}"
    conflicts = [id for (id,) in connection.execute(of_theirs, (people,))]
    remarks, company = _remarks(connection, offsets)
    shared = [
        id
        for destination, theirs in company.items()
        for id, offset in connection.execute(
            "select id, offset from dead_letters where destination = ? and message != ''",
            (destination,),
        )
        if offset in theirs
    ]
    return Traces(letters, rejections, conflicts, remarks, sorted(company), shared)


def _mentioning(
    connection: sqlite3.Connection, select: str, values: Sequence[object], said: Mentions
) -> list[int]:
    """Return the keys of those rows of `select` (key, json of a table `d`) that speak of a person.

    For a few identifiers SQLite looks first, which holds up no other thread, and leaves little
    over. It looks for one after the other: many cost more than to take each row apart once.
    """
    if not said.needles:
        return []
    if len(said.needles) <= _FEW and all(needle.isascii() for needle in said.needles):
        some = f"exists (select 1 from json_each(?) n where instr({_LOWER}, n.value))"
        select, values = f"{select} and {some}", (*values, _json(said.needles))
    return [key for key, json in connection.execute(select, values) if said(json)]


def _remarks(
    connection: sqlite3.Connection, offsets: Sequence[int]
) -> tuple[list[int], dict[str, set[int]]]:
    """Return the attempts with a message that carried one of these events, which are in order.

    And by destination all events that they carried.
    """
    found: list[int] = []
    company: dict[str, set[int]] = {}
    if not offsets:
        return found, company
    rows = connection.execute(
        "select id, destination, first, last, gaps from attempts"
        " where message != '' and last >= ? and first <= ?",
        (offsets[0], offsets[-1]),
    )
    for id, destination, *packed in rows:
        if _has_one_of(offsets, *packed):
            found.append(id)
            company.setdefault(destination, set()).update(unpack_offsets(*packed))
    return found, company


def _has_one_of(offsets: Sequence[int], first: int, last: int, gaps: bytes | None) -> bool:
    start = bisect_left(offsets, first)
    if start == len(offsets) or offsets[start] > last:
        return False
    return gaps is None or not set(unpack_offsets(first, last, gaps)).isdisjoint(
        offsets[start : bisect_left(offsets, last + 1)]
    )


def _give_up_pages(connection: sqlite3.Connection) -> bool:
    """Give free pages back to the disk, one a statement; return whether there are more."""
    (free,) = connection.execute("pragma freelist_count").fetchone()
    for _ in range(min(free, _FREED)):
        connection.execute("pragma incremental_vacuum(1)")
    (left,) = connection.execute("pragma freelist_count").fetchone()
    return bool(0 < left < free)


def _empty_the_wal(connection: sqlite3.Connection) -> bool:
    """Write all of it into the file first, which holds up nobody; return whether it is empty."""
    connection.execute("pragma wal_checkpoint(passive)").fetchone()
    busy, *_ = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    return not busy
