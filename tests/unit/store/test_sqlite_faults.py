"""The embedded store when the disk is full, read-only or broken: no false answer, and it heals."""

import asyncio
import sqlite3
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from junctor.model.profile import Profile
from junctor.store.port import FoldResult, Routed, Settlement, StoreError, StoreUnavailable
from junctor.store.sqlite import SqliteStore

from .makers import T0, Heard, delivered, everything, filled, fold, ids, many, new, offsets, parked

ADA = ("user_id", "ada")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path)
    yield store
    await store.close()


@contextmanager
def full_disk(store: SqliteStore) -> Iterator[None]:
    """Let the file grow no further."""
    connection = store._writing
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.execute(f"pragma max_page_count = {pages}")
    yield
    connection.execute("pragma max_page_count = 4294967294")


@contextmanager
def read_only(store: SqliteStore) -> Iterator[None]:
    store._writing.execute("pragma query_only = on")
    yield
    store._writing.execute("pragma query_only = off")


@contextmanager
def taken_by_another_writer(store: SqliteStore) -> Iterator[None]:
    """No transaction can even begin."""
    store._writing.execute("pragma busy_timeout = 1")
    (file,) = [row[2] for row in store._reading.execute("pragma database_list")]
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("begin immediate")
    yield
    other.execute("rollback")
    other.close()


@contextmanager
def failing_commit(store: SqliteStore) -> Iterator[None]:
    """Everything works but the commit itself: a deferred constraint is left broken."""
    connection = store._writing
    connection.execute("pragma foreign_keys = on")
    connection.execute("create table parent (id integer primary key)")
    connection.execute(
        "create table child (id references parent (id) deferrable initially deferred)"
    )
    for table in ("log", "identifiers", "parked"):
        connection.execute(
            f"create trigger break_{table} after insert on {table}"
            " begin insert into child values (1); end"
        )
    yield
    for table in ("log", "identifiers", "parked"):
        connection.execute(f"drop trigger break_{table}")


FAULTS = [full_disk, read_only, taken_by_another_writer, failing_commit]
faults = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)


def big(count: int, prefix: str = "big") -> list[Any]:
    return many(count, prefix=prefix, padding=20_000)


# -- the log -------------------------------------------------------------------------------------


@pytest.mark.case(13)
@faults
async def test_what_can_not_be_stored_is_refused_and_later_writes_work(
    store: SqliteStore, fault: Any
) -> None:
    await store.log.append([new("before")])
    heard = Heard(store)
    with fault(store):
        for n in range(3):
            with pytest.raises(StoreUnavailable):
                await store.log.append(big(20, f"{n}"))
        assert store.problem() != ""
    assert heard.commits == []
    assert await asyncio.wait_for(store.log.append([new("after"), new("before")]), 5) == 1
    assert store.problem() == ""
    kept = await everything(store)
    assert ids(kept) == ["before", "after"]
    assert heard.offsets == [kept[1].offset]
    assert heard.commits[0].previous == kept[0].offset


@faults
async def test_what_was_refused_is_no_duplicate_when_it_is_sent_again(
    store: SqliteStore, fault: Any
) -> None:
    with fault(store), pytest.raises(StoreUnavailable):
        await store.log.append(big(20))
    assert await store.log.append(big(20)) == 0
    assert await store.log.append(big(20)) == 20


@faults
async def test_all_who_waited_for_a_commit_that_failed_are_told(
    store: SqliteStore, fault: Any
) -> None:
    with fault(store):
        outcomes = await asyncio.wait_for(
            asyncio.gather(
                *(store.log.append(big(20, f"r{n}")) for n in range(10)),
                return_exceptions=True,
            ),
            5,
        )
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert await everything(store) == []
    assert await asyncio.wait_for(store.log.append(big(2, "r0")), 5) == 0


async def test_a_cursor_is_not_stored_without_its_page(store: SqliteStore) -> None:
    await store.log.append([], cursor=("crm", "one"))
    with full_disk(store), pytest.raises(StoreUnavailable):
        await store.log.append(big(20), cursor=("crm", "two"))
    assert await store.log.source_cursor("crm") == "one"


async def test_the_error_names_the_cause_and_no_event(store: SqliteStore) -> None:
    with full_disk(store), pytest.raises(StoreUnavailable, match="full") as caught:
        await store.log.append(big(20))
    assert "big-0" not in str(caught.value)


