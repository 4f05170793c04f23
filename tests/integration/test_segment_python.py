"""Segment's own Python SDK, pointed at a hub: what it sends arrives, whatever it is answered."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from segment.analytics import request as segment_request
from segment.analytics.client import Client
from standardwebhooks import Webhook

from tests.support.client import until
from tests.support.hub import SIGNING_SECRET, STATSIG_SECRET, WRITE_KEY, config_text, running_hub
from tests.support.receiver import Answer, Receiver, receiving
from tests.support.shim import BAD_DAYS, shim
from tests.support.vendors import CRM, LAKE, SLACK, STATSIG, environ, vendors


@pytest.fixture(autouse=True)
def closed_session() -> Iterator[None]:
    """Close what the SDK keeps open in its module."""
    yield
    segment_request._session.close()


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
    client.track("u-1", "Order Completed", {"revenue": 39.95, "big": 2**60}, message_id="m-track")
    client.page("u-1", "Docs", "Start", {"path": "/start"}, message_id="m-page")
    client.screen(anonymous_id="a-1", name="Home", message_id="m-screen")
    client.group("u-1", "g-1", {"name": "Initech"}, message_id="m-group")
    client.alias("a-1", "u-1", message_id="m-alias")


SIX = Counter(
    {f"m-{type}": 1 for type in ("identify", "track", "page", "screen", "group", "alias")}
)


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
async def test_all_six_calls_arrive_at_every_destination(tmp_path: Path, gzip: bool) -> None:
    async with (
        receiving() as receiver,
        running_hub(tmp_path, config_text(vendors(receiver)), environ(receiver)) as running,
    ):
        await send(running.client.ingest, all_six, gzip=gzip)
        ledger = await running.client.settled()
    assert receiver.counts(CRM) == SIX
    assert receiver.counts(LAKE) == SIX
    # identify and alias are nothing that happened: Statsig is not sent them unless asked to.
    assert receiver.counts(STATSIG).keys() == SIX.keys() - {"m-identify", "m-alias"}
    assert {id: (row["delivered"], row["filtered"]) for id, row in ledger.items()} == {
        "statsig": (4, 2), "crm": (6, 0), "lake": (6, 0), "alerts": (1, 5),
    }  # fmt: skip
    check_statsig(receiver)
    check_webhooks(receiver)
    assert [r.json for r in receiver.at(SLACK)] == [{"text": "ann@example.com ordered for 39.95"}]


def check_statsig(receiver: Receiver) -> None:
    requests = receiver.at(STATSIG)
    assert {r.headers["statsig-api-key"] for r in requests} == {STATSIG_SECRET}
    assert all(int(r.headers["statsig-event-count"]) == len(r.events) for r in requests)
    events = {e["metadata"]["messageId"]: e for r in requests for e in r.events}
    order = events["m-track"]
    assert order["eventName"] == "Order Completed"
    assert order["value"] == 39.95
    assert order["metadata"]["big"] == str(2**60)
    assert order["user"]["userID"] == "u-1"
    assert order["user"]["email"] == "ann@example.com"
    assert events["m-page"]["eventName"] == "page_view"
    assert events["m-screen"]["user"]["customIDs"] == {"segmentAnonymousId": "a-1"}
    assert all(isinstance(event["time"], int) for event in events.values())


def check_webhooks(receiver: Receiver) -> None:
    for request in receiver.at(CRM):
        Webhook(SIGNING_SECRET).verify(request.body, dict(request.headers))
    by_id = {r.message_ids[0]: r.json for r in receiver.at(CRM)}
    order = by_id["m-track"]
    assert order["properties"] == {"revenue": 39.95, "big": 2**60}
    assert order["context"]["library"]["name"] == "analytics-python"
    assert "writeKey" not in order
    assert by_id["m-alias"]["previousId"] == "a-1"
    assert [e for r in receiver.at(LAKE) for e in r.events if e["messageId"] == "m-track"] == [
        order
    ]


@pytest.mark.case(12)
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


async def test_a_hub_that_is_stopping_sends_the_sdk_to_its_successor(tmp_path: Path) -> None:
    """Draining, the hub answers 503 with Retry-After; nothing is lost, nothing comes twice."""
    async with (
        receiving() as receiver,
        running_hub(tmp_path, config_text(vendors(receiver)), environ(receiver)) as running,
        shim(running.client.ingest, []) as proxy,
    ):
        ingest = running.hub._ingest

        async def refused() -> bool:
            return 503 in proxy.statuses

        ingest.draining = True
        sending = asyncio.create_task(send(proxy.address, all_six))
        await until(refused)
        ingest.draining = False
        await sending
        await running.client.settled()
    assert receiver.counts(CRM) == SIX


async def test_an_unknown_key_makes_the_sdk_drop_and_say_so(tmp_path: Path) -> None:
    errors: list[Exception] = []
    async with (
        receiving() as receiver,
        running_hub(tmp_path, config_text(vendors(receiver)), environ(receiver)) as running,
    ):

        def run() -> None:
            client = Client(
                "wrong", host=running.client.ingest, upload_interval=0.05,
                on_error=lambda error, _: errors.append(error),
            )  # fmt: skip
            all_six(client)
            client.flush()
            client.join()

        await asyncio.to_thread(run)
        assert await running.client.stored() == 0
    assert [str(error) for error in errors] == ["[Segment] unauthorized: unknown write key (401)"]
