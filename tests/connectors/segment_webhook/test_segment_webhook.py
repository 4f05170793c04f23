"""The source `segment_webhook`: signatures, tokens, and events that stay as Segment sent them."""

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from junctor.sdk import Accepted, InboundRequest, MalformedRequest, Unauthorized
from junctor.testkit import PushSourceConformance, context
from junctor_connectors.segment_webhook.signature import first_element, verify
from junctor_connectors.segment_webhook.source import SegmentWebhook, SegmentWebhookSettings

NO_HTTP = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
CTX = context(NO_HTTP, id="segment_cloud")
SECRET = "topsecret"

# Made with Node: HMAC-SHA1 of JSON.stringify(event), keyed with "topsecret".
ORDER = b'{"type":"track","userId":"u1","event":"Order Completed","properties":{"revenue":39.95}}'
ORDER_SIGNATURE = "ccb48d6b58a42aaf3e15cf4825687516fe780587"
ODD = (
    '{"type":"track","userId":"u1","event":"Ünïcode \\"quoted\\" \u2028 </script> 🎉",'
    '"properties":{"tiny":1e-7,"huge":1e+21,"minus":0,"float":39.95,"half":"\\ud83d",'
    '"ctl":"\\u0001\\n","deep":[[{}],[]]}}'
).encode()
REST = b'{"type":"page","userId":"u2"},{"type":"identify","userId":"u3","traits":{"x":1}}'
ODD_BATCH = b"[" + ODD + b"," + REST + b"]"
ODD_FIRST_SIGNATURE = "0c8564ee5458fc76bad8725dd051b855496eaff2"
ODD_BATCH_SIGNATURE = "51be00138f3c9bdf84120431bb4fe7f0bce00d70"


def sign(text: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha1).hexdigest()


def source(**settings: Any) -> SegmentWebhook:
    return SegmentWebhook(SegmentWebhookSettings.model_validate(settings), CTX)


def post(body: bytes, signature: str | None = None, path: str = "") -> InboundRequest:
    headers = {} if signature is None else {"x-signature": signature}
    return InboundRequest("POST", path, body, headers, remote="203.0.113.9")


def only_record(event: dict[str, Any]) -> dict[str, Any]:
    (record,) = source().accept(post(json.dumps(event).encode())).records
    return record


# Signatures

SIGNED: list[tuple[str, bytes, str]] = [
    ("one event", ORDER, ORDER_SIGNATURE),
    ("upper case", ORDER, ORDER_SIGNATURE.upper()),
    ("space around", ORDER, f" {ORDER_SIGNATURE} "),
    ("first event of a batch", b"[" + ORDER + b"," + REST + b"]", ORDER_SIGNATURE),
    ("batch of one", b"[" + ORDER + b"]", ORDER_SIGNATURE),
    ("as JavaScript writes", ODD, ODD_FIRST_SIGNATURE),
    ("first of a batch as JavaScript writes", ODD_BATCH, ODD_FIRST_SIGNATURE),
    ("whole batch", ODD_BATCH, ODD_BATCH_SIGNATURE),
    ("space between the events", b" [\r\n\t" + ORDER + b" , " + REST + b" ] ", ORDER_SIGNATURE),
    ("empty batch as a whole", b"[]", sign(b"[]")),
]
FORGED: list[tuple[str, bytes, str]] = [
    ("empty signature", ORDER, ""),
    ("no hex", ORDER, "é" * 40),
    ("cut", ORDER, ORDER_SIGNATURE[:-1]),
    ("other secret", ORDER, sign(ORDER, "other")),
    ("other body", ORDER.replace(b"39.95", b"99.95"), ORDER_SIGNATURE),
    ("written again", ORDER.replace(b":", b": "), ORDER_SIGNATURE),
    ("escapes resolved", ODD.replace("Ü".encode(), b"\\u00dc"), ODD_FIRST_SIGNATURE),
    ("second event of a batch", b"[" + REST + b"," + ORDER + b"]", ORDER_SIGNATURE),
    ("empty batch", b"[]", sign(b"")),
    ("no JSON after the bracket", b"[nonsense]", sign(b"nonsense")),
    ("no UTF-8", b"[\xff]", sign(b"\xff")),
    ("nested without end", b"[" * 100_000, sign(b"")),
]


