"""Reads that fail: one error wherever they do, shown for as long as somebody meets it."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from junctor.store.port import StoreUnavailable
from junctor.store.sqlite import SqliteStore

from .makers import T0, filled


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path)
    await store.ledger.open("crm", 0)
    await filled(store, 500)
    yield store
    await store.close()


@pytest.fixture
async def damaged(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store in which the rejections can't be read."""
    await SqliteStore.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "junctor.db")) as connection:
        select = "select (rootpage - 1) * page_size from sqlite_master, pragma_page_size"
        (at,) = connection.execute(f"{select} where name = 'rejections'").fetchone()
    with (tmp_path / "junctor.db").open("r+b") as file:
        file.seek(at)
        file.write(b"nobody wrote this")
    store = SqliteStore.open(tmp_path)
    yield store
    await store.close()


READS: dict[str, Callable[[SqliteStore], Awaitable[Any]]] = {
    "log": lambda store: store.log.read(0, 10_000),
    "backlog": lambda store: store.ledger.backlog("crm", 0, 10_000),
    "routed": lambda store: store.state.routed(range(1, 500)),
}


@pytest.mark.case(13)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_a_read_that_breaks_off_in_the_middle_is_the_same_error_as_one_that_can_not_begin(
    store: SqliteStore, read: Callable[[SqliteStore], Awaitable[Any]]
) -> None:
    """SQLite reads row by row: a disk may fail at any of them."""
    outcomes = set()
    for steps in (2**n for n in range(16)):
        left = iter([0] * steps)
        store._reading.set_progress_handler(partial(next, left, 1), 1)  # breaks off by 1
        try:
            await read(store)
        except StoreUnavailable:
            outcomes.add("refused")
        else:
            outcomes.add("read")
    store._reading.set_progress_handler(None, 0)
    assert outcomes == {"refused", "read"}
    await read(store)


@pytest.mark.case(13)
async def test_what_can_not_be_read_shows_until_nobody_meets_it_any_more(
    damaged: SqliteStore,
) -> None:
    assert damaged.problem() == ""
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="malformed"):
            await damaged.log.rejections(10)
        assert "can't read: " in damaged.problem()
        damaged._reading.trouble.round_passed()
        assert await damaged.log.head() == 0, "other reads succeed, and prove nothing"
        assert damaged.problem() != ""
    damaged._reading.trouble.round_passed()
    assert damaged.problem() == ""


@pytest.mark.case(13)
async def test_damage_that_maintenance_meets_shows_though_events_are_stored(
    damaged: SqliteStore,
) -> None:
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="malformed"):
            await damaged.maintain(T0)
        assert len(await filled(damaged, 1)) == 1
        assert "malformed" in damaged.problem()
