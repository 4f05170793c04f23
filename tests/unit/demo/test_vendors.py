"""The stand-in servers: what they answer and count, and how the CRM fails and recovers."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook as Reference

from junctor.demo.shoppers import Move
from junctor.demo.vendors import Crm, Slack, Statsig, Vendor
from junctor.testkit.doubles import ManualClock

SECRET = "whsec_bm90IGEgc2VjcmV0IGF0IGFsbCwgcmVhbGx5"


@asynccontextmanager
async def serving(vendor: Vendor) -> AsyncIterator[aiohttp.ClientSession]:
    await vendor.start()
    try:
        async with aiohttp.ClientSession(vendor.url) as session:
            yield session
    finally:
        await vendor.stop()


async def send_to_crm(session: aiohttp.ClientSession, clock: ManualClock, id: str) -> int:
    """Return the status, or 0 if there is no answer."""
    event = {"type": "identify", "messageId": id, "userId": "u", "timestamp": "now"}
    body = json.dumps(event)
    headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(int(clock.now())),
        "webhook-signature": Reference(SECRET).sign(
            id, datetime.fromtimestamp(clock.now(), UTC), body
        ),
    }
    try:
        async with session.post("/crm", data=body, headers=headers) as response:
            return response.status
    except aiohttp.ServerDisconnectedError:
        return 0


async def test_statsig_answers_202_and_drops_what_has_a_fault() -> None:
    clock = ManualClock()
    vendor = Statsig(clock, "secret-x")
    now = round(clock.now() * 1000)
    event = {"time": now, "user": {"userID": "u"}}
    events = [
        {**event, "eventName": "Order Completed", "metadata": {"messageId": "m-1"}},
        {**event, "eventName": "A & B", "metadata": {"messageId": "m-2"}},
    ]
    headers = {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "statsig-api-key": "secret-x",
    }
    body = gzip.compress(json.dumps({"events": events}).encode())
    async with serving(vendor) as session:
        clock.tick(5)
        async with session.post("/v1/log_event", data=body, headers=headers) as response:
            assert response.status == 202
            assert await response.json() == {"success": True}
    assert vendor.arrived == {"m-1": 5.0}
    assert vendor.faults.total() == 1
    assert (vendor.requests, vendor.refused) == (1, 0)


async def test_slack_answers_in_plain_text_and_counts_repeats() -> None:
    vendor = Slack(ManualClock(), "/services/T/B/x")
    async with serving(vendor) as session:
        for _ in range(2):
            message = {"text": "hello (order o-1)"}
            async with session.post("/services/T/B/x", json=message) as response:
                assert (response.status, await response.text()) == (200, "ok")
        async with session.post("/services/T/B/x", json={}) as response:
            assert (response.status, await response.text()) == (400, "no_text")
    assert list(vendor.arrived) == ["o-1"]
    assert (vendor.requests, vendor.repeats, vendor.refused) == (3, 1, 1)
    assert vendor.faults == {"text is missing": 1}


async def test_a_channel_knows_who_entered_and_left() -> None:
    vendor = Slack(ManualClock(), "/services/T/B/y", "growth")
    assert (vendor.id, Slack(ManualClock(), "/services/T/B/x").id) == ("growth", "alerts")
    async with serving(vendor) as session:
        for word in ("Entered", "Exited", "Entered"):
            text = f"Audience {word}: frustrated, a@b.c with 22 in the cart (user u-8)"
            async with session.post("/services/T/B/y", json={"text": text}) as response:
                assert response.status == 200
    moves = [Move("frustrated", entered, "u-8") for entered in (True, False)]
    assert vendor.moves == {str(move): move for move in moves}
    assert vendor.repeats == 1
    assert not vendor.faults


async def test_the_crm_loses_an_answer_goes_down_and_recovers() -> None:
    clock = ManualClock()
    crm = Crm(clock, SECRET)
    async with serving(crm) as session:
        assert await send_to_crm(session, clock, "m-1") == 204
        crm.fail()
        assert crm.failing
        assert not crm.down
        assert await send_to_crm(session, clock, "m-2") == 0
        assert crm.down
        assert list(crm.arrived) == ["m-1", "m-2"]
        assert {await send_to_crm(session, clock, "m-3") for _ in range(4)} == {0, 503}
        crm.recover()
        assert not crm.failing
        assert await send_to_crm(session, clock, "m-2") == 204
        assert await send_to_crm(session, clock, "m-3") == 204
    assert list(crm.arrived) == ["m-1", "m-2", "m-3"]
    assert (crm.repeats, crm.lost_answers, crm.refused) == (1, 1, 4)
    assert not crm.faults


async def test_a_vendor_that_was_not_started_can_be_stopped() -> None:
    vendor = Slack(ManualClock(), "/services/T/B/x")
    await vendor.stop()
    assert vendor.url == ""


@pytest.mark.parametrize("vendor", [Statsig, Slack, Crm])
async def test_nobody_but_the_hub_is_taken(vendor: type[Statsig | Slack | Crm]) -> None:
    stand_in = vendor(ManualClock(), "whsec_aGlkZGVu" if vendor is Crm else "/hidden")
    async with serving(stand_in) as session, session.get("/") as response:
        assert response.status in (404, 405)
        assert "hidden" not in await response.text()
    assert stand_in.faults.total() == 1
    assert not stand_in.arrived
