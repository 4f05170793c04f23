"""A stream goes on where it ended, out of the real store and the real process of reads."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, RunningHub, config_text, running_hub

CONFIG = config_text(
    "",
    sources="""
[readers.app]
key = { env = "READ_KEY" }
[audiences.buyer]
event = "Bought"
[audiences.viewer]
event = "Viewed"
""",
)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path, CONFIG, {"READ_KEY": "k"}, reads_apart=True) as running:
        async with asyncio.timeout(20):
            await running.hub.readers.served_apart.wait()
        yield running


async def told(running: RunningHub, last: str, number: int) -> list[bytes]:
    """Return the first texts of a stream of ada that goes on behind `last`, without comments."""
    url = f"{running.hub.ingest_address}/v1/stream?user_id=ada"
    headers = {"authorization": "Bearer k", **({"last-event-id": last} if last else {})}
    found: list[bytes] = []
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        async with asyncio.timeout(10):
            while len(found) < number:
                text = await answer.content.readuntil(b"\n\n")
                found += [text] if not text.startswith(b":") else []
    return found


async def test_what_happened_while_nobody_listened_is_told_first(hub: RunningHub) -> None:
    (start,) = await told(hub, "", 1)
    assert start == b"id: 0\n\n"
    await hub.client.batch([track(event="Bought", userId="ada")], WRITE_KEY)
    await hub.client.batch([track(event="Viewed", userId="bob")], WRITE_KEY)
    await hub.client.batch([track(event="Viewed", userId="ada")], WRITE_KEY)

    async def all_are_in() -> bool:
        viewers = (await hub.client.get("/api/audiences"))["audiences"][1]
        return bool(viewers["members"] == 2)

    await until(all_are_in)
    bought, viewed = await told(hub, "0", 2)
    assert b'"audience":"buyer"' in bought
    assert b'"audience":"viewer"' in viewed
    last = bought.partition(b"\nid: ")[2].strip().decode()
    assert await told(hub, last, 1) == [viewed]
