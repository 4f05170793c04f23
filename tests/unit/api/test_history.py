"""What a stream missed: whose transitions, and how they are told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from junctor.api.history import History
from junctor.api.reads import Transition
from junctor.model.membership import TransitionRow
from junctor.model.profile import Profile
from junctor.store.port import FoldResult
from junctor.store.sqlite import SqliteStore

IDS = {"user_id": ["ada"], "anonymous_id": ["a-1"]}


def row(audience: str, subject: str, profile: int) -> TransitionRow:
    return TransitionRow(audience, "v", subject, profile, 1_000, True, "event")


@pytest_asyncio.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    """Remember moves of ada, of a session of hers, of an account, and of bob."""
    store = SqliteStore.open(tmp_path)
    await store.state.commit(
        FoldResult(
            1,
            {("user_id", "ada"): 1, ("anonymous_id", "a-1"): 1, ("user_id", "bob"): 2},
            {1: Profile(1, IDS), 2: Profile(2, {"user_id": ["bob"]})},
            transitions=[
                row("buyers", "1", 1),
                row("visits", "1/s", 1),
                row("teams", "account:acme", 0),
                row("buyers", "2", 2),
                row("devices", "anonymous_id:a-1", 0),
            ],
            sessions={("s", 1): 1_000},
        )
    )
    lookup = store.lookup()
    yield History(lookup)
    await lookup.close()
    await store.close()


async def test_a_person_s_transitions_are_told_with_all_their_ids(history: History) -> None:
    found = await history.after(0, [("user_id", "ada")], 10)
    assert found[0] == Transition("p-1", IDS, "buyers", True, 1_000, "event", found[0].id)
    assert [one.audience for one in found] == ["buyers", "visits"]


async def test_each_is_told_once_in_order_whichever_ids_lead_to_it(history: History) -> None:
    of = [("anonymous_id", "a-1"), ("account", "acme"), ("session_id", "s"), ("user_id", "ada")]
    found = await history.after(0, of, 10)
    assert [one.audience for one in found] == ["buyers", "visits", "teams", "devices"]
    assert [one.id for one in found] == sorted(one.id for one in found)
    assert (found[2].profile, found[2].ids) == ("account:acme", {"account": ["acme"]})


async def test_a_session_brings_its_own_only(history: History) -> None:
    (visit,) = await history.after(0, [("session_id", "s")], 10)
    assert (visit.audience, visit.ids) == ("visits", {"session_id": ["s"]})


async def test_the_newest_are_told_if_there_are_many(history: History) -> None:
    assert [one.audience for one in await history.after(0, [("user_id", "ada")], 1)] == ["visits"]


async def test_what_was_told_already_is_not_told_again(history: History) -> None:
    newest = await history.newest()
    assert newest == 5
    assert await history.after(newest, [("user_id", "ada")], 10) == []
    assert await history.after(0, [("user_id", "nobody")], 10) == []
