"""Laws of forgetting people: what is theirs goes, what is counted stays."""

from dataclasses import replace

import orjson
import pytest

from junctor.model.delivery import DestinationState, Outcome
from junctor.model.erasure import Erasure, Stage, digest_of
from junctor.model.profile import IdentityConflict, Merge, Profile
from junctor.model.record import Rejection
from junctor.store.port import FoldResult, Routed, Settlement, Store

from .makers import EVERYWHERE, T0, Reopen, attempt, balanced, dead, delivered, filled, new, parked

ADA = ("user_id", "u-ada")


def erasure(offset: int, *people: int, until: int = 0) -> Erasure:
    return Erasure(offset, T0, people, (ADA,), (digest_of(*ADA),), until)


async def asked(store: Store, offset: int, *people: int) -> Erasure:
    """Let the fold ask for an erasure; return it as it is stored."""
    await store.state.commit(
        FoldResult(offset, profiles=dict.fromkeys(people), erasures=[erasure(offset, *people)])
    )
    found = await store.erasures.get(offset)
    assert found is not None
    return found


class ErasureLaws:
    """What every Erasures promises."""

    @pytest.mark.case(16)
    async def test_whom_the_erased_person_absorbed_is_erased_with_them(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.state.commit(
            FoldResult(
                3, profiles={1: Profile(1)},
                merges=[Merge(2, T0, 2, 3, b"u-ada", b""), Merge(3, T0, 1, 2, b"", b"u-ada"),
                        Merge(3, T0, 7, 8, b"", b"")],
            )
        )  # fmt: skip
        assert set(await store.erasures.family(1)) == {1, 2, 3}
        found = await asked(store, 9, 1)
        assert set(found.people) == {1, 2, 3}
        assert found.stage is Stage.ERASING
        store = await reopen()
        assert await store.erasures.under_way() == [found]
        assert [await store.state.merges(one) for one in (1, 2)] == [[], []]
        assert len(await store.state.merges(7)) == 1

    async def test_how_far_one_is_is_stored_and_it_is_found_by_a_digest(
        self, store: Store, reopen: Reopen
    ) -> None:
        first, second = await asked(store, 5, 1), await asked(store, 6)
        done = replace(first, ids=(), people=(), until=8, events=3, erased_at=T0, done_at=T0 + 1)
        await store.erasures.advance(done)
        store = await reopen()
        assert await store.erasures.under_way() == [second]
        assert await store.erasures.get(5) == done
        assert await store.erasures.newest(9) == [second, done]
        assert await store.erasures.newest(9, before=6) == [done]
        assert await store.erasures.newest(1, digest=digest_of(*ADA)) == [second]
        assert await store.erasures.newest(1, digest=digest_of("user_id", "u-bob")) == []

    async def test_the_person_s_events_are_found_and_go(self, store: Store) -> None:
        mine = await filled(store, 3)
        about = new("told", source="junctor")
        about.json = orjson.dumps({"type": "track", "userId": "u-ada"})
        others = await filled(store, 2)
        await store.log.append([about])
        head = await store.log.head()
        await store.state.commit(
            FoldResult(head, routed=[Routed(head, head, ())], profiles={1: None},
                       erasures=[erasure(mine[1], 1)])
        )  # fmt: skip
        [found] = await store.erasures.under_way()
        found = replace(found, until=head)
        assert list(await store.erasures.events(found, "web")) == [*mine, *others]
        assert list(await store.erasures.events(found, "junctor")) == [*mine, *others, head]
        shorter = replace(found, until=mine[1])
        assert list(await store.erasures.events(shorter, "junctor")) == mine[:2]
        assert list(await store.erasures.telling(found)) == [*mine[1:], *others]
        await store.erasures.remove_events(replace(found, events=3), mine)
        assert [r.offset for r in await store.log.read(0, 99)] == [*others, head]
        assert (await store.state.routed(mine))[mine[0]].profile == 0
        assert list(await store.erasures.events(found, "web")) == others
        again = await store.erasures.get(mine[1])
        assert again is not None
        assert again.events == 3

    async def test_no_offset_is_given_twice_though_the_newest_event_is_erased(
        self, store: Store, reopen: Reopen
    ) -> None:
        events = await filled(store, 3)
        await store.erasures.remove_events(erasure(events[-1]), events)
        assert await store.log.head() == events[-1]
        assert await store.log.offset_at(T0 + 1) == 0
        store = await reopen()
        await store.log.append([new("later")])
        assert await store.log.head() == events[-1] + 1

    async def test_traces_are_found_by_whose_they_are_or_by_what_they_say(
        self, store: Store
    ) -> None:
        await store.ledger.open("crm", 0)
        mine = await filled(store, 2)
        await store.log.append([new("of bob")])
        await store.state.commit(FoldResult(3, routed=[Routed(3, 3, (("crm", ""),))]))
        says = orjson.dumps({"userId": "u-ada"})
        failed = [
            replace(attempt(Outcome.RETRY, (1, 3)), message="no such user"),
            replace(attempt(Outcome.RETRY, (3,)), message="not now"),
        ]
        await store.ledger.settle(
            Settlement(
                "crm", attempts=failed,
                dead=[dead("crm", 1), dead("crm", 3, json=says), dead("crm", 0, json=says)],
            )
        )  # fmt: skip
        rejected = [Rejection("web", T0, "no type", json) for json in (says, b'{"userId":"u"}')]
        await store.log.append([], rejected)
        conflicts = [IdentityConflict(1, T0, profile, "left out") for profile in (1, 3)]
        await store.state.commit(FoldResult(4, conflicts=conflicts))
        found = await asked(store, 5, 1)
        traces = await store.erasures.traces(found, mine)
        letters = {letter.offset: letter.id for letter in await store.ledger.dead_letters()}
        assert set(traces.letters) == {letters[0], letters[1]}
        assert (len(traces.rejections), len(traces.conflicts), len(traces.remarks)) == (1, 1, 1)
        await store.erasures.remove_traces(found, traces)
        assert [letter.offset for letter in await store.ledger.dead_letters()] == [3]
        assert [one.json for one in await store.log.rejections(9)] == [b'{"userId":"u"}']
        said = [a.message for a in await store.ledger.attempts("crm", 3)]
        assert said == ["", "not now"]
        assert list(traces.destinations) == ["crm"]
        left = await store.erasures.traces(found, mine)
        assert not any((left.letters, left.rejections, left.conflicts, left.remarks))

    @pytest.mark.parametrize("many", [0, 200])
    async def test_a_person_of_many_identifiers_is_found_by_each(
        self, store: Store, many: int
    ) -> None:
        ids = (("email", "a.b+c@X.example"), *(("anonymous_id", f"A-{n}") for n in range(many)))
        texts = ["A.B+C@x.example", "a-b+c@x.example", "A-77", "a-77", "xA-77"]
        rejected = [Rejection("web", T0, "no", orjson.dumps({"id": text})) for text in texts]
        await store.log.append([], rejected)
        found = replace(await asked(store, 1), ids=ids)
        await store.erasures.remove_traces(found, await store.erasures.traces(found, []))
        left = {orjson.loads(one.json)["id"] for one in await store.log.rejections(9)}
        assert left == {*texts[1:2], *texts[3:], *(() if many else texts[2:3])}

    async def test_of_what_a_destination_said_of_an_erased_person_the_code_is_kept(
        self, store: Store, reopen: Reopen
    ) -> None:
        events = await filled(store, 2)
        for id in ("crm", "alerts", "mine"):
            await store.ledger.open(id, 0)
            state = DestinationState(id, 0, "no such user: u-ada", "error", "refused", 5, "f")
            await store.ledger.pause(state)
        await store.ledger.pause(DestinationState("mine", 0, "by me", "operator", "", 0, ""))
        for id, offset in (("crm", 1), ("mine", 1), ("alerts", 2)):
            failed = replace(attempt(Outcome.RETRY, (offset,)), message="no such user")
            waits = replace(parked(2), code="refused", message="no such user")
            await store.ledger.settle(Settlement(id, attempts=[failed], park=[waits]))
        found = await asked(store, 3, 1)
        await store.erasures.remove_traces(found, await store.erasures.traces(found, events[:1]))
        store = await reopen()
        states = {state.id: state for state in await store.ledger.destinations()}
        assert states["crm"] == DestinationState("crm", 0, "refused", "error", "refused", 5, "f")
        assert (states["mine"].paused, states["alerts"].paused) == ("by me", "no such user: u-ada")
        waiting = [(await store.ledger.parked(id))[0] for id in ("crm", "alerts")]
        assert [(one.code, one.message) for one in waiting] == [
            ("refused", ""), ("refused", "no such user"),
        ]  # fmt: skip

    async def test_a_dead_letter_of_somebody_else_does_not_say_what_was_said_of_both(
        self, store: Store
    ) -> None:
        await store.ledger.open("crm", 0)
        mine = await filled(store, 1)
        await store.log.append([new("of-bob-1"), new("of-bob-2")])
        routed = [Routed(offset, 2, (("crm", ""),)) for offset in (2, 3)]
        await store.state.commit(FoldResult(3, routed=routed))
        both = replace(attempt(Outcome.DEAD_LETTER, (1, 2)), message="no such user: u-ada")
        alone = replace(attempt(Outcome.DEAD_LETTER, (3,)), message="no such user: u-bob")
        letters = [replace(dead("crm", n), message="no such user") for n in (1, 2, 3)]
        await store.ledger.settle(Settlement("crm", attempts=[both, alone], dead=letters, cursor=3))
        found = await asked(store, 4, 1)
        await store.erasures.remove_traces(found, await store.erasures.traces(found, mine))
        left = {letter.offset: letter.message for letter in await store.ledger.dead_letters()}
        assert left == {2: "", 3: "no such user"}

    async def test_what_is_withdrawn_counts_as_filtered_once(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.ledger.open("crm", 0)
        events = await filled(store, 6)
        await store.ledger.settle(
            Settlement("crm", attempts=delivered(1, 4), park=[parked(2, 3)], cursor=1)
        )
        assert await store.ledger.waiting_for("crm", [3])
        assert await store.ledger.waiting_for("crm", [5])
        assert not await store.ledger.waiting_for("crm", [1, 4])
        assert not await store.ledger.waiting_for("nobody", [1, 4])
        assert await store.ledger.withdraw("crm", [1, 3, 4, 5], T0, groups=[]) == 1
        assert await store.ledger.withdraw("crm", [1, 3, 4, 5], T0) == 1
        assert await store.ledger.withdraw("crm", [1, 3, 4, 5], T0) == 0
        store = await reopen()
        [group] = await store.ledger.parked("crm")
        assert (group.offsets, group.message) == ((2,), "")
        tally = (await store.ledger.tallies())["crm"]
        assert balanced(tally)
        assert (tally.delivered, tally.filtered, tally.pending) == (2, 2, 2)
        assert await store.ledger.withdraw("crm", events, T0) == 2
        assert await store.ledger.parked("crm") == []
        tally = (await store.ledger.tallies())["crm"]
        assert balanced(tally)
        assert (tally.filtered, tally.pending) == (4, 0)

    async def test_a_delete_that_was_refused_can_be_tried_again_when_it_is_gone_itself(
        self, store: Store
    ) -> None:
        await store.ledger.open("crm", 0)
        [event] = await filled(store, 1)
        refused = [attempt(Outcome.DEAD_LETTER, (event,))]
        letter = dead("crm", event, json=b'{"type":"delete"}')
        await store.ledger.settle(Settlement("crm", attempts=refused, dead=[letter], cursor=event))
        await store.erasures.remove_events(erasure(event), [event])
        [kept] = await store.ledger.dead_letters()
        await store.ledger.settle(Settlement("crm", park=[parked(event)], dead_replayed=[kept.id]))
        assert [one.json for one in await store.log.fetch([event])] == [letter.json]
        assert (await store.state.routed([event]))[event].decision == tuple(EVERYWHERE.items())
        tally = (await store.ledger.tallies())["crm"]
        assert balanced(tally)
        assert (tally.dead, tally.pending) == (0, 1)