@pytest.mark.case(10)
@pytest.mark.parametrize(("case", "body", "signature"), SIGNED, ids=[row[0] for row in SIGNED])
@pytest.mark.parametrize(
    "settings",
    [
        {"shared_secret": SECRET},
        {"shared_secret": "new", "shared_secrets": [SECRET]},
        {"shared_secrets": ["newer", "new", SECRET]},
    ],
    ids=["one secret", "the old of two", "the last of three"],
)
def test_what_segment_signed_is_taken(
    case: str, body: bytes, signature: str, settings: dict[str, Any]
) -> None:
    assert len(source(**settings).accept(post(body, signature)).records) == len(
        events if isinstance(events := post(body).json, list) else [events]
    )


@pytest.mark.case(10)
@pytest.mark.parametrize(("case", "body", "signature"), FORGED, ids=[row[0] for row in FORGED])
def test_what_segment_did_not_sign_is_refused(case: str, body: bytes, signature: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        source(shared_secret=SECRET).accept(post(body, signature))
    assert SECRET not in str(caught.value)


def test_with_a_secret_an_unsigned_request_is_refused() -> None:
    with pytest.raises(Unauthorized, match="X-Signature header is missing"):
        source(shared_secret=SECRET).accept(post(ORDER))


def test_without_a_secret_a_signature_is_not_looked_at() -> None:
    assert source().accept(post(ORDER, "nonsense")).records


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)
SPACE = st.text(alphabet=" \t\r\n", max_size=2)


@given(JSON, st.lists(JSON, max_size=2), SPACE, SPACE, st.booleans())
def test_the_first_element_is_found_byte_for_byte(
    first: Any, others: list[Any], before: str, after: str, ascii: bool
) -> None:
    text = before + json.dumps(first, ensure_ascii=ascii) + after
    rest = "".join("," + json.dumps(other) for other in others)
    body = f"[{text}{rest}]".encode("utf-8", "replace")
    assert first_element(body) == text.strip(" \t\r\n").encode("utf-8", "replace")


@given(st.binary(max_size=40), st.text(max_size=40))
def test_no_bytes_and_no_header_end_in_a_crash(body: bytes, signature: str) -> None:
    assert verify(body, signature, [b"secret"]) is False
    assert verify(b"[" + body, signature, [b"secret"]) is False


# Tokens


@pytest.mark.parametrize(
    ("token", "path", "enters"),
    [
        ("t0ken", "/t0ken", True),
        ("t0ken", "", False),
        ("t0ken", "/", False),
        ("t0ken", "/t0ke", False),
        ("t0ken", "/t0ken/x", False),
        ("t0ken", "/T0KEN", False),
        ("t0ken", "/é\udcff", False),
        (None, "", True),
        (None, "/anything", True),
    ],
)
def test_the_token_is_the_end_of_the_address(token: str | None, path: str, enters: bool) -> None:
    webhook = source(token=token) if token else source()
    if enters:
        assert webhook.accept(post(ORDER, path=path)).records
    else:
        with pytest.raises(Unauthorized, match="token"):
            webhook.accept(post(ORDER, path=path))


def test_token_and_signature_are_both_needed_where_both_are_set() -> None:
    webhook = source(token="t0ken", shared_secret=SECRET)
    assert webhook.accept(post(ORDER, ORDER_SIGNATURE, "/t0ken")).records
    for request in (
        post(ORDER, ORDER_SIGNATURE),
        post(ORDER, None, "/t0ken"),
        post(ORDER, sign(b"x"), "/t0ken"),
    ):
        with pytest.raises(Unauthorized):
            webhook.accept(request)


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, True),
        ({"shared_secrets": []}, True),
        ({"shared_secret": SECRET}, False),
        ({"shared_secrets": [SECRET]}, False),
        ({"token": "t0ken"}, False),
    ],
)
def test_an_address_that_takes_from_anybody_is_worth_a_warning(
    settings: dict[str, Any], warned: bool
) -> None:
    assert bool(SegmentWebhookSettings.model_validate(settings).warnings()) is warned


@pytest.mark.parametrize(
    "settings", [{"shared_secret": ""}, {"shared_secrets": [""]}, {"token": ""}, {"secret": "x"}]
)
def test_settings_that_protect_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SegmentWebhookSettings.model_validate(settings)


# Events


def test_one_event_is_answered_for_itself_and_its_clock_is_left_alone() -> None:
    assert source().accept(post(ORDER)) == Accepted((json.loads(ORDER),), alone=True)


