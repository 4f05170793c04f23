"""The delivery ledger: cursor plus exceptions, and the append-only attempts."""

import asyncio
import sqlite3
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from junctor.model.delivery import (
    TERMINAL,
    Attempt,
    DeadLetter,
    DestinationState,
    Outcome,
    Parked,
    pack_offsets,
    unpack_offsets,
)
from junctor.model.record import Record
from junctor.store.port import Replay, Settlement, StoreError, Tally
from junctor.store.sqlite.state import (
    count,
    intern,
    position,
)
from junctor.store.sqlite.trouble import is_of_the_disk
from junctor.store.sqlite.withdrawing import (
    ROUTED_TO,
    beyond_cursor,
    routed_to,
    sent_to,
    withdraw,
)
from junctor.store.sqlite.writer import Writer, insert_rows, select_in, snapshot

_DEAD_COLUMNS = "destination, offset, at, code, message, attempts, source, message_id, type, json"
_PARKED_COLUMNS = (
    "destination, retry_at, attempts, started_at, code, message, behind, first, last, count, gaps"
)
_COUNTED = {
    Outcome.DELIVERED: "delivered",
    Outcome.DEAD_LETTER: "dead",
    Outcome.DISCARDED: "filtered",
    Outcome.FILTERED: "filtered",
}
_END = 2**62
_TERMINAL = ", ".join(f"'{outcome}'" for outcome in sorted(TERMINAL))


@dataclass(slots=True)
class _Waiting:
    settlement: Settlement
    future: asyncio.Future[list[int]]
    ids: list[int] = field(default_factory=list)
    error: StoreError | None = None


@dataclass(slots=True)
class _Settle:
    """Everything that waited for the writer goes in with few statements."""

    ledger: "SqliteLedger"
    proves_room: bool = False
    taken: list[_Waiting] = field(default_factory=list)

    def run(self, connection: sqlite3.Connection) -> None:
        self._take()
        if not self.taken:
            return
        connection.execute("savepoint together")
        try:
            _write(connection, self.taken)
        except Exception as error:
            if not connection.in_transaction or is_of_the_disk(error) or len(self.taken) == 1:
                raise
            connection.execute("rollback to together")
            for waiting in self.taken:  # one that can't be stored must not hold back its neighbors
                _write_alone(connection, waiting)
        connection.execute("release together")

    def _take(self) -> None:
        waiting = self.ledger.waiting
        while waiting:
            self.taken.append(waiting.popleft())

    def undone(self) -> None:
        if not self.taken:
            self._take()  # the transaction did not come to `run`; nobody else takes them

    def committed(self) -> None:
        for waiting in self.taken:
            if waiting.future.done():
                continue
            if waiting.error is not None:
                waiting.future.set_exception(waiting.error)
            else:
                waiting.future.set_result(waiting.ids)

    def failed(self, error: StoreError) -> None:
        for waiting in self.taken:
            if not waiting.future.done():
                waiting.future.set_exception(error)


def _write_alone(connection: sqlite3.Connection, waiting: _Waiting) -> None:
    connection.execute("savepoint alone")
    try:
        _write(connection, [waiting])
    except Exception as error:
        if not connection.in_transaction or is_of_the_disk(error):
            raise
        connection.execute("rollback to alone")
        waiting.error = StoreError(f"the settlement can't be stored: {type(error).__name__}")
    connection.execute("release alone")