# -- the state -----------------------------------------------------------------------------------


@faults
async def test_a_fold_that_was_not_committed_never_happened(store: SqliteStore, fault: Any) -> None:
    ada = Profile(1, {"user_id": ["ada"]}, {"plan": ("free", T0)}, {}, T0, T0)
    await store.log.append(many(2))
    await store.state.commit(FoldResult(1, {ADA: 1}, {1: ada}))
    changed = (await store.state.profiles([1]))[1]
    changed.traits["plan"] = ("x" * 200_000, T0 + 1)
    bob = ("user_id", "bob")
    result = FoldResult(
        2, {bob: 2, ADA: None}, {1: changed, 2: Profile(2)}, routed=[Routed(2, 2, (("new", ""),))]
    )
    with fault(store), pytest.raises(StoreUnavailable):
        await store.state.commit(result)
    assert await store.state.position() == 1
    assert await store.state.resolve([ADA, bob]) == {ADA: 1}
    [kept] = (await store.state.profiles([1, 2])).values()
    assert kept.view().traits == {"plan": "free"}
    assert await store.state.routed([2]) == {}
    await store.state.commit(result)
    assert await store.state.routed([2]) == {2: Routed(2, 2, (("new", ""),))}
    assert await store.state.resolve([ADA, bob]) == {bob: 2}


# -- the ledger ----------------------------------------------------------------------------------


@faults
async def test_a_settlement_that_was_not_stored_can_be_sent_again(
    store: SqliteStore, fault: Any
) -> None:
    await store.ledger.open("crm", 0)
    kept = await filled(store, 4)
    before = (await store.ledger.tallies())["crm"]
    waits = parked(*kept[2:])
    waits.message = "x" * 200_000
    settlement = Settlement("crm", delivered(*kept[:2]), [waits], cursor=kept[-1])
    with fault(store):
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(store.ledger.settle(settlement), 5)
    assert (await store.ledger.tallies())["crm"] == before
    assert await store.ledger.parked("crm") == []
    [id] = await asyncio.wait_for(store.ledger.settle(settlement), 5)
    assert [p.id for p in await store.ledger.parked("crm")] == [id]
    assert (await store.ledger.tallies())["crm"].pending == 2


async def test_a_dead_letter_brought_back_in_vain_leaves_no_trace(store: SqliteStore) -> None:
    """Its routing is made on the writer's thread; what is undone there must not be remembered."""
    from .makers import dead

    await store.ledger.open("crm", 0)
    await store.ledger.settle(Settlement("crm", dead=[dead("crm", 5, json=b"{}")]))
    [letter] = await store.ledger.dead_letters()
    waits = parked(5)
    waits.message = "x" * 200_000
    with full_disk(store), pytest.raises(StoreUnavailable):
        await store.ledger.settle(Settlement("crm", park=[waits], dead_replayed=[letter.id]))
    await store.log.append(many(2))
    await fold(store, {"crm": ""})
    await store.close()
    again = SqliteStore.open(Path(store._lock.name).parent)
    assert len(await again.state.routed([1, 2])) == 2
    await again.close()


# -- one transaction, many jobs ------------------------------------------------------------------


def broken(connection: sqlite3.Connection) -> None:
    connection.execute("insert into meta values ('half', 'done')")
    raise ValueError("a bug")


async def test_a_failing_job_does_not_hurt_those_it_shares_a_commit_with(
    store: SqliteStore,
) -> None:
    await store.ledger.open("crm", 0)
    outcomes = await asyncio.gather(
        store.log.append([new("first")]),
        store.writer.call(broken),
        store.log.append([new("second")]),
        store.writer.call(lambda c: c.execute("insert into nowhere values (1)").rowcount),
        store.ledger.settle(Settlement("crm", cursor=7)),
        store.writer.call(broken),
        return_exceptions=True,
    )
    assert [outcomes[0], outcomes[2], outcomes[4]] == [0, 0, []]
    assert isinstance(outcomes[1], StoreError)
    assert not isinstance(outcomes[1], StoreUnavailable)
    assert isinstance(outcomes[3], StoreUnavailable)
    assert isinstance(outcomes[5], StoreError)
    assert ids(await everything(store)) == ["first", "second"]
    half = store._reading.execute("select 1 from meta where key = 'half'").fetchall()
    assert half == []
    assert store.problem() == ""


