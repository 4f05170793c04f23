"""What may enter the log, and what is kept as rejected with which reason."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.pipeline.ingest import DEEPEST, LONGEST_MESSAGE_ID, MOST_PROPERTIES, Intake, check
from junctor.pipeline.ingest import rejection as reject
from junctor.sdk.errors import MalformedRequest
from junctor.sdk.source import Refused
from junctor.store.dedupe import dedupe_key

from .bodies import T0, TYPES, event_bodies, json_values, track


def intake(max_event: int = 2**20) -> Intake:
    numbers = iter(range(100))
    return Intake(max_event, lambda: f"new-{next(numbers)}")


def nested(levels: int) -> dict[str, Any]:
    """Return a track call whose deepest list is at `levels`."""
    value: Any = []
    for _ in range(levels - 3):
        value = [value]
    return track(properties={"x": value})


# -- what can be an event ------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "track by user": track(),
    "track by device": track(None, anonymous="a-1"),
    "number as user": track(7),  # type: ignore[arg-type]
    "64-bit number as user": track(2**63 - 1),  # type: ignore[arg-type]
    "whole float as user": track(7.0),  # type: ignore[arg-type]
    "null user beside a device": track(None, anonymous="a", userId=None),
    "empty user beside a device": track("", anonymous="a"),
    "null properties": track(properties=None),
    "empty properties": track(properties={}),
    "unknown keys": track(writeKey="w", _metadata={"x": 1}),
    "identify without traits": {"type": "identify", "userId": "u"},
    "page without name": {"type": "page", "anonymousId": "a"},
    "screen": {"type": "screen", "anonymousId": "a", "name": "Home"},
    "group": {"type": "group", "userId": "u", "groupId": 12},
    "alias": {"type": "alias", "userId": "u", "previousId": "a"},
    "delete": {"type": "delete", "userId": "u"},
    "odd text": track("\u202eu\0", event="\0"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_an_event_passes(name: str) -> None:
    check(GOOD[name])


BAD: list[tuple[Any, str]] = [
    (None, "an event must be a JSON object"),
    ([], "an event must be a JSON object"),
    ("track", "an event must be a JSON object"),
    (1, "an event must be a JSON object"),
    ({}, "type: is missing"),
    ({"type": None, "userId": "u"}, "type: is missing"),
    ({"type": "", "userId": "u"}, "type: is missing"),
    ({"type": "Track", "userId": "u", "event": "x"}, "type: must be one of"),
    ({"type": "purchase", "userId": "u"}, "type: must be one of"),
    ({"type": ["track"], "userId": "u"}, "type: must be one of"),
    ({"type": {"track": 1}, "userId": "u"}, "type: must be one of"),
    (track(None), "userId or anonymousId"),
    (track(""), "userId or anonymousId"),
    (track(" \t"), "userId or anonymousId"),
    (track(None, userId=None, anonymousId=None), "userId or anonymousId"),
    (track({"id": 1}), "userId or anonymousId"),  # type: ignore[arg-type]
    (track(["u"]), "userId or anonymousId"),  # type: ignore[arg-type]
    (track(True), "userId or anonymousId"),  # type: ignore[arg-type]
    (track(0.5), "userId or anonymousId"),  # type: ignore[arg-type]
    ({"type": "track", "userId": "u"}, "event: a track call needs a name"),
    (track(event=""), "event: a track call needs a name"),
    (track(event=" "), "event: a track call needs a name"),
    (track(event=7), "event: a track call needs a name"),
    ({"type": "group", "userId": "u"}, "groupId: a group call needs it"),
    ({"type": "group", "userId": "u", "groupId": " "}, "groupId: a group call needs it"),
    ({"type": "alias", "userId": "u"}, "userId and previousId"),
    ({"type": "alias", "previousId": "a", "anonymousId": "b"}, "userId and previousId"),
    ({"type": "delete", "anonymousId": "a"}, "userId: a delete needs it"),
    (track(properties=[]), "properties: must be an object"),
    (track(properties="x"), "properties: must be an object"),
    (track(properties=0), "properties: must be an object"),
    ({"type": "identify", "userId": "u", "traits": [1]}, "traits: must be an object"),
    (track(context=False), "context: must be an object"),
    (track(integrations="all"), "integrations: must be an object"),
    (track(properties={str(n): n for n in range(MOST_PROPERTIES + 1)}), "properties: at most"),
]


@pytest.mark.parametrize(("body", "reason"), BAD, ids=[f"{n}" for n in range(len(BAD))])
def test_what_can_not_be_an_event_is_told_by_field(body: Any, reason: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        check(body)
    assert caught.value.message.startswith(reason)


@given(json_values)
def test_the_checks_answer_any_json(body: Any) -> None:
    with suppress(MalformedRequest):
        check(body)
        assert body["type"] in TYPES


# -- its name ------------------------------------------------------------------------------------


def named(value: Any, **more: Any) -> str:
    found = intake().record("web", track(messageId=value, **more), T0, corrects_clock=False)
    assert found.body is not None
    assert found.body["messageId"] == found.message_id == orjson.loads(found.json)["messageId"]
    return found.message_id


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        ("m-1", "m-1"),
        (" m 1 ", " m 1 "),
        ("x" * LONGEST_MESSAGE_ID, "x" * LONGEST_MESSAGE_ID),
        ("\0\u200b", "\0\u200b"),
        (17, "17"),
        (2**63, str(2**63)),
        (17.0, "17"),
    ],
)
def test_the_senders_message_id_is_kept(given_id: Any, kept: str) -> None:
    assert named(given_id) == kept


@pytest.mark.parametrize("value", [None, "", "   ", "\n", False, True, {}, [], {"id": 1}, 0.5])
def test_what_names_no_event_is_replaced(value: Any) -> None:
    """Else all events of such a sender would be duplicates of one another."""
    assert named(value) == "new-0"


def test_a_message_id_that_is_too_long_is_refused() -> None:
    with pytest.raises(MalformedRequest, match="messageId: at most 255 characters, got 256"):
        named("x" * 256)


def test_an_event_without_id_but_with_a_time_gets_the_same_name_when_it_is_sent_again() -> None:
    at = "2023-11-14T22:13:20.123Z"
    first = named(None, timestamp=at, sentAt="1")
    assert first.startswith("junctor-")
    assert first == named(None, sentAt="2", timestamp=at), "whatever the order, whenever sent"
    assert first != named(None, timestamp=at, event="Other")
    assert first != named(None, timestamp="2023-11-14T22:13:20.124Z")
    assert named(None, originalTimestamp=at) == named(None, originalTimestamp=at)
    other = intake().record("ios", track(timestamp=at), T0, corrects_clock=False).message_id
    assert other != first


def test_without_a_time_of_its_own_every_event_is_another() -> None:
    one = intake()
    names = [one.record("web", track(), T0, corrects_clock=False).message_id for _ in range(3)]
    assert names == ["new-0", "new-1", "new-2"]


def test_the_digest_tells_sources_and_ids_apart() -> None:
    keys = {dedupe_key(s, m) for s in ("a", "b", "ab") for m in ("c", "bc", "", "\0")}
    assert len(keys) == 12
    assert all(-(2**63) <= key < 2**63 for key in keys)
    assert dedupe_key("web", "m-1") == dedupe_key("web", "m-1")


# -- its size ------------------------------------------------------------------------------------


def test_an_event_over_the_limit_is_refused_with_its_size() -> None:
    body = track(messageId="m", properties={"text": "é" * 500})
    size = len(orjson.dumps(body))
    intake(size).record("web", dict(body), T0, corrects_clock=False)
    with pytest.raises(MalformedRequest, match=f"has {size} bytes, at most {size - 1}"):
        intake(size - 1).record("web", dict(body), T0, corrects_clock=False)


@pytest.mark.parametrize(("levels", "passes"), [(5, True), (DEEPEST, True), (DEEPEST + 1, False),
                                                (250, False), (5_000, False)])  # fmt: skip
def test_nesting_leaves_room_for_what_wraps_an_event(levels: int, passes: bool) -> None:
    """A profile, a batch or a template puts an event's values deeper than the event has them."""
    body = nested(levels)
    if passes:
        intake().record("web", body, T0, corrects_clock=False)
    else:
        with pytest.raises(MalformedRequest, match=f"at most {DEEPEST} levels"):
            intake().record("web", body, T0, corrects_clock=False)


