"""Who somebody is, for operators: people, and what audiences are keyed by else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from junctor.api.profile_view import profile_view
from junctor.audiences.behavior import Behavior, Membership
from junctor.model.profile import Profile
from junctor.store.port import FoldResult
from junctor.store.sqlite import SqliteStore

ADA = Profile(1, {"user_id": ["ada"], "email": ["ada@x.test"]}, first_seen=1, last_seen=2)


def subject(key: str) -> Profile:
    """Return one that is in `active`, and was in `gone`."""
    behavior = Behavior()
    behavior.own.memberships = {"active": Membership(member=True), "gone": Membership()}
    return Profile(
        0, traits={"plan": ("pro", 1)}, first_seen=1, last_seen=2, subject=key,
        behavior=behavior.encode(),
    )  # fmt: skip


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Open a store that knows a person, her e-mail as a subject, and an account."""
    store = SqliteStore.open(tmp_path)
    keys = ("account:Acme", "email:ada@x.test")
    ids = {("user_id", "ada"): 1, ("email", "ada@x.test"): 1}
    subjects: dict[str, Profile | None] = {key: subject(key) for key in keys}
    await store.state.commit(FoldResult(1, ids, {1: ADA}, subjects=subjects))
    yield store
    await store.close()


async def view(store: SqliteStore, kind: str, value: str, **asked: bool) -> Any:
    return await profile_view(store, kind, value, lambda profile: ({}, {}), **asked)


@pytest.mark.parametrize("kind", ["account", "account_id", "group_id"])
async def test_an_account_is_shown_in_a_person_s_form(store: SqliteStore, kind: str) -> None:
    found = await view(store, kind, "Acme")
    assert (found["id"], found["identifiers"]) == ("account:Acme", {"account": ["Acme"]})
    assert found["traits"] == {"plan": "pro"}
    assert found["audiences"] == {"active": True}
    assert found["first_seen"] == "1970-01-01T00:00:00.001Z"
    assert found.keys() == (await view(store, "user_id", "ada")).keys()


async def test_a_person_is_shown_with_what_audiences_are_keyed_by_beside(
    store: SqliteStore,
) -> None:
    found = await view(store, "email", "Ada@x.test")
    assert (found["id"], found["audiences"]) == ("p-1", {})
    assert found["subject"]["id"] == "email:ada@x.test"
    assert found["subject"]["audiences"] == {"active": True}
    assert (await view(store, "user_id", "ada"))["subject"] is None


async def test_a_dry_run_starts_from_people_only(store: SqliteStore) -> None:
    assert await view(store, "account", "Acme", record=True) is None
    assert (await view(store, "user_id", "ada", record=True))["record"]


async def test_who_is_not_known_is_nobody(store: SqliteStore) -> None:
    assert await view(store, "account", "acme") is None
    assert await view(store, "user_id", "bob") is None