def _write(connection: sqlite3.Connection, taken: list[_Waiting]) -> None:
    attempts: list[tuple[Any, ...]] = []
    cursors: dict[str, int] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for waiting in taken:
        s = waiting.settlement
        for a in s.attempts:
            attempts.append(
                (s.destination, a.at, a.duration, a.number, a.outcome.value, a.code, a.status,
                 a.message, *pack_offsets(a.offsets))
            )  # fmt: skip
            if a.outcome in _COUNTED:
                counts[s.destination, _COUNTED[a.outcome]] += len(a.offsets)
        if s.unpark:
            connection.executemany("delete from parked where id = ?", [(id,) for id in s.unpark])
        waiting.ids = [_park(connection, s.destination, group) for group in s.park]
        insert_rows(
            connection,
            f"insert into dead_letters ({_DEAD_COLUMNS})",
            [
                (d.destination, d.offset, d.at, d.code, d.message, d.attempts, d.source,
                 d.message_id, d.type, d.json)
                for d in s.dead
            ],
        )  # fmt: skip
        if s.accepted:
            counts[s.destination, "accepted"] += s.accepted
        if s.dead_replayed:
            _restore(connection, s.dead_replayed)
            removed = sum(
                connection.execute("delete from dead_letters where id = ?", (id,)).rowcount
                for id in s.dead_replayed
            )
            counts[s.destination, "dead"] -= removed
            # One that somebody else has replayed or purged meanwhile goes out on top of that.
            counts[s.destination, "accepted"] += len(s.dead_replayed) - removed
        if s.cursor is not None:
            cursors[s.destination] = max(s.cursor, cursors.get(s.destination, 0))
    insert_rows(
        connection,
        "insert into attempts (destination, at, duration, number, outcome, code, status, message,"
        " first, last, count, gaps)",
        attempts,
    )
    count(connection, counts)
    for destination, cursor in cursors.items():
        connection.execute(
            "update destinations set cursor = ? where id = ? and cursor < ?",
            (cursor, destination, cursor),
        )


def _restore(connection: sqlite3.Connection, dead: Sequence[int]) -> None:
    """Put the events of dead letters back in the log where retention has removed them."""
    select = "select offset, source, message_id, at, json, destination from dead_letters where id"
    for offset, source, message_id, at, json, destination in list(
        select_in(connection, select, dead)
    ):
        restored = connection.execute(
            "insert or ignore into log (offset, source, message_id, received_at, corrects_clock,"
            " json) values (?, ?, ?, ?, 0, ?)",
            (offset, source, message_id, _received_at(json, at), json),
        ).rowcount
        if restored:
            connection.execute(
                "insert or ignore into routed (offset, profile, routing) values (?, 0, ?)",
                (offset, intern(connection, ((destination, ""),))),
            )


def _received_at(json: bytes, otherwise: int) -> int:
    """Return when a canonical event was received, epoch milliseconds."""
    try:
        return round(datetime.fromisoformat(orjson.loads(json)["receivedAt"]).timestamp() * 1000)
    except (KeyError, TypeError, ValueError):
        return otherwise


def _park(connection: sqlite3.Connection, destination: str, group: Parked) -> int:
    values = (
        destination, group.retry_at, group.attempts, group.started_at, group.code, group.message,
        group.behind, *pack_offsets(group.offsets),
    )  # fmt: skip
    cursor = connection.execute(
        f"insert into parked ({_PARKED_COLUMNS}) values ({','.join('?' * len(values))})", values
    )
    return int(cursor.lastrowid or 0)


