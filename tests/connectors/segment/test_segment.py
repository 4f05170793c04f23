"""The source `segment`: who gets in, what becomes of the calls, and what is answered."""

import base64
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from junctor.sdk import (
    Accepted,
    InboundRequest,
    MalformedRequest,
    Reply,
    SourceError,
    Unauthorized,
)
from junctor.testkit.doubles import context
from junctor_connectors.segment.source import Segment, SegmentSettings

NO_HTTP = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
CTX = context(NO_HTTP, id="web")
KEY = "wk-test"
BASIC = {"authorization": "Basic " + base64.b64encode(b"wk-test:").decode()}
CALL = {"userId": "u-1", "event": "Signed Up"}


def source(**settings: Any) -> Segment:
    given = SegmentSettings.model_validate(settings or {"write_key": KEY})
    return Segment(given, CTX)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def post(
    path: str, body: object, headers: Mapping[str, str] = BASIC, remote: str | None = "203.0.113.9"
) -> InboundRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return InboundRequest("POST", path, raw, headers, remote=remote)


def accepted(request: InboundRequest, by: Segment | None = None) -> Accepted:
    answer = (by or source()).accept(request)
    assert isinstance(answer, Accepted)
    return answer


def only_record(request: InboundRequest) -> dict[str, Any]:
    (record,) = accepted(request).records
    return record


def batch_of(*items: object, **envelope: object) -> InboundRequest:
    return post("/batch", {"batch": items, **envelope})


# Calls and their paths


@pytest.mark.parametrize(
    ("path", "type"),
    [
        ("/identify", "identify"), ("/i", "identify"),
        ("/track", "track"), ("/t", "track"),
        ("/page", "page"), ("/p", "page"),
        ("/screen", "screen"), ("/s", "screen"),
        ("/group", "group"), ("/g", "group"),
        ("/alias", "alias"), ("/a", "alias"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("said", [{}, {"type": "delete"}, {"type": None}])
def test_the_path_of_a_single_call_says_its_type(
    path: str, type: str, said: dict[str, Any]
) -> None:
    answer = accepted(post(path, {**said, **CALL}))
    assert answer.records == ({**said, **CALL, "type": type},)
    assert answer.alone
    assert answer.corrects_clock
    assert answer.reply == Reply(200, b'{"success":true}', {"content-type": "application/json"})


@pytest.mark.parametrize("path", ["/batch", "/import", "/b"])
def test_a_batch_is_taken_item_by_item(path: str) -> None:
    items = [{"type": "track", **CALL}, {"type": "page", "anonymousId": "a-1"}]
    answer = accepted(post(path, {"batch": items}))
    assert answer.records == items
    assert not answer.alone
    assert answer.corrects_clock
    assert answer.reply.body == b'{"success":true}'


def test_an_empty_batch_is_no_failure() -> None:
    answer = accepted(batch_of())
    assert (answer.records, answer.refused) == ([], [])


def test_items_that_are_no_objects_cost_the_others_nothing() -> None:
    answer = accepted(batch_of(7, {"type": "track", **CALL}, None, ["x"]))
    assert answer.records == [{"type": "track", **CALL}]
    assert [(refused.item, refused.reason) for refused in answer.refused] == [
        (7, "batch[0] must be a JSON object"),
        (None, "batch[2] must be a JSON object"),
        (["x"], "batch[3] must be a JSON object"),
    ]


@pytest.mark.case(16)
def test_a_write_key_erases_nobody() -> None:
    answer = accepted(batch_of({"type": "delete", "userId": "u"}, {"type": "track", **CALL}))
    assert answer.records == [{"type": "track", **CALL}]
    [refused] = answer.refused
    assert refused.item == {"type": "delete", "userId": "u"}
    assert refused.reason.startswith("batch[0] is a delete")


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/track", b"", "the body is no JSON"),
        ("/track", b'{"event": "cut of', "the body is no JSON"),
        ("/track", b'{"value": NaN}', "the body is no JSON"),
        ("/track", b'{"name": "\xe9"}', "the body is no JSON"),
        ("/track", [CALL], "the body must be a JSON object"),
        ("/track", "text", "the body must be a JSON object"),
        ("/batch", [CALL], "the body must be a JSON object"),
        ("/batch", CALL, "`batch` is missing"),
        ("/batch", {"batch": None}, "`batch` must be a list"),
        ("/batch", {"batch": {"0": CALL}}, "`batch` must be a list"),
        ("/import", {"batch": "x"}, "`batch` must be a list"),
    ],
)
def test_a_body_that_holds_no_calls_is_refused_with_the_place(
    path: str, body: object, reason: str
) -> None:
    with pytest.raises(MalformedRequest, match=reason):
        source().accept(post(path, body))


@pytest.mark.parametrize(
    "type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"]
)
def test_json_is_read_whatever_the_content_type_says(type: str) -> None:
    assert only_record(post("/t", CALL, {**BASIC, "content-type": type})) == CALL | {
        "type": "track"
    }


