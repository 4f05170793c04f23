"""What a sender can make happen often is found by an index, however much is stored."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from junctor.model.profile import Merge
from junctor.store.port import FoldResult
from junctor.store.sqlite import SqliteStore
from junctor.store.sqlite.memberships import session_owners, write_behavior
from junctor.store.sqlite.store import FILE

Work = Callable[[sqlite3.Connection], object]
MERGE = Merge(3, 1, 1, 2, b"", b"")
MADE = ("CONSTANT", "gone")
"""What may be read through: it is made by the statement itself, of one person."""


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[sqlite3.Connection]:
    store = SqliteStore.open(tmp_path)
    await store.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as opened:
        yield opened


def plans(connection: sqlite3.Connection, work: Work) -> list[str]:
    """Return the steps by which SQLite does what `work` asks for."""
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    work(connection)
    connection.set_trace_callback(None)
    statements = [one for one in asked if not one.lower().startswith(("begin", "insert", "--"))]
    assert statements
    return [
        str(step)
        for statement in statements
        for _, _, _, step in connection.execute(f"explain query plan {statement}")
    ]


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda at: session_owners(at, "s"), id="owners of a session"),
        pytest.param(
            lambda at: write_behavior(at, FoldResult(1, profiles={7: None}), []), id="a delete"
        ),
        pytest.param(
            lambda at: write_behavior(at, FoldResult(1, subjects={"user_id:a": None}), []),
            id="a delete of what is no person",
        ),
        pytest.param(
            lambda at: write_behavior(at, FoldResult(1, merges=[MERGE]), []),
            id="a merge",
        ),
    ],
)
def test_it_never_reads_through_a_table(connection: sqlite3.Connection, work: Work) -> None:
    steps = plans(connection, work)
    assert not [step for step in steps if step.startswith("SCAN ") and step.split()[1] not in MADE]


def test_the_owners_of_a_session_are_not_sorted(connection: sqlite3.Connection) -> None:
    steps = plans(connection, lambda at: session_owners(at, "s"))
    assert not [step for step in steps if "B-TREE" in step]
