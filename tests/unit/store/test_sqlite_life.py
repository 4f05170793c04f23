"""The embedded store's life: one owner, versions, crashes, and space given back."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from random import Random

import pytest

from junctor.model.delivery import Outcome
from junctor.model.profile import IdentityConflict, Profile
from junctor.store.port import FoldResult, Settlement, StoreError, StoreLocked, StoreTooNew
from junctor.store.sqlite import SqliteStore, state
from junctor.store.sqlite import store as module

from .makers import (
    DAY,
    T0,
    attempt,
    balanced,
    delivered,
    everything,
    filled,
    fold,
    ids,
    many,
    new,
    offsets,
    parked,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path)
    yield store
    await store.close()


# -- one owner -----------------------------------------------------------------------------------


@pytest.mark.case(40)
async def test_a_second_owner_is_refused_and_told_who_has_it(
    store: SqliteStore, tmp_path: Path
) -> None:
    with pytest.raises(StoreLocked, match=str(os.getpid())):
        SqliteStore.open(tmp_path)
    assert await store.log.append([new("still-works")]) == 0
    await store.close()
    again = SqliteStore.open(tmp_path)
    await again.close()


async def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="file"):
        SqliteStore.open(tmp_path / "file" / "store")


async def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "junctor.db").write_bytes(b"my diary, not a database " * 100)
    for _ in range(2):  # and the lock is let go
        with pytest.raises(StoreError, match="can't be opened"):
            SqliteStore.open(tmp_path)
    assert (tmp_path / "junctor.db").read_bytes().startswith(b"my diary")


async def test_only_the_owner_may_look_into_the_folder(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "deep" / "store")
    assert (tmp_path / "deep" / "store").stat().st_mode & 0o077 == 0
    await store.close()


async def test_every_commit_is_synced(store: SqliteStore) -> None:
    [mode] = store._writing.execute("pragma journal_mode").fetchone()
    [synchronous] = store._writing.execute("pragma synchronous").fetchone()
    assert (mode, synchronous) == ("wal", 2)


async def test_opening_a_store_for_reads_writes_nothing(store: SqliteStore) -> None:
    """Else it would fail while the disk is full, and wait for whoever writes."""

    def version() -> int:
        """Return a number that rises with each commit of another connection."""
        (found,) = store._reading.execute("pragma data_version").fetchone()
        return int(found)

    before = version()
    lookup = store.lookup()
    assert await lookup.newest_transition() == 0
    assert version() == before
    await lookup.close()


async def test_opening_a_store_that_is_up_to_date_writes_nothing(tmp_path: Path) -> None:
    await SqliteStore.open(tmp_path).close()
    before = (tmp_path / "junctor.db").read_bytes()
    await SqliteStore.open(tmp_path).close()
    assert (tmp_path / "junctor.db").read_bytes() == before


@pytest.mark.case(13)
async def test_no_new_store_is_made_in_the_place_of_one_that_is_gone(tmp_path: Path) -> None:
    await SqliteStore.open(tmp_path).close()
    (tmp_path / "junctor.db").unlink()
    for _ in range(2):  # and the lock is let go
        with pytest.raises(StoreError, match=f"gone or empty.*remove {tmp_path / 'lock'}"):
            SqliteStore.open(tmp_path)
    (tmp_path / "lock").unlink()
    await SqliteStore.open(tmp_path).close()


# -- versions ------------------------------------------------------------------------------------

STEP = "create table step (n integer);\ninsert into step values (1);\n"


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of migrations: version 1 is the present one, version 2 is written by the test."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for script in files("junctor.store.sqlite").iterdir():
        if script.name.endswith(".sql"):
            (folder / script.name).write_text(script.read_text("utf-8"))
    monkeypatch.setattr(module, "files", lambda _: folder)
    return folder


def version(place: Path) -> int:
    connection = sqlite3.connect(place / "junctor.db")
    (found,) = connection.execute("pragma user_version").fetchone()
    connection.close()
    return int(found)


async def test_an_older_store_is_brought_up_to_date_with_its_events(
    tmp_path: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore.open(tmp_path)
    await store.log.append(many(3))
    await store.close()
    (migrations / "two.sql").write_text(STEP)
    monkeypatch.setattr(module, "_MIGRATIONS", (*module._MIGRATIONS, "two.sql"))
    before = version(tmp_path)
    store = SqliteStore.open(tmp_path)
    assert len(await everything(store)) == 3
    await store.close()
    assert version(tmp_path) == before + 1


async def test_a_newer_store_is_refused_and_left_alone(
    tmp_path: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (migrations / "two.sql").write_text(STEP)
    usual = module._MIGRATIONS
    monkeypatch.setattr(module, "_MIGRATIONS", (*usual, "two.sql"))
    store = SqliteStore.open(tmp_path)
    await store.log.append(many(3))
    await store.close()
    monkeypatch.setattr(module, "_MIGRATIONS", usual)
    for _ in range(2):  # and the lock is let go
        with pytest.raises(StoreTooNew, match="upgrade junctor"):
            SqliteStore.open(tmp_path)
    assert version(tmp_path) == len(usual) + 1


@pytest.mark.parametrize("kept", [1, 2])
async def test_a_migration_that_breaks_off_is_taken_up_again(
    tmp_path: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """A crash leaves whole versions only: what SQLite has not committed was never there."""
    store = SqliteStore.open(tmp_path)
    await store.log.append(many(3))
    await store.close()
    first = version(tmp_path)
    names = ["two.sql", "three.sql"]
    for number, name in enumerate(names, 1):
        table = STEP.replace("step", f"step_{number}")
        broken = "insert into nowhere values (1);" if number == kept else ""
        (migrations / name).write_text(table + broken)
    monkeypatch.setattr(module, "_MIGRATIONS", (*module._MIGRATIONS, *names))
    with pytest.raises(StoreError, match="nowhere"):
        SqliteStore.open(tmp_path)
    assert version(tmp_path) == first + kept - 1
    (migrations / names[kept - 1]).write_text(STEP.replace("step", f"step_{kept}"))
    store = SqliteStore.open(tmp_path)
    assert version(tmp_path) == first + 2
    assert len(await everything(store)) == 3
    steps = [store._reading.execute(f"select * from step_{n}").fetchall() for n in (1, 2)]
    assert steps == [[(1,)], [(1,)]]
    await store.close()


# -- crashes -------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from junctor.model.record import NewRecord
from junctor.store.dedupe import dedupe_key
from junctor.store.sqlite import SqliteStore

async def send(store, client):
    n = 0
    while True:
        names = [f"{client}-{n}-{i}" for i in range(3)]
        await store.log.append(
            [NewRecord("web", m, 1, False, dedupe_key("web", m), m.encode(), {}) for m in names]
        )
        print(client, n, flush=True)
        n += 1

async def main():
    store = SqliteStore.open(Path(sys.argv[1]))
    await asyncio.gather(*(send(store, client) for client in range(8)))

asyncio.run(main())
"""


