"""Who brings events waits for a pipeline that lags, and no longer than is told."""

import asyncio
from contextlib import suppress
from typing import cast

from junctor.model.record import Record
from junctor.pipeline.tail import Tail
from junctor.store.port import Appended, EventLog


class Log:
    """A log that appends by hand."""

    def __init__(self) -> None:
        self.head = 0

    def subscribe(self, listener: object) -> None:
        self.append_to = listener

    def append(self, size: int) -> None:
        record = Record(self.head + 1, "web", f"m-{self.head}", 1, False, b"x" * size)
        previous, self.head = self.head, self.head + 1
        self.append_to(Appended(previous, [record]))  # type: ignore[operator]

    async def read(self, after: int, limit: int) -> list[Record]:
        upto = min(self.head, after + limit)
        return [Record(n, "web", f"m-{n}", n, False, b"x") for n in range(after + 1, upto + 1)]


def tail(log: Log, most: int = 1_000, enough: int = 100) -> Tail:
    return Tail(cast(EventLog, log), most, enough)


async def test_there_is_room_until_enough_waits() -> None:
    log = Log()
    it = tail(log)
    log.append(100)
    assert await it.room(50, 0)
    it.come(50)
    log.append(1)
    assert not await it.room(50, 0)


async def test_what_was_given_room_counts_until_it_has_come() -> None:
    it = tail(Log())
    assert await it.room(101, 0)
    assert not await it.room(1, 0)
    it.come(101)
    assert await it.room(1, 0)


async def test_who_waits_goes_on_as_soon_as_the_fold_has_taken_what_waited() -> None:
    log = Log()
    it = tail(log)
    log.append(200)
    waiting = asyncio.create_task(it.room(1, 60))
    await asyncio.sleep(0)
    assert not waiting.done()
    await it.next(0, 10)
    assert await waiting


async def test_who_came_first_goes_first_and_nobody_is_let_in_for_who_has_gone() -> None:
    log = Log()
    it = tail(log)
    log.append(200)
    assert not await it.room(1, 0)  # has given up by now
    first, second = (asyncio.create_task(it.room(101, 60)) for _ in range(2))
    await asyncio.sleep(0)
    await it.next(0, 10)
    assert await first
    assert not second.done()
    it.come(101)
    assert await second


async def test_who_is_canceled_leaves_its_room_to_others() -> None:
    it = tail(Log())
    waiting = asyncio.create_task(it.room(101, 60))
    await asyncio.sleep(0)  # it has room by now, and does not know it yet
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    assert await it.room(1, 0)


async def test_there_is_no_room_while_the_fold_reads_the_log() -> None:
    log = Log()
    it = tail(log, most=300)
    log.append(200)
    log.append(200)  # too much for the memory: now the log has it
    log.append(1)
    waiting = asyncio.create_task(it.room(1, 60))
    assert [record.offset for record in await it.next(0, 1)] == [1]
    await asyncio.sleep(0)
    assert not waiting.done()
    await it.next(1, 10)
    assert await waiting


async def test_records_that_must_be_read_again_keep_others_out_until_they_are() -> None:
    log = Log()
    it = tail(log)
    log.append(200)
    it.forget()
    assert not await it.room(1, 0)
    await it.next(0, 10)
    assert await it.room(1, 0)
