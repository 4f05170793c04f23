"""The store's files stay small, and it stays as fast, whoever reads it for however long."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest

from junctor.store.port import Settlement
from junctor.store.sqlite import SqliteStore
from junctor.store.sqlite import store as module

from .makers import DAY, T0, delivered, everything, filled, many

MIB = 2**20


def wal_size(folder: Path) -> int:
    return (folder / "junctor.db-wal").stat().st_size


@pytest.mark.case(50)
async def test_the_write_ahead_log_stays_small_while_the_hub_itself_reads_all_the_time(
    tmp_path: Path,
) -> None:
    store = SqliteStore.open(tmp_path)
    lookup = store.lookup()
    for round in range(40):
        await store.log.append(many(100, prefix=f"r{round}", padding=12_000))
        await everything(store) if round % 10 == 0 else await store.log.head()
        await lookup.newest_transition()
    assert store.size() > 40 * MIB
    assert wal_size(tmp_path) < 24 * MIB
    assert store.warning() == ""
    await lookup.close()
    await store.close()


@pytest.mark.case(50)
async def test_a_reader_that_never_ends_is_told_of_slows_nobody_and_once_gone_gives_the_space_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup or a shell that somebody forgot: what is committed since can't leave the log."""
    monkeypatch.setattr(module, "_LONG_WAL", 24 * MIB)
    store = SqliteStore.open(tmp_path)
    await store.writer.call(lambda c: c.execute(f"pragma journal_size_limit = {MIB}").fetchall())
    await store.log.append(many(1))
    took = []
    with closing(sqlite3.connect(tmp_path / "junctor.db", isolation_level=None)) as outsider:
        outsider.execute("begin")
        assert outsider.execute("select count(*) from log").fetchone() == (1,)
        for round in range(60):
            started = time.perf_counter()
            await store.log.append(many(50, prefix=f"r{round}", padding=12_000))
            took.append(time.perf_counter() - started)
            if round == 20:
                assert store.warning() == ""
        assert wal_size(tmp_path) > 30 * MIB
        assert "is being read for long" in store.warning()
        assert store.problem() == "", "events are stored all the same"
        assert median(took[-20:]) < 3 * median(took[:20])
        assert outsider.execute("select count(*) from log").fetchone() == (1,)
    for n in range(3):
        await store.log.append(many(1, prefix=f"after{n}"))
    assert wal_size(tmp_path) < 2 * MIB
    assert store.warning() == ""
    await store.close()


@pytest.mark.case(50)
async def test_a_store_opens_as_fast_when_it_has_grown(tmp_path: Path) -> None:
    """What is opened is not read through: neither events, nor attempts, nor dead letters."""

    async def seconds_to_open() -> float:
        started = time.perf_counter()
        store = SqliteStore.open(tmp_path)
        await store.log.head()
        await store.ledger.tallies()
        took = time.perf_counter() - started
        await store.close()
        return took

    store = SqliteStore.open(tmp_path)
    await store.ledger.open("crm", 0)
    await filled(store, 100)
    await store.close()
    small = min([await seconds_to_open() for _ in range(5)])
    store = SqliteStore.open(tmp_path)
    kept = await filled(store, 30_000)
    many_attempts = [one for offset in kept[::10] for one in delivered(offset)]
    await store.ledger.settle(Settlement("crm", attempts=many_attempts))
    await store.close()
    assert min([await seconds_to_open() for _ in range(5)]) < 3 * small + 0.02


@pytest.mark.case(50)
async def test_files_shrink_after_the_retention_and_what_was_freed_is_used_again(
    tmp_path: Path,
) -> None:
    """Week after week the same amount comes and goes: the file does not grow."""
    store = SqliteStore.open(tmp_path)
    sizes = []
    for week in range(6):
        at = T0 + week * 8 * DAY
        kept = await filled(store, 1_000, at=at, padding=4_000)
        await store.ledger.open("crm", 0)
        await store.ledger.settle(Settlement("crm", attempts=delivered(*kept), cursor=kept[-1]))
        for _ in range(3):
            await store.maintain(at)
        sizes.append(store.size())
    assert max(sizes[1:]) < 1.3 * sizes[0]
    await store.close()
    assert os.stat(tmp_path / "junctor.db").st_size < 2.5 * sizes[0]
