"""The one thread that writes: everything submitted while a commit runs shares the next one.

This is the group commit: one transaction and one fsync for all waiting jobs of all kinds.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Generic, Protocol, TypeVar

from junctor.store.port import StoreError, StoreUnavailable
from junctor.store.sqlite.trouble import Trouble, is_damage, is_of_the_disk

GATHER_SECONDS: Final = 0.004
"""Under load, least time between two commits, so that they gather more and sync less often."""

T = TypeVar("T")

_CHUNKS: Final = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)


class Job(Protocol):
    """A piece of work for the writer."""

    @property
    def proves_room(self) -> bool:
        """Whether its commit shows that events can be stored."""
        ...

    def run(self, connection: sqlite3.Connection) -> None:
        """Write, inside the shared transaction; on the writer's thread."""
        ...

    def undone(self) -> None:
        """Be told that what `run` did was rolled back; on the writer's thread."""
        ...

    def committed(self) -> None:
        """Be told that the transaction is durable; on the event loop."""
        ...

    def failed(self, error: StoreError) -> None:
        """Be told that nothing was written; on the event loop."""
        ...


class Writer:
    """Runs jobs in order on its own thread and connection."""

    def __init__(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread; outcomes are reported to `loop`."""
        self._connection = connection
        self._loop = loop
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._commits = 0
        self.problem = ""
        """Why the last commit failed, "" if it did not."""
        self.damage = Trouble()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def commits(self) -> int:
        """How many transactions were committed, each with one fsync of the log."""
        return self._commits

    def submit(self, job: Job) -> None:
        """Queue a job.

        Raises:
            StoreUnavailable: the writer is closed.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._jobs.put(job)

    def submit_with(self, waiting: deque[T], item: T, job: Callable[[], Job]) -> None:
        """Add `item` to those that a job takes along; queue a job if none is on its way.

        First the item, then the look at the length: the writer's thread empties `waiting` at any
        time, and an item added behind that must find that it is the first again.

        Raises:
            StoreUnavailable: the writer is closed.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        waiting.append(item)
        if len(waiting) == 1:
            self._jobs.put(job())

    async def call(
        self, function: Callable[[sqlite3.Connection], T], *, proves_room: bool = False
    ) -> T:
        """Run `function` in a transaction and return its result once that is durable."""
        job = _Call(function, self._loop.create_future(), proves_room)
        self.submit(job)
        result: T = await job.future
        return result

    async def close(self) -> None:
        """Finish what was submitted, then end the thread."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        last_commit, busy, ending = 0.0, False, False
        while not ending:
            first = self._jobs.get()
            if busy and (wait := last_commit + GATHER_SECONDS - time.monotonic()) > 0:
                time.sleep(wait)
            jobs: list[Job] = []
            ending = self._gather(first, jobs)
            if jobs:
                self._commit(jobs)
                busy = len(jobs) > 1 or not self._jobs.empty()
                last_commit = time.monotonic()

    def _gather(self, first: Job | None, jobs: list[Job]) -> bool:
        job = first
        while job is not None:
            jobs.append(job)
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return False
        return True

    def _commit(self, jobs: list[Job]) -> None:
        done: list[Job] = []
        failures: list[tuple[Job, StoreError]] = []
        connection, problem = self._connection, ""
        try:
            connection.execute("begin immediate")
            for job in jobs:
                connection.execute("savepoint job")
                try:
                    job.run(connection)
                except Exception as error:
                    if isinstance(error, sqlite3.Error) and not connection.in_transaction:
                        raise  # SQLite rolled everything back: disk full, I/O error
                    connection.execute("rollback to job")
                    job.undone()
                    failure = _as_store_error(error)
                    failures.append((job, failure))
                    if is_of_the_disk(error):
                        problem = problem or str(failure)
                        self._note_damage(error, failure)
                else:
                    done.append(job)
                connection.execute("release job")
            connection.execute("commit")
            self._commits += 1
            if problem or any(job.proves_room for job in done):
                self.problem = problem
        except sqlite3.Error as error:
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # then the next one finds it open, and tries again
                    connection.execute("rollback")
            failure = _as_store_error(error)
            self.problem = str(failure)
            self._note_damage(error, failure)
            failures = [(job, failure) for job in jobs]
            done = []
            for job in jobs:
                job.undone()
        try:
            self._loop.call_soon_threadsafe(_report, done, failures)
        except RuntimeError:
            return  # the loop is gone: nobody is waiting

    def _note_damage(self, error: Exception, failure: StoreError) -> None:
        if is_damage(error):
            self.damage.meet(str(failure))


def _report(done: list[Job], failures: list[tuple[Job, StoreError]]) -> None:
    for job in done:
        job.committed()
    for job, error in failures:
        job.failed(error)


def _as_store_error(error: Exception) -> StoreError:
    if isinstance(error, sqlite3.Error):
        return StoreUnavailable(f"the store can't write: {error}")
    return (
        error if isinstance(error, StoreError) else StoreError(f"{type(error).__name__}: {error}")
    )


class _Call(Generic[T]):
    def __init__(
        self,
        function: Callable[[sqlite3.Connection], T],
        future: asyncio.Future[T],
        proves_room: bool,
    ) -> None:
        self.proves_room = proves_room
        self.function = function
        self.future = future
        self.result: T | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        self.result = self.function(connection)

    def undone(self) -> None:
        self.result = None

    def committed(self) -> None:
        if not self.future.done():
            self.future.set_result(self.result)  # type: ignore[arg-type]

    def failed(self, error: StoreError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@contextmanager
def snapshot(reader: sqlite3.Connection) -> Iterator[None]:
    """Let all reads within see the same commit."""
    if not reader.in_transaction:  # else an earlier end failed
        reader.execute("begin")
    try:
        yield
    finally:
        reader.execute("commit")


def insert_rows(
    connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[Any]], then: str = ""
) -> int:
    """Insert `rows` with few statements, whose texts repeat; return how many were inserted.

    `into` is all of the statement before `values`, `then` what comes after them. Several rows a
    statement: the interpreter lock is handed over once a statement, and that costs more than the
    insert.
    """
    inserted = 0
    for start, size in _pieces(len(rows)):
        one = f"({','.join('?' * len(rows[0]))})"
        sql = f"{into} values {','.join([one] * size)} {then}"
        values = [value for row in rows[start : start + size] for value in row]
        inserted += connection.execute(sql, values).rowcount
    return inserted


def select_in(
    connection: sqlite3.Connection, select: str, keys: Sequence[Any], before: Sequence[Any] = ()
) -> Iterable[Any]:
    """Yield the rows of `select` (which ends before `in`) for `keys`; `before` binds its `?`."""
    for start, size in _pieces(len(keys)):
        sql = f"{select} in ({','.join('?' * size)})"
        yield from connection.execute(sql, [*before, *keys[start : start + size]])


def _pieces(count: int) -> Iterable[tuple[int, int]]:
    start = 0
    for size in _CHUNKS:
        while count - start >= size:
            yield start, size
            start += size
