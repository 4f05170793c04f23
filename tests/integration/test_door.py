"""Reads and events over the one listener: each connection is served, whatever comes over it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hub import RunningHub, config_text, running_hub

AUDIENCE = """
[readers.app]
key = { env = "READ_KEY" }
[audiences.buyer]
event = "Order Completed"
"""
READ = {"authorization": "Bearer read-key"}
WRITE = ("web-write-key", "")


@pytest.fixture(params=["in the hub", "apart"])
async def hub(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[RunningHub]:
    text = config_text("", server='max_body = "64KiB"', sources=AUDIENCE)
    apart = request.param == "apart"
    environ = {"READ_KEY": "read-key"}
    async with running_hub(tmp_path, text, environ, reads_apart=apart) as running:
        if apart:
            async with asyncio.timeout(20):
                await running.hub.readers.served_apart.wait()
        yield running


def order(user: str = "u", **more: Any) -> dict[str, Any]:
    return {"userId": user, "event": "Order Completed", **more}


async def decide(client: httpx.AsyncClient, user: str = "u") -> dict[str, Any]:
    body = {"ids": {"user_id": user}, "audiences": ["buyer"]}
    answer = await client.post("/v1/decide", json=body, headers=READ)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def until_member(client: httpx.AsyncClient, user: str = "u") -> None:
    async with asyncio.timeout(5):
        found = await decide(client, user)
        for _ in range(1_000):
            if found["audiences"]["buyer"]:
                return
            await asyncio.sleep(0.005)
            found = await decide(client, user)


def one_connection(hub: RunningHub) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=1)
    return httpx.AsyncClient(base_url=hub.hub.ingest_address, limits=limits)


async def test_events_may_follow_reads_over_one_connection(hub: RunningHub) -> None:
    async with one_connection(hub) as client:
        assert (await decide(client))["audiences"] == {"buyer": False}
        answer = await client.post("/v1/track", json=order(), auth=WRITE)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert answer.headers["server"] == "junctor"
        await until_member(client)
        assert (await client.get("/health/ready")).json() == {"status": "ready"}


async def test_reads_may_follow_events_over_one_connection(hub: RunningHub) -> None:
    async with one_connection(hub) as client:
        assert (await client.post("/v1/track", json=order(), auth=WRITE)).status_code == 200
        await until_member(client)


async def test_limits_hold_for_events_that_follow_reads(hub: RunningHub) -> None:
    async with one_connection(hub) as client:
        await decide(client)
        big = order(properties={"text": "x" * 100_000})
        assert (await client.post("/v1/track", json=big, auth=WRITE)).status_code == 413

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 1_000

        await decide(client)
        chunked = await client.post("/v1/track", content=endless(), auth=WRITE)
        assert chunked.status_code == 413
        assert (await client.post("/v1/nothing", json={})).status_code == 404


@pytest.mark.parametrize("path", ["/v1/stream?user_id=u", "/health/live"])
async def test_streams_are_told_over_either_kind_of_connection(hub: RunningHub, path: str) -> None:
    async with one_connection(hub) as client, one_connection(hub) as other:
        if "stream" not in path:
            await client.get(path)
        async with client.stream("GET", "/v1/stream?user_id=u", headers=READ) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": listening"
            await other.post("/v1/track", json=order(), auth=WRITE)
            async with asyncio.timeout(5):
                async for line in lines:
                    if line.startswith("data: "):
                        break
        assert json.loads(line.removeprefix("data: "))["entered"] is True


async def test_a_mistyped_kind_of_id_is_told_and_not_answered(hub: RunningHub) -> None:
    async with one_connection(hub) as client:
        answer = await client.post("/v1/decide", json={"ids": {"userId": "u"}}, headers=READ)
        assert answer.status_code == 400
        assert 'did you mean "user_id"?' in answer.json()["message"]
        stream = await client.get("/v1/stream?userid=u", headers=READ)
        assert stream.status_code == 400


async def test_a_silent_connection_keeps_nobody_waiting(hub: RunningHub) -> None:
    host, _, port = hub.hub.ingest_address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as silent:
        async with one_connection(hub) as client:
            await decide(client)
        await hub.hub.stop(1.0)
        silent.settimeout(5)
        assert silent.recv(1) == b""


async def test_a_first_line_that_comes_in_pieces_is_served(hub: RunningHub) -> None:
    host, _, port = hub.hub.ingest_address.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"ids": {"user_id": "u"}}).encode()
    head = (
        "POST /v1/decide HTTP/1.1\r\nhost: h\r\nauthorization: Bearer read-key\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    for piece in (head[:6], head[6:30], head[30:]):
        writer.write(piece.encode())
        await writer.drain()
        await asyncio.sleep(0.01)
    writer.write(body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_beginnings_that_may_become_a_read_cost_nothing_and_are_served(
    hub: RunningHub,
) -> None:
    host, _, port = hub.hub.ingest_address.removeprefix("http://").rpartition(":")
    halves = [socket.create_connection((host, int(port))) for _ in range(50)]
    for half in halves:
        half.sendall(b"POST /v1/")
    async with one_connection(hub) as client:
        await decide(client)
        assert (await client.post("/v1/track", json=order(), auth=WRITE)).status_code == 200
    reader, writer = await asyncio.open_connection(sock=halves.pop())
    body = json.dumps(order()).encode()
    writer.write(
        b"track HTTP/1.1\r\nhost: h\r\nauthorization: Basic d2ViLXdyaXRlLWtleTo=\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    for half in halves:
        half.close()
