"""Deliveries against lists that behave as Statsig's."""

import asyncio

import httpx
import pytest

from junctor.sdk import (
    AuthenticationFailed,
    DeliveryError,
    DestinationUnavailable,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    RateLimited,
    Rejected,
)
from tests.connectors.statsig_segment.console_api import (
    Segment,
    answer_lost,
    fails,
    never_arrives,
    refuse,
)
from tests.connectors.statsig_segment.host import Host, hub_delivers, moved

UNKNOWN = "GET /buyers"
CREATE = "POST "
ADD = "PATCH /buyers/id_list"
REMOVE = "DELETE /buyers/id_list"


async def test_the_first_member_creates_the_list(host: Host) -> None:
    await host.destination().deliver([moved("u-1")])
    assert host.api.calls() == [UNKNOWN, CREATE, ADD]
    assert host.api.bodies("POST") == [
        {
            "id": "buyers",
            "name": "buyers",
            "type": "id_list",
            "idType": "userID",
            "description": "The audience buyers, kept up to date by junctor.",
        }
    ]
    assert host.api.members("buyers") == {"u-1"}


async def test_a_known_list_costs_one_request_an_update(host: Host) -> None:
    destination = host.destination()
    await destination.deliver([moved("u-1")])
    await destination.deliver([moved("u-2"), moved("u-3")])
    await destination.deliver([moved("u-1", entered=False), moved("u-4")])
    assert host.api.calls()[3:] == [ADD, ADD, REMOVE]
    assert host.api.bodies("DELETE") == [{"ids": ["u-1"]}]
    assert host.api.members("buyers") == {"u-2", "u-3", "u-4"}


@pytest.mark.case(47)
async def test_enter_and_exit_in_one_batch_is_one_update(host: Host) -> None:
    host.api.segments["buyers"] = Segment(members={"u-1": None})
    batch = [moved("u-1"), moved("u-2"), moved("u-1", entered=False), moved("u-2")]
    await host.destination().deliver(batch)
    assert host.api.bodies("PATCH") == [{"ids": ["u-2"]}]
    assert host.api.bodies("DELETE") == [{"ids": ["u-1"]}]
    assert host.api.members("buyers") == {"u-2"}


@pytest.mark.case(47)
async def test_who_is_no_member_leaves_without_harm(host: Host) -> None:
    destination = host.destination()
    await destination.deliver([moved("u-1", entered=False)])
    assert "buyers" not in host.api.segments  # nothing to remove, nothing to create
    await destination.deliver([moved("u-1"), moved("u-1"), moved("u-2", entered=False)])
    assert host.api.members("buyers") == {"u-1"}


async def test_audiences_have_segments_of_their_own(host: Host) -> None:
    destination = host.destination(segments={"buyers": "bought-once"})
    await destination.deliver([moved("u-1"), moved("u-1", "Warm leads"), moved("u-2", "readers")])
    (warm,) = (id for id in host.api.segments if id.startswith("Warm_leads-"))
    assert {id: host.api.members(id) for id in host.api.segments} == {
        "bought-once": {"u-1"},
        warm: {"u-1"},
        "readers": {"u-2"},
    }


async def test_declined_events_keep_back_no_other(host: Host) -> None:
    with pytest.raises(PartialFailure) as caught:
        await host.destination().deliver([moved(None), moved("u-1"), moved("u-2", context={})])
    assert {i: type(error) for i, error in caught.value.errors.items()} == {
        0: Rejected,
        2: Rejected,
    }
    assert host.api.members("buyers") == {"u-1"}
    with pytest.raises(Rejected, match="no user_id"):
        await host.destination().deliver([moved(None)])


async def test_a_list_that_somebody_creates_meanwhile_is_used(host: Host) -> None:
    def raced(request: httpx.Request, serve: object) -> httpx.Response:
        host.api.segments["buyers"] = Segment(members={"u-0": None})
        return refuse(409, "Segment already exists")

    host.api.faults.extend([None, raced])
    await host.destination().deliver([moved("u-1")])
    assert host.api.calls() == [UNKNOWN, CREATE, UNKNOWN, ADD]
    assert host.api.members("buyers") == {"u-0", "u-1"}


async def test_a_creation_that_is_put_off_is_tried_later(host: Host) -> None:
    host.api.faults.extend([None, fails(409)])
    with pytest.raises(DestinationUnavailable, match="409"):
        await host.destination().deliver([moved("u-1")])
    assert host.api.segments == {}


@pytest.mark.case(47)
async def test_a_list_that_is_deleted_is_created_again_and_that_is_said(host: Host) -> None:
    destination = host.destination()
    await destination.deliver([moved("u-1")])
    del host.api.segments["buyers"]
    await destination.deliver([moved("u-2")])
    assert host.api.members("buyers") == {"u-2"}
    del host.api.segments["buyers"]
    await destination.deliver([moved("u-2", entered=False)])
    await destination.deliver([moved("u-3")])
    assert host.api.members("buyers") == {"u-3"}
    assert sum("was deleted" in said for said in host.logged()) == 2


