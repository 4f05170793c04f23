"""HTTP at its edges: slow and vanishing clients, preflights, odd paths and methods, pixels."""

import asyncio
import base64
import time

import orjson
import pytest

from tests.integration.conftest import SECOND_KEY, World
from tests.support import wire
from tests.support.client import basic
from tests.support.events import track
from tests.support.hub import WRITE_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = f"Authorization: {basic(WRITE_KEY)['authorization']}"


# -- clients that are slow, broken or gone -------------------------------------------------------


@pytest.mark.case(11)
async def test_a_client_that_drips_its_body_is_answered_408_in_time(world: World) -> None:
    """408 and not 400: SDKs send a batch again after it."""
    before = await world.client.stored()
    async with wire.connection(world.client.ingest) as (reader, writer):
        started = time.monotonic()
        writer.write(wire.request(b"", KEY, "Content-Length: 1000"))
        answer = asyncio.create_task(wire.status(reader))
        while not answer.done() and time.monotonic() - started < 5:
            writer.write(b" ")
            await asyncio.wait([answer], timeout=0.05)
        assert await answer == 408
        assert time.monotonic() - started < 2
    assert await world.client.stored() == before


@pytest.mark.case(11)
async def test_slow_clients_do_not_keep_others_waiting(world: World) -> None:
    async def slow() -> int:
        async with wire.connection(world.client.ingest) as (reader, writer):
            writer.write(wire.request(b"{", KEY, "Content-Length: 1000"))
            return await wire.status(reader)

    clients = [asyncio.create_task(slow()) for _ in range(100)]
    started = time.monotonic()
    assert (await world.client.batch([track()], WRITE_KEY)).status == 200
    assert time.monotonic() - started < 2
    assert set(await asyncio.gather(*clients)) == {408}


