"""What the embedded store remembers of people: the ones met last, and a copy for each reader."""

from pathlib import Path

from junctor.model.profile import Profile
from junctor.store.port import FoldResult
from junctor.store.sqlite import SqliteStore
from junctor.store.sqlite.state import Recent


def test_what_was_kept_longest_ago_is_forgotten_first() -> None:
    recent: Recent[str, int] = Recent(4)
    recent.keep({"a": 1, "b": 1, "c": 1, "d": 1})
    recent.keep({"a": 2})
    recent.keep({"e": 1})
    assert recent.entries == {"d": 1, "a": 2, "e": 1}


async def test_who_reads_has_a_copy_that_changes_nothing(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    ada = Profile(1, {"user_id": ["ada"]}, {"plan": ("pro", 5)}, behavior=b"[]", due=7)
    await store.state.commit(FoldResult(1, profiles={1: ada}))
    (read,) = (await store.state.profiles([1])).values()
    read.traits["plan"] = ("free", 9)
    ada.traits["plan"] = ("none", 9)
    (again,) = (await store.state.profiles([1])).values()
    await store.close()
    assert (again.traits["plan"][0], again.behavior, again.due) == ("pro", b"[]", 7)


async def test_a_commit_replaces_what_is_remembered(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    for at in (1, 2):
        await store.state.commit(FoldResult(at, profiles={1: Profile(1, last_seen=at)}))
        assert (await store.state.profiles([1]))[1].last_seen == at
    await store.state.commit(FoldResult(3, profiles={1: None}))
    assert await store.state.profiles([1]) == {}
    await store.close()