async def test_a_new_list_that_is_not_there_yet_is_tried_later(host: Host) -> None:
    host.api.faults.extend([None, None, fails(404), None, fails(404)])
    destination = host.destination()
    with pytest.raises(DestinationUnavailable, match="not there yet"):
        await destination.deliver([moved("u-1")])
    await destination.deliver([moved("u-1")])
    assert host.api.members("buyers") == {"u-1"}


async def test_without_create_a_missing_list_pauses(host: Host) -> None:
    destination = host.destination(create=False)
    with pytest.raises(Misconfigured, match="'buyers'"):
        await destination.deliver([moved("u-1")])
    assert host.api.segments == {}
    host.api.segments["buyers"] = Segment()
    await destination.deliver([moved("u-1")])
    assert host.api.members("buyers") == {"u-1"}


async def test_an_id_type_that_does_not_exist_pauses(host: Host) -> None:
    destination = host.destination(id_type="petID", identifier="user_id")
    with pytest.raises(Misconfigured, match="idType does not exist"):
        await destination.deliver([moved("u-1")])


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        (Segment(type="rule_based"), "of type 'rule_based'"),
        (Segment(id_type="stableID"), "lists 'stableID', not 'userID'"),
    ],
)
async def test_a_segment_of_another_kind_is_not_touched(
    host: Host, segment: Segment, said: str
) -> None:
    host.api.segments["buyers"] = segment
    with pytest.raises(Misconfigured, match=said):
        await host.destination().deliver([moved("u-1")])
    assert not segment.members


async def test_a_segment_that_turns_into_another_kind_pauses(host: Host) -> None:
    destination = host.destination()
    await destination.deliver([moved("u-1")])
    host.api.segments["buyers"].type = "rule_based"
    for entered in (True, False):
        with pytest.raises(Misconfigured, match="must be of type 'id_list'"):
            await destination.deliver([moved("u-2", entered=entered)])


async def test_a_busy_list_is_tried_later_and_keeps_back_no_other(host: Host) -> None:
    destination = host.destination()
    host.api.segments["buyers"] = Segment()
    host.api.updating.add("buyers")
    with pytest.raises(PartialFailure) as caught:
        await destination.deliver([moved("u-1"), moved("u-1", "readers"), moved("u-2")])
    errors = caught.value.errors
    assert sorted(errors) == [0, 2]
    assert isinstance(errors[0], DestinationUnavailable)
    assert errors[0].status == 409
    assert host.api.members("readers") == {"u-1"}
    host.api.updating.clear()
    await destination.deliver([moved("u-1"), moved("u-2")])
    assert host.api.members("buyers") == {"u-1", "u-2"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthenticationFailed),
        (403, AuthenticationFailed),
        (400, InvalidPayload),
        (429, RateLimited),
        (503, DestinationUnavailable),
    ],
)
async def test_answers_to_an_update_have_their_meaning(
    host: Host, status: int, error: type[DeliveryError]
) -> None:
    destination = host.destination()
    await destination.deliver([moved("u-1")])
    for entered in (True, False):
        host.api.faults.append(fails(status))
        with pytest.raises(error) as caught:
            await destination.deliver([moved("u-2", entered=entered)])
        assert caught.value.status == status


async def test_an_outage_ends_the_delivery_at_once(host: Host) -> None:
    audiences = ["aaa", "bbb", "ccc"]
    host.api.faults.extend([None, None, None, fails(503)])
    batch = [moved("u-1", audience) for audience in audiences]
    with pytest.raises(PartialFailure) as caught:
        await host.destination().deliver(batch)
    assert sorted(caught.value.errors) == [1, 2]
    assert host.api.calls()[-1] == "GET /bbb"


async def test_an_answer_of_somebody_else_is_no_segment(host: Host) -> None:
    for answer in (httpx.Response(200, text="<html>"), httpx.Response(200, json=[])):
        host.api.faults.append(lambda request, serve, answer=answer: answer)  # type: ignore[misc]
        with pytest.raises(DestinationUnavailable):
            await host.destination().deliver([moved("u-1")])


@pytest.mark.case(47)
async def test_fifteen_hundred_members_go_in_two_updates(host: Host) -> None:
    destination = host.destination()
    everybody = [moved(f"u-{number}") for number in range(1500)]
    limit = destination.batch_limit()
    for start in range(0, len(everybody), limit):
        await destination.deliver(everybody[start : start + limit])
    assert [len(body["ids"]) for body in host.api.bodies("PATCH")] == [1000, 500]
    assert len(host.api.members("buyers")) == 1500