BROKEN = [
    ("content-length is no number", "Content-Length: ten", b"{}"),
    ("content-length is negative", "Content-Length: -1", b"{}"),
    ("a header without a colon", "Nonsense", b""),
    ("chunk size is no number", "Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
    ("chunk longer than it says", "Transfer-Encoding: chunked", b"2\r\n{}{}\r\n0\r\n\r\n"),
]


@pytest.mark.parametrize(("name", "header", "body"), BROKEN, ids=[row[0] for row in BROKEN])
async def test_broken_http_is_answered_4xx(
    world: World, name: str, header: str, body: bytes
) -> None:
    head = wire.request(b"", KEY, header)
    async with wire.connection(world.client.ingest) as (reader, writer):
        writer.write(head + body)
        assert await wire.status(reader) == 400
    async with wire.connection(world.client.ingest) as (reader, writer):
        writer.write(head)
        await writer.drain()
        await asyncio.sleep(0.05)  # so that the server has seen the head, if it is good, by itself
        writer.write(body)
        assert await wire.status(reader) == (408 if "chunk" in name else 400)


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing(world: World) -> None:
    before = await world.client.stored()
    body = orjson.dumps({"batch": [track() for _ in range(10)]})
    for sent in (0, 1, len(body) - 1):
        async with wire.connection(world.client.ingest) as (_, writer):
            head = wire.request(b"", KEY, f"Content-Length: {len(body)}", path="/v1/batch")
            writer.write(head + body[:sent])
            await writer.drain()
    for sent in (0, len(body) // 2):
        async with wire.connection(world.client.ingest) as (_, writer):
            head = wire.request(b"", KEY, "Transfer-Encoding: chunked", path="/v1/batch")
            writer.write(head + b"%x\r\n" % len(body) + body[:sent])
            await writer.drain()
    assert (await world.client.batch([track()], WRITE_KEY)).status == 200
    assert await world.client.stored() - before == 1


@pytest.mark.case(11)
async def test_a_client_gone_before_the_answer_leaves_all_or_nothing(world: World) -> None:
    calls = [track() for _ in range(10)]
    body = orjson.dumps({"batch": calls})
    text = wire.request(body, KEY, f"Content-Length: {len(body)}", path="/v1/batch")
    before = await world.client.stored()
    async with wire.connection(world.client.ingest) as (_, writer):
        writer.write(text)
        await writer.drain()
    await world.client.settled()
    assert await world.client.stored() - before in (0, len(calls))
    assert (await world.client.batch(calls, WRITE_KEY)).status == 200
    assert await world.client.stored() - before == len(calls)
    ids = [call["messageId"] for call in calls]
    await world.client.settled()
    assert [world.receiver.counts("/sink")[id] for id in ids] == [1] * len(calls)


@pytest.mark.case(11)
async def test_a_half_closed_connection_is_stored_whole_or_not_at_all(world: World) -> None:
    call = track()
    body = orjson.dumps(call)
    before = await world.client.stored()
    async with wire.connection(world.client.ingest) as (reader, writer):
        writer.write(wire.request(body, KEY, f"Content-Length: {len(body)}"))
        writer.write_eof()
        answered = await wire.status(reader)
    await world.client.settled()
    stored = await world.client.stored() - before
    assert (answered, stored) in {(200, 1), (0, 1), (0, 0)}


async def test_requests_on_one_connection_are_answered_in_turn(world: World) -> None:
    bodies = [orjson.dumps(track()), b"{", orjson.dumps(track())]
    text = b"".join(wire.request(b, KEY, f"Content-Length: {len(b)}") for b in bodies)
    async with wire.connection(world.client.ingest) as (reader, writer):
        writer.write(text)
        seen = []
        for _ in bodies:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            seen.append(int(head.split()[1]))
    assert seen == [200, 400, 200]


# -- browsers ------------------------------------------------------------------------------------


@pytest.mark.case(17)
@pytest.mark.parametrize("path", ["/v1/t", "/v1/batch", "/v1/projects/x/settings", "/hooks/cloud"])
async def test_a_preflight_allows_what_the_browser_sdk_sends(world: World, path: str) -> None:
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-retry-count",
    }
    reply = await world.client.ask("OPTIONS", path, None, asked)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == "https://shop.example"
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert reply.headers["vary"] == "Origin"
    allowed = reply.headers["access-control-allow-headers"]
    assert set(allowed.split(", ")) >= {"authorization", "content-type", "x-retry-count"}
    assert "POST" in reply.headers["access-control-allow-methods"]


async def test_a_preflight_without_origin_allows_everybody_without_credentials(
    world: World,
) -> None:
    reply = await world.client.ask("OPTIONS", "/v1/t")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (204, "*")
    assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize(("key", "status"), [(WRITE_KEY, 200), ("guess", 401)])
async def test_the_browser_may_read_answers_and_errors(world: World, key: str, status: int) -> None:
    headers = {**basic(key), "origin": "https://shop.example", "content-type": "text/plain"}
    reply = await world.client.ask("POST", "/v1/t", orjson.dumps(track()), headers)
    assert reply.status == status
    assert reply.headers["access-control-allow-origin"] == "https://shop.example"
    assert "Retry-After" in reply.headers["access-control-expose-headers"]


async def test_the_settings_document_sends_the_browser_sdk_here_and_nowhere_else(
    world: World,
) -> None:
    reply = await world.client.ask("GET", f"/v1/projects/{SECOND_KEY}/settings")
    assert reply.status == 200
    segment = reply.json["integrations"].pop("Segment.io")
    assert segment["apiKey"] == SECOND_KEY
    assert segment["apiHost"] == world.client.ingest.removeprefix("http://") + "/v1"
    assert segment["protocol"] == "http"
    assert reply.json["integrations"].keys() == {"Segment.io"}
    assert reply.json["metrics"] == {"sampleRate": 0}
    head = await world.client.ask("HEAD", f"/v1/projects/{SECOND_KEY}/settings")
    assert (head.status, head.body) == (200, b"")
    unknown = await world.client.ask("GET", "/v1/projects/guess/settings")
    assert (unknown.status, unknown.json["code"]) == (401, "unauthorized")


async def test_a_pixel_counts_and_is_always_an_image(world: World) -> None:
    call = track(writeKey=WRITE_KEY, event="Mail Opened", type=None)
    data = base64.urlsafe_b64encode(orjson.dumps(call)).decode()
    before = await world.client.stored()
    for query in (f"data={data}", "data=%ff", "", f"writeKey={WRITE_KEY}&data=nonsense",
                  f"writeKey={WRITE_KEY}", "writeKey=guess&userId=u&event=e"):  # fmt: skip
        reply = await world.client.ask("GET", f"/v1/pixel/track?{query}")
        assert (reply.status, reply.headers["content-type"]) == (200, "image/gif")
        assert reply.body.startswith(b"GIF89a")
    assert await world.client.stored() - before == 1
    assert (await world.delivered(call["messageId"]))["event"] == "Mail Opened"


# -- paths and methods ---------------------------------------------------------------------------

TRACK = orjson.dumps(track())
ROUTES: list[tuple[str, str, int]] = [
    ("POST", "/v1/track", 200),
    ("POST", "/v1/track/", 200),
    ("POST", "/v1/track?x=%ff&y", 200),
    ("POST", "/v1/t", 200),
    ("POST", "/v1/m", 200),
    ("POST", "/v1/%74rack", 200),
    ("GET", "/v1/track", 405),
    ("PUT", "/v1/track", 405),
    ("DELETE", "/v1/batch", 405),
    ("PATCH", "/v1/import/", 405),
    ("POST", "/v1/projects/x/settings", 405),
    ("POST", "/v1", 404),
    ("POST", "/v1/", 404),
    ("POST", "/v1/unknown", 404),
    ("POST", "/v1/track/more", 404),
    ("POST", "/v1/%ff", 404),
    ("POST", "/v10/track", 404),
    ("POST", "/V1/track", 404),
    ("GET", "/", 404),
    ("GET", "/favicon.ico", 404),
    ("POST", "/hooks/%00", 404),
    ("GET", "/metrics", 404),
    ("GET", "/api/status", 404),
    ("GET", "/health/live", 200),
    ("GET", "/health/ready", 200),
    ("POST", "/health/ready", 405),
    ("GET", "/health/ready/", 404),
    ("GET", "/hooks/cloud", 405),
    ("PUT", "/hooks/hidden/address-token", 405),
    ("GET", "/hooks/nobody", 404),
]


@pytest.mark.case(17)
@pytest.mark.parametrize(
    ("method", "path", "status"), ROUTES, ids=[f"{m} {path}" for m, path, _ in ROUTES]
)
async def test_every_path_and_method_has_a_json_answer(
    world: World, method: str, path: str, status: int
) -> None:
    body = TRACK if method in ("POST", "PUT", "PATCH") else None
    reply = await world.client.ask(method, path, body, basic(WRITE_KEY))
    assert reply.status == status
    assert reply.headers["content-type"].startswith("application/json")
    assert isinstance(reply.json, dict)
    if status == 405:
        assert reply.headers["allow"]
    if status >= 400:
        assert reply.json["success"] is False
        assert reply.json["message"] == reply.json["error"]


@pytest.mark.case(17)
@pytest.mark.parametrize("path", ["/", "/v1/track", "/hooks/cloud", "/health/live"])
async def test_head_has_the_headers_and_no_body(world: World, path: str) -> None:
    reply = await world.client.ask("HEAD", path, None, basic(WRITE_KEY))
    assert reply.body == b""
    assert reply.status < 500


@pytest.mark.parametrize("path", ["/v1/import/", "/v1/import", "/v1/b", "/v1/batch/"])
async def test_every_address_of_a_batch(world: World, path: str) -> None:
    call = track()
    reply = await world.send(orjson.dumps({"batch": [call]}), path)
    assert (reply.status, reply.json) == (200, {"success": True})
    await world.delivered(call["messageId"])
