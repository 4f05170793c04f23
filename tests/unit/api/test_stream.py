"""`GET /v1/stream`: whose transitions come, how it stands while nothing happens, how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from junctor.api.keep import Overloaded
from junctor.api.readers import ReaderKeys, sign
from junctor.api.reads import Transition
from junctor.api.stream import (
    HEARTBEAT_SECONDS,
    MOST_MISSED,
    MOST_OF_ONE_ID,
    Subscription,
    transition_event,
)
from junctor.store.port import StoreError

from .people import (
    BEARER,
    NOW,
    READERS,
    SECRET,
    SHOP,
    FakeHistory,
    FakeReads,
    Listener,
    entry,
    listener,
    until,
)


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[Listener]:
    async with listener() as running:
        yield running


@asynccontextmanager
async def listening(
    hub: Listener, query: str = "user_id=u-1", path: str = "/v1/stream", **headers: str
) -> AsyncIterator[aiohttp.StreamReader]:
    """Open a stream and read its first comment."""
    async with hub.session.get(f"{hub.url}{path}?{query}", headers=headers or BEARER) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert await text(answer.content) == b": listening\n\n"
        yield answer.content


async def text(stream: aiohttp.StreamReader) -> bytes:
    """Return the next event or comment, b"" at the end."""
    async with asyncio.timeout(5):
        try:
            return await stream.readuntil(b"\n\n")
        except aiohttp.ClientPayloadError:
            return b""


async def event(stream: aiohttp.StreamReader) -> Any:
    """Return the data of the next event."""
    name, data = (await text(stream)).splitlines()[:2]
    assert name == b"event: transition"
    return orjson.loads(data.removeprefix(b"data: "))


async def until_left(hub: Listener) -> None:
    """Wait until the hub has noticed that nobody listens, and has let go of the engine."""
    await until(lambda: not len(hub.api.streams) and not hub.reads.watchers)


async def refusal(hub: Listener, query: str, **headers: str) -> tuple[int, str]:
    async with hub.session.get(f"{hub.url}/v1/stream?{query}", headers=headers) as answer:
        return answer.status, (await answer.json())["message"]


async def test_what_somebody_enters_and_leaves_comes_as_it_happens(hub: Listener) -> None:
    async with listening(hub) as stream:
        hub.reads.happens(entry())
        hub.reads.happens(entry("churn_risk", entered=False))
        assert await event(stream) == {
            "audience": "high_intent",
            "entered": True,
            "at": "2026-01-01T00:00:00.000Z",
            "reason": "event",
            "profile": "p-9",
        }
        assert (await event(stream))["entered"] is False


async def test_what_others_do_does_not_come(hub: Listener) -> None:
    async with listening(hub, "anonymous_id=a-1") as stream:
        hub.reads.happens(entry("one", user_id="u-2"))
        hub.reads.happens(entry("two", user_id="a-1"))
        hub.reads.happens(entry("three", anonymous_id="a-1"))
        assert (await event(stream))["audience"] == "three"


async def test_a_stream_goes_on_when_the_person_becomes_one_with_another(hub: Listener) -> None:
    async with listening(hub, "anonymous_id=a-7") as stream:
        ids = {"user_id": ["u-1"], "anonymous_id": ["a-1", "a-7"]}
        hub.reads.happens(Transition("p-2", ids, "high_intent", True, NOW, "merge"))
        found = await event(stream)
        assert (found["profile"], found["reason"]) == ("p-2", "merge")


async def test_several_ids_of_one_person_bring_a_transition_once(hub: Listener) -> None:
    query = "user_id=u-1&anonymous_id=a-1&anonymous_id=a-2&user_id=u-1"
    async with listening(hub, query) as stream:
        hub.reads.happens(entry("one"))
        hub.reads.happens(entry("two", anonymous_id="a-2"))
        assert [(await event(stream))["audience"] for _ in range(2)] == ["one", "two"]


async def test_many_streams_watch_the_engine_once(hub: Listener) -> None:
    async with listening(hub) as one, listening(hub) as two, listening(hub, "user_id=u-2") as other:
        assert len(hub.reads.watchers) == 1
        hub.reads.happens(entry())
        hub.reads.happens(entry(user_id="u-2"))
        for stream in (one, two, other):
            assert (await event(stream))["audience"] == "high_intent"


async def test_a_comment_tells_every_15_seconds_that_the_line_stands(hub: Listener) -> None:
    async with listening(hub) as stream:
        await hub.clock.advance(HEARTBEAT_SECONDS - 0.001)
        hub.reads.happens(entry())
        assert (await event(stream))["audience"] == "high_intent"
        await hub.clock.advance(0.001)
        assert (await text(stream)).startswith(b":")
        await hub.clock.advance(HEARTBEAT_SECONDS)
        assert (await text(stream)).startswith(b":")


async def test_a_client_that_went_away_is_forgotten_at_the_next_beat(hub: Listener) -> None:
    async with listening(hub), listening(hub):
        assert len(hub.api.streams) == 2
    async with asyncio.timeout(5):
        while len(hub.api.streams):
            await hub.clock.advance(HEARTBEAT_SECONDS)
    await until_left(hub)
    async with listening(hub) as stream:  # and the engine is watched again
        hub.reads.happens(entry())
        assert (await event(stream))["audience"] == "high_intent"
    assert hub.reads.watched == 2


async def test_a_client_that_does_not_read_is_cut_off_and_harms_nobody(hub: Listener) -> None:
    long = "x" * 200_000
    async with listening(hub) as stuck, listening(hub, "user_id=u-2") as other:
        async with asyncio.timeout(10):
            while len(hub.api.streams) == 2:
                hub.reads.happens(entry(long))
                await asyncio.sleep(0)
        hub.reads.happens(entry("after", user_id="u-2"))
        assert (await event(other))["audience"] == "after"
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await stuck.read()  # what was on its way, then the cut
    assert not [entry for entry in hub.log.entries if entry["log_level"] == "error"]


async def test_the_thousand_and_first_stream_is_told_to_come_again(hub: Listener) -> None:
    hub.api.streams._most = 1
    async with (
        listening(hub),
        hub.session.get(f"{hub.url}/v1/stream?user_id=u-2", headers=BEARER) as answer,
    ):
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"


async def test_streams_end_when_the_listener_shuts_down() -> None:
    async with listener() as hub:
        answer = await hub.session.get(f"{hub.url}/v1/stream?user_id=u-1", headers=BEARER)
        assert await text(answer.content) == b": listening\n\n"
    assert len(hub.api.streams) == 0
    assert not hub.reads.watchers
    to = Subscription([], transition_event)
    with pytest.raises(Overloaded, match="stopping"):
        await hub.api.streams.serve(cast(web.Request, None), {}, to)


async def test_streams_end_when_the_engine_has_no_more_and_new_ones_watch_anew(
    hub: Listener,
) -> None:
    async with listening(hub) as stream:
        hub.reads.happens(None)
        assert await text(stream) == b""
    await until_left(hub)
    async with listening(hub) as stream:
        hub.reads.happens(entry())
        assert (await event(stream))["audience"] == "high_intent"


async def test_an_engine_that_breaks_is_logged_and_ends_the_streams(hub: Listener) -> None:
    async with listening(hub) as stream:
        hub.reads.happens("no transition")  # type: ignore[arg-type]
        assert await text(stream) == b""
    assert [entry["event"] for entry in hub.log.entries] == ["transitions can't be streamed"]


async def test_open_streams_go_over_to_another_engine(hub: Listener) -> None:
    async with listening(hub) as stream:
        old, hub.reads = hub.reads, FakeReads()
        hub.configure(READERS)
        await until(lambda: not old.watchers and bool(hub.reads.watchers))
        hub.reads.happens(entry("new"))
        assert (await event(stream))["audience"] == "new"


async def test_when_readers_change_open_streams_have_to_prove_themselves_again(
    hub: Listener,
) -> None:
    async with listening(hub) as stream:
        hub.configure(dict(READERS))
        hub.reads.happens(entry())
        assert (await event(stream))["audience"] == "high_intent"
        hub.configure({"other": ReaderKeys("other-key")})
        assert await text(stream) == b""
    assert (await refusal(hub, "user_id=u-1", **BEARER))[0] == 401


async def test_a_browser_listens_with_a_signed_id_in_the_query(hub: Listener) -> None:
    until = round(hub.clock.now()) + 60
    signature = sign(SECRET, "user_id", "u-1", until)
    query = f"user_id=u-1&reader=site&expires={until}&signature={signature}"
    async with listening(hub, query, origin=SHOP) as stream:
        hub.reads.happens(entry())
        assert (await event(stream))["audience"] == "high_intent"
    hub.clock.tick(60)
    assert (await refusal(hub, query, origin=SHOP))[0] == 401


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("user_id=u-1", 401, "Authorization"),
        ("user_id=u-1&reader=site&signature=00", 401, "not that of this id"),
        ("user_id=u-1&user_id=u-2&reader=site&signature=00", 400, "exactly one id"),
        ("user_id=u-1&anonymous_id=a&reader=site&signature=00", 400, "exactly one id"),
        ("reader=site&signature=00", 400, "at least one id"),
        ("user_id=u-1&signature=00", 400, "reader"),
        ("user_id=u-1&reader=site&signature=00&expires=soon", 400, "expires"),
        ("user_id=u-1&reader=site&signature=00&expires=²", 400, "expires"),
        ("user_id=u-1&reader=site&signature=00&expires=" + "9" * 5_000, 400, "expires"),
    ],
)
async def test_without_a_right_signature_nobody_listens(
    hub: Listener, query: str, status: int, said: str
) -> None:
    got, message = await refusal(hub, query, origin=SHOP)
    assert got == status
    assert said in message


@pytest.mark.parametrize(
    "query", ["", "user_id=", "&".join(f"user_id=u-{number}" for number in range(101))]
)
async def test_a_stream_is_of_somebody(hub: Listener, query: str) -> None:
    status, message = await refusal(hub, query, **BEARER)
    assert status == 400
    assert "ids are needed" in message


async def test_who_comes_first_is_told_from_where_to_go_on() -> None:
    async with listener(history=FakeHistory(entry(id=7))) as hub, listening(hub) as stream:
        assert await text(stream) == b"id: 7\n\n"
        hub.reads.happens(entry(id=8))
        assert (await text(stream)).endswith(b"\nid: 8\n\n")


async def test_who_comes_again_is_told_what_was_missed_and_nothing_twice() -> None:
    history = FakeHistory(entry("one", id=3), entry("two", id=5), entry("three", id=6))
    comes = {**BEARER, "last-event-id": "3"}
    async with listener(history=history) as hub, listening(hub, **comes) as stream:
        hub.reads.happens(entry("three", id=6))  # committed already, and published only now
        hub.reads.happens(entry("four", id=9))
        for audience, id in ((b"two", 5), (b"three", 6), (b"four", 9)):
            told = await text(stream)
            assert b'"audience":"%b"' % audience in told
            assert told.endswith(b"\nid: %d\n\n" % id)
    assert history.asked == [(3, [("user_id", "u-1")], MOST_MISSED)]


@pytest.mark.parametrize("last", ["", "p-1", "-1", "8", "9" * 400])
async def test_an_id_that_says_nothing_here_begins_anew(last: str) -> None:
    history = FakeHistory(entry(id=7))
    comes = {**BEARER, "last-event-id": last}
    async with listener(history=history) as hub, listening(hub, **comes) as stream:
        assert await text(stream) == b"id: 7\n\n"
        hub.reads.happens(entry(id=8))
        assert (await event(stream))["audience"] == "high_intent"
    assert not history.asked


async def test_while_the_past_can_t_be_read_a_stream_does_not_begin() -> None:
    history = FakeHistory()
    history.failure = StoreError("locked")
    async with listener(history=history) as hub:
        status, message = await refusal(hub, "user_id=u-1", **BEARER)
        assert status == 503
        assert "ask again" in message
        assert not len(hub.api.streams)


async def test_interventions_have_no_ids_to_go_on_from() -> None:
    history = FakeHistory(entry(id=7))
    path = "/api/v1/interventions"
    async with listener(history=history) as hub, listening(hub, path=path) as stream:
        hub.reads.happens(entry(id=7))
        assert b"\nid: " not in await text(stream)


@pytest.mark.parametrize(
    ("asked", "known"),
    [("email=Ada@x.test", {"email": "ada@x.test"}), ("account_id=acme", {"account": "acme"})],
)
@pytest.mark.parametrize("path", ["/v1/stream", "/api/v1/interventions"])
async def test_ids_are_known_as_they_are_stored(
    hub: Listener, asked: str, known: dict[str, Any], path: str
) -> None:
    hub.reads.kinds = ("email", "account", "account_id")
    async with listening(hub, asked, path) as stream:
        hub.reads.happens(entry(**known))
        assert b"high_intent" in await text(stream)


async def test_one_signed_id_holds_ten_streams_and_no_more(hub: Listener) -> None:
    query = "reader=site&user_id={}&signature={}"
    mine, other = (query.format(id, sign(SECRET, "user_id", id)) for id in ("u-1", "u-2"))
    async with AsyncExitStack() as streams:
        for _ in range(MOST_OF_ONE_ID):
            await streams.enter_async_context(listening(hub, mine, origin=SHOP))
        assert await refusal(hub, mine, origin=SHOP) == (
            429,
            "10 streams of this signed id are open; close one",
        )
        await streams.enter_async_context(listening(hub, other, origin=SHOP))
        await streams.enter_async_context(listening(hub, "user_id=u-1", **BEARER))
        assert len(hub.api.streams) == MOST_OF_ONE_ID + 2
