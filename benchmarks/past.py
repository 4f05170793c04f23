"""A hub with a past: millions of events in its log, delivered long ago, made in a few minutes.

Some thousands are sent to the daemon over HTTP, and delivered. Then what it wrote is copied many
times: rows of the log, of routing and of attempts, as if the same people had done the same again.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.loading import measured
from benchmarks.receiving import receivers
from benchmarks.rounds import Failed, Round
from benchmarks.subjects import DATABASE, KEPT, hub, webhooks
from benchmarks.traffic.load import Traffic
from benchmarks.traffic.receivers import Manner
from junctor.store.dedupe import dedupe_key

_PATTERN: Final = 10_000
_RUN: Final = "past"
_BYTES_AN_EVENT: Final = 900
"""At most, on disk, with the indices."""
_PASSES: Final = 10
_COPIES: Final = (
    "insert into log select offset + :shift, source, {id}, received_at, corrects_clock,"
    " cast({json} as blob) from log where offset <= :pattern",
    "insert into routed select offset + :shift, profile, routing from routed"
    " where offset <= :pattern",
    "insert into attempts (destination, at, duration, number, outcome, code, status, message,"
    " first, last, count, gaps) select destination, at, duration, number, outcome, code, status,"
    " message, first + :shift, last + :shift, count, gaps from attempts where last <= :pattern",
)


def past(round: Round, events: int, destinations: int = 3) -> Path:
    """Return the folder of a store with `events` in its log, which went to so many webhooks.

    Raises:
        Failed: the disk has no room for it.
    """

    def make(folder: Path) -> None:
        needed = events * _BYTES_AN_EVENT
        if shutil.disk_usage(folder).free < needed:
            raise Failed(f"{needed / 2**30:.0f} GB are needed in {folder}")
        _begin(folder, destinations)
        with _opened(folder / DATABASE) as connection:
            _multiply(connection, events // _PATTERN)

    return round.kept(f"past-{events}-to-{destinations}", make)


def _begin(folder: Path, destinations: int) -> None:
    traffic = Traffic(_PATTERN, batch=100, connections=8, small=True)
    with (
        receivers([Manner()] * destinations) as others,
        hub(webhooks(others.urls) + KEPT, folder) as subject,
    ):
        measured(subject, others, traffic, _RUN)
        subject.wait_settled()


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = off")
        connection.execute("pragma cache_size = -262144")
        yield connection
        connection.execute("pragma wal_checkpoint(truncate)")


def _multiply(connection: sqlite3.Connection, times: int) -> None:
    """Let the past have happened so many times, each with message ids of its own."""
    (pattern,) = connection.execute("select max(offset) from log").fetchone()
    own = "replace({}, '" + _RUN + "-', '" + _RUN + "-' || :shift || '-')"
    id, json = own.format("message_id"), own.format("cast(json as text)")
    for copy in range(1, times):
        with _transaction(connection):
            for statement in _COPIES:
                values = {"shift": copy * pattern, "pattern": pattern}
                connection.execute(statement.format(id=id, json=json), values)
    _mark_seen(connection, pattern)
    last = times * pattern
    with _transaction(connection):
        connection.execute("update meta set value = ? where key = 'position'", (last,))
        connection.execute("update destinations set cursor = ?", (last,))
        connection.execute("update counters set value = value * ?", (times,))


def _mark_seen(connection: sqlite3.Connection, pattern: int) -> None:
    """Note the digests of the copies; in turns, since pages made in one are fuller than in life."""
    connection.create_function("dedupe_key", 2, dedupe_key, deterministic=True)
    ((generation,),) = connection.execute("select n from seen_generations").fetchall()
    for turn in range(_PASSES):
        with _transaction(connection):
            connection.execute(
                f"insert into seen_{generation} (key, offset)"
                " select dedupe_key(source, message_id) as key, offset from log"
                " where offset > ? and offset % ? = ? order by key",
                (pattern, _PASSES, turn),
            )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin")
    yield
    connection.execute("commit")