def test_self_metrics_of_analytics_js_are_answered_and_dropped_without_a_key() -> None:
    request = post("/m", {"series": [{"type": "Counter"}]}, headers={})
    assert source().claims(request)
    assert source().accept(request) == Reply()


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allow"),
    [
        ("POST", "", 404, "not_found", None),
        ("POST", "/", 404, "not_found", None),
        ("POST", "/tracks", 404, "not_found", None),
        ("POST", "/track/x", 404, "not_found", None),
        ("GET", "/projects/wk-test", 404, "not_found", None),
        ("GET", "/track", 405, "method_not_allowed", "POST"),
        ("PUT", "/batch", 405, "method_not_allowed", "POST"),
        ("POST", "/projects/wk-test/settings", 405, "method_not_allowed", "GET, HEAD"),
    ],
)
def test_other_paths_and_methods_are_answered_with_an_object_that_sdks_can_read(
    method: str, path: str, status: int, code: str, allow: str | None
) -> None:
    answer = source().accept(InboundRequest(method, path, headers=BASIC))
    assert isinstance(answer, Reply)
    body = json.loads(answer.body)
    assert (answer.status, body["success"], body["code"]) == (status, False, code)
    assert body["message"] == body["error"]
    assert answer.headers.get("allow") == allow


# Who gets in

ENTERS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("basic", {"authorization": basic("wk-test:")}, {}),
    ("basic without colon", {"authorization": basic("wk-test")}, {}),
    ("basic without padding", {"authorization": basic("wk-test:").rstrip("=")}, {}),
    ("basic, lower case, spaces", {"authorization": "  basic   " + basic("wk-test:")[6:]}, {}),
    ("basic with a password", {"authorization": basic("wk-test:x:y")}, {}),
    ("body", {}, {"writeKey": KEY}),
    ("body beside an empty user", {"authorization": basic(":")}, {"writeKey": KEY}),
    ("body beside a bearer token", {"authorization": "Bearer a.b.c"}, {"writeKey": KEY}),
    ("both", BASIC, {"writeKey": KEY}),
    ("header, body null", BASIC, {"writeKey": None}),
    ("header, body empty", BASIC, {"writeKey": ""}),
]
STAYS_OUT: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("nothing", {}, {}),
    ("null", {}, {"writeKey": None}),
    ("empty", {"authorization": basic(":")}, {"writeKey": ""}),
    ("wrong header", {"authorization": basic("wk-tes:")}, {}),
    ("wrong body", {}, {"writeKey": "wk-test "}),
    ("number", {}, {"writeKey": 7}),
    ("list", {}, {"writeKey": [KEY]}),
    ("a bearer token alone", {"authorization": "Bearer wk-test"}, {}),
    ("no base64", {"authorization": "Basic %%%"}, {}),
    ("no credentials", {"authorization": "Basic"}, {}),
    ("right header, other body", BASIC, {"writeKey": "other"}),
    ("right body, other header", {"authorization": basic("other:")}, {"writeKey": KEY}),
    ("an item's key only", {}, {"batch": [{"writeKey": KEY}]}),
]


@pytest.mark.parametrize("path", ["/track", "/batch"])
@pytest.mark.parametrize(("case", "headers", "body"), ENTERS, ids=[row[0] for row in ENTERS])
def test_the_key_opens_in_every_place_where_sdks_put_it(
    case: str, headers: dict[str, str], body: dict[str, Any], path: str
) -> None:
    request = post(path, {**CALL, "batch": [], **body}, headers)
    assert source().claims(request)
    accepted(request)