class SqliteLedger:
    """Ledger on SQLite."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        """Use the store's writer and reading connection."""
        self._writer = writer
        self._reader = reader
        self.waiting: deque[_Waiting] = deque()

    async def open(self, destination: str, start: int) -> DestinationState:
        """See Ledger."""
        await self._writer.call(
            lambda connection: (
                connection.execute(
                    "insert or ignore into destinations (id, cursor) values (?, ?)",
                    (destination, start),
                ).rowcount
            )
        )
        return next(s for s in await self.destinations() if s.id == destination)

    async def destinations(self) -> list[DestinationState]:
        """See Ledger."""
        return self._states(self._reader)

    def _states(self, connection: sqlite3.Connection) -> list[DestinationState]:
        rows = connection.execute(
            "select id, cursor, paused, paused_by, paused_code, hold_until, fingerprint"
            " from destinations order by id"
        )
        return [DestinationState(*row) for row in rows]

    async def pause(self, state: DestinationState) -> None:
        """See Ledger."""
        values = (
            state.paused, state.paused_by, state.paused_code, state.hold_until, state.fingerprint,
            state.id,
        )  # fmt: skip
        await self._writer.call(
            lambda connection: (
                connection.execute(
                    "update destinations set paused = ?, paused_by = ?, paused_code = ?,"
                    " hold_until = ?, fingerprint = ? where id = ?",
                    values,
                ).rowcount
            )
        )

    async def backlog(
        self, destination: str, after: int, limit: int, upto: int | None = None
    ) -> tuple[list[Record], int]:
        """See Ledger."""
        end = position(self._reader) if upto is None else upto
        rows = self._reader.execute(
            "select l.offset, source, message_id, received_at, corrects_clock, json"
            f" from routed r join log l on l.offset = r.offset where r.offset > ? and"
            f" r.offset <= ? and r.{ROUTED_TO} order by r.offset limit ?",
            (after, end, sent_to(destination), limit),
        ).fetchall()
        records = [Record(*row) for row in rows]
        return records, records[-1].offset if len(records) == limit else max(end, after)

    async def settled_beyond(self, destination: str, cursor: int) -> set[int]:
        """See Ledger."""
        return self._settled_beyond(self._reader, destination, cursor)

    def _settled_beyond(
        self, connection: sqlite3.Connection, destination: str, cursor: int
    ) -> set[int]:
        settled: set[int] = set()
        for table, condition in (("attempts", f"outcome in ({_TERMINAL})"), ("parked", "true")):
            rows = connection.execute(
                f"select first, last, gaps from {table}"
                f" where destination = ? and last > ? and {condition}",
                (destination, cursor),
            )
            for row in rows:
                settled.update(offset for offset in unpack_offsets(*row) if offset > cursor)
        return settled

    async def parked(self, destination: str) -> list[Parked]:
        """See Ledger."""
        rows = self._reader.execute(
            "select first, last, gaps, retry_at, attempts, started_at, code, message, behind, id"
            " from parked where destination = ? order by first, id",
            (destination,),
        )
        return [
            Parked(
                unpack_offsets(first, last, gaps), due, n, since, code, message, bool(behind), id
            )
            for first, last, gaps, due, n, since, code, message, behind, id in rows
        ]

    async def withdraw(
        self, destination: str, offsets: Sequence[int], at: int, groups: Sequence[int] | None = None
    ) -> int:
        """See Ledger."""

        def write(connection: sqlite3.Connection) -> int:
            pending = self._waiting_of(connection, destination, offsets)
            return withdraw(connection, destination, pending, frozenset(offsets), groups, at)

        return await self._writer.call(write) if offsets else 0

    async def waiting_for(self, destination: str, offsets: Sequence[int]) -> bool:
        """See Ledger."""
        if self._waiting_of(self._reader, destination, offsets):
            return True
        rows = self._reader.execute(
            "select first, last, gaps from parked where destination = ? and first <= ?"
            " and last >= ?",
            (destination, max(offsets, default=0), min(offsets, default=0)),
        )
        return any(not set(offsets).isdisjoint(unpack_offsets(*packed)) for packed in rows)

    def _waiting_of(
        self, connection: sqlite3.Connection, destination: str, offsets: Sequence[int]
    ) -> set[int]:
        """Return which of these events are to go to a destination, but for those parked."""
        later = beyond_cursor(connection, destination, offsets)
        if not later:  # by far the most: what was sent long ago
            return set()
        settled = self._settled_beyond(connection, destination, min(later) - 1)
        return routed_to(connection, destination, [one for one in later if one not in settled])

    async def settle(self, settlement: Settlement) -> list[int]:
        """See Ledger."""
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._writer.submit_with(self.waiting, _Waiting(settlement, future), lambda: _Settle(self))
        return await future

    async def attempts(self, destination: str, offset: int) -> list[Attempt]:
        """See Ledger."""
        rows = self._reader.execute(
            "select at, duration, number, outcome, first, last, gaps, code, status, message"
            " from attempts where destination = ? and last >= ? and first <= ? order by id",
            (destination, offset, offset),
        )
        found = []
        for at, duration, number, outcome, first, last, gaps, code, status, message in rows:
            offsets = unpack_offsets(first, last, gaps)
            if offset in offsets:
                found.append(
                    Attempt(at, duration, number, Outcome(outcome), offsets, code, status, message)
                )
        return found

    async def tallies(self) -> dict[str, Tally]:
        """See Ledger."""
        with snapshot(self._reader):
            return self._tallies(self._reader)

    def _tallies(self, reader: sqlite3.Connection) -> dict[str, Tally]:
        unfolded = int(
            reader.execute(
                "select count(*) from log where offset > ?", (position(reader),)
            ).fetchone()[0]
        )
        counters: Counter[tuple[str, str]] = Counter()
        for destination, name, value in reader.execute("select * from counters"):
            counters[destination, name] = value
        tallies = {}
        for state in self._states(reader):
            (parked,) = reader.execute(
                "select coalesce(sum(count), 0) from parked where destination = ?", (state.id,)
            ).fetchone()
            tallies[state.id] = Tally(
                counters[state.id, "accepted"] + unfolded,
                counters[state.id, "delivered"],
                counters[state.id, "filtered"],
                counters[state.id, "dead"],
                self._unsettled(reader, state, _END) + int(parked) + unfolded,
            )
        return tallies

    def _unsettled(
        self,
        connection: sqlite3.Connection,
        state: DestinationState,
        upto: int,
    ) -> int:
        """Count what is routed to a destination up to an offset, and neither settled nor parked."""
        (unread,) = connection.execute(
            f"select count(*) from routed where offset > ? and offset <= ? and {ROUTED_TO}",
            (state.cursor, upto, sent_to(state.id)),
        ).fetchone()
        beyond = self._settled_beyond(connection, state.id, state.cursor)
        return int(unread) - sum(offset <= upto for offset in beyond)

    def pass_over(self, connection: sqlite3.Connection, upto: int) -> None:
        """Count as filtered what retention takes, up to an offset, from those still behind it.

        Only destinations that are no longer configured are; the sums stay true for them too. Runs
        on the writer's thread.
        """
        for state in self._states(connection):
            if state.cursor < upto:
                lost = self._unsettled(connection, state, upto)
                count(connection, Counter({(state.id, "filtered"): lost}))
                connection.execute(
                    "update destinations set cursor = ? where id = ?", (upto, state.id)
                )

    async def dead_letters(
        self,
        destination: str | None = None,
        *,
        code: str | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int = 100,
        ids: Sequence[int] | None = None,
    ) -> list[DeadLetter]:
        """See Ledger."""
        select = f"select {_DEAD_COLUMNS}, id from dead_letters"
        if ids is not None:
            rows = select_in(self._reader, f"{select} where id", list(ids))
            return sorted((DeadLetter(*row) for row in rows), key=lambda d: -d.id)
        conditions = {
            "destination = ?": destination, "code = ?": code, "at >= ?": since, "id < ?": before,
        }  # fmt: skip
        given = {text: value for text, value in conditions.items() if value is not None}
        where = f" where {' and '.join(given)}" if given else ""
        rows = self._reader.execute(
            f"{select}{where} order by id desc limit ?", (*given.values(), limit)
        )
        return [DeadLetter(*row) for row in rows]

    async def purge(self, ids: Sequence[int]) -> int:
        """See Ledger."""
        return await self._writer.call(
            lambda connection: sum(
                connection.execute("delete from dead_letters where id = ?", (id,)).rowcount
                for id in ids
            )
        )

    async def open_replay(self, destination: str, position: int, until: int) -> Replay:
        """See Ledger."""
        return await self._writer.call(
            lambda connection: Replay(
                *connection.execute(
                    "insert into replays (destination, position, until) values (?, ?, ?)"
                    " returning id, destination, position, until, count",
                    (destination, position, until),
                ).fetchone()
            )
        )

    async def replays(self) -> list[Replay]:
        """See Ledger."""
        rows = self._reader.execute(
            "select id, destination, position, until, count from replays where position < until"
            " order by id"
        )
        return [Replay(*row) for row in rows]

    async def advance_replay(self, replay: Replay, settlement: Settlement) -> list[int]:
        """See Ledger."""
        waiting = _Waiting(settlement, asyncio.get_running_loop().create_future())

        def write(connection: sqlite3.Connection) -> list[int]:
            moved = connection.execute(
                "update replays set position = ?, count = ? where id = ? and position < until",
                (replay.position, replay.count, replay.id),
            )
            if moved.rowcount:
                _write(connection, [waiting])
            return waiting.ids

        return await self._writer.call(write)

    async def stop_replay(self, id: int) -> bool:
        """See Ledger."""
        stop = "update replays set until = position where id = ? and position < until"
        return await self._writer.call(
            lambda connection: connection.execute(stop, (id,)).rowcount > 0
        )
