"""RudderStack's Python SDK, pointed at a hub: any answer but 200 makes it send again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rudderstack.analytics import request as rudder_request
from rudderstack.analytics.client import Client

from tests.support.hub import WRITE_KEY, config_text, running_hub
from tests.support.receiver import Answer, receiving
from tests.support.shim import BAD_DAYS, shim
from tests.support.vendors import CRM, LAKE, SLACK, STATSIG, environ, vendors


@pytest.fixture(autouse=True)
def closed_session() -> Iterator[None]:
    """Close what the SDK keeps open in its module."""
    yield
    rudder_request._session.close()


async def send(host: str, calls: Callable[[Client], None], **options: Any) -> None:
    """Make `calls` on a client in a thread, and wait until it has sent them all."""
    errors: list[Exception] = []

    def run() -> None:
        client = Client(
            WRITE_KEY, host=host, upload_interval=0.05,
            on_error=lambda error, _: errors.append(error), **options,
        )  # fmt: skip
        try:
            calls(client)
            client.flush()
        finally:
            client.join()

    await asyncio.to_thread(run)
    assert errors == []


def all_six(client: Client) -> None:
    client.identify("u-1", {"email": "ann@example.com", "plan": "pro"}, message_id="m-identify")
    client.track("u-1", "Order Completed", {"revenue": 39.95}, message_id="m-track")
    client.page("u-1", "Docs", "Start", {"path": "/start"}, message_id="m-page")
    client.screen(anonymous_id="a-1", name="Home", message_id="m-screen")
    client.group("u-1", "g-1", {"name": "Initech"}, message_id="m-group")
    client.alias("a-1", "u-1", message_id="m-alias")


SIX = Counter(
    {f"m-{type}": 1 for type in ("identify", "track", "page", "screen", "group", "alias")}
)


@pytest.mark.parametrize("gzip", [True, False], ids=["gzip", "plain"])
async def test_all_six_calls_arrive_at_every_destination(tmp_path: Path, gzip: bool) -> None:
    async with (
        receiving() as receiver,
        running_hub(tmp_path, config_text(vendors(receiver)), environ(receiver)) as running,
    ):
        await send(running.client.ingest, all_six, gzip=gzip)
        await running.client.settled()
        profile = await running.client.get("/api/profiles/user_id/u-1")
    assert receiver.counts(CRM) == SIX
    assert receiver.counts(LAKE) == SIX
    assert receiver.counts(STATSIG).keys() == SIX.keys() - {"m-identify", "m-alias"}
    assert [r.json for r in receiver.at(SLACK)] == [{"text": "ann@example.com ordered for 39.95"}]
    # This SDK keeps the traits of an identify call in its context only.
    assert profile["traits"] == {"email": "ann@example.com", "plan": "pro"}
    identify = next(r.json for r in receiver.at(CRM) if r.message_ids == ["m-identify"])
    assert identify["traits"] == {"email": "ann@example.com", "plan": "pro"}
    assert identify["channel"] == "server"


@pytest.mark.parametrize("first", BAD_DAYS.values(), ids=BAD_DAYS)
async def test_what_the_sdk_sends_again_arrives_once(tmp_path: Path, first: list[Answer]) -> None:
    async with (
        receiving() as receiver,
        running_hub(tmp_path, config_text(vendors(receiver)), environ(receiver)) as running,
        shim(running.client.ingest, first) as proxy,
    ):
        await send(proxy.address, all_six)
        await running.client.settled()
    assert len(proxy.requests) > len(first)
    assert proxy.statuses[-1] == 200
    assert receiver.counts(CRM) == SIX
    assert receiver.counts(LAKE) == SIX


async def test_an_unknown_key_makes_the_sdk_drop_and_say_so(tmp_path: Path) -> None:
    """Its retries end at a 4xx only if the body is an object with `code` and `message`."""
    errors: list[Exception] = []
    async with (
        receiving() as receiver,
        running_hub(tmp_path, config_text(vendors(receiver)), environ(receiver)) as running,
        shim(running.client.ingest, []) as proxy,
    ):

        def run() -> None:
            client = Client(
                "wrong", host=proxy.address, upload_interval=0.05,
                on_error=lambda error, _: errors.append(error),
            )  # fmt: skip
            client.track("u-1", "Tested")
            client.flush()
            client.join()

        await asyncio.to_thread(run)
        assert await running.client.stored() == 0
    assert [str(error) for error in errors] == [
        "[rudderstack] unauthorized: unknown write key (401)"
    ]
    assert proxy.statuses == [401]
