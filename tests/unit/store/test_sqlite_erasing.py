"""What was removed is overwritten on the disk, and nobody has to wait for that."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from junctor.model.delivery import Parked
from junctor.model.erasure import Erasure
from junctor.model.record import Rejection
from junctor.store.port import Settlement
from junctor.store.sqlite import SqliteStore

from .makers import T0, filled, many, parked

NAME = b"zq-"


def on_the_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@pytest.mark.case(16)
async def test_who_reads_keeps_nobody_from_writing_while_it_is_tried_to_overwrite(
    tmp_path: Path,
) -> None:
    store = SqliteStore.open(tmp_path)
    await filled(store, 3)
    with closing(sqlite3.connect(tmp_path / "junctor.db", isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from log").fetchone()
        await store.log.append(many(3, prefix="later"))
        begun = time.monotonic()
        wiping = asyncio.create_task(store.erasures.wipe())
        while not wiping.done():
            await store.log.append(many(1, prefix=str(time.monotonic())))
        assert not await wiping
        assert time.monotonic() - begun < 1.0
    assert await store.erasures.wipe()
    await store.close()


@pytest.mark.case(16)
async def test_a_file_that_gives_up_no_pages_has_them_overwritten(tmp_path: Path) -> None:
    """As one is that a tool has written anew."""
    await SqliteStore.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "junctor.db", isolation_level=None)) as connection:
        for text in ("journal_mode = delete", "auto_vacuum = none"):
            connection.execute(f"pragma {text}")
        connection.execute("vacuum")
        assert connection.execute("pragma auto_vacuum").fetchone() == (0,)
    store = SqliteStore.open(tmp_path)
    records = many(3_000, prefix=NAME.decode(), padding=3_000)
    for one in records:
        one.json = one.json.replace(b"xxx", NAME)
    await store.log.append(records)
    erasure = Erasure(9_999, T0, (), (), ())
    await store.erasures.remove_events(erasure, range(1, 3_001))
    assert await asyncio.wait_for(store.erasures.wipe(), 10)
    assert NAME not in on_the_disk(tmp_path)
    await store.close()


async def test_a_person_of_very_many_identifiers_is_not_searched_once_for_each(
    tmp_path: Path,
) -> None:
    store = SqliteStore.open(tmp_path)
    text = orjson.dumps({"note": "X" * 8_000, "id": "a-1"})
    await store.log.append([], [Rejection("web", T0, "no type", text)] * 200)
    ids = tuple(("anonymous_id", f"a-{n}") for n in range(1_000, 3_000))
    begun = time.monotonic()
    traces = await store.erasures.traces(Erasure(1, T0, (), ids, ()), [])
    assert time.monotonic() - begun < 1.5
    assert traces.rejections == []
    await store.close()


async def test_who_is_waited_for_is_found_without_reading_all_that_waits(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    await store.ledger.open("crm", 0)
    await filled(store, 3)
    await store.ledger.settle(Settlement("crm", park=[parked(1, 3)], cursor=3))

    async def all_of_it(destination: str) -> list[Parked]:
        raise AssertionError("there may be very many")

    store.ledger.parked = all_of_it  # type: ignore[method-assign]
    assert await store.ledger.waiting_for("crm", [3])
    assert not await store.ledger.waiting_for("crm", [2])
    await store.close()
