"""Who may send: write keys, Segment's signatures, tokens in the address."""

import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest

from tests.integration.conftest import OLD_KEY, SECOND_KEY, TOKEN, World
from tests.support.client import basic
from tests.support.events import track
from tests.support.hub import SHARED_SECRET, WRITE_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")


def encoded(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


# name, headers, writeKey in the body, and which source takes it (None: 401)
KEYS: list[tuple[str, dict[str, str], object, str | None]] = [
    ("in the header", basic(WRITE_KEY), None, "web"),
    ("in the header, without the colon", encoded(WRITE_KEY), None, "web"),
    ("in the header, with a password", encoded(f"{WRITE_KEY}:password"), None, "web"),
    ("in the body", {}, WRITE_KEY, "web"),
    ("in the body beside a Bearer token", {"authorization": "Bearer t"}, WRITE_KEY, "web"),
    ("in both", basic(WRITE_KEY), WRITE_KEY, "web"),
    ("another source's", basic(SECOND_KEY), None, "second"),
    ("another source's in the body", {}, SECOND_KEY, "second"),
    ("none", {}, None, None),
    ("empty", basic(""), "", None),
    ("unknown in the header", basic("guess"), None, None),
    ("unknown in the body", {}, "guess", None),
    ("header right, body wrong", basic(WRITE_KEY), "guess", None),
    ("header wrong, body right", basic("guess"), WRITE_KEY, None),
    ("header and body of two sources", basic(WRITE_KEY), SECOND_KEY, None),
    ("of a disabled source", basic(OLD_KEY), None, None),
    ("no text", {}, 7, None),
    ("a list", {}, [WRITE_KEY], None),
    ("not ASCII", {}, "schlüssel", None),
    ("a prefix", basic(WRITE_KEY[:-1]), None, None),
    ("Basic that can't be decoded", {"authorization": "Basic ?"}, WRITE_KEY, None),
    ("Basic and nothing", {"authorization": "Basic"}, None, None),
]


@pytest.mark.case(9)
@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
@pytest.mark.parametrize(("name", "headers", "key", "source"), KEYS, ids=[row[0] for row in KEYS])
async def test_a_write_key(
    world: World, name: str, headers: dict[str, str], key: object, source: str | None, path: str
) -> None:
    call = track()
    body: dict[str, Any] = {"batch": [call]} if path == "/v1/batch" else dict(call)
    if key is not None:
        body["writeKey"] = key
    before = await world.client.stored()
    reply = await world.client.ask("POST", path, orjson.dumps(body), headers)
    assert reply.status == (401 if source is None else 200), reply.body
    assert await world.client.stored() - before == (source is not None)
    if source is None:
        assert reply.json["code"] == "unauthorized"
        assert "guess" not in reply.json["message"]
    else:
        event = await world.delivered(call["messageId"])
        assert "writeKey" not in event
        fate = await world.client.get(f"/api/events/{call['messageId']}")
        assert [e["source"] for e in fate["events"]] == [source]


# -- Segment's Webhooks destinations -------------------------------------------------------------

VECTOR = (
    b'{"type":"track","userId":"u1","event":"Order Completed","properties":{"revenue":39.95}}',
    "ccb48d6b58a42aaf3e15cf4825687516fe780587",
)
"""Signed with SHARED_SECRET."""


def sign(text: bytes, secret: str = SHARED_SECRET) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha1).hexdigest()


FIRST = b'{"type":"track","userId":"u1","event":"Caf\\u00e9 1e-7","properties":{"x":1e-7}}'
LIST = b"[" + FIRST + b',{"type":"page","userId":"u2"}]'
SIGNED: list[tuple[str, bytes, str, int]] = [
    ("the vector", *VECTOR, 1),
    ("in capitals", VECTOR[0], VECTOR[1].upper(), 1),
    ("a list by its first event", LIST, sign(FIRST), 2),
    ("a list as a whole", LIST, sign(LIST), 2),
    ("a spaced list by its first event", b" [ " + LIST[1:], sign(FIRST), 2),
    ("wrong", VECTOR[0], "0" * 40, 0),
    ("of another secret", VECTOR[0], sign(VECTOR[0], "other"), 0),
    ("missing", VECTOR[0], "", 0),
    ("no hex", VECTOR[0], "topsecret", 0),
    ("of a body written again", orjson.dumps(orjson.loads(FIRST)), sign(FIRST), 0),
    ("of the second event", LIST, sign(b'{"type":"page","userId":"u2"}'), 0),
]


@pytest.mark.case(10)
@pytest.mark.parametrize(
    ("name", "body", "signature", "stored"), SIGNED, ids=[row[0] for row in SIGNED]
)
async def test_a_signature_of_segment(
    world: World, name: str, body: bytes, signature: str, stored: int
) -> None:
    headers = {"x-signature": signature} if signature else {}
    before = await world.client.stored()
    reply = await world.client.ask("POST", "/hooks/cloud", body, headers)
    assert (reply.status, reply.json["success"]) == ((200, True) if stored else (401, False))
    assert await world.client.stored() - before == stored


@pytest.mark.case(10, 12)
async def test_what_segment_sends_again_in_other_batches_is_stored_once(world: World) -> None:
    calls = [orjson.dumps(track()) for _ in range(4)]
    before = await world.client.stored()
    for batch in (calls[:3], calls[1:], calls):
        body = b"[" + b",".join(batch) + b"]"
        headers = {"x-signature": sign(batch[0])}
        assert (await world.client.ask("POST", "/hooks/cloud", body, headers)).status == 200
    assert await world.client.stored() - before == len(calls)


ADDRESSES = [
    (f"/hooks/hidden/{TOKEN}", 200),
    (f"/hooks/hidden/{TOKEN}/", 200),
    ("/hooks/hidden", 401),
    ("/hooks/hidden/", 401),
    ("/hooks/hidden/guess", 401),
    (f"/hooks/hidden/{TOKEN}/more", 401),
    ("/hooks/old", 404),
    ("/hooks/nobody", 404),
    ("/hooks/", 404),
    ("/hooks", 404),
]


@pytest.mark.parametrize(("path", "status"), ADDRESSES, ids=[row[0] for row in ADDRESSES])
async def test_the_address_of_a_webhook(world: World, path: str, status: int) -> None:
    before = await world.client.stored()
    reply = await world.client.ask("POST", path, orjson.dumps(track()))
    assert (reply.status, reply.json["success"]) == (status, status == 200)
    assert await world.client.stored() - before == (status == 200)