@pytest.mark.parametrize("path", ["/track", "/batch"])
@pytest.mark.parametrize(("case", "headers", "body"), STAYS_OUT, ids=[row[0] for row in STAYS_OUT])
def test_a_request_enters_only_if_every_key_it_shows_is_the_sources(
    case: str, headers: dict[str, str], body: dict[str, Any], path: str
) -> None:
    with pytest.raises(Unauthorized) as caught:
        source().accept(post(path, {**CALL, "batch": [], **body}, headers))
    assert "wk-tes" not in str(caught.value)
    assert "other" not in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "claimed"),
    [
        (post("/t", CALL), True),
        (post("/t", b"no json"), True),
        (post("/t", b"no json", {}), False),
        (post("/t", [], {}), False),
        (post("/t", {**CALL, "writeKey": KEY}, {}), True),
        (post("/t", {**CALL, "writeKey": KEY}, {"authorization": basic("other:")}), False),
        (post("/t", {**CALL, "writeKey": "other"}, {}), False),
        (post("/t", CALL, {"authorization": "Basic %"}), False),
        (InboundRequest("GET", "/projects/wk-test/settings"), True),
        (InboundRequest("GET", "/projects/other/settings"), False),
        (InboundRequest("GET", "/pixel/track", query={"writeKey": KEY}), True),
        (InboundRequest("GET", "/pixel/track", query={"writeKey": "other"}), False),
        (InboundRequest("GET", "/pixel/track", query={"data": "%"}), False),
    ],
)
def test_a_source_claims_what_shows_its_key_first(request_: InboundRequest, claimed: bool) -> None:
    assert source().claims(request_) is claimed


def test_several_keys_are_accepted_while_a_new_one_rolls_out() -> None:
    web = source(write_key="new", write_keys=["old", "older"])
    for key in ("new", "old", "older"):
        request = post("/t", {**CALL, "writeKey": key}, {"authorization": basic(f"{key}:")})
        assert web.claims(request)
        accepted(request, by=web)
    # An SDK is reconfigured in two places, and for a moment only one of them is.
    accepted(post("/t", {**CALL, "writeKey": "new"}, {"authorization": basic("old:")}), by=web)
    with pytest.raises(Unauthorized):
        web.accept(post("/t", CALL, {"authorization": basic("oldest:")}))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"write_keys": []},
        {"write_key": ""},
        {"write_key": "a", "write_keys": [""]},
        {"key": "a"},
    ],
)
def test_settings_without_a_usable_key_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SegmentSettings.model_validate(settings)


def test_keys_are_in_no_repr_and_in_no_record() -> None:
    web = source(write_key="wk-secret", write_keys=["wk-secret-2"])
    assert "wk-secret" not in f"{web.settings!r} {web!r} {vars(web)!r}"
    body = {"batch": [{"type": "track", "writeKey": "wk-secret", **CALL}], "writeKey": "wk-secret"}
    assert "wk-secret" not in repr(accepted(post("/b", body, {}), by=web))
    single = {**CALL, "writeKey": "wk-secret"}
    assert "wk-secret" not in repr(accepted(post("/t", single, {}), by=web))


# What becomes of a call


def test_a_call_keeps_unknown_keys_their_order_and_64_bit_integers() -> None:
    text = (
        '{"zeta":1,"userId":"u-1","_metadata":{"b":1,"a":2},"properties":{"":0,"a.b":1,'
        '"big":9007199254740993,"max":18446744073709551615,"min":-9223372036854775808,'
        '"\\u0001":"x","z":null,"a":[1,null]},"event":"E","alpha":null,"type":"track"}'
    )
    record = only_record(post("/track", text.encode()))
    assert json.dumps(record, separators=(",", ":")) == text
    assert list(record["properties"]) == ["", "a.b", "big", "max", "min", "\x01", "z", "a"]


def test_a_lone_half_of_an_emoji_does_not_stop_a_call() -> None:
    record = only_record(post("/track", b'{"userId":"u-1","event":"\\ud83d","properties":{}}'))
    assert record["event"] == "\ufffd"


ABSENT = ["messageId", "userId", "anonymousId", "groupId", "previousId", "timestamp"]