async def test_a_large_list_is_told_of_once(host: Host) -> None:
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(map(str, range(999))))
    destination = host.destination()
    for user in ("u-1", "u-1", "u-2", "u-3"):
        await destination.deliver([moved(user)])
    (entry,) = host.log.entries
    assert entry["log_level"] == "warning"
    assert (entry["count"], entry["segment"], entry["audience"]) == (1001, "buyers", "buyers")


async def test_what_is_said_of_a_large_list_fails_no_delivery(host: Host) -> None:
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(map(str, range(1000))))
    host.api.faults.extend([None, None, fails(503)])
    destination = host.destination()
    await destination.deliver([moved("u-1")])
    assert host.log.entries == []
    await destination.deliver([moved("u-2")])
    assert host.log.entries[0]["count"] == 1002


async def test_statsigs_limit_is_kept_before_it_is_met(host: Host) -> None:
    destination = host.destination()
    audiences = [f"audience-{number}" for number in range(20)]
    batch = [moved("u-1", audience) for audience in audiences]
    with pytest.raises(PartialFailure) as caught:
        await destination.deliver(batch)
    assert sorted(caught.value.errors) == list(range(12, 20))
    held = caught.value.errors[12]
    assert isinstance(held, RateLimited)
    assert held.status is None  # Statsig was not asked
    assert held.retry_after == pytest.approx(11)
    host.clock.tick(11)
    await destination.deliver(batch[12:])
    assert all(host.api.members(audience) == {"u-1"} for audience in audiences)


async def test_a_limit_that_others_use_up_holds_as_long_as_statsig_asks(host: Host) -> None:
    others = host.destination()
    for _ in range(12):
        await others.deliver([moved("u-0")])
    destination = host.destination()
    with pytest.raises(RateLimited) as caught:
        await destination.deliver([moved("u-1")])
    assert caught.value.retry_after == 10
    assert await hub_delivers(destination, host.clock, [moved("u-1")]) == []
    assert host.api.members("buyers") == {"u-0", "u-1"}


async def test_deliveries_at_once_take_turns_at_a_list(host: Host) -> None:
    destination = host.destination()
    await asyncio.gather(*(destination.deliver([moved(f"u-{number}")]) for number in range(8)))
    assert host.api.calls() == [UNKNOWN, CREATE, *[ADD] * 8]
    assert len(host.api.members("buyers")) == 8


async def test_a_canceled_delivery_leaves_the_turn_to_others(host: Host) -> None:
    destination = host.destination()
    arrived = asyncio.Event()

    async def hang(request: httpx.Request) -> None:
        arrived.set()
        await asyncio.Event().wait()

    host.ctx.http.event_hooks = {"request": [hang]}
    task = asyncio.ensure_future(destination.deliver([moved("u-1")]))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    host.ctx.http.event_hooks = {}
    await destination.deliver([moved("u-2")])
    assert host.api.members("buyers") == {"u-2"}


@pytest.mark.case(47)
@pytest.mark.parametrize("lost_at", [0, 1, 2, 3])
@pytest.mark.parametrize("fault", [answer_lost, never_arrives, fails(500)])
async def test_a_sync_that_breaks_off_is_finished_after_a_restart(
    host: Host, lost_at: int, fault: object
) -> None:
    host.api.segments["readers"] = Segment(members={"u-2": None})
    batch = [moved("u-1"), moved("u-2", "readers", entered=False)]
    host.api.faults.extend([None] * lost_at)
    host.api.faults.append(fault)  # type: ignore[arg-type]
    with pytest.raises(DeliveryError):
        await host.destination().deliver(batch)
    await host.destination().deliver(batch)
    assert host.api.members("buyers") == {"u-1"}
    assert host.api.members("readers") == set()


async def test_lists_of_other_ids_take_those_ids(host: Host) -> None:
    await host.destination(id_type="stableID").deliver([moved("u-1", anonymousId="a-1")])
    assert host.api.segments["buyers"].id_type == "stableID"
    assert host.api.members("buyers") == {"a-1"}
    companies = host.destination(id_type="companyID", identifier="group_id")
    context = {**moved("u-1", "firms").context, "groupId": "g-1"}
    await companies.deliver([moved("u-1", "firms", context=context)])
    assert host.api.members("firms") == {"g-1"}


async def test_check_proves_the_key_and_leaves_nothing(host: Host) -> None:
    await host.destination().check()
    assert host.api.calls() == ["GET "]
    assert dict(host.api.requests[0].url.params) == {"limit": "1", "page": "1"}
    assert host.api.segments == {}
    with pytest.raises(AuthenticationFailed, match="CONSOLE key"):
        await host.destination(console_key="secret-server").check()
    with pytest.raises(Misconfigured):
        await host.destination(api_url="https://statsigapi.net/wrong").check()


async def test_a_wrong_address_creates_nothing_and_pauses(host: Host) -> None:
    with pytest.raises(Misconfigured, match="check the address"):
        await host.destination(api_url="https://statsigapi.net/wrong").deliver([moved("u-1")])