async def test_an_append_that_fails_halfway_leaves_nothing_of_itself(store: SqliteStore) -> None:
    await store.log.append([new("before")])
    bad = new("bad")
    bad.json = object()  # type: ignore[assignment]  # can't be bound: fails in the middle
    with pytest.raises(StoreError):
        await store.log.append([*many(700), bad])
    assert await store.log.append([*many(3), new("bad")]) == 0
    kept = await everything(store)
    assert ids(kept) == ["before", "m-0", "m-1", "m-2", "bad"]
    assert offsets(kept) == [1, 2, 3, 4, 5]


async def test_a_failed_first_append_after_the_digests_rotated_heals(store: SqliteStore) -> None:
    """The new generation's table is undone with the append that made it."""
    from .makers import DAY

    await store.log.append([new("old", at=T0)])
    bad = new("bad", at=T0 + 2 * DAY)
    bad.json = object()  # type: ignore[assignment]
    with pytest.raises(StoreError):
        await store.log.append([bad])
    assert await store.log.append([new("bad", at=T0 + 2 * DAY)]) == 0
    assert await store.log.append([new("bad", at=T0 + 2 * DAY)]) == 1


# -- between the threads -------------------------------------------------------------------------


class RacingDeque(deque[Any]):
    """Adds only when the writer's thread has taken all that was there: the worst moment."""

    def append(self, item: Any) -> None:
        for _ in range(10_000_000):
            if not len(self):
                break
        super().append(item)


async def test_a_request_that_comes_as_the_writer_empties_the_queue_is_not_forgotten(
    store: SqliteStore,
) -> None:
    store.log.waiting = RacingDeque()
    store.ledger.waiting = RacingDeque()
    async with asyncio.timeout(10):
        await asyncio.gather(*(store.log.append([new(f"m-{n}")]) for n in range(5)))
        await asyncio.gather(*(store.ledger.settle(Settlement("crm", cursor=n)) for n in range(5)))
    assert len(await everything(store)) == 5


async def test_no_request_is_forgotten_however_the_threads_interleave(store: SqliteStore) -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        async with asyncio.timeout(20):
            for round in range(25):
                await asyncio.gather(
                    *(store.log.append([new(f"{round}-{n}")]) for n in range(20)),
                    *(store.ledger.settle(Settlement("crm", cursor=n)) for n in range(20)),
                )
    finally:
        sys.setswitchinterval(usual)
    assert len(await everything(store)) == 500


async def test_a_closed_store_refuses_every_write_at_once(store: SqliteStore) -> None:
    await store.close()
    async with asyncio.timeout(5):
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.log.append([new("late")])
            with pytest.raises(StoreUnavailable):
                await store.ledger.settle(Settlement("crm"))
            with pytest.raises(StoreUnavailable):
                await store.state.commit(FoldResult(1))


async def test_reading_a_closed_or_failing_store_is_the_same_error(store: SqliteStore) -> None:
    await filled(store, 3)
    store._reading.set_progress_handler(lambda: 1, 1)  # every statement breaks off
    for _ in range(2):
        for read in (store.log.head, store.state.position, store.ledger.tallies):
            with pytest.raises(StoreUnavailable):
                await read()
    store._reading.set_progress_handler(None, 0)
    assert await store.log.head() == 3
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.log.head()


async def test_what_was_submitted_before_closing_is_finished(store: SqliteStore) -> None:
    appends = [asyncio.create_task(store.log.append([new(f"m-{n}")])) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*appends) == [0] * 20


async def test_a_settlement_that_can_not_be_stored_does_not_hold_back_its_neighbors(
    store: SqliteStore,
) -> None:
    await filled(store, 2)
    for id in ("good", "bad"):
        await store.ledger.open(id, 0)
    bad = Settlement("bad", attempts=[replace(delivered(1)[0], status=2**70)], cursor=1)
    good = Settlement("good", attempts=delivered(1), cursor=1)
    outcomes = await asyncio.gather(
        *(store.ledger.settle(s) for s in (good, bad, good)), return_exceptions=True
    )
    assert [isinstance(outcome, StoreError) for outcome in outcomes] == [False, True, False]
    states = {state.id: state.cursor for state in await store.ledger.destinations()}
    assert (states["good"], states["bad"]) == (1, 0)
    assert len(await store.ledger.attempts("good", 1)) == 2
    assert store.problem() == ""
