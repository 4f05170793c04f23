"""What an event may be: ids, times, message ids, batches with good and bad items."""

import asyncio
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.conftest import SECOND_KEY, World
from tests.support.events import track
from tests.support.hub import WRITE_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")


# -- batches -------------------------------------------------------------------------------------

ENVELOPES: list[tuple[str, Any, int]] = [
    ("empty", {"batch": []}, 200),
    ("no list", {"batch": {"0": track()}}, 400),
    ("null", {"batch": None}, 400),
    ("missing", {"events": []}, 400),
    ("a single call", track(), 400),
    ("a list", [track()], 400),
]


@pytest.mark.case(5)
@pytest.mark.parametrize(("name", "body", "status"), ENVELOPES, ids=[e[0] for e in ENVELOPES])
async def test_an_envelope_without_events(world: World, name: str, body: Any, status: int) -> None:
    before = await world.client.stored()
    reply = await world.send(orjson.dumps(body), "/v1/batch")
    assert (reply.status, reply.json["success"]) == (status, status == 200)
    assert await world.client.stored() == before


# fields of a track call (None takes one away), and the reason that must be kept
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("no type", {"type": None}, "type: is missing"),
    ("unknown type", {"type": "purchase"}, "type: must be one of"),
    ("type in capitals", {"type": "Track"}, "type: must be one of"),
    ("type no text", {"type": ["track"]}, "type: must be one of"),
    ("no ids", {"userId": None}, "userId or anonymousId"),
    ("empty id", {"userId": ""}, "userId or anonymousId"),
    ("blank ids", {"userId": "  ", "anonymousId": "\t"}, "userId or anonymousId"),
    ("id true", {"userId": True}, "userId or anonymousId"),
    ("id a list", {"userId": ["u"]}, "userId or anonymousId"),
    ("id an object", {"userId": {"id": 1}}, "userId or anonymousId"),
    ("id half a number", {"userId": 1.5}, "userId or anonymousId"),
    ("no event name", {"event": None}, "event: "),
    ("blank event name", {"event": " "}, "event: "),
    ("event name a number", {"event": 7}, "event: "),
    ("properties a list", {"properties": []}, "properties: must be an object"),
    ("context a text", {"context": "web"}, "context: must be an object"),
    ("traits a number", {"traits": 1}, "traits: must be an object"),
    ("integrations a list", {"integrations": ["All"]}, "integrations: must be an object"),
    ("messageId too long", {"messageId": "x" * 256}, "messageId: at most 255 characters"),
    ("group without id", {"type": "group"}, "groupId"),
    ("alias without previousId", {"type": "alias"}, "previousId"),
    ("nested too deeply", {"properties": {"x": "NESTED"}}, "nested too deeply"),
    ("too large", {"properties": {"x": "y" * 2**20}}, "bytes"),
]


def written(call: Any) -> bytes:
    deep = b"[" * 300 + b"]" * 300
    return orjson.dumps(call).replace(b'"NESTED"', deep)


SINGLE = [row for row in BAD if "type" not in row[1]]
"""The type of a single call is said by its path."""


@pytest.mark.case(6)
@pytest.mark.parametrize(("name", "fields", "reason"), SINGLE, ids=[row[0] for row in SINGLE])
async def test_a_single_bad_call_is_answered_with_the_field(
    world: World, name: str, fields: dict[str, Any], reason: str
) -> None:
    before = await world.client.stored()
    reply = await world.send(written(track(**fields)))
    assert reply.status == 400
    assert reason in reply.json["message"]
    assert await world.client.stored() == before


@pytest.mark.case(3, 5, 6)
async def test_bad_items_of_a_batch_are_kept_with_their_reasons_and_cost_nobody_else(
    world: World,
) -> None:
    good = [track() for _ in BAD]
    mixed = [
        call for pair in zip(good, BAD, strict=True) for call in (pair[0], track(**pair[1][1]))
    ]
    before = await world.client.stored()
    reply = await world.send(written({"batch": mixed}), "/v1/batch")
    assert (reply.status, reply.json) == (200, {"success": True})
    assert await world.client.stored() - before == len(good)
    for call in good:
        await world.delivered(call["messageId"])
    for kept, (name, _, reason) in zip(await world.reasons(len(BAD)), BAD, strict=True):
        assert reason in kept, name


