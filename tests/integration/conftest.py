"""One hub for all cases of a module: whatever they send it, it must live on."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from junctor.testkit.doubles import entries_text
from tests.support.client import HubClient, Reply, basic
from tests.support.events import track
from tests.support.hub import (
    SHARED_SECRET,
    WRITE_KEY,
    config_text,
    everything_to,
    running_hub,
    webhook,
)
from tests.support.receiver import Receiver, receiving

SECOND_KEY = "second-write-key"
OLD_KEY = "old-write-key"
TOKEN = "address-token"
SOURCES = """
[sources.second]
type = "segment"
settings.write_key = { env = "SECOND_WRITE_KEY" }
[sources.old]
type = "segment"
enabled = false
settings.write_key = { env = "OLD_WRITE_KEY" }
[sources.cloud]
type = "segment_webhook"
settings.shared_secret = { env = "SEGMENT_SHARED_SECRET" }
[sources.hidden]
type = "segment_webhook"
settings.token = { env = "ADDRESS_TOKEN" }
"""
MAX_BODY = 2 * 2**20
MAX_DECOMPRESSED = 4 * 2**20
SERVER = f"""
max_body = {MAX_BODY}
max_decompressed = {MAX_DECOMPRESSED}
body_timeout = "300ms"
"""


@dataclass
class World:
    """A hub with several sources and one destination, which takes everything."""

    client: HubClient
    receiver: Receiver

    async def send(self, body: bytes, path: str = "/v1/track", **headers: str) -> Reply:
        """Post `body` with the write key."""
        return await self.client.ask("POST", path, body, {**basic(WRITE_KEY), **headers})

    async def reasons(self, newest: int) -> list[str]:
        """Return why the newest items were rejected, oldest first."""
        found = (await self.client.get(f"/api/rejections?limit={newest}"))["rejections"]
        return [rejection["reason"] for rejection in reversed(found)]

    async def delivered(self, message_id: str) -> dict[str, Any]:
        """Return the event as the destination got it."""
        await self.receiver.until(lambda: bool(self.receiver.counts("/sink")[message_id]))
        return next(
            event
            for request in self.receiver.at("/sink")
            for event in request.events
            if event["messageId"] == message_id
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Run the hub; afterwards it must still take events, and have delivered all it stored."""
    keys = {
        "SECOND_WRITE_KEY": SECOND_KEY,
        "OLD_WRITE_KEY": OLD_KEY,
        "ADDRESS_TOKEN": TOKEN,
    }
    async with receiving() as receiver:
        sink = webhook("sink", receiver.address + "/sink", batch=True)
        config = config_text(sink + everything_to("sink"), server=SERVER, sources=SOURCES)
        async with running_hub(tmp_path_factory.mktemp("hub"), config, keys) as running:
            yield World(running.client, receiver)
            alive = await running.client.batch([track()], WRITE_KEY)
            assert alive.status == 200
            ledger = await running.client.settled()
            assert ledger["sink"]["delivered"] == await running.client.stored()
        assert receiver.counts("/sink").total() == ledger["sink"]["delivered"]
        for secret in (WRITE_KEY, SHARED_SECRET, *keys.values()):
            assert secret not in entries_text(running.log)
