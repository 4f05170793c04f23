"""Each check of the stand-in vendors catches the mistake it is there for, and nothing else."""

import copy
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Reference

from junctor.demo.shoppers import Move
from junctor.demo.wire import Received, Refused, read_signed, read_slack, read_statsig

NOW = 1_795_294_800_000
KEY = "secret-demo"
STATSIG: dict[str, Any] = {
    "events": [
        {
            "eventName": "Order Completed",
            "time": NOW - 1500,
            "value": 39.95,
            "user": {
                "userID": "u-1",
                "email": "ada@example.com",
                "custom": {"plan": "pro", "visits": 3, "vip": True, "tags": ["a", "b"]},
                "customIDs": {"segmentAnonymousId": "a-1"},
                "statsigEnvironment": {"tier": "production"},
            },
            "metadata": {"messageId": "m-1", "currency": "USD"},
        },
        {
            "eventName": "page_view",
            "time": NOW - 1000,
            "user": {"customIDs": {"segmentAnonymousId": "a-2"}},
            "metadata": {"messageId": "m-2"},
        },
    ],
    "statsigMetadata": {"sdkType": "junctor", "sdkVersion": "0.1.0"},
}


def statsig_request(body: Any = STATSIG, **changed: str) -> Received:
    headers = {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "statsig-api-key": KEY,
        "statsig-client-time": str(NOW),
        **({"statsig-event-count": "2"} if body is STATSIG else {}),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    content = gzip.compress(json.dumps(body).encode())
    return Received("POST", "/v1/log_event", content, headers)


def test_a_good_batch_is_taken() -> None:
    reading = read_statsig(statsig_request(), KEY, NOW)
    assert reading.keys == ("m-1", "m-2")
    assert reading.faults == ()


Change = Callable[[dict[str, Any]], Any]


def put(path: str, value: Any) -> Change:
    """Return a mutation that sets, in the first event, what stands at a dotted path."""

    def change(event: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            event = event[parent]
        event[last] = value

    return change


def drop(path: str) -> Change:
    """Return a mutation that removes what stands at a dotted path of the first event."""

    def change(event: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            event = event[parent]
        del event[last]

    return change


def nobody(event: dict[str, Any]) -> None:
    event["user"] = {"customIDs": {}}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (drop("eventName"), "eventName must be"),
        (put("eventName", ""), "eventName must be"),
        (put("eventName", "x" * 129), "eventName must be"),
        (put("eventName", "Terms & Conditions"), "for which the event is dropped"),
        (put("eventName", "100%"), "for which the event is dropped"),
        (put("time", NOW // 1000), "milliseconds"),
        (put("time", str(NOW)), "milliseconds"),
        (put("time", NOW * 1000), "milliseconds"),
        (put("time", True), "milliseconds"),
        (drop("time"), "milliseconds"),
        (put("timestamp", NOW), "unknown field timestamp"),
        (put("value", {"amount": 1}), "value is neither"),
        (put("value", True), "value is neither"),
        (put("metadata", {"messageId": "m-1", "n": 3}), "metadata must map"),
        (put("metadata", {"messageId": "m-1", "o": {}}), "metadata must map"),
        (put("metadata", {"messageId": "m-1", "long": "x" * 4096}), "metadata is over"),
        (drop("metadata.messageId"), "no messageId"),
        (drop("user"), "user is missing"),
        (nobody, "neither userID nor a customID"),
        (put("user.userID", 17), "user.userID is no text"),
        (put("user.email", ["a@b.c"]), "user.email is no text"),
        (put("user.customIDs", {"companyID": 4}), "customIDs must map"),
        (put("user.custom.nested", {"a": 1}), "user.custom must hold"),
        (put("user.custom.nested", [1]), "user.custom must hold"),
        (put("user.custom.nothing", None), "user.custom must hold"),
        (put("user.privateAttributes", {"iban": "…"}), "privateAttributes"),
        (put("user.anonymousId", "a-1"), "unknown field anonymousId"),
        (put("user.statsigEnvironment", {"tier": "prod"}), "no known tier"),
        (put("user.custom.long", "x" * 4096), "user is over"),
    ],
)
def test_a_fault_in_an_event_is_named_and_costs_that_event_only(change: Change, fault: str) -> None:
    body = copy.deepcopy(STATSIG)
    change(body["events"][0])
    reading = read_statsig(statsig_request(body), KEY, NOW)
    assert len(reading.faults) == 1
    assert fault in reading.faults[0]
    assert reading.keys == ("m-2",)


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (statsig_request(statsig_client_time=str(NOW // 1000)), "not now, in milliseconds"),
        (statsig_request(statsig_client_time="2026-11-21T21:00:00Z"), "not now, in milliseconds"),
        (statsig_request(statsig_event_count="3"), "not the number of events"),
        (statsig_request({**STATSIG, "user": {}, "batch": []}), "unknown field batch"),
    ],
)
def test_a_fault_in_the_request_is_named(request_: Received, fault: str) -> None:
    reading = read_statsig(request_, KEY, NOW)
    assert len(reading.faults) == 1
    assert fault in reading.faults[0]


def test_what_is_beyond_a_thousand_events_is_dropped() -> None:
    event = STATSIG["events"][1]
    events = [{**event, "metadata": {"messageId": f"m-{n}"}} for n in range(1001)]
    assert len(read_statsig(statsig_request({"events": events[:1000]}), KEY, NOW).keys) == 1000
    reading = read_statsig(statsig_request({"events": events}), KEY, NOW)
    assert len(reading.keys) == 1000
    assert reading.faults == ("more than 1000 events: the rest is dropped",)


def replaced(request: Received, **changes: Any) -> Received:
    whole = {name: getattr(request, name) for name in ("method", "path", "body", "headers")}
    return Received(**{**whole, **changes})


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (statsig_request(statsig_api_key="console-demo"), 401),
        (statsig_request({"events": []}), 400),
        (statsig_request([]), 400),
        (statsig_request({"events": STATSIG["events"][0]}), 400),
        (statsig_request(content_type="text/plain"), 415),
        (statsig_request(content_encoding="br"), 400),
        (replaced(statsig_request(), body=b'{"events": []}'), 400),
        (replaced(statsig_request(), body=gzip.compress(b"{}")[:-6]), 400),
        (replaced(statsig_request(), path="/v1/rgstr"), 404),
        (replaced(statsig_request(), method="PUT"), 405),
    ],
)
def test_statsig_refuses_what_is_no_batch_of_its_project(request_: Received, status: int) -> None:
    with pytest.raises(Refused) as refusal:
        read_statsig(request_, KEY, NOW)
    assert refusal.value.status == status


HOOK = "/services/T0DEM0/B0DEM0/hush"
GOOD_TEXT = "ada@example.com ordered for 289: for Tom &amp; Jerry &lt;3 (order o-1)"


def slack_request(message: Any, path: str = HOOK, type: str = "application/json") -> Received:
    return Received("POST", path, json.dumps(message).encode(), {"content-type": type})


def test_a_good_message_is_taken() -> None:
    reading = read_slack(slack_request({"text": GOOD_TEXT}), HOOK)
    assert reading.keys == ("o-1",)
    assert reading.faults == ()


@pytest.mark.parametrize(("word", "entered"), [("Entered", True), ("Exited", False)])
def test_a_message_tells_who_entered_or_left(word: str, entered: bool) -> None:
    text = f"Audience {word}: frustrated, ada.8@example.com with 34.5 in the cart (user u-8)"
    reading = read_slack(slack_request({"text": text}), HOOK)
    move = Move("frustrated", entered, "u-8")
    assert reading.moves == {str(move): move}
    assert reading.keys == tuple(reading.moves)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("for Tom & Jerry (order o-1)", "unescaped"),
        ("I <3 it (order o-1)", "unescaped"),
        ("<!channel> (order o-1)", "unescaped"),
        ("a > b (order o-1)", "unescaped"),
        ("x" * 40_000 + " (order o-1)", "over 40000"),
        ("somebody ordered", "tells of no order and of no audience"),
        ("Audience Entered: frustrated,  with 22 in the cart (user u-1)", "tells of no order"),
        ("Audience Entered: frustrated, a@b.c with  in the cart (user u-1)", "tells of no order"),
        ("Audience Entered: frustrated, a@b.c with 22 in the cart (user )", "tells of no order"),
        ("Audience Left: frustrated, a@b.c with 22 in the cart (user u-1)", "tells of no order"),
    ],
)
def test_a_fault_in_a_message_is_named(text: str, fault: str) -> None:
    reading = read_slack(slack_request({"text": text}), HOOK)
    assert len(reading.faults) == 1
    assert fault in reading.faults[0]
    assert reading.keys == ()