def killed_after(answers: int, place: Path) -> list[list[str]]:
    """Kill a writing process after some answers; return all that it gave."""
    writing = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE, text=True
    )
    assert writing.stdout is not None
    acknowledged = [writing.stdout.readline().split() for _ in range(answers)]
    writing.send_signal(signal.SIGKILL)
    acknowledged += [line.split() for line in writing.stdout if line.endswith("\n")]
    writing.stdout.close()
    assert writing.wait() == -signal.SIGKILL
    return acknowledged


@pytest.mark.case(14)
@pytest.mark.parametrize("answers", [1, 40, 400])
async def test_every_acknowledged_event_survives_kill_9(tmp_path: Path, answers: int) -> None:
    acknowledged = killed_after(answers, tmp_path)
    store = SqliteStore.open(tmp_path)  # the dead one's lock is free
    kept = await everything(store)
    for client, n in acknowledged:
        for i in range(3):
            assert f"{client}-{n}-{i}" in ids(kept)
    names = ids(kept)
    assert len(names) == len(set(names))
    assert len(names) % 3 == 0, "a request is there as a whole or not at all"
    await store.close()


async def test_a_copy_taken_at_any_moment_opens(store: SqliteStore, tmp_path: Path) -> None:
    """What lies on the disk after each answer is a whole store, closed or not."""
    for n in range(3):
        await store.log.append([new(f"m-{n}")])
        place = tmp_path / f"copy-{n}"
        place.mkdir()
        for name in ("junctor.db", "junctor.db-wal"):
            shutil.copy(tmp_path / name, place)
        copy = SqliteStore.open(place)
        assert ids(await everything(copy)) == [f"m-{i}" for i in range(n + 1)]
        await copy.close()


@pytest.mark.case(13, 14)
@pytest.mark.parametrize("damage", ["cut", "garbled", "more"])
async def test_a_torn_end_of_the_write_ahead_log_costs_no_commit_before_it(
    store: SqliteStore, tmp_path: Path, damage: str
) -> None:
    """A power cut leaves any part of the last write; what is there behind it counts for nothing."""
    random, wal = Random(damage), tmp_path / "junctor.db-wal"
    ends = []
    for n in range(12):
        await store.log.append([new(f"m-{n}", padding=random.choice([0, 6_000]))])
        ends.append(wal.stat().st_size)
    whole = wal.read_bytes()
    for number in range(25):
        place = tmp_path / f"copy-{number}"
        place.mkdir()
        shutil.copy(tmp_path / "junctor.db", place)
        torn = random.randint(ends[0] - 100, ends[-1] - 1)
        behind = {
            "cut": b"",
            "garbled": random.randbytes(len(whole) - torn),
            "more": whole[torn:] + whole[-random.randint(1, 4_000) :],
        }[damage]
        (place / "junctor.db-wal").write_bytes(whole[:torn] + behind)
        copy = SqliteStore.open(place)
        safe = len(whole) if damage == "more" else torn
        assert ids(await everything(copy)) == [f"m-{n}" for n in range(12) if ends[n] <= safe]
        assert await copy.log.append([new("next")]) == 0
        await copy.close()


