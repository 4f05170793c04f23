"""Laws of memberships: who is in, who came and went, who reached what was hoped for."""

from junctor.model.membership import Goal, Member, TransitionRow
from junctor.model.profile import Merge, Profile
from junctor.store.port import FoldResult, Store

from .makers import T0, Reopen


def moved(
    audience: str, profile: int, at: int, *, entered: bool = True, subject: str = ""
) -> TransitionRow:
    return TransitionRow(
        audience, "v1", subject or str(profile), profile, T0 + at, entered, "event"
    )


def reached(profile: int, offset: int, value: float | None = None) -> Goal:
    return Goal("buyers", profile, offset, T0 + offset, value)


class MembershipLaws:
    """What every Memberships promises."""

    async def test_a_new_store_has_no_members(self, store: Store) -> None:
        memberships = store.memberships
        assert await memberships.members("buyers", "", 10) == []
        assert await memberships.sizes() == {}
        assert await memberships.transitions("buyers", 0, 2**60) == []
        assert await memberships.last_transition("buyers") is None
        assert await memberships.goals("buyers", None, 10) == []
        assert await memberships.people(0, 10) == []
        assert await memberships.subject_keys("account", "", 10) == []
        assert await memberships.session_owners("s") == []

    async def test_members_are_those_who_entered_and_did_not_leave(
        self, store: Store, reopen: Reopen
    ) -> None:
        rows = [
            moved("buyers", 1, 1), moved("buyers", 2, 2), moved("loyal", 2, 2),
            moved("buyers", 1, 3, entered=False), moved("buyers", 3, 4),
        ]  # fmt: skip
        await store.state.commit(FoldResult(1, transitions=rows[:3]))
        await store.state.commit(FoldResult(2, transitions=rows[3:]))
        for again in (False, True):
            memberships = (await reopen() if again else store).memberships
            found = await memberships.members("buyers", "", 10)
            assert found == [Member("2", T0 + 2), Member("3", T0 + 4)]
            assert await memberships.members("buyers", "2", 10) == found[1:]
            assert await memberships.members("buyers", "", 1) == found[:1]
            assert await memberships.sizes() == {"buyers": 2, "loyal": 1}
            assert await memberships.last_transition("buyers") == T0 + 4

    async def test_history_has_an_end(self, store: Store) -> None:
        day = 86_400_000
        rows = [moved("buyers", 1, n * day) for n in range(3)]
        await store.state.commit(
            FoldResult(
                1, profiles={1: Profile(1)}, transitions=rows,
                goals=[reached(1, 5), reached(1, 401 * day)],
                sessions={("old", 1): T0, ("new", 1): T0 + 400 * day},
            )
        )  # fmt: skip
        await store.maintain(T0 + 401 * day + day // 2)
        memberships = store.memberships
        assert await memberships.transitions("buyers", 0, 2**60) == rows[2:]
        assert [goal.offset for goal in await memberships.goals("buyers", None, 10)] == [401 * day]
        assert await memberships.session_owners("old") == []
        assert await memberships.session_owners("new") == [1]

    async def test_transitions_are_numbered_as_they_are_stored_and_no_number_comes_twice(
        self, store: Store, reopen: Reopen
    ) -> None:
        day = 86_400_000
        rows = [moved("buyers", 1, n) for n in range(3)]
        await store.state.commit(FoldResult(1, transitions=rows[:2]))
        await store.state.commit(FoldResult(2, transitions=rows[2:]))
        first, second, third = (row.id for row in rows)
        assert 0 < first < second < third
        assert [row.id for row in await store.memberships.transitions("buyers", 0, 2**60)] == [
            first, second, third,
        ]  # fmt: skip
        await store.maintain(T0 + 500 * day)
        assert await store.memberships.transitions("buyers", 0, 2**60) == []
        store = await reopen()
        lookup = store.lookup()
        assert await lookup.newest_transition() == third
        later = moved("buyers", 1, 4)
        await store.state.commit(FoldResult(3, transitions=[later]))
        assert later.id > third
        assert await lookup.newest_transition() == later.id
        await lookup.close()

    async def test_one_who_listens_is_told_what_came_behind_a_number(self, store: Store) -> None:
        lookup = store.lookup()
        assert await lookup.newest_transition() == 0
        merge = Merge(2, T0, 1, 2, b"", b"")
        rows = [
            moved("buyers", 1, 9), moved("buyers", 2, 1), moved("visits", 2, 2, subject="2/s"),
            moved("teams", 0, 3, subject="account:acme"), moved("buyers", 3, 4),
        ]  # fmt: skip
        await store.state.commit(FoldResult(1, profiles={1: Profile(1)}, transitions=rows))
        assert await lookup.transitions_of(1, None, 0, 10) == rows[:1]
        await store.state.commit(FoldResult(2, profiles={2: None}, merges=[merge]))
        assert await lookup.transitions_of(1, None, 0, 10) == rows[:3]
        assert await lookup.transitions_of(1, None, rows[0].id, 10) == rows[1:3]
        assert await lookup.transitions_of(1, None, 0, 2) == rows[1:3], "the newest, in order"
        assert await lookup.transitions_of(1, "s", 0, 10) == rows[2:3]
        assert await lookup.transitions_of(1, "t", 0, 10) == []
        assert await lookup.transitions_of("account:acme", None, 0, 10) == rows[3:4]
        assert await lookup.transitions_of("account:acme", None, rows[3].id, 10) == []
        await lookup.close()

    async def test_transitions_are_read_by_time_and_piece_by_piece(self, store: Store) -> None:
        rows = [moved("buyers", n, n // 3, entered=n % 2 == 0) for n in range(10)]
        others = [moved("loyal", n, n) for n in range(10)]
        await store.state.commit(FoldResult(1, transitions=[*rows, *others]))
        memberships = store.memberships
        assert await memberships.transitions("buyers", 0, 2**60) == rows
        assert await memberships.transitions("buyers", T0 + 1, T0 + 3) == rows[3:9]
        pieces: list[TransitionRow] = []
        while piece := await memberships.transitions(
            "buyers", T0, T0 + 4, after=pieces[-1] if pieces else None, limit=4
        ):
            assert len(piece) <= 4
            pieces += piece
        assert pieces == rows

    async def test_goals_are_read_by_profile_and_kept_once(self, store: Store) -> None:
        goals = [reached(1, 5, 9.5), reached(1, 8), reached(2, 6, 0.0)]
        await store.state.commit(FoldResult(8, goals=[*reversed(goals), goals[0]]))
        found: list[Goal] = []
        while piece := await store.memberships.goals("buyers", found[-1] if found else None, 2):
            assert len(piece) <= 2
            found += piece
        assert found == goals
        assert await store.memberships.goals("loyal", None, 10) == []

    async def test_a_merge_gives_goals_and_sessions_to_the_survivor(self, store: Store) -> None:
        await store.state.commit(
            FoldResult(
                1,
                goals=[reached(1, 5), reached(2, 6)],
                sessions={("s", 2): T0},
                transitions=[moved("buyers", 2, 1), moved("buyers", 2, 1, subject="2/s")],
            )
        )
        await store.state.commit(FoldResult(2, merges=[Merge(7, T0, 1, 2, b"", b"")]))
        assert await store.memberships.goals("buyers", None, 10) == [reached(1, 5), reached(1, 6)]
        assert await store.memberships.session_owners("s") == [1]
        assert await store.memberships.members("buyers", "", 10) == []

    async def test_who_is_deleted_leaves_counts_and_no_name(self, store: Store) -> None:
        rows = [
            moved("buyers", 2, 1), moved("buyers", 3, 2), moved("loyal", 3, 2, subject="3/s-1"),
            moved("loyal", 3, 3, subject="3/s-2"), moved("buyers", 4, 4),
            moved("loyal", 3, 5, subject="3/s-1", entered=False),
        ]  # fmt: skip
        await store.state.commit(
            FoldResult(
                1, profiles={id: Profile(id) for id in (2, 3, 4)}, transitions=rows,
                goals=[reached(2, 5), reached(3, 6), reached(4, 7)],
                sessions={("s-1", 3): T0, ("s-1", 4): T0},
            )
        )  # fmt: skip
        merge = Merge(8, T0, 2, 3, b"", b"")
        await store.state.commit(FoldResult(2, profiles={3: None}, merges=[merge]))
        assert {row.profile for row in await self._all(store)} == {2, 3, 4}, "a merge deletes none"
        left = moved("buyers", 2, 9, entered=False)
        await store.state.commit(FoldResult(3, profiles={2: None}, transitions=[left]))
        memberships = store.memberships
        assert await memberships.goals("buyers", None, 10) == [reached(4, 7)]
        assert await memberships.session_owners("s-1") == [4]
        assert await memberships.members("buyers", "", 10) == [Member("4", T0 + 4)]
        moves = await self._all(store)
        assert [(row.audience, row.at - T0, row.entered) for row in moves] == [
            ("buyers", 1, True), ("buyers", 2, True), ("buyers", 4, True), ("buyers", 9, False),
            ("loyal", 2, True), ("loyal", 3, True), ("loyal", 5, False),
        ]  # fmt: skip
        one, two, kept, end, begun, other, ended = (row.subject for row in moves)
        assert kept == "4"
        assert one == two == end
        assert begun == ended
        assert len({one, begun, other}) == 3
        assert all(row.profile == 0 for row in moves if row.subject != kept)
        assert not [row for row in moves if "s-" in row.subject]

    async def test_a_subject_is_removed_with_its_name(self, store: Store) -> None:
        key = "user_id:ada"
        rows = [moved("buyers", 0, n, subject=key, entered=n == 1) for n in (1, 2)]
        others = [moved("buyers", 0, 3, subject="user_id:bob")]
        await store.state.commit(
            FoldResult(1, transitions=[*rows, *others], subjects={key: Profile(0)})
        )
        await store.state.commit(FoldResult(2, subjects={key: None}))
        assert await store.state.subjects([key]) == {}
        moves = await store.memberships.transitions("buyers", 0, 2**60)
        assert moves[0].subject == moves[1].subject != key
        assert moves[2] == others[0]
        assert await store.memberships.sizes() == {"buyers": 1}

    async def _all(self, store: Store) -> list[TransitionRow]:
        names = ("buyers", "loyal")
        return [
            row for name in names for row in await store.memberships.transitions(name, 0, 2**60)
        ]

    async def test_the_owners_of_a_session_are_the_ten_last_seen(self, store: Store) -> None:
        seen = {("s", id): T0 + id * 7 % 40 for id in range(1, 40)}
        await store.state.commit(FoldResult(1, sessions={**seen, ("t", 50): T0 + 99}))
        owners = await store.memberships.session_owners("s")
        newest = sorted(seen, key=lambda one: (seen[one], one[1]), reverse=True)
        assert owners == [id for _, id in newest[:10]]

    async def test_everybody_is_read_in_order_and_is_the_reader_s_own(self, store: Store) -> None:
        people = {
            id: Profile(id, {"user_id": [f"u-{id}"]}, behavior=b"[]", due=id) for id in (3, 1, 7)
        }
        await store.state.commit(FoldResult(7, profiles=people))
        found = await store.memberships.people(0, 2)
        assert [(one.id, one.behavior, one.due) for one in found] == [(1, b"[]", 1), (3, b"[]", 3)]
        assert [one.id for one in await store.memberships.people(3, 9)] == [7]
        found[0].identifiers.clear()
        [kept] = (await store.state.profiles([1])).values()
        assert kept.identifiers == {"user_id": ["u-1"]}

    async def test_subjects_are_listed_by_sort(self, store: Store) -> None:
        keys = ["account:a", "account:b", "account_id:x", "accounts:y", "user_id:a:b"]
        await store.state.commit(FoldResult(1, subjects={key: Profile(0) for key in keys}))
        memberships = store.memberships
        assert await memberships.subject_keys("account", "", 10) == ["account:a", "account:b"]
        assert await memberships.subject_keys("account", "account:a", 10) == ["account:b"]
        assert await memberships.subject_keys("user_id", "", 10) == ["user_id:a:b"]
