"""The source `webhook`: any JSON, verified, found and shaped."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks import Webhook

from junctor.sdk import Accepted, InboundRequest, MalformedRequest, SourceError, Unauthorized
from junctor.testkit import PushSourceConformance, context
from junctor_connectors.webhook.source import WebhookSource, WebhookSourceSettings

NO_HTTP = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
CTX = context(NO_HTTP, id="hook")
EVENT = {"event": "Signed Up", "userId": "u-1"}


def source(**settings: Any) -> WebhookSource:
    return WebhookSource(WebhookSourceSettings.model_validate(settings), CTX)


def post(
    body: object, headers: dict[str, str] | None = None, path: str = "", at: int = 0
) -> InboundRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return InboundRequest("POST", path, raw, headers or {}, received_at=at)


def only_record(body: object, **settings: Any) -> dict[str, Any]:
    (record,) = source(**settings).accept(post(body)).records
    return record


# What is made of an item without a mapping


@pytest.mark.parametrize(
    ("item", "record"),
    [
        (
            {"event": "E", "type": "t", "name": "n", "userId": "u", "properties": {"a": 1}},
            {"type": "track", "event": "E", "userId": "u", "properties": {"a": 1}},
        ),
        (
            {"type": "user.created", "name": "n", "user_id": "u", "data": {"a": 1}},
            {"type": "track", "event": "user.created", "userId": "u", "properties": {"a": 1}},
        ),
        (
            {"name": "n", "anonymous_id": "a", "x": 1},
            {
                "type": "track", "event": "n", "anonymousId": "a",
                "properties": {"name": "n", "anonymous_id": "a", "x": 1},
            },
        ),
        (
            # As the Standard Webhooks specification advises.
            {
                "type": "audience.entered", "timestamp": "2026-01-02T03:04:05Z",
                "data": {"userId": "u1"},
            },
            {
                "type": "track", "event": "audience.entered", "userId": "u1",
                "timestamp": "2026-01-02T03:04:05Z", "properties": {"userId": "u1"},
            },
        ),
        (
            {
                "event": "E", "userId": None, "user_id": 7, "anonymousId": "a",
                "message_id": "m", "created_at": 1767323045, "properties": None,
                "data": {"big": 9007199254740993, "": None}, "context": {"ip": "192.0.2.1"},
            },
            {
                "type": "track", "event": "E", "messageId": "m", "userId": 7, "anonymousId": "a",
                "timestamp": 1767323045, "context": {"ip": "192.0.2.1"},
                "properties": {"big": 9007199254740993, "": None},
            },
        ),
        ({}, {"type": "track", "properties": {}}),
        ({"id": "not unique"}, {"type": "track", "properties": {"id": "not unique"}}),
        # Another service does not get to erase a person by the word it uses.
        (
            {"type": "delete", "userId": "u"},
            {
                "type": "track", "event": "delete", "userId": "u",
                "properties": {"type": "delete", "userId": "u"},
            },
        ),
    ],
)  # fmt: skip
def test_without_a_mapping_an_item_is_a_track_call(
    item: dict[str, Any], record: dict[str, Any]
) -> None:
    assert only_record(item) == record


# Where the items are


def test_an_object_is_one_item_and_answered_for_itself() -> None:
    taken = source().accept(post(EVENT))
    assert taken == Accepted(
        ({"type": "track", "event": "Signed Up", "userId": "u-1", "properties": EVENT},), alone=True
    )
    assert not taken.corrects_clock


def test_a_list_is_many_items_and_one_bad_costs_the_others_nothing() -> None:
    taken = source().accept(post([EVENT, 7, {"event": "E"}]))
    assert [record["event"] for record in taken.records] == ["Signed Up", "E"]
    assert [(refused.item, refused.reason) for refused in taken.refused] == [
        (7, "[1] must be a JSON object")
    ]
    assert not taken.alone


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("events", {"events": [EVENT, EVENT]}),
        ("$.data.events", {"data": {"events": [EVENT, EVENT]}}),
        ("batches[0].items", {"batches": [{"items": [EVENT, EVENT]}]}),
        ("1", [[], [EVENT, EVENT]]),
    ],
)
def test_items_is_the_path_of_the_list_in_the_body(path: str, body: object) -> None:
    taken = source(items=path).accept(post(body))
    assert len(taken.records) == 2
    assert not taken.alone


def test_a_single_object_at_the_path_is_one_item() -> None:
    taken = source(items="event").accept(post({"event": EVENT}))
    assert [record["event"] for record in taken.records] == ["Signed Up"]
    assert taken.alone


@pytest.mark.parametrize("body", [{"events": []}, {"events": None}, {"events": 0}, {}, [], "x", 7])
def test_a_body_without_the_list_is_refused_and_an_empty_list_is_quiet(body: Any) -> None:
    if body == {"events": []}:
        assert source(items="events").accept(post(body)) == Accepted([], [])
    else:
        with pytest.raises(MalformedRequest, match="`events` in the body must be"):
            source(items="events").accept(post(body))


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"7", b'"x"', b"\xff", b"a=1&b=2", b"<x/>"])
def test_a_body_that_is_no_json_or_no_item_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        source().accept(post(body))


# Mappings


def test_a_mapping_shapes_every_item() -> None:
    mapping = {
        "type": "identify",
        "userId": {"@path": "$.contact.id"},
        "anonymousId": {"@path": "$.contact.none"},
        "previousId": {"@literal": {"@path": "$.contact.null"}},
        "messageId": {"@template": "crm-{{contact.id}}-{{rev}}"},
        "traits": {"email": {"@path": "$.contact.email"}, "big": {"@path": "$.big"}},
    }
    contact = {"id": "c-1", "email": "ada@example.com", "null": None}
    item = {"contact": contact, "rev": 3, "big": 9007199254740993}
    assert only_record(item, mapping=mapping) == {
        "type": "identify",
        "userId": "c-1",
        "messageId": "crm-c-1-3",
        "traits": {"email": "ada@example.com", "big": 9007199254740993},
    }


def test_an_unmapped_type_is_track() -> None:
    mapping = {"event": {"@path": "$.kind"}, "userId": {"@path": "$.who"}}
    assert only_record({"kind": "E", "who": "u"}, mapping=mapping) == {
        "event": "E",
        "userId": "u",
        "type": "track",
    }


def test_a_mapping_sees_the_headers_that_it_asks_for_and_no_others() -> None:
    settings = {
        "headers": ["X-GitHub-Event", "X-Absent"],
        "mapping": {
            "event": {"@path": "$.headers.x-github-event"},
            "userId": {"@path": "$.sender.login"},
            "properties": {"headers": {"@path": "$.headers"}},
        },
    }
    headers = {"x-github-event": "push", "authorization": "Bearer secret"}
    body = {"sender": {"login": "octocat"}, "headers": "of the body"}
    taken = source(**settings).accept(post(body, headers))
    assert taken.records == (
        {
            "event": "push",
            "userId": "octocat",
            "properties": {"headers": {"x-github-event": "push"}},
            "type": "track",
        },
    )


FAILING = {"event": {"@path": {"@path": "$.path"}}, "userId": "u"}


def test_an_item_that_the_mapping_can_not_shape_is_kept_with_the_place() -> None:
    taken = source(mapping=FAILING).accept(post([{"path": "a", "a": "E"}, {"path": 5}]))
    assert [record["event"] for record in taken.records] == ["E"]
    (refused,) = taken.refused
    assert refused.item == {"path": 5}
    assert refused.reason.startswith("[1] the mapping fails at event")


def test_a_single_item_that_the_mapping_can_not_shape_is_refused_with_the_place() -> None:
    with pytest.raises(MalformedRequest, match="the mapping fails at event"):
        source(mapping=FAILING).accept(post({"path": 5}))


@pytest.mark.parametrize("item", [{}, {"call": None}, {"call": "text"}, {"call": [EVENT]}])
def test_a_mapping_must_make_an_object(item: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequest, match="the mapping must make an object"):
        source(mapping={"@path": "$.call"}).accept(post(item))


# Verification

STANDARD_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER_SECRET = "whsec_" + base64.b64encode(b"another key, just as long as that").decode()
STANDARD_BODY = (
    b'{"type":"audience.entered","timestamp":"2026-01-02T03:04:05Z","data":{"userId":"u1"}}'
)
STANDARD_AT = 1767323045
STANDARD_HEADERS = {
    "webhook-id": "msg_demo1",
    "webhook-timestamp": str(STANDARD_AT),
    "webhook-signature": "v1,kxRWueTMCLbnJhHumjRR7r80kFxETZtHA7lg5QXvh1Q=",
}
GOOD = STANDARD_HEADERS["webhook-signature"]


def standard(
    body: bytes = STANDARD_BODY, at: float = STANDARD_AT, **headers: str | None
) -> InboundRequest:
    changed = {f"webhook-{name}": value for name, value in headers.items()}
    merged = {**STANDARD_HEADERS, **changed}
    kept = {name: value for name, value in merged.items() if value is not None}
    return post(body, kept, at=round(at * 1000))


def by_standard(**settings: Any) -> WebhookSource:
    return source(**{"verify": "standard_webhooks", "secret": STANDARD_SECRET, **settings})


@pytest.mark.parametrize(
    "signature",
    [
        GOOD,
        f"v1,AAAA {GOOD}",
        f"{GOOD} v1,AAAA",
        f"junk  v1a,xyz v1, v2,{GOOD[3:]} {GOOD}",
    ],
)
def test_one_right_signature_of_several_is_enough(signature: str) -> None:
    (record,) = by_standard().accept(standard(signature=signature)).records
    assert record["messageId"] == "msg_demo1"


@pytest.mark.parametrize("seconds", [0, 299.9, 300, -299.9, -300])
def test_a_signature_is_good_for_five_minutes_either_way(seconds: float) -> None:
    assert by_standard().accept(standard(at=STANDARD_AT + seconds)).records


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (standard(id=None), "missing"),
        (standard(timestamp=None), "missing"),
        (standard(signature=None), "missing"),
        (standard(signature=""), "missing"),
        (standard(timestamp="soon"), "epoch seconds"),
        (standard(timestamp="-1767323045"), "epoch seconds"),
        (standard(timestamp="１767323045"), "epoch seconds"),
        (standard(timestamp="9" * 5000), "epoch seconds"),
        (standard(at=STANDARD_AT + 300.1), "five minutes"),
        (standard(at=STANDARD_AT - 300.1), "five minutes"),
        (standard(id="msg_demo2"), "does not match"),
        (standard(timestamp=str(STANDARD_AT + 1)), "does not match"),
        (standard(STANDARD_BODY + b" "), "does not match"),
        (standard(signature=GOOD[3:]), "does not match"),
        (standard(signature="v1," + "é"), "does not match"),
        (standard(signature=GOOD.replace("v1,", "v2,")), "does not match"),
    ],
)
def test_what_is_not_signed_now_by_the_sender_is_refused(
    request_: InboundRequest, reason: str
) -> None:
    with pytest.raises(Unauthorized, match=reason):
        by_standard().accept(request_)


def test_secrets_overlap_while_the_senders_is_changed() -> None:
    by_standard(secret=OTHER_SECRET, secrets=[STANDARD_SECRET]).accept(standard())
    by_standard(secret=STANDARD_SECRET.removeprefix("whsec_").rstrip("=")).accept(standard())
    with pytest.raises(Unauthorized):
        by_standard(secret=OTHER_SECRET).accept(standard())


def test_the_headers_of_svix_are_the_same_under_another_name() -> None:
    headers = {f"svix-{name[8:]}": value for name, value in STANDARD_HEADERS.items()}
    taken = by_standard().accept(post(STANDARD_BODY, headers, at=STANDARD_AT * 1000))
    assert taken.records[0]["messageId"] == "msg_demo1"


@given(st.binary(max_size=40), st.text("abc_0", min_size=1, max_size=8))
def test_what_the_reference_library_signs_is_authorized(body: bytes, id: str) -> None:
    text = json.dumps({**EVENT, "x": base64.b64encode(body).decode()})
    signature = Webhook(STANDARD_SECRET).sign(id, datetime.fromtimestamp(STANDARD_AT, UTC), text)
    request = standard(text.encode(), id=id, signature=signature)
    assert by_standard().accept(request).records[0]["messageId"] == id


def test_every_event_of_a_delivery_has_a_message_id_of_its_own() -> None:
    body = json.dumps([EVENT, 7, {**EVENT, "messageId": "own"}, EVENT])
    signature = Webhook(STANDARD_SECRET).sign("m", datetime.fromtimestamp(STANDARD_AT, UTC), body)
    taken = by_standard().accept(standard(body.encode(), id="m", signature=signature))
    assert [record["messageId"] for record in taken.records] == ["m-0", "own", "m-3"]


BODY = json.dumps(EVENT).encode()


def mac(algorithm: str, secret: str = "s3cret", body: bytes = BODY) -> bytes:
    return hmac.digest(secret.encode(), body, algorithm)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sha256=", "v0:"])
def test_an_hmac_of_the_body_is_checked_as_configured(
    algorithm: str, encoding: str, prefix: str
) -> None:
    webhook = source(
        verify="hmac",
        secret="new",
        secrets=["s3cret"],
        signature_header="X-Signature",
        signature_algorithm=algorithm,
        signature_encoding=encoding,
        signature_prefix=prefix,
    )

    def write(digest: bytes) -> str:
        text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
        return prefix + text

    right = write(mac(algorithm))
    assert webhook.accept(post(BODY, {"x-signature": right})).records
    wrong = [
        write(mac(algorithm, "other")),
        write(mac(algorithm, body=BODY + b" ")),
        write(mac("md5")),
        right[:-1],
        right + "0",
        "é",
        prefix,
        "x" + right,
        right.removeprefix(prefix) if prefix else "",
    ]
    for signature in wrong:
        with pytest.raises(Unauthorized, match="X-Signature header"):
            webhook.accept(post(BODY, {"x-signature": signature}))
    with pytest.raises(Unauthorized, match="X-Signature header is missing"):
        webhook.accept(post(BODY))


def test_the_example_of_githubs_documentation_is_authorized() -> None:
    webhook = source(
        verify="hmac",
        secret="It's a Secret to Everybody",
        signature_header="X-Hub-Signature-256",
        signature_prefix="sha256=",
    )
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    # Its body is no JSON: that is found out after the signature.
    with pytest.raises(MalformedRequest, match="no JSON"):
        webhook.accept(post(b"Hello, World!", {"x-hub-signature-256": signature}))


@pytest.mark.parametrize(
    ("path", "enters"),
    [("/t0ken", True), ("", False), ("/t0ke", False), ("/t0ken/", False), ("/é\udcff", False)],
)
def test_the_token_is_the_end_of_the_address(path: str, enters: bool) -> None:
    webhook = source(token="t0ken")
    if enters:
        assert webhook.accept(post(EVENT, path=path)).records
    else:
        with pytest.raises(Unauthorized, match="token"):
            webhook.accept(post(EVENT, path=path))


# Settings


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"verify": "hmac", "signature_header": "X"}, "`secret` is missing"),
        ({"verify": "standard_webhooks"}, "`secret` is missing"),
        ({"verify": "hmac", "secret": "s"}, "`signature_header` is missing"),
        ({"secret": "s"}, "without `verify`"),
        ({"secrets": ["s"]}, "without `verify`"),
        ({"verify": "standard_webhooks", "secret": "whsec_é"}, "`whsec_` and base64"),
        ({"verify": "standard_webhooks", "secret": "whsec_"}, "`whsec_` and base64"),
        ({"verify": "standard_webhooks", "secret": "whpk_AAAA"}, "`whsec_` and base64"),
        ({"verify": "md5", "secret": "s"}, "standard_webhooks"),
        ({"mapping": {"event": {"@pth": "$.x"}, "userId": {"@if": 7}}}, "(?s)event.*userId"),
        ({"items": ""}, "items"),
        ({"token": ""}, "token"),
        ({"maping": {}}, "maping"),
    ],
)
def test_settings_that_can_not_work_are_refused_with_the_reason(
    settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        WebhookSourceSettings.model_validate(settings)


def test_a_secret_is_in_no_repr_and_in_no_error() -> None:
    settings = {"secret": "not-to-be-seen", "token": "nor-this", "signature_header": "X"}
    webhook = source(verify="hmac", **settings)
    with pytest.raises(ValidationError) as caught:
        source(verify="standard_webhooks", **settings)
    shown = f"{webhook!r} {webhook.settings!r} {caught.value}"
    assert "not-to-be-seen" not in shown
    assert "nor-this" not in shown


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, True),
        ({"mapping": {"event": "E"}}, True),
        ({"token": "t"}, False),
        ({"verify": "hmac", "secret": "s", "signature_header": "X"}, False),
        ({"verify": "standard_webhooks", "secret": STANDARD_SECRET}, False),
    ],
)
def test_an_address_that_takes_from_anybody_is_worth_a_warning(
    settings: dict[str, Any], warned: bool
) -> None:
    assert bool(WebhookSourceSettings.model_validate(settings).warnings()) is warned


# Laws

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = ["event", "type", "name", "user", "userId", "data", "properties", "messageId", "timestamp"]


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), JSON) | JSON, max_size=4))
def test_every_item_becomes_one_record_or_one_refusal_and_stays_as_it_was(items: list[Any]) -> None:
    request = post(items)
    taken = source().accept(request)
    assert len(taken.records) + len(taken.refused) == len(items)
    assert all(record["type"] == "track" for record in taken.records)
    assert request.json == items


@given(st.binary(max_size=64))
def test_no_body_whatever_ends_in_anything_but_an_answer(body: bytes) -> None:
    try:
        taken = source().accept(post(body))
    except SourceError:
        return
    assert len(taken.records) + len(taken.refused) <= max(1, len(body))


class TestHmacConformance(PushSourceConformance):
    source = WebhookSource
    settings: ClassVar = {"verify": "hmac", "secret": "s3cret", "signature_header": "X-Signature"}
    body = BODY
    empty = (b"[]",)

    def request(self, body: bytes) -> InboundRequest:
        digest = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        return replace(super().request(body), headers={"x-signature": digest})


class TestStandardWebhooksConformance(PushSourceConformance):
    source = WebhookSource
    settings: ClassVar = {"verify": "standard_webhooks", "secret": STANDARD_SECRET}
    body = BODY
    empty = (b"[]",)

    def request(self, body: bytes) -> InboundRequest:
        plain = super().request(body)
        timestamp = str(plain.received_at // 1000)
        key = base64.b64decode(STANDARD_SECRET.removeprefix("whsec_"))
        digest = hmac.digest(key, f"m.{timestamp}.".encode() + body, "sha256")
        headers = {
            "webhook-id": "m",
            "webhook-timestamp": timestamp,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        }
        return replace(plain, headers=headers)
