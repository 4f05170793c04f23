"""Laws of the event log: durable, ordered, each event once."""

import asyncio

import pytest

from junctor.model.record import NewRecord, Rejection
from junctor.store.port import Store

from .makers import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T0,
    Heard,
    Reopen,
    everything,
    filled,
    ids,
    many,
    new,
    offsets,
)


class LogLaws:
    """What every EventLog promises."""

    # -- durable and ordered ---------------------------------------------------------------------

    async def test_an_acknowledged_event_survives_a_restart_as_it_was_sent(
        self, store: Store, reopen: Reopen
    ) -> None:
        sent = new("m-1", source="web", at=T0 + 7, corrects_clock=True)
        assert await store.log.append([sent]) == 0
        store = await reopen()
        [kept] = await everything(store)
        assert (kept.source, kept.message_id, kept.received_at) == ("web", "m-1", T0 + 7)
        assert bool(kept.corrects_clock) is True
        assert bytes(kept.json) == sent.json

    async def test_events_keep_the_order_of_their_request(self, store: Store) -> None:
        await store.log.append(many(300))
        assert ids(await everything(store)) == [f"m-{n}" for n in range(300)]

    async def test_offsets_ascend_over_concurrent_requests_and_restarts(
        self, store: Store, reopen: Reopen
    ) -> None:
        for round in range(3):
            await asyncio.gather(
                *(store.log.append(many(3, prefix=f"{round}-{n}")) for n in range(20))
            )
            store = await reopen()
        kept = offsets(await everything(store))
        assert len(kept) == 180
        assert kept == sorted(set(kept))
        assert await store.log.head() == kept[-1]

    async def test_listeners_hear_every_commit_once_in_order_and_without_a_hole(
        self, store: Store
    ) -> None:
        heard = Heard(store)
        await asyncio.gather(*(store.log.append(many(2, prefix=f"r{n}")) for n in range(50)))
        await store.log.append([new("r0-0"), new("last")])
        assert heard.offsets == offsets(await everything(store))
        previous = 0
        for commit in heard.commits:
            assert commit.previous == previous
            previous = commit.records[-1].offset

    async def test_a_listener_gets_what_the_log_gives(self, store: Store) -> None:
        heard = Heard(store)
        await store.log.append([new("m-1", corrects_clock=True)])
        [[told]] = [commit.records for commit in heard.commits]
        [kept] = await everything(store)
        assert told.body == {"type": "track", "event": "Seen", "messageId": "m-1"}
        assert (told.offset, told.source, told.json) == (kept.offset, kept.source, kept.json)

    async def test_nobody_is_told_of_a_commit_without_new_events(self, store: Store) -> None:
        await store.log.append([new("m-1")])
        heard = Heard(store)
        assert await store.log.append([new("m-1")]) == 1
        await store.log.append([], [Rejection("web", T0, "type: is missing", b"{}")])
        assert heard.commits == []

    async def test_a_sender_that_goes_away_harms_nobody(self, store: Store) -> None:
        leaving = asyncio.create_task(store.log.append([new("left")]))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await store.log.append([new("stays")]) == 0
        assert "stays" in ids(await everything(store))

    # -- duplicates ------------------------------------------------------------------------------

    async def test_a_duplicate_in_one_request_is_left_out(self, store: Store) -> None:
        assert await store.log.append([new("a"), new("b"), new("a"), new("a")]) == 2
        assert ids(await everything(store)) == ["a", "b"]

    async def test_a_duplicate_of_an_earlier_request_is_left_out(self, store: Store) -> None:
        await store.log.append(many(5))
        assert await store.log.append([new("m-3"), new("x"), new("m-0")]) == 2
        assert ids(await everything(store)) == ["m-0", "m-1", "m-2", "m-3", "m-4", "x"]

    async def test_of_duplicates_sent_at_once_one_is_kept(self, store: Store) -> None:
        counts = await asyncio.gather(*(store.log.append([new("same")]) for _ in range(20)))
        assert sum(counts) == 19
        assert ids(await everything(store)) == ["same"]

    async def test_each_request_learns_its_own_duplicates(self, store: Store) -> None:
        await store.log.append([new("old")])
        counts = await asyncio.gather(
            store.log.append([new("old"), new("old")]),
            store.log.append([new("fresh")]),
            store.log.append([new("old")]),
        )
        assert list(counts) == [2, 0, 1]

    async def test_the_same_id_of_two_sources_is_two_events(self, store: Store) -> None:
        records = [new("a", source="web"), new("a", source="ios"), new("a", source="web")]
        assert await store.log.append(records) == 1
        assert [r.source for r in await everything(store)] == ["web", "ios"]

    async def test_a_duplicate_with_another_body_is_left_out(self, store: Store) -> None:
        await store.log.append([new("a")])
        other = new("a")
        other.json = b'{"other":true}'
        assert await store.log.append([other]) == 1

    async def test_a_duplicate_is_known_after_a_restart(self, store: Store, reopen: Reopen) -> None:
        await store.log.append([new("a")])
        store = await reopen()
        assert await store.log.append([new("a", at=T0 + HOUR), new("b", at=T0 + HOUR)]) == 1

    @pytest.mark.parametrize(
        ("later", "duplicates"),
        [(SECOND, 1), (23 * HOUR, 1), (DAY - 1, 1), (DAY, 0), (3 * DAY, 0)],
    )
    async def test_the_window_ends_to_the_millisecond(
        self, store: Store, later: int, duplicates: int
    ) -> None:
        await store.log.append([new("a", at=T0)])
        assert await store.log.append([new("a", at=T0 + later)]) == duplicates

    async def test_the_window_holds_while_digests_rotate(
        self, store: Store, reopen: Reopen
    ) -> None:
        sent: dict[str, int] = {}
        for step in range(40):
            if step % 7 == 3:
                store = await reopen()
            at = T0 + step * 5 * HOUR
            name = f"m-{step}"
            assert await store.log.append([new(name, at=at)]) == 0
            sent[name] = at
            for earlier, when in sent.items():
                if at - when < DAY:
                    assert await store.log.append([new(earlier, at=at)]) == 1, earlier

    @pytest.mark.parametrize("window", [600.0, 86_400.0])
    async def test_after_the_window_two_copies_in_one_request_are_one_event(
        self, reopen: Reopen, window: float
    ) -> None:
        store = await reopen(dedupe_window=window)
        later = T0 + round(window * 1000) + MINUTE
        await store.log.append([new("a", at=T0)])
        assert await store.log.append([new("a", at=later), new("a", at=later)]) == 1
        assert await store.log.append([new("a", at=later + SECOND)]) == 1
        assert ids(await everything(store)) == ["a", "a"]

    async def test_a_window_of_nothing_keeps_every_copy(self, reopen: Reopen) -> None:
        store = await reopen(dedupe_window=0.0)
        assert await store.log.append([new("a"), new("a")]) == 0
        assert await store.log.append([new("a")]) == 0
        assert ids(await everything(store)) == ["a", "a", "a"]

    @pytest.mark.parametrize("split", [1, 2, 3, 6])
    async def test_ids_whose_digests_collide_are_different_events(
        self, store: Store, split: int
    ) -> None:
        records = [new("a", key=7), new("b", key=7), new("c", key=7)]
        records += [new("d", key=7), new("e"), new("f", key=7)]
        for start in range(0, len(records), split):
            assert await store.log.append(records[start : start + split]) == 0
        assert ids(await everything(store)) == ["a", "b", "c", "d", "e", "f"]

    async def test_colliding_ids_in_one_request_are_told_from_duplicates(
        self, store: Store
    ) -> None:
        records = [new("a", key=7), new("b", key=7), new("b", key=7)]
        assert await store.log.append(records) == 1
        assert ids(await everything(store)) == ["a", "b"]

    async def test_ids_collide_across_rotated_digests_without_loss(self, store: Store) -> None:
        await store.log.append([new("a", key=7, at=T0)])
        await store.log.append([new("x", at=T0 + 25 * HOUR)])  # a new generation
        assert await store.log.append([new("b", key=7, at=T0 + 25 * HOUR)]) == 0

    async def test_a_clock_that_steps_back_loses_nothing(self, store: Store) -> None:
        await store.log.append([new("a", at=T0)])
        assert await store.log.append([new("b", at=T0 - 3 * DAY)]) == 0
        assert await store.log.append([new("b", at=T0 - 3 * DAY), new("c", at=T0)]) == 1

    # -- reading ---------------------------------------------------------------------------------

    async def test_an_empty_log_has_nothing(self, store: Store) -> None:
        assert await store.log.head() == 0
        assert await store.log.read(0, 10) == []
        assert await store.log.offset_at(T0) == 0
        assert await store.log.find("m-1", ["web"]) == []

    async def test_reading_goes_on_behind_the_last_offset(self, store: Store) -> None:
        await store.log.append([*many(3), new("m-0"), new("m-3")])
        position, seen = 0, []
        while records := await store.log.read(position, 2):
            assert len(records) <= 2
            seen += ids(records)
            position = records[-1].offset
        assert seen == ["m-0", "m-1", "m-2", "m-3"]

    async def test_fetch_returns_those_that_exist_in_order(self, store: Store) -> None:
        kept = await filled(store, 40)
        asked = [kept[30], kept[2], 10_000, kept[17], 0]
        assert offsets(await store.log.fetch(asked)) == [kept[2], kept[17], kept[30]]
        assert offsets(await store.log.fetch(kept)) == kept
        assert await store.log.fetch([]) == []

    async def test_find_knows_the_source(self, store: Store) -> None:
        await store.log.append([new("a", source="web"), new("a", source="ios"), new("b")])
        assert [r.source for r in await store.log.find("a", ["web", "ios"])] == ["web", "ios"]
        assert [r.source for r in await store.log.find("a", ["ios", "tv"])] == ["ios"]
        assert await store.log.find("a", []) == []
        assert await store.log.find("nobody", ["web"]) == []

    async def test_find_reaches_behind_the_window(self, store: Store) -> None:
        for day in (0, 2, 4):
            await store.log.append([new("a", at=T0 + day * DAY)])
            await store.maintain(T0 + day * DAY)
        found = await store.log.find("a", ["web"])
        assert [r.received_at for r in found] == [T0, T0 + 2 * DAY, T0 + 4 * DAY]

    async def test_find_is_not_misled_by_a_collision(self, store: Store) -> None:
        twin = new("b")
        twin.dedupe_key = new("a").dedupe_key
        await store.log.append([twin])
        assert await store.log.find("a", ["web"]) == []

    async def test_offset_at_is_the_newest_before_a_time(self, store: Store) -> None:
        for minute in (0, 1, 1, 3):
            await filled(store, 1, at=T0 + minute * MINUTE)
        await store.log.append([new("at-0-0")])  # a duplicate: its offset is not used
        first, second, third, fourth = offsets(await everything(store))
        assert await store.log.offset_at(T0) == 0
        assert await store.log.offset_at(T0 + 1) == first
        assert await store.log.offset_at(T0 + MINUTE) == first
        assert await store.log.offset_at(T0 + MINUTE + 1) == third
        assert await store.log.offset_at(T0 + 3 * MINUTE) == third
        assert await store.log.offset_at(T0 + DAY) == fourth
        assert second < third

    # -- pull sources and rejections -------------------------------------------------------------

    async def test_a_cursor_is_stored_with_its_page(self, store: Store, reopen: Reopen) -> None:
        assert await store.log.source_cursor("crm") is None
        await store.log.append([new("a", source="crm")], cursor=("crm", "page-2"))
        await store.log.append([new("a", source="crm")], cursor=("crm", "page-3"))
        await store.log.append([], cursor=("erp", "end"))
        store = await reopen()
        assert await store.log.source_cursor("crm") == "page-3"
        assert await store.log.source_cursor("erp") == "end"

    async def test_rejections_are_kept_newest_first(self, store: Store, reopen: Reopen) -> None:
        good: list[NewRecord] = [new("a")]
        await store.log.append(good, [Rejection("web", T0, "first", b'{"a":1}')])
        await store.log.append([], [Rejection("web", T0 + n, f"r{n}", b"1") for n in range(5)])
        store = await reopen()
        newest = await store.log.rejections(3)
        assert [r.reason for r in newest] == ["r4", "r3", "r2"]
        older = await store.log.rejections(10, before=newest[-1].id)
        assert [r.reason for r in older] == ["r1", "r0", "first"]
        assert (older[-1].source, older[-1].received_at, bytes(older[-1].json)) == (
            "web", T0, b'{"a":1}',
        )  # fmt: skip
