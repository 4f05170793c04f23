"""Laws of the state: profiles, identifiers, routing and the fold's position change together."""

import asyncio

from junctor.model.profile import IdentityConflict, Merge, Profile
from junctor.model.record import Rejection
from junctor.store.port import FoldResult, Routed, Store

from .makers import T0, Reopen, many

ADA = ("user_id", "ada")
BOB = ("user_id", "bob")


def person(id: int, name: str) -> Profile:
    return Profile(id, {"user_id": [name]}, {"plan": ("pro", T0)}, {"g": {"size": (3, T0)}}, T0, T0)


class StateLaws:
    """What every State promises."""

    async def test_a_new_store_knows_nobody(self, store: Store) -> None:
        assert await store.state.position() == 0
        assert await store.state.resolve([ADA]) == {}
        assert await store.state.profiles([1]) == {}
        assert await store.state.routed([1]) == {}
        assert await store.state.merges(1) == []

    async def test_a_commit_is_seen_at_once_and_after_a_restart(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.log.append(many(2))
        profile = person(1, "ada")
        await store.state.commit(
            FoldResult(
                2,
                identifiers={ADA: 1},
                profiles={1: profile},
                conflicts=[IdentityConflict(2, T0, 1, "kept apart")],
                routed=[Routed(1, 1, (("crm", ""),)), Routed(2, 1, (("crm", "no route"),))],
                rejections=[Rejection("web", T0, "could not be processed", b"{}")],
            )
        )
        for again in (False, True):
            store = await reopen() if again else store
            assert await store.state.position() == 2
            assert await store.state.resolve([ADA, BOB]) == {ADA: 1}
            [kept] = (await store.state.profiles([1, 2])).values()
            assert (kept.id, kept.encode()) == (1, profile.encode())
            assert await store.state.routed([1, 2, 3]) == {
                1: Routed(1, 1, (("crm", ""),)),
                2: Routed(2, 1, (("crm", "no route"),)),
            }
            [rejection] = await store.log.rejections(10)
            assert rejection.reason == "could not be processed"

    async def test_profiles_and_identifiers_can_be_removed(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.state.commit(
            FoldResult(1, identifiers={ADA: 1, BOB: 2}, profiles={1: person(1, "ada"),
                                                                 2: person(2, "bob")})
        )  # fmt: skip
        await store.state.commit(FoldResult(2, identifiers={ADA: None}, profiles={1: None}))
        for again in (False, True):
            store = await reopen() if again else store
            assert await store.state.resolve([ADA, BOB]) == {BOB: 2}
            assert set(await store.state.profiles([1, 2])) == {2}

    async def test_what_is_removed_may_come_back(self, store: Store, reopen: Reopen) -> None:
        await store.state.commit(FoldResult(1, {ADA: 1}, {1: person(1, "ada")}))
        await store.state.commit(FoldResult(2, {ADA: None}, {1: None}))
        await store.state.commit(FoldResult(3, {ADA: 3}, {3: person(3, "ada")}))
        store = await reopen()
        assert await store.state.resolve([ADA]) == {ADA: 3}
        assert set(await store.state.profiles([1, 3])) == {3}

    async def test_the_latest_commit_wins(self, store: Store, reopen: Reopen) -> None:
        for id in (1, 2, 3):
            await store.state.commit(FoldResult(id, {ADA: id}, {id: person(id, "ada")}))
        [profile] = (await store.state.profiles([3])).values()
        profile.traits["plan"] = ("free", T0 + 1)
        await store.state.commit(FoldResult(4, profiles={3: profile}))
        store = await reopen()
        assert await store.state.resolve([ADA]) == {ADA: 3}
        [kept] = (await store.state.profiles([3])).values()
        assert kept.view().traits == {"plan": "free"}

    async def test_who_is_removed_while_somebody_reads_stays_removed(self, store: Store) -> None:
        await store.state.commit(FoldResult(1, {ADA: 1}, {1: person(1, "ada")}))
        removal = asyncio.create_task(store.state.commit(FoldResult(2, {ADA: None}, {1: None})))
        while not removal.done():
            await store.state.resolve([ADA])
            await store.state.profiles([1])
            await asyncio.sleep(0)
        await removal
        assert await store.state.resolve([ADA]) == {}
        assert await store.state.profiles([1]) == {}

    async def test_merges_are_kept_in_order_with_what_undoes_them(
        self, store: Store, reopen: Reopen
    ) -> None:
        ada, bob, eve = person(1, "ada"), person(2, "bob"), person(3, "eve")
        first = Merge(4, T0, 1, 2, ada.encode(), bob.encode())
        second = Merge(5, T0 + 1, 1, 3, ada.encode(), eve.encode())
        await store.state.commit(FoldResult(5, merges=[first, second]))
        store = await reopen()
        assert await store.state.merges(1) == [first, second]
        assert await store.state.merges(2) == []
        assert Profile.decode(2, first.absorbed_record).encode() == bob.encode()

    async def test_many_different_decisions_are_told_apart(
        self, store: Store, reopen: Reopen
    ) -> None:
        decisions = [(("crm", "" if n % 3 else f"reason {n}"), ("b", "")) for n in range(1, 99)]
        routed = [Routed(n, 0, decision) for n, decision in enumerate(decisions, 1)]
        await store.state.commit(FoldResult(50, routed=routed[:50]))
        await store.state.commit(FoldResult(98, routed=routed[50:]))
        store = await reopen()
        assert list((await store.state.routed(range(1, 99))).values()) == routed

    async def test_more_people_than_memory_holds_are_all_there(
        self, store: Store, reopen: Reopen
    ) -> None:
        count = 1_500
        keys = [("user_id", f"u-{n}") for n in range(count)]
        await store.state.commit(
            FoldResult(
                count,
                dict(zip(keys, range(count), strict=True)),
                {n: person(n, f"u-{n}") for n in range(count)},
            )
        )
        store = await reopen()
        assert await store.state.resolve(keys) == dict(zip(keys, range(count), strict=True))
        assert len(await store.state.profiles(range(count))) == count
