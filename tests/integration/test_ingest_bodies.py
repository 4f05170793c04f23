"""What a body may be: broken, huge, compressed, nested; the answer is defined and never a 5xx."""

import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from tests.integration.conftest import MAX_BODY, MAX_DECOMPRESSED, World
from tests.support.client import basic
from tests.support.events import track
from tests.support.hub import WRITE_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")


def text(**fields: Any) -> bytes:
    return orjson.dumps(track(**fields))


def with_value(value: bytes) -> bytes:
    """Return a call with `value` standing in it as it is written."""
    return text(properties={"x": "HERE"}).replace(b'"HERE"', value)


def nested(levels: int) -> bytes:
    return with_value(b"[" * levels + b"]" * levels)


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


# name, body, what the hub answers, and a word of its reason or None
BODIES: list[tuple[str, bytes, int, str | None]] = [
    ("as it should be", text(), 200, None),
    ("nothing", b"", 400, "no JSON"),
    ("truncated", text()[:-10], 400, "column"),
    ("two documents", text() + text(), 400, "column"),
    ("a byte order mark", b"\xef\xbb\xbf" + text(), 200, None),
    ("NaN", with_value(b"NaN"), 400, "column"),
    ("Infinity", with_value(b"-Infinity"), 400, "column"),
    ("invalid UTF-8", with_value(b'"\xff\xfe"'), 400, "UTF-8"),
    ("UTF-16", text().decode().encode("utf-16"), 400, "no JSON"),
    ("a lone surrogate", with_value(b'"\\ud83d"'), 200, None),
    ("a lone surrogate in a key", with_value(b'{"\\udc00": 1}'), 200, None),
    ("NUL in a text", with_value(b'"a\\u0000b"'), 200, None),
    ("NUL in the ids", text(userId="u\0", messageId="nul\0id"), 200, None),
    ("a control character", with_value(b'"a\x01b"'), 400, "column"),
    ("100 levels", nested(100), 200, None),
    ("300 levels", nested(300), 400, "nested too deeply"),
    ("10,000 levels", nested(10_000), 400, "no JSON"),
    ("100,000 levels beside a lone surrogate",
     text(properties={"x": "HERE", "y": "THERE"})
     .replace(b'"HERE"', b"[" * 100_000 + b"]" * 100_000).replace(b'"THERE"', b'"\\ud800"'),
     400, "no JSON"),
    ("an integer of 64 bits", with_value(b"18446744073709551615"), 200, None),
    ("an integer of 100 bits", with_value(b"1267650600228229401496703205376"), 200, None),
    ("an integer of 5,000 digits", with_value(b"1" * 5_000), 400, "no JSON"),
    ("1e400", with_value(b"1e400"), 400, "no JSON"),
    ("minus zero", with_value(b"-0"), 200, None),
    ("a key twice", text()[:-1] + b',"event":"Last"}', 200, None),
    ("10,000 properties", text(properties={str(n): n for n in range(10_000)}), 200, None),
    ("10,001 properties", text(properties={str(n): n for n in range(10_001)}), 400, "properties"),
    ("an event of 1 MB", text(properties={"x": "y" * 1_000_000}), 200, None),
    ("an event over 1 MiB", text(properties={"x": "y" * 2**20}), 400, "bytes"),
    ("a body over the limit", b" " * (MAX_BODY + 1), 413, str(MAX_BODY)),
    ("null", b"null", 400, "object"),
    ("a number", b"7", 400, "object"),
    ("a text", b'"track"', 400, "object"),
    ("a list", b"[" + text() + b"]", 400, "object"),
]  # fmt: skip


@pytest.mark.case(1, 2, 3)
@pytest.mark.parametrize(("name", "body", "status", "reason"), BODIES, ids=[b[0] for b in BODIES])
async def test_a_single_call(
    world: World, name: str, body: bytes, status: int, reason: str | None
) -> None:
    before = await world.client.stored()
    reply = await world.send(body)
    assert reply.status == status, reply.body
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["success"] is (status == 200)
    if reason is not None:
        assert reason in reply.json["message"]
        assert reply.json["message"] == reply.json["error"]
        assert reply.json["code"] in ("invalid_request", "request_too_large")
    assert await world.client.stored() - before == (status == 200)