@pytest.mark.parametrize("field", ABSENT)
def test_an_explicit_null_is_as_good_as_absent(field: str) -> None:
    record = only_record(batch_of({"type": "track", field: None, "name": None, "properties": None}))
    assert record == {"type": "track", "name": None, "properties": None}


MERGES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        "what the item lacks comes from the envelope",
        {"context": {"app": {"name": "shop"}}, "integrations": {"All": False}},
        {},
        {"context": {"app": {"name": "shop"}}, "integrations": {"All": False}},
    ),
    (
        "the item wins, key by key, and keeps its order",
        {"context": {"ip": "1.1.1.1", "app": {"name": "shop"}, "locale": "en"}},
        {"context": {"os": {}, "ip": "2.2.2.2"}},
        {"context": {"os": {}, "ip": "2.2.2.2", "app": {"name": "shop"}, "locale": "en"}},
    ),
    (
        "objects inside are not mixed",
        {"context": {"page": {"url": "https://a.example", "title": "A"}}},
        {"context": {"page": {"url": "https://b.example"}}},
        {"context": {"page": {"url": "https://b.example"}}},
    ),
    (
        "integrations as well",
        {"integrations": {"All": False, "Slack": True}},
        {"integrations": {"All": True}},
        {"integrations": {"All": True, "Slack": True}},
    ),
    ("null is absent", {"context": {"a": 1}}, {"context": None}, {"context": {"a": 1}}),
    ("a null envelope says nothing", {"context": None, "sentAt": None}, {}, {}),
    ("nor does one of a wrong type", {"context": "x", "integrations": [1]}, {}, {}),
    ("an item's wrong type is left", {"context": {"a": 1}}, {"context": "x"}, {"context": "x"}),
    ("sentAt of the envelope", {"sentAt": "E"}, {}, {"sentAt": "E"}),
    ("sentAt of the item", {"sentAt": "E"}, {"sentAt": "I"}, {"sentAt": "I"}),
    ("sentAt null", {"sentAt": "E"}, {"sentAt": None}, {"sentAt": "E"}),
    ("nothing else is inherited", {"timestamp": "E", "userId": "u", "sequence": 1}, {}, {}),
    (
        "originalTimestamp is the timestamp where there is none",
        {"timestamp": "E"},
        {"originalTimestamp": "O"},
        {"originalTimestamp": "O", "timestamp": "O"},
    ),
    (
        "and not where there is one",
        {},
        {"timestamp": "T", "originalTimestamp": "O"},
        {"timestamp": "T", "originalTimestamp": "O"},
    ),
]


@pytest.mark.parametrize(("case", "envelope", "item", "record"), MERGES, ids=[m[0] for m in MERGES])
def test_an_item_inherits_from_its_envelope(
    case: str, envelope: dict[str, Any], item: dict[str, Any], record: dict[str, Any]
) -> None:
    found = only_record(batch_of({"type": "track", **item}, **envelope))
    assert json.dumps(found) == json.dumps({"type": "track", **record})


def test_items_of_one_batch_do_not_share_what_they_inherit() -> None:
    items = [{"type": "page", "context": {"a": 1}}, {"type": "page"}]
    first, second = accepted(batch_of(*items, context={"b": 2})).records
    assert (first["context"], second["context"]) == ({"a": 1, "b": 2}, {"b": 2})


TRAITS: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("lifted", {"type": "identify", "context": {"traits": {"age": 36}}}, {"age": 36}),
    ("over null", {"type": "identify", "traits": None, "context": {"traits": {"a": 1}}}, {"a": 1}),
    ("not over traits", {"type": "identify", "traits": {}, "context": {"traits": {"a": 1}}}, {}),
    ("not of a track", {"type": "track", "context": {"traits": {"a": 1}}}, None),
    ("not of a group", {"type": "group", "context": {"traits": {"a": 1}}}, None),
    ("not if no object", {"type": "identify", "context": {"traits": "x"}}, None),
]


@pytest.mark.parametrize(("case", "item", "traits"), TRAITS, ids=[row[0] for row in TRAITS])
def test_traits_of_an_identify_call_are_found_in_its_context(
    case: str, item: dict[str, Any], traits: dict[str, Any] | None
) -> None:
    record = only_record(batch_of(item))
    assert record.get("traits") == traits
    assert record["context"] == item["context"]