# -- retention -----------------------------------------------------------------------------------


@pytest.mark.case(50)
async def test_space_is_given_back_to_the_disk(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    kept = await filled(store, 3_000, padding=4_000)
    await store.ledger.open("crm", kept[-1])
    await store.maintain(T0)
    before = store.size()
    for _ in range(4):
        await store.maintain(T0 + 8 * DAY)
    assert store.size() < before / 10
    await store.close()
    assert (tmp_path / "junctor.db").stat().st_size < before / 4


async def test_a_destination_no_longer_configured_keeps_nothing_and_its_sums_stay_true(
    store: SqliteStore,
) -> None:
    for destination in ("crm", "alerts"):
        await store.ledger.open(destination, 0)
    kept = await filled(store, 10)
    await store.ledger.settle(Settlement("crm", attempts=delivered(*kept), cursor=kept[-1]))
    await store.ledger.settle(
        Settlement(
            "alerts",
            attempts=[attempt(Outcome.DELIVERED, [1, 4]), attempt(Outcome.RETRY, [6])],
            park=[parked(6)],
            cursor=1,
        )
    )
    store.keep_for(frozenset({"crm"}))
    await store.maintain(T0 + 30 * DAY)
    assert offsets(await everything(store)) == kept[-1:]
    alerts = (await store.ledger.tallies())["alerts"]
    assert balanced(alerts)
    assert (alerts.accepted, alerts.delivered, alerts.filtered, alerts.pending) == (10, 2, 6, 2)


async def test_conflicts_and_rejections_do_not_grow_for_ever(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from junctor.model.record import Rejection

    monkeypatch.setattr(module, "_MOST_REJECTIONS", 5)
    await store.log.append(many(3), [Rejection("web", T0, f"r{n}", b"1") for n in range(20)])
    conflicts = [IdentityConflict(offset, T0, 1, "kept apart") for offset in (1, 2, 3)]
    await store.state.commit(FoldResult(3, conflicts=conflicts))
    await store.maintain(T0 + 30 * DAY)
    assert [r.reason for r in await store.log.rejections(99)] == [
        f"r{n}" for n in range(19, 14, -1)
    ]
    assert store._reading.execute("select offset from conflicts").fetchall() == [(3,)]


@pytest.mark.case(50)
async def test_maintaining_reads_only_the_oldest_rows(store: SqliteStore) -> None:
    """However much is retained, a round with nothing to remove costs the same."""
    steps: list[int] = []

    async def work() -> int:
        steps.clear()
        store._writing.set_progress_handler(lambda: steps.append(1), 100)
        await store.maintain(T0)
        store._writing.set_progress_handler(None, 0)
        return len(steps)

    await store.ledger.open("crm", 0)
    for target in (2_000, 12_000):
        kept = await filled(store, target - await store.log.head())
        await store.ledger.settle(
            Settlement(
                "crm",
                attempts=[attempt(Outcome.DELIVERED, [offset]) for offset in kept],
                cursor=kept[-1],
            )
        )
        if target == 2_000:
            small = await work()
    assert await work() < 1.5 * small


async def test_who_falls_out_of_memory_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_PROFILES_CACHED", 4)
    monkeypatch.setattr(state, "_IDENTIFIERS_CACHED", 4)
    store = SqliteStore.open(tmp_path)
    keys = [("user_id", f"u-{n}") for n in range(1, 13)]
    for visit in range(1, 9):
        known = await store.state.resolve(keys)
        found = await store.state.profiles(list(known.values()))
        changed = {}
        for n, key in enumerate(keys, 1):
            if (n * visit) % 3 != 1:
                profile = found[known[key]] if key in known else Profile(n, {"user_id": [key[1]]})
                profile.traits[f"v{visit}"] = (visit, T0)
                changed[n] = profile
        await store.state.commit(
            FoldResult(visit, {keys[n - 1]: n for n in changed}, dict(changed))
        )
    found = await store.state.profiles(range(1, 13))
    for n in range(1, 13):
        visits = {f"v{visit}" for visit in range(1, 9) if (n * visit) % 3 != 1}
        assert set(found[n].traits) == visits
    await store.close()


async def test_what_was_folded_by_an_earlier_owner_is_read_by_the_next(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    await store.log.append(many(4))
    await fold(store, {"crm": ""})
    await store.close()
    store = SqliteStore.open(tmp_path)
    assert offsets((await store.ledger.backlog("crm", 0, 10))[0]) == [1, 2, 3, 4]
    await store.close()