NUMBERS = [b"18446744073709551615", b"-9223372036854775808", b"0.1", b"1e2", b"-0.0"]


@pytest.mark.case(2)
@pytest.mark.parametrize("number", NUMBERS, ids=bytes.decode)
async def test_numbers_keep_their_value_on_the_way(world: World, number: bytes) -> None:
    body = with_value(number)
    assert (await world.send(body)).status == 200
    event = await world.delivered(orjson.loads(body)["messageId"])
    assert repr(event["properties"]["x"]) == repr(orjson.loads(number))


@pytest.mark.case(1)
async def test_unknown_keys_order_and_text_are_kept(world: World) -> None:
    properties: dict[str, Any] = {"z": "é \0 😀 \u2028", "a": None, "m": {"": []}}
    call = track(properties=properties, _metadata={"bundled": [1]})
    assert (await world.send(orjson.dumps(call))).status == 200
    event = await world.delivered(call["messageId"])
    assert list(event["properties"].items()) == list(properties.items())
    assert event["_metadata"] == {"bundled": [1]}
    assert list(event)[: len(call)] == list(call)


ENCODINGS: list[tuple[str, str, bytes, int]] = [
    ("gzip", "gzip", gzip.compress(text()), 200),
    ("gzip in capitals", " GZIP ", gzip.compress(text()), 200),
    ("x-gzip", "x-gzip", gzip.compress(text()), 200),
    ("deflate", "deflate", zlib.compress(text()), 200),
    ("deflate without its wrapper", "deflate", raw_deflate(text()), 200),
    ("identity", "identity", text(), 200),
    ("said gzip, is plain", "gzip", text(), 400),
    ("said nothing, is gzip", "", gzip.compress(text()), 400),
    ("said deflate, is gzip", "deflate", gzip.compress(text()), 200),
    ("said gzip, is empty", "gzip", b"", 400),
    ("gzip cut short", "gzip", gzip.compress(text())[:-12], 400),
    ("gzip with a wrong checksum", "gzip", gzip.compress(text())[:-8] + b"\0" * 8, 400),
    ("br", "br", text(), 400),
    ("twice gzip", "gzip, gzip", gzip.compress(gzip.compress(text())), 400),
    ("a bomb", "gzip", gzip.compress(b" " * (MAX_DECOMPRESSED + 1)), 413),
    ("a larger bomb", "deflate", zlib.compress(b"\0" * 100 * 2**20), 413),
]


@pytest.mark.case(4)
@pytest.mark.parametrize(
    ("name", "encoding", "body", "status"), ENCODINGS, ids=[row[0] for row in ENCODINGS]
)
async def test_content_encoding(
    world: World, name: str, encoding: str, body: bytes, status: int
) -> None:
    headers = {"content-encoding": encoding} if encoding else {}
    before = await world.client.stored()
    reply = await world.send(body, **headers)
    assert reply.status == status, reply.body
    assert reply.json["success"] is (status == 200)
    assert await world.client.stored() - before == (status == 200)


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded",
     "multipart/form-data; boundary=x", "application/json; charset=utf-16", "no/such;;;"],
)  # fmt: skip
async def test_the_content_type_is_not_believed(world: World, content_type: str) -> None:
    reply = await world.send(text(), **{"content-type": content_type})
    assert (reply.status, reply.json) == (200, {"success": True})


@pytest.mark.case(3)
async def test_a_body_in_chunks_is_taken_up_to_the_limit(world: World) -> None:
    async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    headers = basic(WRITE_KEY)
    taken = await world.client.ask("POST", "/v1/track", pieces(text(), 7), headers)
    assert taken.status == 200
    huge = pieces(b" " * (MAX_BODY + 1), 2**16)
    assert (await world.client.ask("POST", "/v1/track", huge, headers)).status == 413
    packed = pieces(gzip.compress(text()), 7)
    gzipped = {**headers, "content-encoding": "gzip"}
    assert (await world.client.ask("POST", "/v1/track", packed, gzipped)).status == 200
