"""What Statsig is sent, and what its answers mean."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import junctor_connectors.statsig
from junctor.sdk import (
    ALL_EVENTS,
    AuthenticationFailed,
    Context,
    DestinationUnavailable,
    Event,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    ProfileView,
    RateLimited,
    Rejected,
    Request,
)
from junctor_connectors.statsig.destination import Statsig
from junctor_connectors.statsig.settings import StatsigSettings

URL = "https://events.statsigapi.net/v1/log_event"
FORWARD_URL = "https://api.statsig.com/v1/webhooks/segment_webhook"
GOLDEN = sorted((Path(junctor_connectors.statsig.__path__[0]) / "golden").glob("*.json"))
OK = httpx.Response(202, json={"success": True})


def statsig(ctx: Context, **settings: Any) -> Statsig:
    given = {"server_secret": "secret-example", **settings}
    return Statsig(StatsigSettings.model_validate(given), ctx)


def event(profile: ProfileView | None = None, **body: Any) -> Event:
    whole = {
        "type": "track",
        "messageId": "m-1",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "userId": "u-1",
        "event": "Clicked",
        **body,
    }
    return Event.from_body(whole, profile=profile or ProfileView())


def payload(request: Request) -> Any:
    content = request.content
    if request.headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    return orjson.loads(content)


def sent(destination: Statsig, one: Event) -> Any:
    """The Statsig event that `one` becomes."""
    return payload(destination.build([one]))["events"][0]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
async def test_requests_are_golden(path: Path, ctx: Context) -> None:
    golden = json.loads(path.read_bytes())  # noqa: ASYNC240
    destination = Statsig(StatsigSettings.model_validate(golden["settings"]), ctx)
    profile = ProfileView(**golden["profile"])
    events = [Event.from_body(body, profile=profile) for body in golden["events"]]
    request = destination.stamp(destination.build(events), ctx.clock.now())
    assert {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": payload(request),
    } == golden["request"]


def test_golden_requests_cover_every_event_type() -> None:
    assert {"track", "identify", "page", "screen", "group", "alias"} <= {p.stem for p in GOLDEN}


@pytest.mark.case(46)
async def test_a_batch_is_one_request_with_the_true_time(
    ctx: Context, router: respx.MockRouter
) -> None:
    route = router.post(URL).mock(return_value=OK)
    await statsig(ctx).deliver([event(messageId=f"m-{i}") for i in range(500)])
    request = route.calls.last.request
    assert route.call_count == 1
    assert request.headers["STATSIG-CLIENT-TIME"] == "1767323045250"
    assert request.headers["STATSIG-API-KEY"] == "secret-example"
    assert request.headers["STATSIG-EVENT-COUNT"] == "500"
    body = orjson.loads(gzip.decompress(request.content))
    assert [e["metadata"]["messageId"] for e in body["events"]] == [f"m-{i}" for i in range(500)]


async def test_two_builds_are_the_same_to_the_byte(ctx: Context) -> None:
    destination = statsig(ctx)
    request = destination.build([event()])
    assert request == destination.build([event()])
    assert request.content[4:8] == b"\0\0\0\0"  # gzip's own time stamp [RFC 1952]


def test_a_batch_stays_below_what_statsig_drops() -> None:
    assert Statsig.manifest.max_batch <= 1000


@pytest.mark.case(46)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(200, json={"success": True}), None),
        (httpx.Response(202), None),
        (httpx.Response(202, json={"success": False}), DestinationUnavailable),
        (httpx.Response(302, headers={"location": "https://x.example"}), Misconfigured),
        (httpx.Response(400, json={"message": "bad"}), InvalidPayload),
        (httpx.Response(401), AuthenticationFailed),
        (httpx.Response(403), AuthenticationFailed),
        (httpx.Response(404), Misconfigured),
        (httpx.Response(408), DestinationUnavailable),
        (httpx.Response(413), InvalidPayload),
        (httpx.Response(429, headers={"retry-after": "7"}), RateLimited),
        (httpx.Response(503, json={"success": False}), DestinationUnavailable),
        (httpx.Response(522), DestinationUnavailable),
        (httpx.ConnectTimeout("slow"), DestinationUnavailable),
    ],
)
@pytest.mark.parametrize("mode", ["events", "forward"])
async def test_answers_have_their_meaning(
    ctx: Context, router: respx.MockRouter, answer: Any, error: type[Exception] | None, mode: str
) -> None:
    router.post(URL if mode == "events" else FORWARD_URL).mock(side_effect=[answer])
    destination = statsig(ctx, mode=mode)
    if error is None:
        await destination.deliver([event()])
    else:
        with pytest.raises(error) as caught:
            await destination.deliver([event()])
        assert "secret-example" not in str(caught.value)
        if isinstance(caught.value, RateLimited):
            assert caught.value.retry_after == 7


@pytest.mark.case(46)
async def test_what_can_be_sent_is_sent_and_the_rest_refused(
    ctx: Context, router: respx.MockRouter
) -> None:
    route = router.post(URL).mock(return_value=OK)
    events = [
        event(messageId="a"),
        event(messageId="b", type="identify"),
        event(messageId="c", userId=None),
        event(messageId="d", event=" "),
        event(messageId="e"),
    ]
    with pytest.raises(PartialFailure) as caught:
        await statsig(ctx).deliver(events)
    errors = caught.value.errors
    assert {index: type(error) for index, error in errors.items()} == {
        1: Rejected,
        2: Rejected,
        3: Rejected,
    }
    assert "settings.send" in errors[1].message
    assert "id" in errors[2].message
    assert "name" in errors[3].message
    body = orjson.loads(gzip.decompress(route.calls.last.request.content))
    assert [e["metadata"]["messageId"] for e in body["events"]] == ["a", "e"]


async def test_when_the_others_could_not_be_sent_only_they_are_tried_again(
    ctx: Context, router: respx.MockRouter
) -> None:
    router.post(URL).mock(return_value=httpx.Response(503))
    with pytest.raises(PartialFailure) as caught:
        await statsig(ctx).deliver([event(), event(userId=None), event()])
    assert {index: type(error) for index, error in caught.value.errors.items()} == {
        0: DestinationUnavailable,
        1: Rejected,
        2: DestinationUnavailable,
    }


async def test_nothing_is_sent_when_nothing_can_be(ctx: Context, router: respx.MockRouter) -> None:
    route = router.post(URL)
    with pytest.raises(Rejected):
        await statsig(ctx).deliver([event(type="alias")])
    with pytest.raises(PartialFailure) as caught:
        await statsig(ctx).deliver([event(userId=None), event(type="identify")])
    assert set(caught.value.errors) == {0, 1}
    assert not route.called


@pytest.mark.parametrize("type", ["track", "page", "screen", "group"])
async def test_identify_and_alias_are_sent_only_on_request(ctx: Context, type: str) -> None:
    assert sent(statsig(ctx), event(type=type))
    with pytest.raises(Rejected, match=f"{type} events are not sent"):
        statsig(ctx, send=["identify", "alias"]).build([event(type=type)])


@pytest.mark.parametrize(
    ("settings", "types"),
    [
        ({}, {"track", "page", "screen", "group"}),
        ({"send": ["track", "identify"]}, {"track", "identify"}),
        ({"send": []}, set()),
        ({"mode": "forward"}, ALL_EVENTS),
        ({"mode": "forward", "send": ["track"]}, {"track"}),
    ],
)
async def test_only_what_is_sent_is_asked_for(
    ctx: Context, settings: dict[str, Any], types: set[str]
) -> None:
    assert statsig(ctx, **settings).accepts() == types


@pytest.mark.parametrize("mode", ["events", "forward"])
async def test_what_was_routed_before_a_change_of_send_is_declined(ctx: Context, mode: str) -> None:
    destination = statsig(ctx, mode=mode, send=["track"])
    with pytest.raises(Rejected, match="page events are not sent"):
        destination.build([event(type="page")])


@pytest.mark.case(46)
@pytest.mark.parametrize(
    ("settings", "body", "name"),
    [
        ({}, {"event": "Order Completed"}, "Order Completed"),
        ({}, {"event": "Terms & Conditions"}, "Terms _ Conditions"),
        ({}, {"event": "\\[]{}<>#=;&$%|\0\r\nx"}, "_" * 17 + "x"),
        ({}, {"event": "x" * 200}, "x" * 128),
        ({}, {"event": " Clicked\n"}, "Clicked"),
        ({}, {"event": 7}, "7"),
        ({}, {"type": "page", "name": "Home"}, "page_view"),
        ({}, {"type": "screen"}, "screen_view"),
        ({}, {"type": "group", "groupId": "g"}, "group"),
        ({"event_prefix": "segment::"}, {"event": "A"}, "segment::A"),
        ({"names": {"page": "Viewed {{name}}"}}, {"type": "page", "name": "Home"}, "Viewed Home"),
        ({"names": {"track": "t:{{event}}"}}, {"event": "A"}, "t:A"),
        ({"send": ["identify"]}, {"type": "identify"}, "identify"),
    ],
)
async def test_event_names_are_sensible_and_never_dropped(
    ctx: Context, settings: dict[str, Any], body: dict[str, Any], name: str
) -> None:
    assert sent(statsig(ctx, **settings), event(**body))["eventName"] == name


@pytest.mark.parametrize(
    ("properties", "value"),
    [
        ({"revenue": 39.95, "value": 1}, 39.95),
        ({"value": 3, "total": 5}, 3),
        ({"total": 5}, 5),
        ({"revenue": 0, "value": 7}, 0),
        ({"revenue": None, "value": 7}, 7),
        ({"revenue": True, "value": 7}, 7),
        ({"revenue": "39.95"}, 39.95),
        ({"revenue": "$5.00"}, "$5.00"),
        ({"value": "blue"}, "blue"),
        ({"value": "nan"}, "nan"),
        ({"value": "1e999"}, "1e999"),
        ({"value": "x" * 200}, "x" * 128),
        ({"revenue": " ", "value": [1]}, None),
        ({}, None),
    ],
)
async def test_the_value_is_revenue_or_value_or_total(
    ctx: Context, properties: dict[str, Any], value: Any
) -> None:
    assert sent(statsig(ctx), event(properties=properties)).get("value") == value


async def test_the_value_may_come_from_elsewhere(ctx: Context) -> None:
    destination = statsig(ctx, value_from=["price"])
    assert sent(destination, event(properties={"price": 4, "revenue": 5}))["value"] == 4


async def test_metadata_is_text_to_text(ctx: Context) -> None:
    properties = {
        "n": 1.50,
        "big": 9007199254740993,
        "yes": True,
        "nothing": None,
        "list": [1, {"a": None}],
        "deep": {"a": {"b": {"c": "d"}}, "empty": {}},
        "messageId": "not this one",
        "statsigCustomIDs": ["a", "b"],
        "privateAttributes": {"ssn": "1"},
    }
    assert sent(statsig(ctx), event(properties=properties))["metadata"] == {
        "messageId": "m-1",
        "n": "1.5",
        "big": "9007199254740993",
        "yes": "true",
        "list": '[1,{"a":null}]',
        "deep.a.b.c": "d",
    }


@pytest.mark.parametrize("value", ["ssn", 1, ["ssn"], {"ssn": 1}])
@pytest.mark.parametrize("name", ["privateAttributes", "statsigCustom", "statsigCustomIDs"])
async def test_what_is_no_data_is_in_no_metadata_and_no_attribute(
    ctx: Context, name: str, value: Any
) -> None:
    given = {name: value, "plan": "pro"}
    one = event(ProfileView(traits=given), properties=given)
    for traits in ("all", ["plan", name]):
        found = sent(statsig(ctx, traits=traits), one)
        assert found["metadata"] == {"messageId": "m-1", "plan": "pro"}
        assert found["user"]["custom"] == {"plan": "pro"}


async def test_names_have_sixteen_parts_at_most(ctx: Context) -> None:
    deep: Any = {"z": 1}
    for _ in range(14):
        deep = {"a": deep}
    given = {"top": {"fits": deep["a"], "over": deep}}
    one = event(ProfileView(traits=given), properties=given)
    found = sent(statsig(ctx, traits="all"), one)
    fits, over = "top.fits" + ".a" * 13 + ".z", "top.over" + ".a" * 14
    assert found["metadata"] == {"messageId": "m-1", fits: "1", over: '{"z":1}'}
    assert found["user"]["custom"] == {fits: 1, over: '{"z":1}'}


async def test_identifiers_become_custom_ids_as_configured(ctx: Context) -> None:
    profile = ProfileView(
        identifiers={"user_id": ["u-7"], "anonymous_id": ["a-1", "a-2"], "crm_id": ["c-1"]},
        groups={"g-1": {}, "g-2": {}},
    )
    ids = {"segmentAnonymousId": "anonymous_id", "companyID": "group_id", "crm": "crm_id"}
    destination = statsig(ctx, custom_ids={**ids, "none": "email"})
    user = sent(destination, event(profile, userId=None))["user"]
    assert user["userID"] == "u-7"
    assert user["customIDs"] == {"segmentAnonymousId": "a-2", "companyID": "g-2", "crm": "c-1"}
    own = event(profile, anonymousId="a-9", context={"groupId": "g-9"})
    user = sent(destination, own)["user"]
    assert user["userID"] == "u-1"
    assert user["customIDs"] == {"segmentAnonymousId": "a-9", "companyID": "g-9", "crm": "c-1"}


async def test_an_anonymous_visitor_has_a_custom_id_only(ctx: Context) -> None:
    user = sent(statsig(ctx), event(userId=None, anonymousId="a-1"))["user"]
    assert user["customIDs"] == {"segmentAnonymousId": "a-1"}
    assert "userID" not in user


@pytest.mark.parametrize("broken", [None, "text", ["odd"], [1, "x"], ["", "x"], ["a", None], {}])
async def test_broken_flat_lists_are_ignored(ctx: Context, broken: Any) -> None:
    properties = {
        "statsigCustomIDs": broken,
        "statsigCustom": broken,
        "statsigEnvironment": broken,
    }
    user = sent(statsig(ctx), event(properties=properties))["user"]
    assert user == {"userID": "u-1", "statsigEnvironment": {"tier": "production"}}


async def test_ids_and_attributes_of_the_event_win(ctx: Context) -> None:
    properties = {
        "statsigCustomIDs": ["segmentAnonymousId", "own", "companyID", 7],
        "statsigCustom": ["plan", "trial", "n", 1],
        "statsigEnvironment": {"tier": "staging"},
    }
    destination = statsig(ctx, traits="all", environment="development")
    profile = ProfileView(traits={"plan": "pro", "age": 3})
    user = sent(destination, event(profile, anonymousId="a-1", properties=properties))["user"]
    assert user["customIDs"] == {"segmentAnonymousId": "own", "companyID": "7"}
    assert user["custom"] == {"plan": "trial", "age": 3, "n": 1}
    assert user["statsigEnvironment"] == {"tier": "staging"}


async def test_custom_attributes_are_flat_and_of_legal_types(ctx: Context) -> None:
    traits = {
        "plan": "pro",
        "age": 3,
        "vip": False,
        "nothing": None,
        "address": {"city": "Paris", "geo": {"lat": 1.5}},
        "tags": ["a", 1, True],
        "orders": [{"id": 1}],
        "privateAttributes": {"ssn": "1"},
    }
    profile = ProfileView(traits=traits)
    assert sent(statsig(ctx, traits="all"), event(profile))["user"]["custom"] == {
        "plan": "pro",
        "age": 3,
        "vip": False,
        "address.city": "Paris",
        "address.geo.lat": 1.5,
        "tags": ["a", "1", "true"],
        "orders": '[{"id":1}]',
    }
    assert sent(statsig(ctx, traits=["plan"]), event(profile))["user"]["custom"] == {"plan": "pro"}
    assert "custom" not in sent(statsig(ctx), event(profile))["user"]


class Counting(Mapping[str, Any]):
    """Figures of a profile that note which of them were computed."""

    def __init__(self, **figures: Any) -> None:
        self._figures = figures
        self.computed: list[str] = []

    def __getitem__(self, name: str) -> Any:
        value = self._figures[name]
        self.computed.append(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)


async def test_a_listed_audience_is_always_told_and_others_never(ctx: Context) -> None:
    destination = statsig(ctx, audiences=["high_intent", "churn_risk", "left"])
    profile = ProfileView(audiences={"high_intent": True, "left": False, "other": True})
    assert sent(destination, event(profile))["user"]["custom"] == {
        "churn_risk": False,
        "high_intent": True,
        "left": False,
    }
    nobody = sent(destination, event())["user"]["custom"]
    assert nobody == dict.fromkeys(("churn_risk", "high_intent", "left"), False)


async def test_all_audiences_are_those_that_the_profile_knows_of(ctx: Context) -> None:
    destination = statsig(ctx, audiences="all")
    profile = ProfileView(audiences={"high_intent": True, "left": False})
    assert sent(destination, event(profile))["user"]["custom"] == profile.audiences
    assert "custom" not in sent(destination, event())["user"]


async def test_only_the_figures_that_are_wanted_are_computed_and_once(ctx: Context) -> None:
    attributes = Counting(ltv_band="high", clicks=3, last_category=None, latest={"sku": "s-1"})
    scores = Counting(readiness=14.25, fit=2.0)
    one = event(ProfileView(attributes=attributes, scores=scores))
    assert "custom" not in sent(statsig(ctx), one)["user"]
    assert attributes.computed == scores.computed == []
    destination = statsig(
        ctx, attributes=["ltv_band", "last_category", "latest", "undefined"], scores=["readiness"]
    )
    assert sent(destination, one)["user"]["custom"] == {
        "readiness": 14.25,
        "ltv_band": "high",
        "latest.sku": "s-1",
    }
    assert sorted(attributes.computed) == ["last_category", "latest", "ltv_band"]
    assert scores.computed == ["readiness"]
    everything = sent(statsig(ctx, attributes="all", scores="all"), one)["user"]["custom"]
    assert everything == {
        "readiness": 14.25, "fit": 2.0, "ltv_band": "high", "clicks": 3, "latest.sku": "s-1",
    }  # fmt: skip


async def test_of_one_name_the_event_goes_first_then_audience_score_attribute_trait(
    ctx: Context,
) -> None:
    destination = statsig(ctx, audiences=["a"], scores="all", attributes="all", traits="all")
    profile = ProfileView(
        audiences={"a": True},
        scores={"a": 1.0, "b": 1.0},
        attributes={"a": 2, "b": 2, "c": 2},
        traits={"a": 3, "b": 3, "c": 3, "d": 3},
    )
    known = {"a": True, "b": 1.0, "c": 2, "d": 3}
    assert sent(destination, event(profile))["user"]["custom"] == known
    own = event(profile, properties={"statsigCustom": ["a", "mine", "e", 4]})
    assert sent(destination, own)["user"]["custom"] == {**known, "a": "mine", "e": 4}


async def test_audiences_stay_when_traits_have_no_room(ctx: Context) -> None:
    destination = statsig(ctx, audiences=["high_intent"], traits="all")
    traits = {f"t{number}": "v" * 100 for number in range(200)}
    user = sent(destination, event(ProfileView(traits=traits)))["user"]
    assert user["custom"]["high_intent"] is False
    assert 3900 < len(orjson.dumps(user)) <= 4096


@pytest.mark.parametrize(
    ("traits", "context", "country"),
    [
        ({"address": {"country": "fr"}}, {}, "FR"),
        ({"address": {"country": "France"}, "country": "DE"}, {}, "DE"),
        ({"country": "DE"}, {"location": {"country": "US"}}, "US"),
        ({"address": "Paris", "country": 1}, {"location": "x"}, None),
    ],
)
async def test_country_is_a_two_letter_code_or_nothing(
    ctx: Context, traits: dict[str, Any], context: dict[str, Any], country: str | None
) -> None:
    one = event(ProfileView(traits=traits), context=context)
    assert sent(statsig(ctx), one)["user"].get("country") == country


async def test_traits_of_a_group_are_not_those_of_the_person(ctx: Context) -> None:
    one = event(type="group", groupId="g", context={"traits": {"email": "ada@example.com"}})
    found = sent(statsig(ctx), one)
    assert found["metadata"] == {"messageId": "m-1", "groupId": "g"}
    assert found["user"]["email"] == "ada@example.com"


NAME = st.text(max_size=20)
LONG = st.builds(lambda text, times: text * times, st.text(max_size=8), st.integers(1, 1500))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | LONG,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=8,
)


@given(
    properties=st.dictionaries(NAME, JSON, max_size=6),
    traits=st.dictionaries(NAME, JSON, max_size=6),
    ua=LONG,
)
def test_whatever_comes_the_sizes_are_kept(
    properties: dict[str, Any], traits: dict[str, Any], ua: str
) -> None:
    destination = Statsig(
        StatsigSettings.model_validate({"server_secret": "s", "traits": "all", "gzip": False}),
        None,  # type: ignore[arg-type]  # building needs no host
    )
    one = event(
        ProfileView(traits=traits),
        userId="u" * 300,
        properties=properties,
        context={"userAgent": ua},
    )
    found = sent(destination, one)
    assert found["user"]["userID"] == "u" * 128
    assert found["metadata"]["messageId"] == "m-1"
    assert len(orjson.dumps(found["user"])) <= 4096
    assert len(orjson.dumps(found["metadata"])) <= 4096
    assert all(isinstance(text, str) for text in found["metadata"].values())


async def test_what_fits_is_whole_however_large_the_event(ctx: Context) -> None:
    properties = {"a": "x" * 4000}
    profile = ProfileView(traits={"b": "y" * 3900})
    found = sent(statsig(ctx, traits="all"), event(profile, properties=properties))
    assert found["metadata"] == {"messageId": "m-1", **properties}
    assert found["user"]["custom"] == profile.traits


async def test_long_metadata_is_cut_not_lost(ctx: Context) -> None:
    properties = {"a": "x" * 3000, "b": "é" * 3000, "c": "y"}
    metadata = sent(statsig(ctx), event(properties=properties))["metadata"]
    assert metadata["a"] == "x" * 3000
    assert 450 < len(metadata["b"]) < 3000
    assert len(orjson.dumps(metadata)) > 4080


async def test_many_ids_and_attributes_leave_the_first_ones(ctx: Context) -> None:
    ids = [text for i in range(200) for text in (f"id{i}", "v" * 100)]
    profile = ProfileView(traits={f"t{i}": "v" * 100 for i in range(200)})
    one = event(profile, properties={"statsigCustomIDs": ids})
    user = sent(statsig(ctx, traits="all"), one)["user"]
    assert user["userID"] == "u-1"
    assert list(user["customIDs"])[:3] == ["id0", "id1", "id2"]
    assert 3900 < len(orjson.dumps(user)) <= 4096


async def test_what_json_can_not_hold_is_a_dead_letter_of_its_own(
    ctx: Context, router: respx.MockRouter
) -> None:
    router.post(URL).mock(return_value=OK)
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    text = event().json.replace(b'"Clicked"', b'"Clicked","properties":{"deep":' + deep + b"}")
    poison = Event(text, type="track", message_id="m-2", timestamp=1, received_at=1, source="test")
    with pytest.raises(PartialFailure) as caught:
        await statsig(ctx).deliver([event(), poison])
    assert isinstance(caught.value.errors[1], InvalidPayload)
    assert set(caught.value.errors) == {1}


async def test_forward_hands_each_event_over_unchanged(
    ctx: Context, router: respx.MockRouter
) -> None:
    route = router.post(FORWARD_URL).mock(return_value=OK)
    events = [event(messageId="a"), event(messageId="b", type="identify")]
    destination = statsig(ctx, mode="forward")
    for one in events:
        await destination.deliver([one])
    assert [call.request.content for call in route.calls] == [one.json for one in events]
    assert route.calls.last.request.headers["STATSIG-API-KEY"] == "secret-example"
    assert "STATSIG-CLIENT-TIME" not in route.calls.last.request.headers


async def test_a_request_takes_as_many_events_as_its_mode_allows(ctx: Context) -> None:
    assert statsig(ctx, mode="forward").batch_limit() == 1
    assert statsig(ctx).batch_limit() == Statsig.manifest.max_batch


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(202), None),
        (httpx.Response(400, json={"message": "events must not be empty"}), None),
        (httpx.Response(401), AuthenticationFailed),
        (httpx.Response(404), Misconfigured),
        (httpx.Response(503), DestinationUnavailable),
    ],
)
async def test_check_proves_key_and_address_without_an_event(
    ctx: Context, router: respx.MockRouter, answer: httpx.Response, error: type[Exception] | None
) -> None:
    route = router.post(URL).mock(return_value=answer)
    if error is None:
        await statsig(ctx).check()
    else:
        with pytest.raises(error):
            await statsig(ctx).check()
    assert orjson.loads(gzip.decompress(route.calls.last.request.content))["events"] == []
    await statsig(ctx, mode="forward").check()
    assert route.call_count == 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"server_secret": ""},
        {"server_secret": "two words"},
        {"server_secret": "line\nbreak"},
        {"server_secret": "s", "endpoint": "ftp://x"},
        {"server_secret": "s", "endpoint": "https://"},
        {"server_secret": "s", "endpoint": "https://events.statsigapi.net@evil.example/v1"},
        {"server_secret": "s", "mode": "other"},
        {"server_secret": "s", "send": ["delete"]},
        {"server_secret": "s", "names": {"page": "{{name"}},
        {"server_secret": "s", "custom_ids": {"": "anonymous_id"}},
        {"server_secret": "s", "unknown": 1},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StatsigSettings.model_validate(settings)


def test_every_setting_is_documented_and_the_secret_hidden() -> None:
    assert all(field.description for field in StatsigSettings.model_fields.values())
    assert "secret-1" not in repr(StatsigSettings.model_validate({"server_secret": "secret-1"}))