def test_the_events_of_a_batch_are_taken_one_by_one() -> None:
    taken = source().accept(post(b"[" + ORDER + b',7,{"type":"page"},null]'))
    assert taken.records == [json.loads(ORDER), {"type": "page"}]
    assert [(refused.item, refused.reason) for refused in taken.refused] == [
        (7, "[1] must be a JSON object"),
        (None, "[3] must be a JSON object"),
    ]
    assert not taken.alone
    assert not taken.corrects_clock
    assert taken.reply.body == b'{"success":true}'


@pytest.mark.case(16)
@pytest.mark.parametrize(
    ("settings", "path", "taken"),
    [
        ({"shared_secret": SECRET}, "", 1),
        ({"shared_secret": SECRET, "token": "tok"}, "/tok", 2),
        ({"token": "tok"}, "/tok", 2),
    ],
)
def test_a_delete_that_nobody_signed_erases_nobody(
    settings: dict[str, str], path: str, taken: int
) -> None:
    """Who has seen one signed event could put a delete behind it."""
    body = b"[" + ORDER + b',{"type":"delete","userId":"u1"}]'
    answer = source(**settings).accept(post(body, ORDER_SIGNATURE, path))
    assert len(answer.records) == taken
    assert len(answer.refused) == 2 - taken


def test_an_empty_batch_is_no_failure() -> None:
    assert source().accept(post(b"[]")) == Accepted([], [])


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"7", b'"x"', b"[1", b"\xff", b"a=1"])
def test_a_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        source().accept(post(body))


ENGAGE = {
    "computation_class": "audience", "computation_id": "aud_1",
    "computation_key": "cart_abandoners", "namespace": "spa_1", "space_id": "spa_1",
}  # fmt: skip
UNTOUCHED: list[dict[str, Any]] = [
    {"type": "delete", "userId": "u1", "timestamp": "2026-01-01T00:00:00.000Z"},
    {
        "version": 1, "type": "track", "userId": "u1", "messageId": "m-1", "event": "E",
        "originalTimestamp": "2026-01-01T00:00:00.000Z", "sentAt": "2026-01-01T00:01:00.000Z",
        "receivedAt": "2026-01-01T00:00:02.000Z", "timestamp": "2026-01-01T00:00:01.000Z",
        "channel": "client", "projectId": "p1", "context": {"ip": "192.0.2.1"},
        "integrations": {}, "properties": {"big": 9007199254740993, "": None},
    },
    {
        "type": "identify", "userId": "u1", "traits": {"cart_abandoners": True},
        "context": {"personas": ENGAGE}, "integrations": {"All": False, "Webhooks": True},
    },
    {
        "type": "track", "userId": "u1", "event": "Audience Entered",
        "properties": {"audience_key": "cart_abandoners", "cart_abandoners": True},
        "context": {"personas": ENGAGE, "traits": {"email": "ada@example.com"}},
    },
    {"type": "alias", "previousId": "a", "userId": "u", "Previous ID": "b", "User ID": "c"},
    {"type": "track", "userId": "u", "Previous ID": "b", "User ID": None},
]  # fmt: skip


@pytest.mark.parametrize("event", UNTOUCHED)
def test_an_event_stays_as_segment_sent_it(event: dict[str, Any]) -> None:
    assert json.dumps(only_record(event)) == json.dumps(event)


@pytest.mark.parametrize(
    ("event", "record"),
    [
        (
            {"type": "alias", "Previous ID": "a", "User ID": "u", "x": 1},
            {"type": "alias", "previousId": "a", "userId": "u", "x": 1},
        ),
        (
            {"type": "alias", "previousId": None, "Previous ID": "a", "userId": "u"},
            {"type": "alias", "previousId": "a", "userId": "u"},
        ),
        ({"type": "alias", "Previous ID": None, "userId": "u"}, {"type": "alias", "userId": "u"}),
        (
            {"type": "page", "userId": None, "anonymousId": "a", "name": None},
            {"type": "page", "anonymousId": "a", "name": None},
        ),
        ({"type": "page", "userId": "u", "writeKey": "k"}, {"type": "page", "userId": "u"}),
    ],
)
def test_odd_keys_and_nulls_for_ids_are_put_right(
    event: dict[str, Any], record: dict[str, Any]
) -> None:
    assert json.dumps(only_record(event)) == json.dumps(record)


class TestConformance(PushSourceConformance):
    source = SegmentWebhook
    settings: ClassVar = {"shared_secret": SECRET}
    empty = (b"[]",)

    def request(self, body: bytes) -> InboundRequest:
        return replace(super().request(body), headers={"x-signature": sign(body)})