@pytest.mark.parametrize(
    ("request_", "status", "answer"),
    [
        (slack_request({"text": GOOD_TEXT}, path="/services/other"), 404, "no_service"),
        (slack_request({"text": " "}), 400, "no_text"),
        (slack_request({"blocks": []}), 400, "no_text"),
        (slack_request([]), 400, "invalid_payload"),
        (slack_request({"text": GOOD_TEXT, "blocks": [{}] * 51}), 400, "invalid_blocks"),
        (slack_request({"text": GOOD_TEXT}, type="text/html"), 415, "unsupported media type"),
    ],
)
def test_slack_refuses_in_its_own_words(request_: Received, status: int, answer: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_slack(request_, HOOK)
    assert (refusal.value.status, refusal.value.answer) == (status, answer)
    assert "hush" not in str(refusal.value)


SECRET = "whsec_bm90IGEgc2VjcmV0IGF0IGFsbCwgcmVhbGx5"
EVENT = {
    "type": "identify",
    "messageId": "m-1",
    "userId": "u-1",
    "timestamp": "2026-11-21T21:00:00.000Z",
    "traits": {"email": "ada@example.com"},
}


def signed_request(
    event: Any = EVENT, *, id: str = "m-1", at: int = NOW // 1000, **changed: str
) -> Received:
    """Return a request as the reference library signs it."""
    body = json.dumps(event)
    signature = Reference(SECRET).sign(id, datetime.fromtimestamp(at, UTC), body)
    headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return Received("POST", "/crm", body.encode(), headers)


def test_what_the_reference_library_signs_is_taken() -> None:
    reading = read_signed(signed_request(), "/crm", SECRET, NOW / 1000)
    assert reading.keys == ("m-1",)
    assert reading.faults == ()


def test_an_event_of_an_audience_tells_who_entered_or_left() -> None:
    entered = {
        **EVENT,
        "type": "track",
        "event": "Audience Entered",
        "properties": {"audience_key": "high_intent", "high_intent": True},
    }
    reading = read_signed(signed_request(entered), "/crm", SECRET, NOW / 1000)
    assert reading.keys == ("m-1",)
    assert reading.moves == {"m-1": Move("high_intent", True, "u-1")}
    left = {**entered, "event": "Audience Exited", "userId": None, "anonymousId": "a-1"}
    reading = read_signed(signed_request(left), "/crm", SECRET, NOW / 1000)
    assert reading.moves == {"m-1": Move("high_intent", False, "a-1")}


def test_one_good_signature_of_several_is_enough() -> None:
    good = signed_request()
    several = f"v1a,abc v1,bm8= v1,?? {good.headers['webhook-signature']}"
    headers = {**good.headers, "webhook-signature": several}
    assert read_signed(replaced(good, headers=headers), "/crm", SECRET, NOW / 1000).keys == ("m-1",)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (signed_request(webhook_signature=""), 401),
        (signed_request(webhook_signature="v1,bm8="), 401),
        (signed_request(webhook_id="m-2"), 401),
        (signed_request(webhook_id=""), 400),
        (signed_request(webhook_timestamp=str(NOW // 1000 + 1)), 401),
        (signed_request(at=NOW // 1000 - 301), 401),
        (replaced(signed_request(), body=b'{"type": "identify"}'), 401),
        (signed_request([EVENT]), 400),
        (replaced(signed_request(), path="/other"), 404),
    ],
)
def test_the_crm_refuses_what_is_not_signed_for_it(request_: Received, status: int) -> None:
    with pytest.raises(Refused) as refusal:
        read_signed(request_, "/crm", SECRET, NOW / 1000)
    assert refusal.value.status == status


def test_a_time_in_milliseconds_is_refused() -> None:
    good = signed_request()
    headers = {**good.headers, "webhook-timestamp": str(NOW)}
    with pytest.raises(Refused, match="in seconds"):
        read_signed(replaced(good, headers=headers), "/crm", SECRET, NOW / 1000)


@pytest.mark.parametrize(
    ("event", "id", "fault"),
    [
        ({**EVENT, "type": None}, "m-1", "type is missing"),
        ({**EVENT, "timestamp": 3}, "m-1", "timestamp is missing"),
        ({**EVENT, "messageId": ""}, "m-1", "not the event's messageId"),
        ({**EVENT, "userId": ""}, "m-1", "neither userId nor anonymousId"),
        (EVENT, "m-2", "not the event's messageId"),
        ({**EVENT, "event": "Audience Entered"}, "m-1", "does not name it"),
        ({**EVENT, "event": "Audience Exited", "properties": {}}, "m-1", "does not name it"),
    ],
)
def test_a_fault_in_a_signed_event_is_named(event: dict[str, Any], id: str, fault: str) -> None:
    reading = read_signed(signed_request(event, id=id), "/crm", SECRET, NOW / 1000)
    assert len(reading.faults) == 1
    assert fault in reading.faults[0]
    assert reading.keys == ()
