"""Laws of the delivery ledger: a cursor plus exceptions, and sums that always agree."""

import asyncio
from dataclasses import replace

import pytest

from junctor.model.delivery import Outcome, Parked
from junctor.store.port import Settlement, Store, Tally

from .makers import (
    HOUR,
    T0,
    Reopen,
    attempt,
    balanced,
    dead,
    delivered,
    filled,
    fold,
    many,
    offsets,
    parked,
)


async def crm(store: Store) -> Tally:
    tally = (await store.ledger.tallies())["crm"]
    assert balanced(tally), tally
    return tally


class LedgerLaws:
    """What every Ledger promises."""

    # -- destinations ----------------------------------------------------------------------------

    async def test_a_destination_starts_where_it_is_told_and_only_once(
        self, store: Store, reopen: Reopen
    ) -> None:
        assert (await store.ledger.open("crm", 7)).cursor == 7
        assert (await store.ledger.open("crm", 99)).cursor == 7
        await store.ledger.open("alerts", 0)
        store = await reopen()
        assert [(d.id, d.cursor) for d in await store.ledger.destinations()] == [
            ("alerts", 0), ("crm", 7),
        ]  # fmt: skip

    async def test_a_pause_is_stored_and_leaves_the_cursor_alone(
        self, store: Store, reopen: Reopen
    ) -> None:
        state = await store.ledger.open("crm", 3)
        await store.ledger.settle(Settlement("crm", cursor=5))
        paused = replace(
            state, paused="401", paused_by="error", paused_code="unauthorized",
            hold_until=T0 + HOUR, fingerprint="f1",
        )  # fmt: skip
        await store.ledger.pause(paused)
        store = await reopen()
        assert await store.ledger.destinations() == [replace(paused, cursor=5)]

    # -- reading ---------------------------------------------------------------------------------

    async def test_the_backlog_has_what_was_routed_to_the_destination(self, store: Store) -> None:
        for decision in ({"crm": ""}, {"crm": "no route"}, {"crm": "", "alerts": ""}, {}):
            await store.log.append(many(2, prefix=str(decision)))
            await fold(store, decision)
        records, position = await store.ledger.backlog("crm", 0, 100)
        assert offsets(records) == [1, 2, 5, 6]
        assert position == 8
        assert await store.ledger.backlog("alerts", 5, 100) == (records[3:], 8)
        assert await store.ledger.backlog("nobody", 0, 100) == ([], 8)

    async def test_the_backlog_is_read_on_in_pieces(self, store: Store) -> None:
        kept = await filled(store, 10)
        seen: list[int] = []
        position = 0
        while position < kept[-1]:
            records, position = await store.ledger.backlog("crm", position, 3)
            assert len(records) <= 3
            seen += offsets(records)
        assert seen == kept
        assert await store.ledger.backlog("crm", position, 3) == ([], position)

    async def test_the_backlog_ends_where_it_is_told(self, store: Store) -> None:
        kept = await filled(store, 6)
        records, position = await store.ledger.backlog("crm", 0, 100, upto=kept[3])
        assert (offsets(records), position) == (kept[:4], kept[3])

    async def test_what_is_not_folded_is_no_backlog_yet(self, store: Store) -> None:
        kept = await filled(store, 2)
        await store.log.append(many(3, prefix="later"))
        assert (await store.ledger.backlog("crm", 0, 100))[1] == kept[-1]

    # -- settling --------------------------------------------------------------------------------

    async def test_a_settled_call_is_there_after_a_restart(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.ledger.open("crm", 0)
        kept = await filled(store, 4)
        again = Parked(
            (kept[1], kept[3]), T0 + 5, 2, T0, "destination_unavailable", "503 from crm", True
        )
        [id] = await store.ledger.settle(
            Settlement(
                "crm",
                attempts=[
                    attempt(Outcome.DELIVERED, [kept[0]]),
                    attempt(Outcome.RETRY, [kept[1], kept[3]], code="destination_unavailable"),
                    attempt(Outcome.DEAD_LETTER, [kept[2]], code="invalid"),
                ],
                park=[again],
                dead=[dead("crm", kept[2], json=b'{"type":"track"}')],
                cursor=kept[-1],
            )
        )
        store = await reopen()
        assert await store.ledger.parked("crm") == [replace(again, id=id)]
        [letter] = await store.ledger.dead_letters()
        assert letter == replace(dead("crm", kept[2], json=b'{"type":"track"}'), id=letter.id)
        assert [d.cursor for d in await store.ledger.destinations()] == [kept[-1]]
        assert await crm(store) == Tally(4, 1, 0, 1, 2)

    @pytest.mark.parametrize(
        "group", [(5,), (1, 2, 3), (1, 3, 900_000), tuple(range(1, 2_000, 7)), (2**40, 2**40 + 5)]
    )
    async def test_a_parked_group_comes_back_as_it_was(
        self, store: Store, group: tuple[int, ...]
    ) -> None:
        first = Parked(group, T0 + 9, 3, T0, "rate_limited", "slow down", False)
        [id] = await store.ledger.settle(Settlement("crm", park=[first]))
        assert await store.ledger.parked("crm") == [replace(first, id=id)]
        assert await store.ledger.parked("alerts") == []
        await store.ledger.settle(Settlement("crm", unpark=[id]))
        assert await store.ledger.parked("crm") == []

    async def test_parked_groups_get_their_ids_in_order_and_come_oldest_first(
        self, store: Store
    ) -> None:
        settlements = [
            Settlement("crm", park=[parked(9, 10), parked(1, 4), parked(5)]),
            Settlement("crm", park=[parked(2)]),
            Settlement("alerts", park=[parked(3)]),
        ]
        given = await asyncio.gather(*(store.ledger.settle(s) for s in settlements))
        assert [len(ids) for ids in given] == [3, 1, 1]
        assert len({id for ids in given for id in ids}) == 5
        by_id = {p.id: p.offsets for p in await store.ledger.parked("crm")}
        assert [by_id[id] for id in given[0]] == [(9, 10), (1, 4), (5,)]
        assert list(by_id.values()) == [(1, 4), (2,), (5,), (9, 10)]

    async def test_a_retry_changes_the_group_in_one_step(self, store: Store) -> None:
        await store.ledger.open("crm", 0)
        kept = await filled(store, 3)
        [id] = await store.ledger.settle(Settlement("crm", park=[parked(*kept)], cursor=kept[-1]))
        [second] = await store.ledger.settle(
            Settlement("crm", attempts=delivered(kept[0]), park=[parked(*kept[1:])], unpark=[id])
        )
        assert [(p.id, p.offsets) for p in await store.ledger.parked("crm")] == [
            (second, tuple(kept[1:]))
        ]
        assert await crm(store) == Tally(3, 1, 0, 0, 2)

    async def test_an_id_is_never_given_twice(self, store: Store, reopen: Reopen) -> None:
        """Whoever holds the id of a group or a dead letter must not touch another by it."""
        seen_groups: set[int] = set()
        seen_letters: set[int] = set()
        previous: list[int] = []
        for round in range(6):
            store = await reopen() if round == 3 else store
            # A retry that fails again: the old group goes and the new one comes in one step.
            previous = await store.ledger.settle(
                Settlement("crm", park=[parked(7)], unpark=previous, dead=[dead("crm", 9)])
            )
            [letter] = await store.ledger.dead_letters()
            assert not seen_groups & set(previous)
            assert letter.id not in seen_letters
            seen_groups |= set(previous)
            seen_letters.add(letter.id)
            await store.ledger.purge([letter.id])

    async def test_the_cursor_never_goes_back(self, store: Store) -> None:
        await store.ledger.open("crm", 0)
        await store.ledger.settle(Settlement("crm", cursor=10))
        await store.ledger.settle(Settlement("crm", cursor=4))
        assert (await store.ledger.destinations())[0].cursor == 10
        await asyncio.gather(
            *(store.ledger.settle(Settlement("crm", cursor=n)) for n in (20, 30, 12))
        )
        assert (await store.ledger.destinations())[0].cursor == 30

    async def test_what_is_settled_or_parked_beyond_the_cursor_is_known(
        self, store: Store, reopen: Reopen
    ) -> None:
        await store.ledger.open("crm", 0)
        await filled(store, 12)
        await store.ledger.settle(
            Settlement(
                "crm",
                attempts=[
                    attempt(Outcome.DELIVERED, [1, 2, 5]),
                    attempt(Outcome.RETRY, [6, 7]),
                    attempt(Outcome.DISCARDED, [8]),
                    attempt(Outcome.FILTERED, [9]),
                    attempt(Outcome.DEAD_LETTER, [10]),
                ],
                park=[parked(7)],
                dead=[dead("crm", 10)],
                cursor=2,
            )
        )
        await store.ledger.settle(Settlement("alerts", attempts=delivered(3)))
        store = await reopen()
        assert await store.ledger.settled_beyond("crm", 2) == {5, 7, 8, 9, 10}
        assert await store.ledger.settled_beyond("crm", 8) == {9, 10}
        assert await crm(store) == Tally(12, 3, 2, 1, 6)

    async def test_every_attempt_at_an_event_is_found_oldest_first(self, store: Store) -> None:
        await filled(store, 9)
        first = attempt(Outcome.RETRY, [2, 4, 6], code="timeout")
        second = attempt(Outcome.DELIVERED, [4], at=T0 + 1, number=2)
        other = attempt(Outcome.DELIVERED, [3, 5], at=T0 + 2)
        await store.ledger.settle(Settlement("crm", attempts=[first]))
        await store.ledger.settle(Settlement("crm", attempts=[second, other]))
        await store.ledger.settle(Settlement("alerts", attempts=delivered(4)))
        assert await store.ledger.attempts("crm", 4) == [first, second]
        assert await store.ledger.attempts("crm", 3) == [other]
        assert await store.ledger.attempts("crm", 9) == []

    # -- sums ------------------------------------------------------------------------------------

    async def test_the_ledger_counts_from_the_first_byte_on_disk(self, store: Store) -> None:
        await store.ledger.open("crm", 0)
        assert await crm(store) == Tally(0, 0, 0, 0, 0)
        await store.log.append(many(5))
        assert await crm(store) == Tally(5, 0, 0, 0, 5)
        await fold(store, {"crm": ""})
        assert await crm(store) == Tally(5, 0, 0, 0, 5)
        await store.log.append(many(2, prefix="filtered"))
        await fold(store, {"crm": "condition not met"})
        assert await crm(store) == Tally(7, 0, 2, 0, 5)

    async def test_a_replay_counts_as_accepted_again(self, store: Store, reopen: Reopen) -> None:
        await store.ledger.open("crm", 0)
        kept = await filled(store, 4)
        await store.ledger.settle(Settlement("crm", attempts=delivered(*kept), cursor=kept[-1]))
        replay = await store.ledger.open_replay("crm", 0, kept[-1])
        assert await store.ledger.replays() == [replay]
        moved = replace(replay, position=kept[1], count=2)
        [id] = await store.ledger.advance_replay(
            moved, Settlement("crm", park=[parked(*kept[:2])], accepted=2)
        )
        assert await crm(store) == Tally(6, 4, 0, 0, 2)
        store = await reopen()
        assert await store.ledger.replays() == [moved]
        await store.ledger.settle(Settlement("crm", attempts=delivered(*kept[:2]), unpark=[id]))
        assert await crm(store) == Tally(6, 6, 0, 0, 0)
        await store.ledger.advance_replay(replace(moved, position=kept[-1]), Settlement("crm"))
        assert await store.ledger.replays() == []

    async def test_a_stopped_replay_goes_no_further(self, store: Store, reopen: Reopen) -> None:
        await store.ledger.open("crm", 0)
        kept = await filled(store, 4)
        await store.ledger.settle(Settlement("crm", attempts=delivered(*kept), cursor=kept[-1]))
        stopped = await store.ledger.open_replay("crm", 0, kept[-1])
        other = await store.ledger.open_replay("crm", 0, kept[-1])
        assert await store.ledger.stop_replay(stopped.id)
        # Whoever had read it before it was stopped, and comes with the next piece only now:
        late = Settlement("crm", park=[parked(*kept[:2])], accepted=2)
        assert await store.ledger.advance_replay(replace(stopped, position=kept[1]), late) == []
        store = await reopen()
        assert await store.ledger.replays() == [other]
        assert await store.ledger.parked("crm") == []
        assert await crm(store) == Tally(4, 4, 0, 0, 0)
        assert not await store.ledger.stop_replay(stopped.id)
        assert not await store.ledger.stop_replay(99)

    # -- dead letters ----------------------------------------------------------------------------

    async def test_dead_letters_are_filtered_and_read_in_pages(self, store: Store) -> None:
        letters = [
            dead("crm", n, at=T0 + n, code="invalid" if n % 2 else "gave_up") for n in range(1, 9)
        ]
        await store.ledger.settle(Settlement("crm", dead=letters))
        await store.ledger.settle(Settlement("alerts", dead=[dead("alerts", 3, at=T0 + 20)]))

        async def found(destination: str | None = None, **filters: object) -> list[int]:
            rows = await store.ledger.dead_letters(destination, **filters)  # type: ignore[arg-type]
            return [letter.offset for letter in rows]

        assert await found() == [3, 8, 7, 6, 5, 4, 3, 2, 1]
        assert await found("alerts") == [3]
        assert await found("crm", code="invalid") == [7, 5, 3, 1]
        assert await found("crm", since=T0 + 6) == [8, 7, 6]
        assert await found("crm", limit=2) == [8, 7]
        page = await store.ledger.dead_letters("crm", limit=3)
        assert await found("crm", limit=3, before=page[-1].id) == [5, 4, 3]
        some = [page[2].id, page[0].id, 10_000]
        assert await found(ids=some) == [8, 6]
        assert await found(ids=[]) == []

    async def test_a_purged_dead_letter_stays_counted(self, store: Store) -> None:
        await store.ledger.open("crm", 0)
        kept = await filled(store, 3)
        await store.ledger.settle(
            Settlement(
                "crm",
                attempts=[attempt(Outcome.DEAD_LETTER, kept)],
                dead=[dead("crm", offset) for offset in kept],
                cursor=kept[-1],
            )
        )
        letters = await store.ledger.dead_letters()
        assert await store.ledger.purge([letters[0].id, letters[1].id, 999]) == 2
        assert await store.ledger.purge([letters[0].id]) == 0
        assert len(await store.ledger.dead_letters()) == 1
        assert await crm(store) == Tally(3, 0, 0, 3, 0)

    async def test_a_replayed_dead_letter_is_pending_again(self, store: Store) -> None:
        await store.ledger.open("crm", 0)
        kept = await filled(store, 2)
        await store.ledger.settle(
            Settlement(
                "crm",
                attempts=[attempt(Outcome.DEAD_LETTER, kept)],
                dead=[dead("crm", offset) for offset in kept],
                cursor=kept[-1],
            )
        )
        letters = await store.ledger.dead_letters()
        [id] = await store.ledger.settle(
            Settlement("crm", park=[parked(letters[0].offset)], dead_replayed=[letters[0].id])
        )
        assert await crm(store) == Tally(2, 0, 0, 1, 1)
        assert [letter.id for letter in await store.ledger.dead_letters()] == [letters[1].id]
        await store.ledger.settle(
            Settlement("crm", attempts=delivered(letters[0].offset), unpark=[id])
        )
        assert await crm(store) == Tally(2, 1, 0, 1, 0)

    async def test_two_who_replay_one_dead_letter_leave_the_sums_true(self, store: Store) -> None:
        await store.ledger.open("crm", 0)
        [offset] = await filled(store, 1)
        await store.ledger.settle(
            Settlement(
                "crm",
                attempts=[attempt(Outcome.DEAD_LETTER, [offset])],
                dead=[dead("crm", offset)],
                cursor=offset,
            )
        )
        [letter] = await store.ledger.dead_letters()
        again = Settlement("crm", park=[parked(offset)], dead_replayed=[letter.id])
        await asyncio.gather(store.ledger.settle(again), store.ledger.settle(again))
        tally = await crm(store)
        assert (tally.dead, tally.pending) == (0, 2)
