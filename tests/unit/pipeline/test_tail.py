"""The log's newest part: every record once, in order, from memory or from the log."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.model.record import Record
from junctor.pipeline.tail import Tail
from junctor.store.port import Appended


class Log:
    """As much of an EventLog as the tail asks for."""

    def __init__(self) -> None:
        """Start empty."""
        self.records: list[Record] = []
        self.listeners: list[Callable[[Appended], None]] = []
        self.reads = 0

    def subscribe(self, listener: Callable[[Appended], None]) -> None:
        self.listeners.append(listener)

    async def read(self, after: int, limit: int) -> list[Record]:
        self.reads += 1
        return [record for record in self.records if record.offset > after][:limit]

    def append(self, count: int, *, gap: int = 0) -> None:
        previous = self.records[-1].offset if self.records else 0
        new = [
            Record(previous + gap + n, "web", f"m-{n}", (previous + n) % 2, False, b"x" * 10)
            for n in range(1, count + 1)
        ]
        self.records += new
        for listener in self.listeners:
            listener(Appended(previous, new))


async def follow(tail: Tail, upto: int, position: int = 0, limit: int = 3) -> list[int]:
    seen: list[int] = []
    while position < upto:
        records = await tail.next(position, limit)
        seen += [record.offset for record in records]
        position = seen[-1]
    return seen


async def test_live_records_are_not_read_back() -> None:
    log = Log()
    tail = Tail(log)  # type: ignore[arg-type]
    for _ in range(4):
        log.append(2, gap=1)
    assert await follow(tail, log.records[-1].offset) == [r.offset for r in log.records]
    assert (log.reads, tail.bytes) == (0, 0)


async def test_it_waits_for_more() -> None:
    log = Log()
    tail = Tail(log)  # type: ignore[arg-type]
    waiting = asyncio.create_task(tail.next(0, 10))
    await asyncio.sleep(0)
    assert not waiting.done()
    log.append(1)
    assert [record.offset for record in await waiting] == [1]


async def test_what_came_before_is_read_from_the_log() -> None:
    log = Log()
    log.append(5)
    tail = Tail(log)  # type: ignore[arg-type]
    tail.head = 5
    log.append(2)
    assert await follow(tail, 7) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("most", [0, 15, 45])
async def test_when_memory_is_full_the_log_is_read(most: int) -> None:
    log = Log()
    tail = Tail(log, most_bytes=most)  # type: ignore[arg-type]
    for _ in range(6):
        log.append(2)
        assert tail.bytes <= most
    assert await follow(tail, 12) == list(range(1, 13))


async def test_what_was_taken_and_not_folded_is_read_again() -> None:
    log = Log()
    tail = Tail(log)  # type: ignore[arg-type]
    log.append(4)
    await tail.next(0, 10)
    tail.forget()
    assert tail.bytes == 0
    assert await follow(tail, 4) == [1, 2, 3, 4]


steps: st.SearchStrategy[Sequence[tuple[str, int]]] = st.lists(
    st.tuples(st.sampled_from(["append", "take", "forget"]), st.integers(1, 4)), max_size=20
)


@settings(max_examples=150)
@given(steps, st.sampled_from([0, 25, 1_000]), st.integers(1, 5))
def test_every_record_comes_once_and_in_order(
    story: Sequence[tuple[str, int]], most: int, limit: int
) -> None:
    async def run() -> None:
        log = Log()
        log.append(2)
        tail = Tail(log, most_bytes=most)  # type: ignore[arg-type]
        tail.head = 2
        seen: list[int] = []
        for step, count in story:
            position = seen[-1] if seen else 0
            if step == "append":
                log.append(count, gap=count % 2)
            elif step == "forget":
                tail.forget()
            elif position < tail.head:
                seen += [record.offset for record in await tail.next(position, limit)]
        seen += await follow(tail, tail.head, seen[-1] if seen else 0, limit)
        assert seen == [record.offset for record in log.records]

    asyncio.run(run())
