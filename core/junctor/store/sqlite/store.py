"""Opening, owning, migrating and tidying the one SQLite file."""

import asyncio
import fcntl
import os
import sqlite3
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final, TextIO

from junctor.store.port import StoreError, StoreLocked, StoreTooNew
from junctor.store.sqlite.erasing import SqliteErasures
from junctor.store.sqlite.ledger import SqliteLedger
from junctor.store.sqlite.log import SqliteLog
from junctor.store.sqlite.lookup import SqliteLookup
from junctor.store.sqlite.memberships import SqliteMemberships
from junctor.store.sqlite.reading import Reading
from junctor.store.sqlite.state import SqliteState, position
from junctor.store.sqlite.writer import Writer

FILE: Final = "junctor.db"
_MIGRATIONS: Final = ("schema.sql", "schema_2.sql", "schema_3.sql")
"""One file a version, in order; the version of a store is how many it has had."""
_MADE: Final = " made"
"""What the lock file says once there is a store: none is made in its place if it disappears."""
_TIDY_ROWS: Final = 1_000
_PROBE_BYTES: Final = 262_144
_TIDY_PIECES: Final = 100
_TIDY_PAGES: Final = 2_000
_MOST_REJECTIONS: Final = 100_000
_LONG_WAL: Final = 256 * 2**20
"""Bytes of the write-ahead log that only a reader that does not end can bring about: else what is
in it goes over into the database after 16 MiB."""
_NEVER: Final = 2**62
_DAY: Final = 86_400_000
_HISTORY: Final = (
    ("transitions", "id", "at", 400 * _DAY),
    ("goals", "audience, profile, offset", "at", 400 * _DAY),
    ("sessions", "id, profile", "seen_at", 30 * _DAY),
)
"""Tables with their keys, and how old rows get there: reports look back a year, reads by session a
month."""


class SqliteStore:
    """Store on one SQLite file in WAL mode with synchronous=FULL."""

    def __init__(
        self,
        folder: Path,
        lock: TextIO,
        writing: sqlite3.Connection,
        reading: Reading,
        *,
        dedupe_window: float,
        retention_age: float,
        retention_size: int,
        retention_dead: float,
    ) -> None:
        """Use `open`."""
        self._lock = lock
        self._folder = folder
        self._writing = writing
        self._reading = reading
        self._retention_age = round(retention_age * 1000)
        self._retention_size = retention_size
        self._retention_dead = round(retention_dead * 1000)
        self.writer = Writer(writing, asyncio.get_running_loop())
        self.log = SqliteLog(self.writer, reading, round(dedupe_window * 1000))
        self.state = SqliteState(self.writer, reading, self.log)
        self.memberships = SqliteMemberships(reading)
        self.ledger = SqliteLedger(self.writer, reading)
        self.erasures = SqliteErasures(self.writer, reading, folder / FILE)
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
        connections: list[sqlite3.Connection] = []
        try:
            connections.append(writing := _connect(folder / FILE))
            _migrate(writing)
            _sign(lock, made=True)
            connections.append(reading := _connect_reading(folder / FILE))
            return cls(
                folder,
                lock,
                writing,
                reading,
                dedupe_window=dedupe_window,
                retention_age=retention_age,
                retention_size=retention_size,
                retention_dead=retention_dead,
            )
        except (sqlite3.Error, StoreError, OSError) as error:
            for connection in connections:
                connection.close()
            lock.close()
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"the store {folder / FILE} can't be opened: {error}") from None

    async def close(self) -> None:
        """See Store."""
        if self._lock.closed:
            return
        await self.writer.close()
        self._reading.close()
        self._writing.close()
        self._lock.close()

    def lookup(self) -> SqliteLookup:
        """See Store."""
        return open_lookup(self._folder)

    def problem(self) -> str:
        """See Store."""
        return self.writer.damage.what or self.writer.problem or self._reading.trouble.what

    def warning(self) -> str:
        """See Store."""
        try:
            size = (self._folder / f"{FILE}-wal").stat().st_size
        except OSError:
            return ""
        if size < _LONG_WAL:
            return ""
        return (
            f"the store is being read for long by another process, a backup or a shell; until that"
            f" ends {FILE}-wal grows, {size >> 20} MiB by now: end it"
        )

    def commits(self) -> int:
        """See Store."""
        return self.writer.commits

    def keep_for(self, destinations: frozenset[str]) -> None:
        """Let retention wait for these destinations only; those no longer configured do not count.

        Before the first call it waits for every destination ever opened.
        """
        self._active = destinations

    async def maintain(self, now: int) -> None:
        """See Store."""
        self.writer.damage.round_passed()
        self._reading.trouble.round_passed()
        for _ in range(_TIDY_PIECES):  # in pieces, so that those who write need not wait long
            if not await self.writer.call(lambda connection: self._tidy(connection, now)):
                break
        await self.writer.call(_shrink)
        if self.writer.problem:
            await self.writer.call(_prove_room, proves_room=True)

    def size(self) -> int:
        """Return the bytes in use in the file."""
        return _size(self._reading)

    def _tidy(self, connection: sqlite3.Connection, now: int) -> bool:
        """Remove a piece of what nobody needs; return whether there may be more.

        Looks at the oldest rows only: none of this reads through a table.
        """
        too_big = _size(connection) > self._retention_size
        oldest_kept = _NEVER if too_big else now - self._retention_age
        (last,) = connection.execute(
            "select max(offset) from (select offset, received_at from log where offset <= ?"
            " order by offset limit ?) where received_at < ?",
            (self._floor(connection), _TIDY_ROWS, oldest_kept),
        ).fetchone()
        removed = 0
        if last is not None:
            self.ledger.pass_over(connection, last)
            removed = connection.execute("delete from log where offset <= ?", (last,)).rowcount
            connection.execute("delete from routed where offset <= ?", (last,))
        first, since = connection.execute(
            "select coalesce(min(offset), 0), coalesce(min(received_at), ?) from"
            " (select offset, received_at from log order by offset limit 1)",
            (now,),
        ).fetchone()
        dead = now - self._retention_dead
        (newest,) = connection.execute("select coalesce(max(id), 0) from rejections").fetchone()
        for table, read, condition, values in (
            ("attempts", "at, last", "at < ? and last < ?", (oldest_kept, first)),
            ("conflicts", "offset", "offset < ?", (first,)),
            ("dead_letters", "at", "at < ?", (dead,)),
            ("rejections", "received_at", "received_at < ? or id <= ?",
             (dead, newest - _MOST_REJECTIONS)),
        ):  # fmt: skip
            removed += connection.execute(
                f"delete from {table} where id in (select id from (select id, {read} from {table}"
                f" order by id limit ?) where {condition})",
                (_TIDY_ROWS, *values),
            ).rowcount
        for table, key, time, age in _HISTORY:
            removed += connection.execute(
                f"delete from {table} where ({key}) in (select {key} from {table}"
                f" where {time} < ? order by {time} limit ?)",
                (now - age, _TIDY_ROWS),
            ).rowcount
        self.log.drop_generations(connection, now, since)
        return removed > 0

    def _floor(self, connection: sqlite3.Connection) -> int:
        """Return the newest offset that nobody needs any more; the newest record stays."""
        rows = connection.execute(
            "select d.id, min(d.cursor, coalesce((select min(first) - 1 from parked p"
            " where p.destination = d.id), d.cursor)) from destinations d"
        )
        cursors = [cursor for id, cursor in rows if self._active is None or id in self._active]
        replays = connection.execute(
            "select destination, position from replays where position < until"
        )
        replaying = [at for id, at in replays if self._active is None or id in self._active]
        head = connection.execute("select coalesce(max(offset), 0) from log").fetchone()[0]
        return int(min(position(connection), head - 1, *cursors, *replaying))