async def test_items_that_are_no_objects_are_kept_as_they_came(world: World) -> None:
    good = track()
    items = [None, 7, "track", [good], True, good]
    assert (await world.send(orjson.dumps({"batch": items}), "/v1/batch")).status == 200
    await world.delivered(good["messageId"])
    rejections = (await world.client.get("/api/rejections?limit=5"))["rejections"]
    assert [orjson.loads(r["item"]) for r in reversed(rejections)] == items[:5]
    assert [r["reason"] for r in reversed(rejections)] == [
        f"batch[{index}] must be a JSON object" for index in range(5)
    ]


# -- ids and times -------------------------------------------------------------------------------

GOOD_IDS: list[tuple[str, dict[str, Any], str | None]] = [
    ("null beside an anonymous id", {"userId": None, "anonymousId": "a-1"}, None),
    ("blank beside an anonymous id", {"userId": " ", "anonymousId": "a-1"}, None),
    ("a number", {"userId": 42}, "42"),
    ("zero", {"userId": 0}, "0"),
    ("a whole float", {"userId": 42.0}, "42"),
    ("surrounded by space", {"userId": " u-1 "}, "u-1"),
    ("very long", {"userId": "u" * 100_000}, "u" * 100_000),
]


@pytest.mark.case(6)
@pytest.mark.parametrize(("name", "fields", "user"), GOOD_IDS, ids=[row[0] for row in GOOD_IDS])
async def test_an_id_becomes_text_and_null_is_absent(
    world: World, name: str, fields: dict[str, Any], user: str | None
) -> None:
    call = {**track(), **fields}
    assert (await world.send(orjson.dumps(call))).status == 200
    assert (await world.delivered(call["messageId"])).get("userId") == user


HOUR = 3600.0
# timestamp, sentAt, and whether the event's time is then the time of its receipt
TIMES: list[tuple[str, dict[str, Any], bool]] = [
    ("none", {}, True),
    ("no date", {"timestamp": "yesterday"}, True),
    ("a flag", {"timestamp": True}, True),
    ("a list", {"timestamp": [2026]}, True),
    ("far in the future", {"timestamp": "2999-01-01T00:00:00Z"}, True),
    ("the last year there is", {"timestamp": "9999-12-31T23:59:59.999999Z"}, True),
    ("the last year west of us", {"timestamp": "9999-12-31T23:59:59-14:00"}, True),
    ("the first year east of us", {"timestamp": "0001-01-01T00:00:00+14:00"}, True),
    ("before 1970", {"timestamp": "1969-12-31T23:59:59Z"}, True),
    ("1970 on a broken clock",
     {"timestamp": "1970-01-01T00:00:07Z", "sentAt": "1970-01-01T00:00:07Z"}, True),
    ("a clock a year ahead",
     {"timestamp": "2999-01-01T00:00:00Z", "sentAt": "2999-01-01T00:00:00Z"}, True),
    ("a huge number", {"timestamp": 1e300}, True),
    ("a number as text", {"timestamp": "1e999"}, True),
    ("1970", {"timestamp": "1970-01-01T00:00:07Z"}, True),
    ("1971", {"timestamp": "1971-01-01T00:00:07Z"}, False),
    ("2020", {"timestamp": "2020-02-02T20:20:20.123456789+02:00"}, False),
    ("epoch seconds", {"timestamp": 1_580_667_620}, False),
    ("epoch milliseconds", {"timestamp": 1_580_667_620_123}, False),
]  # fmt: skip


@pytest.mark.case(7)
@pytest.mark.parametrize(("name", "fields", "at_receipt"), TIMES, ids=[row[0] for row in TIMES])
async def test_a_time_is_corrected_or_replaced_and_the_original_kept(
    world: World, name: str, fields: dict[str, Any], at_receipt: bool
) -> None:
    call = track(**fields)
    assert (await world.send(orjson.dumps(call))).status == 200
    event = await world.delivered(call["messageId"])
    at, received = (datetime.fromisoformat(event[n]) for n in ("timestamp", "receivedAt"))
    assert (abs((received - at).total_seconds()) < 1) is at_receipt
    assert event["originalTimestamp"] == fields.get("timestamp", event["timestamp"])


@pytest.mark.case(7)
async def test_a_wrong_clock_is_corrected_by_the_time_of_sending(world: World) -> None:
    call = track(timestamp="2020-02-02T20:00:00Z", sentAt="2020-02-02T20:10:00Z")
    assert (await world.send(orjson.dumps(call))).status == 200
    event = await world.delivered(call["messageId"])
    at, received = (datetime.fromisoformat(event[n]) for n in ("timestamp", "receivedAt"))
    assert (received - at).total_seconds() == pytest.approx(600, abs=0.001)


