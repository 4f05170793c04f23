"""The fold at work: whatever batches can't be stored, each event is published once, in order."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.host.folding import Folding
from junctor.model.processed import Batch
from junctor.model.record import NewRecord
from junctor.pipeline.backfill import Backfill
from junctor.pipeline.flow import Folded
from junctor.pipeline.tail import Tail
from junctor.store.dedupe import dedupe_key
from junctor.store.port import StoreError
from junctor.store.sqlite import SqliteStore
from tests.unit.pipeline.bodies import T0, named, track
from tests.unit.pipeline.town import LOG, flow


class Hurried:
    """A clock on which nobody waits."""

    def now(self) -> float:
        return T0 / 1000 + 1_000

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Fold:
    """A store, and the fold of what is appended to it."""

    def __init__(self, folder: Path, faults: Iterator[bool]) -> None:
        """Fail to store a batch whenever `faults` says so."""
        self.store = SqliteStore.open(folder)
        self.batches: list[Batch] = []
        tail = self.tail = Tail(self.store.log)
        state: Any = self.store.state
        usual = state.write

        def write(connection: sqlite3.Connection, commit: Any) -> None:
            if commit.result.routed and next(faults, False):
                raise sqlite3.OperationalError("disk I/O error")
            usual(connection, commit)

        state.write = write
        folded = flow(state, self.batches)
        program = Program(Definitions())
        backfill = Backfill(
            state, self.store.log, self.store.memberships, {}, program,
            lambda _: program, lambda _: folded.audiences,
        )  # fmt: skip
        self.folding = Folding(
            folded, backfill, tail, state, 0, Hurried(), LOG, lambda: None, most=5
        )
        self.running = asyncio.create_task(self.folding.fold_all())

    async def append(self, bodies: list[dict[str, Any]], first: int) -> None:
        await self.store.log.append(
            [
                NewRecord("web", f"m-{n}", T0 + n, False, dedupe_key("web", f"m-{n}"),
                          orjson.dumps(named(body, n)), named(body, n))
                for n, body in enumerate(bodies, first)
            ]
        )  # fmt: skip

    async def close(self) -> None:
        self.running.cancel()
        await asyncio.wait([self.running])
        await self.folding.settle()
        await self.store.close()


def learned(n: int) -> dict[str, Any]:
    return {"type": "identify", "userId": f"u-{n % 7}", "traits": {"plan": str(n)}}


BODIES = [learned(n) if n % 3 else track(f"u-{n % 5}") for n in range(40)]


async def run(folder: Path, faults: list[bool], sizes: list[int]) -> tuple[list[Batch], Any]:
    fold = Fold(folder, iter(faults))
    first = 0
    while first < len(BODIES):
        size = sizes[first % len(sizes)]
        await fold.append(BODIES[first : first + size], first)
        first += size
        with suppress(Exception):
            async with fold.folding.still():  # others take turns, and may hear of a failure first
                pass
    async with asyncio.timeout(20):
        await fold.folding.caught_up.wait()
    people = await fold.store.state.profiles(await fold.store.state.profile_ids(0, 1_000))
    found = {id: (one.encode(), one.behavior) for id, one in people.items()}
    await fold.close()
    return fold.batches, found


@pytest.mark.case(26)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@settings(max_examples=15, deadline=None)
@given(
    faults=st.lists(st.booleans(), max_size=25),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_whatever_can_not_be_stored_is_folded_again_and_published_once_in_order(
    faults: list[bool], sizes: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        batches, people = asyncio.run(run(Path(folder) / "a", faults, sizes))
        _, expected = asyncio.run(run(Path(folder) / "b", [], sizes))
    offsets = [item.event.offset for batch in batches for item in batch.events]
    assert offsets == list(range(1, len(BODIES) + 1))
    assert [batch.previous for batch in batches[1:]] == [batch.last for batch in batches[:-1]]
    assert people == expected


async def test_what_goes_wrong_with_telling_is_not_folded_again(tmp_path: Path) -> None:
    fold = Fold(tmp_path, iter([]))
    told: list[int] = []

    def tell(folded: Folded) -> None:
        told.append(folded.batch.last)
        raise ZeroDivisionError

    fold.folding.flow.tell = tell  # type: ignore[method-assign]
    for first in range(0, 20, 5):
        await fold.append(BODIES[first : first + 5], first)
        async with fold.folding.still():
            pass
    async with asyncio.timeout(20):
        await fold.folding.caught_up.wait()
    assert told == sorted(set(told))
    assert told[-1] == fold.folding.position == await fold.store.state.position() == 20
    await fold.close()


async def test_time_does_not_run_ahead_of_a_batch_that_could_not_be_stored(tmp_path: Path) -> None:
    fold = Fold(tmp_path, iter([False, True]))
    seen: list[tuple[int, int]] = []  # of times when the fold was behind
    usual = fold.folding.flow.pass_time

    async def pass_time(now: int, position: int, limit: int) -> int:
        if position < fold.tail.head:
            seen.append((now, position))
        return await usual(now, position, limit)

    fold.folding.flow.pass_time = pass_time  # type: ignore[method-assign]
    for first in (0, 5):
        await fold.append(BODIES[first : first + 5], first)
        for _ in range(50):
            with suppress(StoreError):
                async with fold.folding.still():
                    await fold.folding._do_what_is_due()
    async with asyncio.timeout(20):
        await fold.folding.caught_up.wait()
    assert seen
    assert all(now <= max(T0 + position - 1, 0) for now, position in seen if position)
    assert all(now == 0 for now, position in seen if not position)
    await fold.close()
