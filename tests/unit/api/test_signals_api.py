"""What Snowplow Signals' SDKs send is understood, and what they get they understand."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from snowplow_signals import AttributeKeyIdentifiers, SignalsSandbox

from junctor.api.reads import Transition
from junctor.api.signals_api import intervention, online_attributes
from junctor.api.stream import HEARTBEAT_SECONDS
from junctor.audiences.nodes import Service
from junctor.sdk.errors import MalformedRequest, RequestTooLarge

from .people import BEARER, KEY, NOW, FakeReads, Listener, entry, listener, until

SERVICE = {"service": "statsig_attributes"}
VISITOR = {"attribute_keys": {"domain_userid": ["a-1"]}}


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[Listener]:
    async with listener() as running:
        yield running


async def columns(**body: Any) -> dict[str, list[Any]]:
    return await online_attributes(FakeReads(), {**VISITOR, **body})


async def test_a_service_is_answered_in_columns_of_everything_it_has() -> None:
    assert await columns(**SERVICE) == {"ltv_band": ["high"], "last_product_category": ["boots"]}
    everything = await columns(service="everything")
    assert everything == {"clicks": [3], "readiness": [14.2], "high_intent": [True]}


async def test_a_column_has_a_value_for_each_identifier_in_order() -> None:
    keys = {"domain_userid": ["a-2", "a-1", "a-3"]}
    assert await columns(**SERVICE, attribute_keys=keys) == {
        "ltv_band": [None, "high", None],
        "last_product_category": [None, "boots", None],
    }
    nobody: dict[str, list[str]] = {"domain_userid": []}
    assert (await columns(**SERVICE, attribute_keys=nobody))["ltv_band"] == []


@pytest.mark.parametrize(
    "keys",
    [
        {"domain_userid": ["a-1"]},
        {"user_id": ["u-1"]},
        {"domain_sessionid": ["7"]},
        {"anonymous_id": ["a-1"]},
        {"user_id": ["u-5"], "domain_userid": ["a-1"]},
    ],
)
async def test_snowplows_keys_stand_for_kinds_of_identifiers(keys: dict[str, list[str]]) -> None:
    assert (await columns(**SERVICE, attribute_keys=keys))["ltv_band"] == ["high"]


async def test_attributes_of_groups_are_known_by_their_names() -> None:
    asked = ["commerce_v1:ltv_band", "visits_v12:clicks", "any_v1:high_intent"]
    found = await columns(attributes=asked)
    assert found == {"ltv_band": ["high"], "clicks": [3], "high_intent": [True]}
    found = await columns(attributes=asked, full_attribute_names=True)
    assert list(found) == asked


async def test_of_one_name_the_service_says_which_is_meant_and_else_the_attribute_goes_first() -> (
    None
):
    reads = FakeReads(audiences=("clicks", "high_intent"))
    reads.services = {"flags": Service("flags", audiences=("clicks",))}
    body = {**VISITOR, "service": "flags"}
    assert await online_attributes(reads, body) == {"clicks": [False]}
    body = {**VISITOR, "attributes": ["any_v1:clicks"]}
    assert await online_attributes(reads, body) == {"clicks": [3]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "service, or attributes"),
        ({"attributes": "grp_v1:ltv_band"}, "service, or attributes"),
        (
            {"attributes": ["grp_v1:ltv_bands"]},
            '"ltv_bands" is not defined; did you mean "ltv_band"',
        ),
        ({"attributes": [1]}, "attributes: names are text"),
        ({"attributes": [["ltv_band"]]}, "attributes: names are text"),
        ({"attributes": [{}]}, "attributes: names are text"),
        ({"service": "nothing"}, '"nothing" is not defined'),
        ({**SERVICE, "attribute_keys": None}, "attribute_keys: an object"),
        ({**SERVICE, "attribute_keys": {}}, "attribute_keys: an object"),
        ({**SERVICE, "attribute_keys": {"user_id": "u-1"}}, "attribute_keys.user_id: a list"),
        ({**SERVICE, "attribute_keys": {"user_id": [{}]}}, "attribute_keys[0].user_id: must be"),
        ({**SERVICE, "attribute_keys": {"a": ["1"], "b": ["1", "2"]}}, "of the same length"),
    ],
)
async def test_a_refusal_names_the_field(body: dict[str, Any], said: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        await columns(**body)
    assert said in caught.value.message


async def test_over_a_thousand_identifiers_are_refused() -> None:
    with pytest.raises(RequestTooLarge, match="at most 1000"):
        await columns(**SERVICE, attribute_keys={"domain_userid": ["a"] * 1_001})


async def test_it_is_read_with_a_key_only(hub: Listener) -> None:
    url = f"{hub.url}/api/v1/get-online-attributes"
    body = {**SERVICE, **VISITOR, "reader": "site", "signature": "00"}
    async with hub.session.post(url, json=body) as answer:
        assert answer.status == 401
    async with hub.session.post(url, json=body, headers=BEARER) as answer:
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"


def test_an_intervention_names_the_target_as_it_was_asked_for_and_holds_only_text() -> None:
    sent = intervention(entry(), [("user_id", "u-9"), ("domain_userid", "a-1")])
    assert sent is not None
    assert orjson.loads(sent.removeprefix(b"data: ")) == {
        "intervention_id": f"p-9:high_intent:{NOW}",
        "name": "high_intent",
        "version": 1,
        "target_attribute_key": {"name": "domain_userid", "id": "a-1"},
        "attributes": {"audience": "high_intent", "profile": "p-9", "reason": "event"},
    }


def test_an_exit_is_no_intervention() -> None:
    assert intervention(entry(entered=False), [("user_id", "u-1")]) is None


# -- the official SDK in its sandbox mode ----------------------------------------------------------


@pytest.fixture
def sdk(hub: Listener) -> Any:
    return SignalsSandbox(api_url=hub.url, sandbox_token=KEY)


async def test_the_official_sdk_reads_a_service(sdk: Any) -> None:
    found = await asyncio.to_thread(
        sdk.get_service_attributes,
        name="statsig_attributes", attribute_key="domain_userid", identifier="a-1",
    )  # fmt: skip
    assert found == {"ltv_band": "high", "last_product_category": "boots"}


async def test_the_official_sdk_reads_attributes_of_a_group(sdk: Any) -> None:
    for attributes in ("clicks", ["clicks", "ltv_band"]):
        found = await asyncio.to_thread(
            sdk.get_group_attributes,
            name="visits", version=1, attributes=attributes, attribute_key="user_id",
            identifier="u-1",
        )  # fmt: skip
        assert found["clicks"] == 3


async def test_the_official_sdk_understands_that_somebody_is_unknown(sdk: Any) -> None:
    found = await asyncio.to_thread(
        sdk.get_service_attributes,
        name="everything", attribute_key="user_id", identifier="u-2",
    )  # fmt: skip
    assert found == {"clicks": None, "readiness": 0.0, "high_intent": False}


async def test_the_official_sdk_raises_what_the_hub_refuses(sdk: Any) -> None:
    with pytest.raises(Exception, match='"nothing" is not defined') as caught:
        await asyncio.to_thread(
            sdk.get_service_attributes, name="nothing", attribute_key="user_id", identifier="u-1"
        )
    assert type(caught.value).__name__ == "SignalsAPIError"
    sdk.api_client.sandbox_token = "wrong"
    with pytest.raises(Exception, match="401"):
        await asyncio.to_thread(
            sdk.get_service_attributes, name="everything", attribute_key="user_id", identifier="u"
        )


async def test_the_official_sdk_hears_who_enters_an_audience(hub: Listener, sdk: Any) -> None:
    targets = AttributeKeyIdentifiers(root={"domain_userid": ["a-1"], "user_id": ["u-1"]})
    with sdk.pull_interventions(targets) as subscription:
        await until(lambda: bool(hub.reads.watchers))
        hub.reads.happens(entry("others", user_id="u-2"))
        hub.reads.happens(entry("left", entered=False))
        hub.reads.happens(entry("high_intent"))
        ids = {"anonymous_id": ["a-0", "a-1"]}
        hub.reads.happens(Transition("p-2", ids, "churn_risk", True, NOW, "merge"))
        first, second = [await asyncio.to_thread(subscription.get, timeout=10) for _ in range(2)]
    await hub.clock.advance(HEARTBEAT_SECONDS)  # the SDK looks whether it shall stop at each line
    await until(lambda: not subscription._thread.is_alive())
    assert (first.name, second.name) == ("high_intent", "churn_risk")
    assert second.target_attribute_key.name == "domain_userid"
    assert second.attributes == {"audience": "churn_risk", "profile": "p-2", "reason": "merge"}
