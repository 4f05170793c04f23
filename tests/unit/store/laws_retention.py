"""Laws of retention: what nobody needs goes, what somebody needs stays, space comes back."""

from dataclasses import replace

import orjson
import pytest

from junctor.model.delivery import Outcome
from junctor.model.record import Rejection
from junctor.store.port import Settlement, Store

from .laws_ledger import crm
from .makers import (
    DAY,
    HOUR,
    T0,
    Reopen,
    attempt,
    dead,
    delivered,
    everything,
    filled,
    many,
    new,
    offsets,
    parked,
)

AGE = 7 * DAY
LATER = T0 + 30 * DAY


async def all_delivered(store: Store, kept: list[int]) -> None:
    for destination in ("crm", "alerts"):
        await store.ledger.open(destination, 0)
        await store.ledger.settle(
            Settlement(destination, attempts=delivered(*kept), cursor=kept[-1])
        )


class RetentionLaws:
    """What `maintain` promises."""

    async def test_delivered_events_go_when_they_are_old(
        self, store: Store, reopen: Reopen
    ) -> None:
        kept = await filled(store, 5) + await filled(store, 5, at=T0 + 2 * DAY)
        await all_delivered(store, kept)
        await store.maintain(T0 + AGE)
        assert offsets(await everything(store)) == kept
        await store.maintain(T0 + AGE + DAY)
        assert offsets(await everything(store)) == kept[5:]
        store = await reopen()
        assert set(await store.state.routed(kept)) == set(kept[5:])
        assert (await crm(store)).delivered == 10

    async def test_many_old_events_go_in_one_call(self, store: Store) -> None:
        kept = await filled(store, 6_000)
        await all_delivered(store, kept)
        await store.maintain(LATER)
        assert offsets(await everything(store)) == kept[-1:]

    async def test_the_newest_event_stays_so_that_no_offset_is_used_twice(
        self, store: Store, reopen: Reopen
    ) -> None:
        kept = await filled(store, 3)
        await all_delivered(store, kept)
        await store.maintain(LATER)
        store = await reopen()
        assert await store.log.head() == kept[-1]
        await store.log.append([new("next", at=LATER)])
        assert await store.log.head() == kept[-1] + 1

    async def test_what_is_not_folded_stays(self, store: Store) -> None:
        kept = await filled(store, 2)
        await all_delivered(store, kept)
        await store.log.append(many(4, prefix="unfolded"))
        await store.maintain(LATER)
        assert offsets(await everything(store)) == [3, 4, 5, 6]

    async def test_what_a_destination_has_not_read_stays(self, store: Store) -> None:
        kept = await filled(store, 10)
        await all_delivered(store, kept[:4])
        await store.ledger.settle(Settlement("crm", attempts=delivered(*kept[4:]), cursor=kept[-1]))
        await store.maintain(LATER)
        assert offsets(await everything(store)) == kept[4:]  # alerts is behind
        assert (await store.ledger.tallies())["alerts"].pending == 6

    async def test_what_is_parked_stays(self, store: Store) -> None:
        kept = await filled(store, 10)
        await all_delivered(store, kept)
        await store.ledger.settle(Settlement("crm", park=[parked(kept[6], kept[8])], accepted=2))
        await store.maintain(LATER)
        assert offsets(await everything(store)) == kept[6:]

    async def test_what_a_replay_will_send_stays(self, store: Store) -> None:
        kept = await filled(store, 10)
        await all_delivered(store, kept)
        replay = await store.ledger.open_replay("crm", kept[2], kept[7])
        await store.maintain(LATER)
        assert offsets(await everything(store)) == kept[3:]
        await store.ledger.advance_replay(replace(replay, position=kept[7]), Settlement("crm"))
        await store.maintain(LATER)
        assert offsets(await everything(store)) == kept[-1:]

    async def test_the_oldest_delivered_events_go_when_there_are_too_many(
        self, reopen: Reopen
    ) -> None:
        store = await reopen(retention_size=3 * 2**20)
        kept = []
        for _ in range(10):
            kept += await filled(store, 250, padding=4_000)
        await all_delivered(store, kept[:2_400])
        await store.maintain(T0)
        left = offsets(await everything(store))
        assert left == kept[-len(left) :]
        assert 100 <= len(left) <= 800

    async def test_size_never_takes_what_is_needed(self, reopen: Reopen) -> None:
        store = await reopen(retention_size=1)
        kept = await filled(store, 100, padding=4_000)
        await all_delivered(store, kept[:10])
        await store.maintain(T0)
        assert offsets(await everything(store)) == kept[10:]

    @pytest.mark.parametrize("by", ["age", "size"])
    async def test_duplicates_are_known_after_their_event_is_removed(
        self, reopen: Reopen, by: str
    ) -> None:
        if by == "age":
            store = await reopen(retention_age=HOUR / 1000)
        else:
            store = await reopen(retention_size=1)
        await store.log.append([new("a"), new("b")])
        await filled(store, 1)
        await all_delivered(store, [1, 2, 3])
        await store.maintain(T0 + 2 * HOUR)
        assert offsets(await everything(store)) == [3]
        assert await store.log.append([new("a", at=T0 + 3 * HOUR)]) == 1
        assert await store.log.append([new("c", at=T0 + 3 * HOUR)]) == 0

    async def test_maintaining_an_empty_store_does_nothing(self, store: Store) -> None:
        await store.maintain(T0)
        await store.maintain(LATER)
        assert await store.log.append([new("a", at=LATER)]) == 0

    async def test_dead_letters_and_rejections_have_their_own_age(self, store: Store) -> None:
        kept = await filled(store, 2)
        await all_delivered(store, kept)
        await store.log.append([], [Rejection("web", T0, "old", b"1")])
        await store.log.append([], [Rejection("web", T0 + 5 * DAY, "young", b"1")])
        await store.ledger.settle(
            Settlement("crm", dead=[dead("crm", 1, at=T0), dead("crm", 2, at=T0 + 5 * DAY)])
        )
        await store.maintain(T0 + 29 * DAY)
        assert len(await store.ledger.dead_letters()) == 2
        await store.maintain(T0 + 31 * DAY)
        assert [letter.offset for letter in await store.ledger.dead_letters()] == [2]
        assert [r.reason for r in await store.log.rejections(10)] == ["young"]

    async def test_attempts_go_with_their_events(self, store: Store) -> None:
        kept = await filled(store, 4) + await filled(store, 4, at=T0 + 20 * DAY)
        await all_delivered(store, kept[:4])
        await all_delivered(store, kept[4:])
        await store.maintain(T0 + 21 * DAY)
        assert await store.ledger.attempts("crm", kept[0]) == []
        assert len(await store.ledger.attempts("crm", kept[5])) == 1
        assert (await crm(store)).delivered == 8

    async def test_an_old_dead_letter_can_be_replayed_after_its_event_is_removed(
        self, store: Store, reopen: Reopen
    ) -> None:
        body = {"type": "track", "messageId": "m-1", "receivedAt": "2023-11-14T22:13:20.000Z"}
        json = orjson.dumps(body)
        kept = await filled(store, 5)
        await all_delivered(store, kept)
        letter = dead("crm", kept[1], at=T0 + HOUR, json=json)
        await store.ledger.settle(
            Settlement(
                "crm", attempts=[attempt(Outcome.DEAD_LETTER, [kept[1]])], dead=[letter],
                accepted=1,
            )
        )  # fmt: skip
        await store.maintain(T0 + 20 * DAY)
        assert offsets(await everything(store)) == kept[-1:]
        [stored] = await store.ledger.dead_letters()
        await store.ledger.settle(
            Settlement("crm", park=[parked(kept[1])], dead_replayed=[stored.id])
        )
        for again in (False, True):
            store = await reopen() if again else store
            [record] = await store.log.fetch([kept[1]])
            assert (bytes(record.json), record.message_id) == (json, letter.message_id)
            assert not record.corrects_clock
            assert record.received_at == T0, "it was received when it was received"
            [route] = (await store.state.routed([kept[1]])).values()
            assert route.decision == (("crm", ""),), "it goes where it was going, nowhere else"
            assert (await store.ledger.backlog("alerts", 0, 10, upto=kept[1]))[0] == []
            await store.maintain(T0 + 25 * DAY)
        assert [p.offsets for p in await store.ledger.parked("crm")] == [(kept[1],)]

    async def test_replaying_a_dead_letter_leaves_a_retained_event_alone(
        self, store: Store
    ) -> None:
        kept = await filled(store, 3)
        await all_delivered(store, kept)
        [before] = await store.log.fetch([kept[1]])
        await store.ledger.settle(
            Settlement("crm", dead=[dead("crm", kept[1], json=b'{"canonical":1}')])
        )
        [letter] = await store.ledger.dead_letters()
        await store.ledger.settle(
            Settlement("crm", park=[parked(kept[1])], dead_replayed=[letter.id])
        )
        assert await store.log.fetch([kept[1]]) == [before]
