"""Stores of earlier versions: brought up to date with all that is in them, whatever interrupts."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from junctor.store.port import StoreTooNew
from junctor.store.sqlite import SqliteStore
from junctor.store.sqlite import store as module

from .makers import balanced, everything, ids
from .versions import VERSIONS, restore

LATEST = len(module._MIGRATIONS)
BREAKING_OFF = """
import asyncio, os, shutil, signal, sys
from pathlib import Path
from junctor.store.sqlite import SqliteStore, store as module

made, connect = Path(sys.argv[1]), module._connect

async def open_and_close(place):
    await SqliteStore.open(place).close()

def die_before(statement, place):
    def dying(*how):
        connection, left = connect(*how), iter(range(statement))
        connection.set_trace_callback(
            lambda _: None if next(left, None) is not None else os.kill(os.getpid(), signal.SIGKILL)
        )
        return connection
    module._connect = dying
    asyncio.run(open_and_close(place))

statement = 0
while True:
    place = made.with_name(f"killed-{statement}")
    shutil.copytree(made, place)
    if not (child := os.fork()):
        die_before(statement, place)
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        break
    statement += 1
"""


def killed(made: Path) -> list[Path]:
    """Return copies of a store, each opened by a process that was killed one statement later."""
    subprocess.run([sys.executable, "-c", BREAKING_OFF, made], check=True)
    return sorted(made.parent.glob("killed-*"))


def dump(place: Path) -> tuple[int, list[str]]:
    """Return version and content of a store that nobody has open."""
    with closing(sqlite3.connect(place / "junctor.db")) as connection:
        (version,) = connection.execute("pragma user_version").fetchone()
        (state,) = connection.execute("pragma integrity_check").fetchone()
        assert state == "ok"
        return int(version), sorted(connection.iterdump())


def schema(place: Path) -> set[tuple[str, ...]]:
    """Return the columns and indexes of a store, in whatever order they were made."""
    with closing(sqlite3.connect(place / "junctor.db")) as connection:
        tables = [
            name
            for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
            if not name.startswith("seen_")
        ]
        return {
            (table, *map(str, row[1:]))
            for table in tables
            for about in ("table_info", "index_list")
            for row in connection.execute(f"pragma {about}({table})")
        }


@pytest.mark.case(51)
def test_each_earlier_version_is_kept_as_a_store() -> None:
    """Who adds a version keeps a store of the one before."""
    assert set(VERSIONS) >= set(range(1, LATEST))


@pytest.mark.case(51)
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_earlier_store_is_brought_up_to_date_with_all_that_is_in_it(
    tmp_path: Path, version: int
) -> None:
    restore(version, tmp_path)
    store = SqliteStore.open(tmp_path)
    assert ids(await everything(store)) == [f"m-{n}" for n in range(12)]
    assert await store.state.position() == 12
    tallies = await store.ledger.tallies()
    assert all(balanced(tally) for tally in tallies.values())
    assert (tallies["works"].delivered, tallies["refuses"].dead) == (12, 1)
    assert tallies["down"].pending == 12
    assert await store.ledger.parked("down")
    known = await store.state.resolve([("user_id", "u-0"), ("email", "u0@example.com"),
                                       ("user_id", "u-1"), ("anonymous_id", "a-1")])  # fmt: skip
    assert known["user_id", "u-0"] == known["email", "u0@example.com"]
    assert known["user_id", "u-1"] == known["anonymous_id", "a-1"]
    [profile] = (await store.state.profiles([known["user_id", "u-0"]])).values()
    assert profile.view().traits == {"email": "u0@example.com", "plan": "free"}
    [letter] = await store.ledger.dead_letters()
    assert letter.message_id == "m-11"
    await store.close()
    assert dump(tmp_path)[0] == LATEST


@pytest.mark.case(51)
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_upgraded_store_has_the_same_tables_as_a_new_one(
    tmp_path: Path, version: int
) -> None:
    restore(version, tmp_path / "old")
    for place in ("old", "new"):
        await SqliteStore.open(tmp_path / place).close()
    assert schema(tmp_path / "old") == schema(tmp_path / "new")


@pytest.mark.case(51)
async def test_an_upgrade_that_is_killed_before_any_statement_is_taken_up_again(
    tmp_path: Path,
) -> None:
    restore(1, tmp_path / "made")
    places = await asyncio.to_thread(killed, tmp_path / "made")
    restore(1, tmp_path / "whole")
    await SqliteStore.open(tmp_path / "whole").close()
    whole = dump(tmp_path / "whole")
    assert len(places) > 20, "a migration has more statements than that"
    found = set()
    for place in places:
        found.add(dump(place)[0])
        await SqliteStore.open(place).close()
        assert dump(place) == whole, place.name
    assert found == set(range(1, LATEST + 1)), "whole versions only, each of them"


@pytest.mark.case(51)
async def test_a_store_of_a_version_to_come_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    restore(LATEST if LATEST in VERSIONS else LATEST - 1, tmp_path)
    with closing(sqlite3.connect(tmp_path / "junctor.db")) as connection:
        connection.execute(f"pragma user_version = {LATEST + 1}")
    before = dump(tmp_path)
    with pytest.raises(StoreTooNew, match=f"version {LATEST + 1}.*upgrade junctor"):
        SqliteStore.open(tmp_path)
    assert dump(tmp_path) == before
