"""The way of an event as a whole: deterministic, and no event stops it."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.fql import compile
from junctor.model.processed import Batch, Processed
from junctor.model.record import Record
from junctor.pipeline.flow import UNPROCESSABLE
from junctor.pipeline.route import CONDITION, Router, RouteRule, Target
from junctor.sdk.event import NOBODY
from junctor.store.port import FoldResult, StoreUnavailable
from junctor.store.sqlite import SqliteStore

from .bodies import T0, event_bodies, new_records, track
from .town import ALL, Town, finish, flow, fold_in_batches, records

PRO = compile('profile.traits.plan = "pro"')
BY_PROFILE = Router(
    [RouteRule(None, frozenset({"crm"}), PRO, True), RouteRule(None, frozenset({"all"}))],
    [Target("crm", ALL), Target("all", ALL)],
)


def identify(user: str, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "traits": traits}


def again(town: Town, *offsets: int) -> list[Processed]:
    return finish(town.flow.again([town.log[offset - 1] for offset in offsets]))


# -- a batch -------------------------------------------------------------------------------------


def test_a_batch_is_committed_then_published() -> None:
    town = Town()
    town.see(track(), track(), track(), batch=[2])
    assert [(batch.previous, batch.last) for batch in town.batches] == [(0, 2), (2, 3)]
    assert [item.event.offset for batch in town.batches for item in batch.events] == [1, 2, 3]
    assert town.state.at == 3
    assert town.state.routes[2].decision == (("crm", ""),)


def test_an_event_carries_the_person_as_known_then() -> None:
    town = Town()
    first, second, third = town.see(
        identify("ada", plan="free"), identify("ada", plan="pro"), track("ada")
    )
    assert [item.event.profile.traits["plan"] for item in (first, second, third)] == [
        "free", "pro", "pro",
    ]  # fmt: skip
    assert {item.profile for item in (first, second, third)} == {1}
    assert third.event.profile.id == "p-1"


def test_an_events_json_is_its_body() -> None:
    [item] = Town().see(track(big=2**63, zero=-0.0, nested={"b": 1, "a": [None]}))
    assert orjson.loads(item.event.json) == item.event.body
    assert list(item.event.body)[:4] == ["messageId", "type", "event", "userId"]
    assert item.event.body["big"] == 2**63
    assert (item.event.type, item.event.message_id, item.event.source) == ("track", "m-0", "web")
    assert (item.event.timestamp, item.event.received_at) == (T0, T0)


def test_a_route_sees_what_the_event_itself_has_taught() -> None:
    town = Town(router=BY_PROFILE)
    decisions = [dict(item.decision) for item in town.see(
        track("ada"), identify("ada", plan="pro"), track("ada"), identify("ada", plan="free")
    )]  # fmt: skip
    assert [decision["crm"] for decision in decisions] == [CONDITION, "", "", CONDITION]
    assert {decision["all"] for decision in decisions} == {""}


def test_what_was_not_committed_is_not_published_and_can_be_folded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = Town()
    usual = town.state.commit

    async def fail(result: FoldResult) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(town.state, "commit", fail)
    with pytest.raises(StoreUnavailable):
        town.see(identify("ada", plan="pro"), track("bob"))
    assert town.batches == []
    monkeypatch.setattr(town.state, "commit", usual)
    seen = finish(fold_in_batches(town.flow, town.log, 0, [], town.batches))
    assert [item.profile for item in seen] == [1, 2]
    assert len(town.people) == 2


# -- an event that can't be processed ------------------------------------------------------------

BROKEN = Record(2, "web", "m-1", T0, False, b"[1]")


def poison(event: Any) -> bool:
    if event.get("event") == "Poison":
        raise RuntimeError("a bug in a stage")
    return True


def broken_town() -> Town:
    routes = [RouteRule(None, frozenset({"crm"}), poison), RouteRule(None, frozenset({"all"}))]
    return Town(router=Router(routes, [Target("crm", ALL), Target("all", ALL)]))


def test_an_event_that_makes_a_stage_raise_is_kept_as_rejected_and_stops_nobody() -> None:
    town = broken_town()
    town.log = records([track("ada"), track("x"), track("ada", event="Poison"), track("bob")])
    town.log[1] = BROKEN
    seen = finish(fold_in_batches(town.flow, town.log, 0, [], town.batches))
    reasons = [dict(item.decision) for item in seen]
    lost = {"crm": UNPROCESSABLE, "all": UNPROCESSABLE}
    assert reasons == [{"crm": "", "all": ""}, lost, lost, {"crm": "", "all": ""}]
    assert [r.json for r in town.state.rejections] == [BROKEN.json, town.log[2].json]
    assert {(r.source, r.reason, r.received_at) for r in town.state.rejections} == {
        ("web", UNPROCESSABLE, T0), ("web", UNPROCESSABLE, T0 + 2000),
    }  # fmt: skip
    assert [item.event.offset for item in seen] == [1, 2, 3, 4]
    assert town.state.at == 4
    assert set(town.state.routes) == {1, 2, 3, 4}, "the ledger counts it as filtered"


def test_an_event_that_can_not_be_processed_does_not_stop_a_replay() -> None:
    town = broken_town()
    town.log = [*records([track("ada")]), BROKEN, *records([track("bob")], 2)]
    finish(fold_in_batches(town.flow, town.log, 0, [], town.batches))
    assert [item.event.offset for item in again(town, 1, 2, 3)] == [1, 3]


# -- again ---------------------------------------------------------------------------------------


def test_again_gives_what_was_given() -> None:
    town = Town()
    seen = town.see(identify("ada", plan="pro"), track("bob"), track(None, anonymous="x"))
    for item, later in zip(seen, again(town, 1, 2, 3), strict=True):
        assert later.event.json == item.event.json
        assert (later.profile, later.decision) == (item.profile, item.decision)
        assert later.event.profile == item.event.profile


def test_again_decides_by_the_present_configuration_and_profile() -> None:
    town = Town(router=BY_PROFILE)
    town.see(track("ada"), identify("ada", plan="pro"))
    [item] = again(town, 1)
    assert dict(item.decision) == {"crm": "", "all": ""}, "the profile has become pro"
    assert item.event.profile.traits == {"plan": "pro"}
    town.flow.router = Router([], [Target("new", ALL)])
    assert dict(again(town, 1)[0].decision) == {"new": "no route"}


def test_again_knows_only_what_was_folded() -> None:
    town = Town()
    town.see(track("ada"))
    unfolded = records([track("bob")], 1)
    assert finish(town.flow.again([*town.log, *unfolded])) != []
    assert [i.event.offset for i in finish(town.flow.again([*town.log, *unfolded]))] == [1]


def test_an_event_routed_before_a_merge_still_has_its_person() -> None:
    town = Town(router=BY_PROFILE)
    town.see(
        track(None, anonymous="x"),
        {"type": "identify", "anonymousId": "y", "traits": {"plan": "pro"}},
        track("ada", anonymous="x"),
        track("ada", anonymous="y"),
    )
    assert [person.id for person in town.people] == [1]
    absorbed, survivor = again(town, 2, 1)
    for item in (absorbed, survivor):
        assert item.event.profile.id == "p-1"
        assert dict(item.decision) == {"crm": "", "all": ""}


def test_an_event_of_nobody_is_told_the_same_again() -> None:
    town = Town(router=BY_PROFILE)
    [live] = town.see(identify("null", plan="pro"))
    [later] = again(town, 1)
    assert (later.decision, later.event.profile) == (live.decision, live.event.profile)


def test_an_event_of_an_erased_person_has_nobody() -> None:
    town = Town(router=BY_PROFILE)
    town.see(identify("ada", plan="pro"), {"type": "delete", "userId": "ada"})
    event, deletion = again(town, 1, 2)
    assert event.event.profile == deletion.event.profile == NOBODY
    assert dict(event.decision) == {"crm": CONDITION, "all": ""}
    assert dict(deletion.decision) == {"crm": "", "all": ""}, "whatever the routes' conditions"


def test_a_delete_still_tells_destinations_whom() -> None:
    town = Town()
    _, deletion = town.see(
        track("ada", anonymous="x", properties={"email": "a@b.c"}),
        {"type": "delete", "userId": "ada"},
    )
    assert dict(deletion.decision) == {"crm": ""}
    assert deletion.event.profile.identifiers == {
        "user_id": ("ada",), "email": ("a@b.c",), "anonymous_id": ("x",),
    }  # fmt: skip
    assert town.people == []


# -- laws ----------------------------------------------------------------------------------------

logs = st.lists(event_bodies(), min_size=1, max_size=6)
sizes = st.lists(st.integers(1, 3), max_size=6)


def told(items: list[Processed]) -> list[Any]:
    return [
        (item.profile, item.decision, item.event.json, item.event.timestamp, item.event.profile)
        for item in items
    ]


@settings(max_examples=60)
@given(logs, sizes)
def test_a_log_folds_to_the_same_whatever_the_batches(
    bodies: list[dict[str, Any]], batches: list[int]
) -> None:
    whole, pieces = Town(router=BY_PROFILE), Town(router=BY_PROFILE)
    assert told(whole.see(*bodies)) == told(pieces.see(*bodies, batch=batches))
    assert whole.state == pieces.state
    assert whole.state.rejections == []


@settings(max_examples=60)
@given(logs)
def test_live_events_fold_like_those_read_from_the_log(bodies: list[dict[str, Any]]) -> None:
    fresh = new_records([orjson.loads(orjson.dumps(body)) for body in bodies], at=T0)
    live = [
        Record(n, r.source, r.message_id, r.received_at, False, r.json, r.body)
        for n, r in enumerate(fresh, 1)
    ]
    stored = [Record(r.offset, r.source, r.message_id, r.received_at, False, r.json) for r in live]
    outcomes = []
    for log in (live, stored):
        town = Town(router=BY_PROFILE)
        outcomes.append((told(finish(fold_in_batches(town.flow, log, 0, [], town.batches))),
                         town.state))  # fmt: skip
    assert outcomes[0] == outcomes[1]


@settings(max_examples=10, deadline=None)
@given(logs, sizes, st.integers(1, 6))
def test_a_restart_between_two_batches_changes_nothing(
    bodies: list[dict[str, Any]], batches: list[int], restart: int
) -> None:
    town = Town(router=BY_PROFILE)
    expected = told(town.see(*bodies))

    async def run(folder: Path) -> list[Any]:
        log, published = records(bodies), list[Batch]()
        seen: list[Any] = []
        for part in (log[:restart], log):
            store = SqliteStore.open(folder)
            folding = flow(store.state, published, router=BY_PROFILE)
            done = await store.state.position()
            seen += told(await fold_in_batches(folding, part, done, batches, published))
            assert await store.state.position() == len(part)
            await store.close()
        return seen

    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(run(Path(folder))) == expected
