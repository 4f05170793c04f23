"""Opening, owning, migrating and tidying the one SQLite file."""

import asyncio
import fcntl
import os
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Final, TextIO

from junctor.store.port import StoreError, StoreLocked, StoreTooNew
from junctor.store.sqlite.ledger import SqliteLedger
from junctor.store.sqlite.log import SqliteLog
from junctor.store.sqlite.state import SqliteState, position
from junctor.store.sqlite.writer import Writer

FILE: Final = "junctor.db"
_MIGRATIONS: Final = ("schema.sql",)
"""One file a version, in order; the version of a store is how many it has had."""
_TIDY_ROWS: Final = 2_000
_TIDY_PAGES: Final = 2_000


class SqliteStore:
    """Store on one SQLite file in WAL mode with synchronous=FULL."""

    def __init__(
        self,
        lock: TextIO,
        writing: sqlite3.Connection,
        reading: sqlite3.Connection,
        *,
        dedupe_window: float,
        retention_age: float,
        retention_size: int,
        retention_dead: float,
    ) -> None:
        """Use `open`."""
        self._lock = lock
        self._writing = writing
        self._reading = reading
        self._retention_age = round(retention_age * 1000)
        self._retention_size = retention_size
        self._retention_dead = round(retention_dead * 1000)
        self.writer = Writer(writing, asyncio.get_running_loop())
        self.log = SqliteLog(self.writer, reading, round(dedupe_window * 1000))
        self.state = SqliteState(self.writer, reading)
        self.ledger = SqliteLedger(self.writer, reading, self.state)
        self._active: frozenset[str] | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        dedupe_window: float = 86_400.0,
        retention_age: float = 7 * 86_400.0,
        retention_size: int = 10 * 2**30,
        retention_dead: float = 30 * 86_400.0,
    ) -> "SqliteStore":
        """Open or make the store in `folder`; call on a running event loop.

        Windows and ages are in seconds, `retention_size` in bytes.

        Raises:
            StoreLocked: another process owns it.
            StoreTooNew: it was written by a newer junctor.
            StoreError: it can't be opened; the message says why.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = _own(folder)
        except OSError as error:
            raise StoreError(f"the store {folder} can't be opened: {error.strerror}") from None
        try:
            writing = _connect(folder / FILE)
            _migrate(writing)
            reading = _connect(folder / FILE)
            reading.execute("pragma query_only = on")
            return cls(
                lock,
                writing,
                reading,
                dedupe_window=dedupe_window,
                retention_age=retention_age,
                retention_size=retention_size,
                retention_dead=retention_dead,
            )
        except sqlite3.Error as error:
            lock.close()
            raise StoreError(f"the store {folder / FILE} can't be opened: {error}") from None
        except StoreError:
            lock.close()
            raise

    async def close(self) -> None:
        """See Store."""
        if self._lock.closed:
            return
        await self.writer.close()
        self._reading.close()
        self._writing.close()
        self._lock.close()

    def healthy(self) -> str:
        """See Store."""
        return self.writer.problem

    def keep_for(self, destinations: frozenset[str]) -> None:
        """Let retention wait for these destinations only; those no longer configured do not count.

        Before the first call it waits for every destination ever opened.
        """
        self._active = destinations

    async def maintain(self, now: int) -> None:
        """See Store."""
        await self.writer.call(lambda connection: self._tidy(connection, now))

    def size(self) -> int:
        """Return the bytes in use in the file."""
        return _size(self._reading)

    def _tidy(self, connection: sqlite3.Connection, now: int) -> None:
        floor = self._floor(connection)
        too_big = _size(connection) > self._retention_size
        oldest_kept = 2**62 if too_big else now - self._retention_age
        rows = connection.execute(
            "select offset from log where offset <= ? and received_at < ? order by offset limit ?",
            (floor, oldest_kept, _TIDY_ROWS),
        ).fetchall()
        if rows:
            last = rows[-1][0]
            connection.execute("delete from log where offset <= ?", (last,))
            connection.execute("delete from routed where offset <= ?", (last,))
        oldest = connection.execute(
            "select coalesce(min(offset), 0), coalesce(min(received_at), ?) from"
            " (select offset, received_at from log order by offset limit 1)",
            (now,),
        ).fetchone()
        connection.execute(
            "delete from attempts where id in (select id from attempts where at < ? and last < ?"
            " order by id limit ?)",
            (now - self._retention_age, oldest[0], _TIDY_ROWS),
        )
        for table, column in (("dead_letters", "at"), ("rejections", "received_at")):
            connection.execute(
                f"delete from {table} where id in (select id from {table} where {column} < ?"
                " order by id limit ?)",
                (now - self._retention_dead, _TIDY_ROWS),
            )
        self.log.drop_generations(connection, now, int(oldest[1]))
        connection.execute(f"pragma incremental_vacuum({_TIDY_PAGES})").fetchall()

    def _floor(self, connection: sqlite3.Connection) -> int:
        """Return the newest offset that nobody needs any more; the newest record stays."""
        rows = connection.execute(
            "select d.id, min(d.cursor, coalesce((select min(first) - 1 from parked p"
            " where p.destination = d.id), d.cursor)) from destinations d"
        )
        cursors = [cursor for id, cursor in rows if self._active is None or id in self._active]
        running = connection.execute("select min(position) from replays where position < until")
        (replaying,) = running.fetchone()
        head = connection.execute("select coalesce(max(offset), 0) from log").fetchone()[0]
        limits = [position(connection), head - 1, *cursors]
        return int(min(limits if replaying is None else [*limits, replaying]))


def _size(connection: sqlite3.Connection) -> int:
    row = connection.execute(
        "select (page_count - freelist_count) * page_size"
        " from pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return int(row[0])


def _own(folder: Path) -> TextIO:
    lock = (folder / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise StoreLocked(
            f"the store {folder} is in use by another junctor (process {owner});"
            " stop it, or give this one a store.path of its own"
        ) from None
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=10
    )
    connection.execute("pragma auto_vacuum = incremental")
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma wal_autocheckpoint = 4000")
    connection.execute("pragma journal_size_limit = 67108864")
    connection.execute("pragma cache_size = -65536")
    connection.execute("pragma temp_store = memory")
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date, one version a transaction: a crash resumes where it stopped."""
    version = int(connection.execute("pragma user_version").fetchone()[0])
    if version > len(_MIGRATIONS):
        raise StoreTooNew(
            f"the store has version {version}, this junctor knows up to {len(_MIGRATIONS)}:"
            " upgrade junctor, or restore a backup made by this version"
        )
    for number, name in enumerate(_MIGRATIONS[version:], version + 1):
        script = files(__package__).joinpath(name).read_text("utf-8")
        connection.executescript(f"begin;\n{script}\npragma user_version = {number};\ncommit;")