AJS = {"name": "analytics.js", "version": "npm:next-1.84.1"}
ADDRESSES: list[tuple[str, Any, str | None, str | None]] = [
    ("direct", {"direct": True}, "203.0.113.9", "203.0.113.9"),
    ("analytics.js", {"library": AJS}, "203.0.113.9", "203.0.113.9"),
    ("null", {"library": AJS, "ip": None}, "203.0.113.9", "203.0.113.9"),
    ("the client's own", {"library": AJS, "ip": "0.0.0.0"}, "203.0.113.9", "0.0.0.0"),
    ("a server", {"library": {"name": "analytics-python"}}, "203.0.113.9", None),
    ("not direct", {"direct": False}, "203.0.113.9", None),
    ("not quite direct", {"direct": "true"}, "203.0.113.9", None),
    ("odd library", {"library": "analytics.js"}, "203.0.113.9", None),
    ("no address", {"direct": True}, None, None),
    ("no context", None, "203.0.113.9", None),
    ("odd context", "direct", "203.0.113.9", None),
]


@pytest.mark.parametrize("path", ["/t", "/b"])
@pytest.mark.parametrize(
    ("case", "sent", "remote", "ip"), ADDRESSES, ids=[row[0] for row in ADDRESSES]
)
def test_the_address_of_a_device_is_filled_in(
    case: str, sent: Any, remote: str | None, ip: str | None, path: str
) -> None:
    call = {"type": "track", "context": sent, **CALL}
    body = call if path == "/t" else {"batch": [call]}
    (record,) = accepted(post(path, body, remote=remote)).records
    found = record.get("context")
    assert (found.get("ip") if isinstance(found, dict) else None) == ip


# Shapes of SDKs that only their sources tell of


@pytest.mark.parametrize(
    ("client", "path", "headers", "body", "record"),
    [
        (
            "analytics.js, one call a request",
            "/t",
            {**BASIC, "content-type": "text/plain"},
            {
                "type": "track", "event": "Viewed", "anonymousId": "a-1", "userId": None,
                "messageId": "ajs-next-1-x", "timestamp": "2026-01-01T00:00:00.000Z",
                "sentAt": "2026-01-01T00:00:00.100Z", "writeKey": KEY,
                "context": {"library": AJS}, "_metadata": {"bundled": ["Segment.io"]},
            },
            {
                "type": "track", "event": "Viewed", "anonymousId": "a-1",
                "messageId": "ajs-next-1-x", "timestamp": "2026-01-01T00:00:00.000Z",
                "sentAt": "2026-01-01T00:00:00.100Z",
                "context": {"library": AJS, "ip": "203.0.113.9"},
                "_metadata": {"bundled": ["Segment.io"]},
            },
        ),
        (
            "analytics-kotlin: no header, text/plain",
            "/b",
            {"content-type": "text/plain"},
            {
                "batch": [{"type": "screen", "name": "Home", "anonymousId": "a-1"}],
                "sentAt": "2026-01-01T00:00:00.100Z", "writeKey": KEY,
            },
            {
                "type": "screen", "name": "Home", "anonymousId": "a-1",
                "sentAt": "2026-01-01T00:00:00.100Z",
            },
        ),
        (
            "analytics-java: context of the envelope",
            "/import",
            BASIC,
            {
                "batch": [{"type": "track", **CALL}], "sequence": 3, "writeKey": KEY,
                "sentAt": "2026-01-01T00:00:00.100Z",
                "context": {"library": {"name": "analytics-java", "version": "3.5.4"}},
            },
            {
                "type": "track", **CALL,
                "context": {"library": {"name": "analytics-java", "version": "3.5.4"}},
                "sentAt": "2026-01-01T00:00:00.100Z",
            },
        ),
    ],
)  # fmt: skip
def test_sdks_are_understood_without_their_own_key_in_the_record(
    client: str, path: str, headers: dict[str, str], body: object, record: dict[str, Any]
) -> None:
    assert json.dumps(only_record(post(path, body, headers))) == json.dumps(record)


# Settings for analytics.js and the mobile SDKs


