"""A thousand events of a real SDK: each arrives exactly once at each of three destinations."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from segment.analytics import request as segment_request
from segment.analytics.client import Client

from tests.support.hub import WRITE_KEY, config_text, running_hub
from tests.support.receiver import receiving
from tests.support.vendors import CRM, LAKE, SLACK, STATSIG, environ, vendors

COUNT = 1_000
USERS = 40
ORDERS = 3
"""Slack takes one message a second."""
EVERY_TYPE = 'settings.send = ["track", "identify", "page", "screen", "group", "alias"]'


@pytest.fixture(autouse=True)
def closed_session() -> Iterator[None]:
    """Close what the SDK keeps open in its module."""
    yield
    segment_request._session.close()


def mixed_calls(client: Client, random: Random) -> Counter[str]:
    """Make calls of all types for several people, known and not; return the types made."""
    made: Counter[str] = Counter()
    for number in range(COUNT):
        user = random.randrange(USERS)
        known, visitor, id = f"u-{user}", f"a-{user}", f"m-{number}"
        type = random.choice(("track", "track", "identify", "page", "screen", "group", "alias"))
        if number < ORDERS:
            type = "track"
        made[type] += 1
        if number < ORDERS:
            client.track(known, "Order Completed", {"revenue": number}, message_id=id)
        elif type == "track":
            client.track(known, "Clicked", {"number": number}, message_id=id)
        elif type == "identify":
            client.identify(known, {"email": f"{known}@example.com"}, message_id=id)
        elif type == "page":
            client.page(anonymous_id=visitor, name="Home", message_id=id)
        elif type == "screen":
            client.screen(known, name="Home", anonymous_id=visitor, message_id=id)
        elif type == "group":
            client.group(known, f"g-{user % 7}", {"plan": "pro"}, message_id=id)
        else:
            client.alias(visitor, known, message_id=id)
    return made


@pytest.mark.slow
async def test_a_thousand_mixed_events_arrive_exactly_once_everywhere(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        running_hub(
            tmp_path, config_text(vendors(receiver, EVERY_TYPE)), environ(receiver)
        ) as running,
    ):

        def run() -> Counter[str]:
            client = Client(WRITE_KEY, host=running.client.ingest, gzip=True)
            made = mixed_calls(client, Random(1))
            client.flush()
            client.join()
            return made

        made = await asyncio.to_thread(run)
        ledger = await running.client.settled()
        rejections = (await running.client.get("/api/rejections"))["rejections"]
    assert len(made) == 6
    once_each = Counter({f"m-{number}": 1 for number in range(COUNT)})
    for path in (STATSIG, CRM, LAKE):
        assert receiver.counts(path) == once_each, path
    assert len(receiver.at(SLACK)) == ORDERS
    everything = {"accepted": COUNT, "delivered": COUNT, "filtered": 0, "dead": 0, "pending": 0}
    for id in ("statsig", "crm", "lake"):
        assert ledger[id] == {**everything, "balanced": True}
    assert ledger["alerts"]["delivered"] == ORDERS
    assert ledger["alerts"]["filtered"] == COUNT - ORDERS
    assert rejections == []