def test_many_shallow_objects_are_not_nested_deeply() -> None:
    products = [{"sku": n, "tags": []} for n in range(500)]
    intake().record("web", track(properties={"products": products}), T0, corrects_clock=False)


# -- batches -------------------------------------------------------------------------------------


def test_one_bad_event_of_a_batch_never_costs_the_others() -> None:
    bodies: list[Any] = [track(), None, {"type": "x"}, track("u-2"), nested(999), "text", track(7)]  # type: ignore[arg-type]
    refused = [Refused({"raw": 1}, "not mapped")]
    records, rejections = intake().records("web", bodies, refused, T0, corrects_clock=True)
    assert [record.body and record.body["userId"] for record in records] == ["u-1", "u-2", 7]
    assert all(record.corrects_clock and record.received_at == T0 for record in records)
    reasons = [rejection.reason.split(":")[0] for rejection in rejections]
    assert reasons[:4] == ["not mapped", "an event must be a JSON object", "type",
                           "the event can't be JSON, or is nested too deeply"]  # fmt: skip
    assert len(rejections) == 5
    assert rejections[0].json == b'{"raw":1}'
    assert rejections[4].json == b'"text"'


def test_an_empty_batch_is_nothing() -> None:
    assert intake().records("web", [], [], T0, corrects_clock=False) == ([], [])


@pytest.mark.parametrize(
    "item",
    [b"\xff", {1: "key"}, {"a": {1, 2}}, "\ud800", ["\ud800"], 2**70, float("nan"), object, None,
     "x" * 100_000, ["x" * 100_000]],
    ids=lambda item: type(item).__name__,
)  # fmt: skip
def test_whatever_is_refused_can_be_kept(item: Any) -> None:
    kept = reject("web", item, "why", T0)
    assert (kept.source, kept.reason, kept.received_at) == ("web", "why", T0)
    assert len(kept.json) <= 32_768
    kept.json.decode()


@given(event_bodies())
def test_what_passes_the_checks_is_stored_as_it_was_sent(body: dict[str, Any]) -> None:
    sent = dict(body)
    record = intake().record("web", body, T0, corrects_clock=False)
    kept = orjson.loads(record.json)
    assert list(kept) == [*sent, *({"messageId"} - set(sent))]
    assert all(
        orjson.dumps(kept[k]) == orjson.dumps(v) for k, v in sent.items() if k != "messageId"
    )
    assert record.dedupe_key == dedupe_key("web", record.message_id)


@given(st.lists(json_values, max_size=4))
def test_any_batch_is_taken_in(bodies: list[Any]) -> None:
    records, rejections = intake().records("web", bodies, [], T0, corrects_clock=False)
    assert len(records) + len(rejections) == len(bodies)