@pytest.mark.parametrize(
    ("headers", "host", "protocol"),
    [
        ({"host": "hub.example.com"}, "hub.example.com/v1", "http"),
        ({"host": "127.0.0.1:8080"}, "127.0.0.1:8080/v1", "http"),
        ({"host": "h.example", "x-forwarded-proto": "https"}, "h.example/v1", "https"),
        ({"host": "h.example", "x-forwarded-proto": "HTTPS, http"}, "h.example/v1", "https"),
        ({"host": "h.example", "x-forwarded-proto": "gopher"}, "h.example/v1", "http"),
    ],
)
def test_the_settings_document_sends_a_page_here_and_nowhere_else(
    headers: dict[str, str], host: str, protocol: str
) -> None:
    answer = source().accept(InboundRequest("GET", "/projects/wk-test/settings", headers=headers))
    assert isinstance(answer, Reply)
    assert (answer.status, answer.headers) == (200, {"content-type": "application/json"})
    assert json.loads(answer.body) == {
        "integrations": {
            "Segment.io": {
                "apiKey": KEY, "apiHost": host, "protocol": protocol, "addBundledMetadata": False,
            }
        },
        "metrics": {"sampleRate": 0},
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
        "edgeFunction": {},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "remotePlugins": [],
        "legacyVideoPluginsEnabled": False,
    }  # fmt: skip


def test_each_key_gets_settings_of_its_own() -> None:
    web = source(write_key="new", write_keys=["old"])
    request = InboundRequest("GET", "/projects/old/settings", headers={"host": "h.example"})
    answer = web.accept(request)
    assert isinstance(answer, Reply)
    assert json.loads(answer.body)["integrations"]["Segment.io"]["apiKey"] == "old"


@pytest.mark.parametrize(
    ("path", "headers", "error"),
    [
        ("/projects/other/settings", {"host": "h.example"}, Unauthorized),
        ("/projects/wk-test/settings", {}, MalformedRequest),
    ],
)
def test_settings_are_refused_without_the_key_or_a_host(
    path: str, headers: dict[str, str], error: type[SourceError]
) -> None:
    with pytest.raises(error):
        source().accept(InboundRequest("GET", path, headers=headers))


# Laws

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
KNOWN = [*ABSENT, "type", "event", "context", "integrations", "traits", "sentAt", "writeKey", "x"]
CALLS = st.dictionaries(st.sampled_from(KNOWN), JSON, max_size=8)
ENVELOPES = st.dictionaries(st.sampled_from(["context", "integrations", "sentAt", "x"]), JSON)


@given(st.lists(CALLS | JSON, max_size=4), ENVELOPES)
def test_every_item_of_every_batch_is_kept_or_refused_and_left_as_it_was(
    items: list[Any], envelope: dict[str, Any]
) -> None:
    body = {**envelope, "batch": items}
    request = batch_of(*items, **envelope)
    answer = accepted(request)
    assert len(answer.records) + len(answer.refused) == len(items)
    assert request.json == body
    kept = [item for item in items if isinstance(item, dict)]
    for item, record in zip(kept, answer.records, strict=True):
        assert "writeKey" not in record
        for key in item.keys() - {"writeKey", "context", "integrations", "traits"}:
            assert key not in record if item[key] is None and key in ABSENT else True
            assert record.get(key) in (item[key], envelope.get(key))
        # Reading a record again changes nothing: a replayed call is the same call.
        assert only_record(batch_of(record)) == record


@given(st.binary(max_size=64), st.sampled_from(["/t", "/b", "/import", "/identify"]))
def test_no_body_whatever_ends_in_anything_but_an_answer(body: bytes, path: str) -> None:
    web = source()
    request = post(path, body)
    assert web.claims(request)
    with contextlib.suppress(MalformedRequest):
        assert isinstance(web.accept(request), Accepted)


@given(st.text(max_size=32), st.text(st.characters(exclude_characters="/"), max_size=16))
def test_no_header_and_no_key_in_a_path_end_in_a_crash(header: str, key: str) -> None:
    web = source()
    for request in (
        post("/t", CALL, {"authorization": header}),
        post("/t", CALL, {"authorization": f"Basic {header}"}),
        InboundRequest("GET", f"/projects/{key}\udcff/settings", headers={"host": "h"}),
    ):
        assert not web.claims(request)
        with pytest.raises(Unauthorized):
            web.accept(request)
