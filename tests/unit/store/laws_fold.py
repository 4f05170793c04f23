"""Laws of what the fold keeps beside people: what is due, its notes, the events that it makes."""

import pytest

from junctor.model.membership import Goal, Member, TransitionRow
from junctor.model.profile import Merge, Profile
from junctor.model.record import NewRecord
from junctor.store.port import FoldResult, Store, StoreError

from .makers import T0, Heard, Reopen, ids, many, new


def due_at(id: int, due: int | None) -> Profile:
    return Profile(id, {"user_id": [f"u-{id}"]}, behavior=b"[1]", due=due)


def entered(profile: int) -> TransitionRow:
    return TransitionRow("buyers", "v1", str(profile), profile, T0, True, "event")


class FoldLaws:
    """What every State promises to a fold that makes events and waits for times."""

    async def test_what_is_due_comes_first_first_and_only_by_its_time(
        self, store: Store, reopen: Reopen
    ) -> None:
        people = {id: due_at(id, due) for id, due in ((1, 30), (2, 10), (3, None), (4, 20))}
        accounts = {"account:a": due_at(0, 15), "account:b": due_at(0, None)}
        assert await store.state.next_due() is None
        await store.state.commit(FoldResult(1, profiles=people, subjects=accounts))
        for again in (False, True):
            state = (await reopen() if again else store).state
            assert await state.next_due() == 10
            assert await state.due(9, 10) == ([], [])
            assert await state.due(20, 10) == ([2, 4], ["account:a"])
            assert (await state.due(30, 1))[0] == [2]
            assert set(await state.subjects(["account:a", "account:c"])) == {"account:a"}

    async def test_what_is_done_or_removed_is_due_no_more(self, store: Store) -> None:
        await store.state.commit(FoldResult(1, profiles={1: due_at(1, 10), 2: due_at(2, 20)}))
        await store.state.commit(FoldResult(2, profiles={1: due_at(1, None), 2: None}))
        assert await store.state.due(2**60, 10) == ([], [])
        assert await store.state.next_due() is None

    async def test_behavior_and_due_time_come_back_with_the_person(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.state.commit(FoldResult(1, profiles={1: due_at(1, 10)}))
        state = (await reopen()).state
        [person] = (await state.profiles([1])).values()
        assert (person.behavior, person.due) == (b"[1]", 10)

    async def test_what_is_submitted_shows_at_once_and_what_fails_never_was(
        self, store: Store, reopen: Reopen
    ) -> None:
        state, key = store.state, ("user_id", "u-1")
        await state.commit(
            FoldResult(1, identifiers={key: 1}, profiles={1: due_at(1, 10), 2: due_at(2, 20)},
                       subjects={"account:a": due_at(0, 15)})
        )  # fmt: skip
        durable = state.submit(
            FoldResult(2, identifiers={key: None}, subjects={"account:a": due_at(0, 25)},
                       profiles={1: due_at(1, 30), 2: None, 3: due_at(3, 1)})
        )  # fmt: skip
        for _ in range(2):  # before it is durable, and after
            assert await state.resolve([key]) == {}
            people = await state.profiles([1, 2, 3])
            assert {id: person.due for id, person in people.items()} == {1: 30, 3: 1}
            assert (await state.subjects(["account:a"]))["account:a"].due == 25
            if _ == 0:
                await durable
        broken = state.submit(FoldResult(3, profiles={1: due_at(1, 99)}, notes={"n": object()}))  # type: ignore[dict-item]
        assert (await state.profiles([1]))[1].due == 99
        with pytest.raises(StoreError):
            await broken
        assert (await state.profiles([1]))[1].due == 30
        assert await (await reopen()).state.position() == 2

    async def test_notes_are_kept_until_they_are_removed(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.state.commit(FoldResult(1, notes={"a": "1", "b": "2"}))
        await store.state.commit(FoldResult(1, notes={"a": None, "b": "3"}))
        state = (await reopen()).state
        assert await state.notes(["a", "b", "c"]) == {"b": "3"}
        assert await state.position() == 1

    async def test_who_absorbed_whom_is_followed_to_the_end(self, store: Store) -> None:
        merges = [Merge(7, T0, 3, 5, b"", b""), Merge(8, T0, 1, 3, b"", b"")]
        await store.state.commit(FoldResult(8, merges=merges))
        assert await store.state.survivors([1, 3, 5, 9]) == {3: 1, 5: 1}

    async def test_people_are_listed_in_order(self, store: Store) -> None:
        await store.state.commit(FoldResult(1, profiles={id: due_at(id, None) for id in (5, 2, 9)}))
        assert await store.state.profile_ids(0, 2) == [2, 5]
        assert await store.state.profile_ids(5, 2) == [9]

    async def test_what_the_fold_made_stands_in_the_log_with_its_commit(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.log.append(many(2))
        heard = Heard(store)
        made = [new("hot/1", source="junctor"), new("hot/2", source="junctor")]
        await store.state.commit(FoldResult(2, derived=made, transitions=[entered(1)]))
        assert heard.offsets == [3, 4]
        store = await reopen()
        assert ids(await store.log.read(2, 10)) == ["hot/1", "hot/2"]
        assert await store.log.head() == 4
        assert await store.state.position() == 2

    async def test_what_the_fold_made_before_is_not_made_again(self, store: Store) -> None:
        made = [new("hot/1", source="junctor")]
        await store.state.commit(FoldResult(1, derived=made))
        again = [new("hot/1", source="junctor"), new("hot/2", source="junctor")]
        await store.state.commit(FoldResult(2, derived=again))
        assert ids(await store.log.read(0, 10)) == ["hot/1", "hot/2"]

    async def test_a_commit_that_fails_leaves_nothing_of_it(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.state.commit(FoldResult(1, profiles={1: due_at(1, 10)}, notes={"a": "1"}))
        merge = Merge(2, T0, 1, 3, None, None)  # type: ignore[arg-type]
        made: list[NewRecord] = [new("hot/0", source="junctor")]
        with pytest.raises(StoreError):
            await store.state.commit(
                FoldResult(
                    2, profiles={1: due_at(1, 99)}, notes={"a": "2"}, derived=made,
                    transitions=[entered(1)], merges=[merge],
                )
            )  # fmt: skip
        for again in (False, True):
            store = await reopen() if again else store
            assert await store.state.position() == 1
            assert await store.state.next_due() == 10
            assert await store.state.notes(["a"]) == {"a": "1"}
            assert await store.log.read(0, 10) == []
            assert await store.memberships.members("buyers", "", 9) == []
            [person] = (await store.state.profiles([1])).values()
            assert person.due == 10
        await store.state.commit(FoldResult(2, derived=made))
        assert ids(await store.log.read(0, 10)) == ["hot/0"]

    async def test_what_a_batch_noted_of_the_absorbed_is_the_survivor_s_too(
        self, store: Store
    ) -> None:
        await store.state.commit(
            FoldResult(
                3, transitions=[entered(2)], goals=[Goal("buyers", 2, 3, T0, None)],
                sessions={("s", 2): T0}, merges=[Merge(3, T0, 1, 2, b"", b"")],
            )
        )  # fmt: skip
        assert await store.memberships.members("buyers", "", 9) == []
        assert await store.memberships.goals("buyers", None, 9) == [Goal("buyers", 1, 3, T0, None)]
        assert await store.memberships.session_owners("s") == [1]

    async def test_who_is_removed_leaves_no_membership_and_no_session(self, store: Store) -> None:
        await store.state.commit(
            FoldResult(1, profiles={1: due_at(1, 5)}, transitions=[entered(1)])
        )
        await store.state.commit(
            FoldResult(2, profiles={1: None}, sessions={("s", 1): T0}, transitions=[entered(12)])
        )
        assert await store.memberships.members("buyers", "", 9) == [Member("12", T0)]
        assert await store.memberships.session_owners("s") == []