# -- message ids ---------------------------------------------------------------------------------


MESSAGE_IDS: list[tuple[Any, str | None]] = [
    (255 * "é", 255 * "é"),
    ("😀", "😀"),
    (7_000_001, "7000001"),
    (None, None),
    ("", None),
    ("  ", None),
    (True, None),
    (["a", 1], None),
    ({}, None),
]
"""What is sent, and what becomes of it; None: the hub names the event."""


@pytest.mark.case(8)
@pytest.mark.parametrize(("id", "kept"), MESSAGE_IDS, ids=[repr(id)[:9] for id, _ in MESSAGE_IDS])
async def test_a_message_id_is_text_and_made_where_there_is_none(
    world: World, id: Any, kept: str | None
) -> None:
    user = f"sender of {id!r}"
    call = {**track(), "messageId": id, "userId": user}
    assert (await world.send(orjson.dumps(call))).status == 200
    await world.client.settled()
    (event,) = [e for r in world.receiver.at("/sink") for e in r.events if e.get("userId") == user]
    assert isinstance(event["messageId"], str)
    assert event["messageId"].strip()
    assert kept is None or event["messageId"] == kept


@pytest.mark.case(8)
async def test_the_same_message_id_is_stored_once_per_source(world: World) -> None:
    call = track()
    twice, before = {"batch": [call, call]}, await world.client.stored()
    for body in (twice, twice, {"batch": [{**call, "event": "Changed"}]}):
        reply = await world.send(orjson.dumps(body), "/v1/batch")
        assert (reply.status, reply.json) == (200, {"success": True})
    assert await world.client.stored() - before == 1
    assert (await world.delivered(call["messageId"]))["event"] == "Tested"
    assert (await world.client.batch([call], SECOND_KEY)).status == 200
    assert await world.client.stored() - before == 2


@pytest.mark.case(12)
async def test_a_stored_batch_sent_again_is_answered_alike_and_stored_once(world: World) -> None:
    calls = [track() for _ in range(50)]
    before = await world.client.stored()
    first = await world.client.batch(calls, WRITE_KEY)
    again = await asyncio.gather(*(world.client.batch(calls, WRITE_KEY) for _ in range(10)))
    assert {(reply.status, reply.body) for reply in again} == {(first.status, first.body)}
    assert await world.client.stored() - before == len(calls)


async def test_a_batch_sent_at_once_from_many_sides_is_stored_once(world: World) -> None:
    calls = [track() for _ in range(50)]
    before = await world.client.stored()
    replies = await asyncio.gather(
        *(world.client.batch(calls[n:] + calls[:n], WRITE_KEY) for n in range(0, 50, 5))
    )
    assert {reply.status for reply in replies} == {200}
    assert await world.client.stored() - before == len(calls)


# -- anything at all -----------------------------------------------------------------------------

ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip
FIELDS = (
    "type", "event", "userId", "anonymousId", "previousId", "groupId", "name", "timestamp",
    "originalTimestamp", "sentAt", "properties", "traits", "context", "integrations", "channel",
)  # fmt: skip
CALLS = st.fixed_dictionaries(
    {"type": st.sampled_from(("track", "identify", "page", "screen", "group", "alias", "delete"))},
    optional={name: ANY_JSON for name in FIELDS if name != "type"},
)
PEOPLE = st.fixed_dictionaries({"userId": st.text(max_size=3) | st.integers(0, 9)})
SLOW_IS_FINE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


ITEMS = ANY_JSON | CALLS | st.builds(lambda call, person: {**call, **person}, CALLS, PEOPLE)


@SLOW_IS_FINE
@given(items=st.lists(ITEMS, max_size=6))
async def test_any_items_are_stored_or_rejected_and_the_batch_gets_200(
    world: World, items: list[Any]
) -> None:
    before = await world.client.outcomes()
    reply = await world.send(orjson.dumps({"batch": items}), "/v1/batch")
    assert reply.status == 200
    after = await world.client.outcomes()
    assert after.total() - before.total() == len(items)


@SLOW_IS_FINE
@given(body=st.binary(max_size=200) | ANY_JSON.map(orjson.dumps))
async def test_any_bytes_are_answered_and_never_by_a_5xx(world: World, body: bytes) -> None:
    for path in ("/v1/batch", "/v1/track", "/v1/i", "/hooks/hidden/address-token", "/hooks/cloud"):
        reply = await world.send(body, path)
        assert reply.status < 500
        assert isinstance(reply.json, dict)