def _prove_room(connection: sqlite3.Connection) -> None:
    """Write as much as a request might, so that health turns green for a reason."""
    connection.execute(
        "insert or replace into meta (key, value) values ('probe', zeroblob(?))", (_PROBE_BYTES,)
    )
    connection.execute("delete from meta where key = 'probe'")


def _size(connection: sqlite3.Connection) -> int:
    row = connection.execute(
        "select (page_count - freelist_count) * page_size"
        " from pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return int(row[0])


def _shrink(connection: sqlite3.Connection) -> None:
    """Give free pages back to the disk: one a statement, since `execute` takes one step only."""
    (free,) = connection.execute("pragma freelist_count").fetchone()
    for _ in range(min(free, _TIDY_PAGES)):
        connection.execute("pragma incremental_vacuum(1)")


def _own(folder: Path) -> TextIO:
    """Return the lock file, locked: it names the owner, and says whether there is a store.

    Raises:
        StoreLocked: another process owns it.
        StoreError: there was a store, and it is gone.
    """
    lock = (folder / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = (lock.read().split() or ["unknown"])[0]
        lock.close()
        raise StoreLocked(
            f"the store {folder} is in use by another junctor (process {owner});"
            " stop it, or give this one a store.path of its own"
        ) from None
    lock.seek(0)
    made, file = lock.read().endswith(_MADE), folder / FILE
    if made and not (file.exists() and file.stat().st_size):
        lock.close()
        raise StoreError(
            f"the store {file} is gone or empty: restore a backup,"
            f" or remove {folder / 'lock'} to begin with an empty store"
        )
    _sign(lock, made=made)
    return lock


def _sign(lock: TextIO, *, made: bool) -> None:
    os.ftruncate(lock.fileno(), 0)
    os.write(lock.fileno(), f"{os.getpid()}{_MADE if made else ''}".encode("ascii"))


def _connect(file: Path) -> sqlite3.Connection:
    """Return the connection that writes."""
    connection = sqlite3.connect(
        file, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=10
    )
    if not connection.execute("pragma page_count").fetchone()[0]:
        connection.execute("pragma auto_vacuum = incremental")  # writes, whatever it was before
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma wal_autocheckpoint = 4000")
    connection.execute("pragma journal_size_limit = 67108864")
    (gives_up,) = connection.execute("pragma auto_vacuum").fetchone()  # no, if a tool has made it
    connection.execute(f"pragma secure_delete = {'fast' if gives_up else 'on'}")  # see `wipe`
    _keep_in_memory(connection)
    return connection


def open_lookup(folder: Path) -> SqliteLookup:
    """Return reads of the store in `folder`, from any process; it is opened on the first read."""
    return SqliteLookup(partial(_connect_reading, folder / FILE))


def _connect_reading(file: Path) -> Reading:
    """Return a connection that reads, and writes nothing even when it is opened."""
    reading = sqlite3.connect(
        file, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=10,
        factory=Reading,
    )  # fmt: skip
    reading.execute("pragma query_only = on")
    _keep_in_memory(reading)
    return reading


def _keep_in_memory(connection: sqlite3.Connection) -> None:
    connection.execute("pragma cache_size = -49152")
    connection.execute("pragma temp_store = memory")


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
