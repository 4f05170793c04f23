"""`POST /v1/decide`: what is answered, to whom, and what is refused with which words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from structlog.testing import LogCapture

from junctor.api.decide import answer, decide
from junctor.api.ingest import ingest_app
from junctor.api.keep import Keeper
from junctor.api.openapi import openapi
from junctor.api.operations import Operations
from junctor.api.read_api import ReadApi
from junctor.api.readers import sign
from junctor.api.reads import Reading
from junctor.api.sources import Ingest
from junctor.sdk.errors import MalformedRequest, SourceError
from junctor.store.port import StoreError
from junctor.telemetry.metrics import Metrics
from junctor.testkit.doubles import ManualClock, capturing_log

from .people import BEARER, KEY, NOW, SECRET, SHOP, FakeReads, Listener, listener

U1 = {"ids": {"user_id": "u-1"}}
DOCUMENT = openapi()


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[Listener]:
    async with listener() as running:
        yield running


def assert_documented(path: str, method: str, status: int, body: bytes) -> None:
    """Check that an answer is one that the document promises."""
    promised = DOCUMENT["paths"][path][method]["responses"][str(status)]
    schema = promised["content"]["application/json"]["schema"]
    OAS31Validator({**schema, "components": DOCUMENT["components"]}).validate(orjson.loads(body))


async def refused(body: Any) -> str:
    """Return what is said to a body that is refused."""
    with pytest.raises(SourceError) as caught:
        await decide(FakeReads(), body)
    return caught.value.message


async def test_without_names_everything_that_is_defined_is_answered(hub: Listener) -> None:
    assert await hub.decide(U1) == (
        200,
        {
            "profile": "p-9",
            "attributes": {"ltv_band": "high", "last_product_category": "boots", "clicks": 3},
            "audiences": {"high_intent": True, "churn_risk": False},
            "scores": {"readiness": 14.2},
            "as_of": "2026-01-01T00:00:00.000Z",
            "ready": True,
            "next_change": "2026-01-01T00:01:00.000Z",
        },
    )


@pytest.mark.parametrize(
    ("key", "meant"),
    [("audience", "audiences"), ("Service", "service"), ("id", "ids"),
     ("user_id", 'an id stands in "ids"'), ("limit", '"expires", "ids"')],
)  # fmt: skip
async def test_a_mistyped_key_is_refused_with_the_one_that_was_meant(key: str, meant: str) -> None:
    said = await refused({**U1, key: ["high_intent"]})
    assert said.startswith(f'"{key}" is no key here; ')
    assert meant in said


async def test_a_key_as_long_as_a_body_is_not_repeated_whole() -> None:
    assert len(await refused({**U1, "x" * 9_999: 1})) < 300


async def test_names_choose_what_is_answered() -> None:
    found = await decide(FakeReads(), {**U1, "audiences": ["churn_risk"], "scores": []})
    assert found["audiences"] == {"churn_risk": False}
    assert found["attributes"] == found["scores"] == {}


async def test_a_service_is_answered_with_what_is_named_besides() -> None:
    asked = {**U1, "service": "everything", "audiences": ["churn_risk", "high_intent"]}
    found = await decide(FakeReads(), asked)
    assert found["attributes"] == {"clicks": 3}
    assert list(found["audiences"]) == ["high_intent", "churn_risk"]
    assert found["scores"] == {"readiness": 14.2}


@pytest.mark.parametrize("ids", [{"session_id": 7}, {"anonymous_id": " a-1 "},
                                 {"user_id": None, "anonymous_id": "a-1"},
                                 {"session_id": 7.0}])  # fmt: skip
async def test_any_identifier_of_a_person_reads_them_as_text_or_as_a_number(ids: Any) -> None:
    assert (await decide(FakeReads(), {"ids": ids}))["profile"] == "p-9"


async def test_somebody_unknown_is_in_no_audience_and_that_is_final() -> None:
    found = await decide(FakeReads(), {"ids": {"user_id": "u-2"}})
    assert found["profile"] is None
    assert not any(found["audiences"].values())
    assert found["ready"] is True
    assert found["next_change"] is None


async def test_a_list_of_people_is_answered_in_its_order() -> None:
    ids = [{"user_id": "u-2"}, {"user_id": "u-1"}, {"user_id": "u-3", "anonymous_id": "a-1"}]
    found = await decide(FakeReads(), {"ids": ids, "audiences": ["high_intent"]})
    assert [one["profile"] for one in found["results"]] == [None, "p-9", "p-9"]
    assert await decide(FakeReads(), {"ids": []}) == {"results": []}


async def test_a_thousand_people_are_answered_and_one_more_is_refused(hub: Listener) -> None:
    people = [{"user_id": "u-1"}] * 1_000
    status, found = await hub.decide({"ids": people})
    assert (status, len(found["results"])) == (200, 1_000)
    status, found = await hub.decide({"ids": [*people, {"user_id": "u-2"}]})
    assert status == 413
    assert "at most 1000" in found["message"]


def test_caps_and_inexact_figures_are_told_and_otherwise_not_mentioned() -> None:
    plain = answer(Reading("p-9", {}, {}, {}, NOW))
    assert "degraded" not in plain
    assert "errors" not in plain
    marked = Reading("p-9", {}, {}, {}, NOW, degraded=("a",), errors={"b": "±1.5h"})
    assert answer(marked)["degraded"] == ["a"]
    assert answer(marked)["errors"] == {"b": "±1.5h"}


@pytest.mark.parametrize("change", [None, 253_402_300_800_000, 2**62])
def test_a_change_beyond_the_calendar_is_none(change: int | None) -> None:
    assert answer(Reading("p-9", {}, {}, {}, NOW, next_change=change))["next_change"] is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "ids: an object"),
        ({"ids": "u-1"}, "ids: an object"),
        ({"ids": {}}, "ids: at least one id"),
        ({"ids": {"user_id": None}}, "ids: at least one id"),
        ({"ids": {"user_id": True}}, "ids.user_id: must be text or a whole number"),
        ({"ids": {"user_id": " "}}, "ids.user_id: must be text"),
        ({"ids": {"user_id": 1.5}}, "ids.user_id: must be text"),
        ({"ids": {"user_id": ["u-1"]}}, "ids.user_id: must be text"),
        ({"ids": [{"user_id": "u-1"}, "u-2"]}, "ids[1]: an object"),
        ({"ids": [{"user_id": {}}]}, "ids[0].user_id: must be text"),
        ({**U1, "audiences": "high_intent"}, "audiences: a list of names"),
        ({**U1, "scores": [1]}, "scores: names are text"),
        ({**U1, "service": ["x"]}, "service: names are text"),
        ({**U1, "audiences": ["hi_intent"]}, '"hi_intent" is not defined; did you mean "high_int'),
        (
            {**U1, "audiences": ["zzz"]},
            '"zzz" is not defined; there is "churn_risk", "high_intent"',
        ),
        ({**U1, "attributes": ["high_intent"]}, 'attributes: "high_intent" is not defined'),
        ({**U1, "scores": ["x"]}, 'scores: "x" is not defined; there is "readiness"'),
        ({**U1, "service": "none"}, 'service: "none" is not defined; there is "everything"'),
    ],
)
async def test_a_refusal_names_the_field_and_what_there_is(body: Any, said: str) -> None:
    assert said in await refused(body)


async def test_of_very_many_names_none_is_searched_for_what_was_meant() -> None:
    reads = FakeReads(audiences=[f"audience_{number}" for number in range(1_000)], scores=())
    with pytest.raises(SourceError, match="1000 others are"):
        await decide(reads, {**U1, "audiences": ["audience_x" * 1_000]})
    with pytest.raises(SourceError, match="none is"):
        await decide(reads, {**U1, "scores": ["x"]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["ids", "audiences", "attributes", "scores", "service"])


@settings(max_examples=300)
@given(st.dictionaries(NAMES, JSON | st.just({"user_id": "u-1"})))
def test_any_json_is_answered_or_refused_and_breaks_nothing(body: Any) -> None:
    with suppress(MalformedRequest):
        found = asyncio.run(decide(FakeReads(), body))
        assert "results" in found or "profile" in found


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_request"),
        (b"[]", 400, "invalid_request"),
        (b"", 400, "invalid_request"),
        (b"\xff", 400, "invalid_request"),
        (b'{"ids":"' + b"x" * 256 * 2**10 + b'"}', 413, "request_too_large"),
    ],
)
async def test_a_body_that_is_no_object_or_too_large_is_refused(
    hub: Listener, body: bytes, status: int, code: str
) -> None:
    async with hub.session.post(f"{hub.url}/v1/decide", data=body, headers=BEARER) as answer:
        assert answer.status == status
        assert (await answer.json())["code"] == code
        assert_documented("/v1/decide", "post", status, await answer.read())


async def test_a_compressed_body_is_refused(hub: Listener) -> None:
    headers = {**BEARER, "content-encoding": "gzip"}
    async with hub.session.post(f"{hub.url}/v1/decide", data=b"{}", headers=headers) as answer:
        assert answer.status == 400
        assert "content-encoding" in (await answer.json())["message"]


async def test_a_body_that_does_not_come_is_not_waited_for(hub: Listener) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with hub.session.post(f"{hub.url}/v1/decide", data=stalls(), headers=BEARER) as answer:
        assert answer.status == 408
        assert_documented("/v1/decide", "post", 408, await answer.read())


async def test_without_a_right_key_nothing_is_answered(hub: Listener) -> None:
    for headers in (
        {"authorization": "Bearer no"},
        {"authorization": "Basic d2ViOg=="},
        {"x": "y"},
    ):
        async with hub.session.post(f"{hub.url}/v1/decide", json=U1, headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert_documented("/v1/decide", "post", 401, await answer.read())


async def test_a_wrong_key_is_refused_before_the_body_is_read(hub: Listener) -> None:
    status, found = await hub.decide("no object", authorization="Bearer no")
    assert (status, found["code"]) == (401, "unauthorized")


async def test_readers_change_without_a_restart(hub: Listener) -> None:
    hub.configure({})
    status, found = await hub.decide(U1)
    assert status == 401
    assert "[readers.NAME]" in found["message"]


async def test_before_it_is_configured_nobody_reads() -> None:
    async with listener() as hub:
        app, unconfigured = (
            web.Application(),
            ReadApi(clock=hub.clock, logger=capturing_log(hub.log)),
        )
        unconfigured.mount(app)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        for headers in (BEARER, {"origin": SHOP}):
            assert (await hub.decide(signed(), **headers))[0] == 401
        await runner.cleanup()


async def test_answers_are_not_cached_and_as_documented(hub: Listener) -> None:
    for asked in (U1, {"ids": [{"user_id": "u-1"}]}):
        async with hub.session.post(f"{hub.url}/v1/decide", json=asked, headers=BEARER) as answer:
            assert answer.headers["cache-control"] == "no-store"
            assert answer.content_type == "application/json"
            assert_documented("/v1/decide", "post", 200, await answer.read())


def signed(**more: Any) -> dict[str, Any]:
    return {**U1, "reader": "site", "signature": sign(SECRET, "user_id", "u-1"), **more}


async def test_a_browser_reads_the_one_id_that_was_signed(hub: Listener) -> None:
    url, origin = f"{hub.url}/v1/decide", {"origin": SHOP}
    async with hub.session.post(url, json=signed(), headers=origin) as answer:
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert (await answer.json())["profile"] == "p-9"
    until = round(hub.clock.now()) + 60
    ending = signed(expires=until, signature=sign(SECRET, "user_id", "u-1", until), reader=None)
    headers = {**origin, "x-junctor-reader": "site"}
    async with hub.session.post(url, json=ending, headers=headers) as answer:
        assert answer.status == 200
    hub.clock.tick(60)
    async with hub.session.post(url, json=ending, headers=headers) as answer:
        assert answer.status == 401
        assert "expired" in (await answer.json())["message"]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"ids": {"user_id": "u-2"}}, 401, "not that of this id"),
        ({"ids": {"user_id": "u-1", "anonymous_id": "a-2"}}, 400, "exactly one id"),
        ({"ids": [{"user_id": "u-1"}]}, 400, "exactly one id"),
        ({"ids": {"user_id": True}}, 400, "ids.user_id"),
        ({"signature": 5}, 400, "signature"),
        ({"signature": None}, 401, "Authorization"),
        ({"reader": None}, 400, "reader"),
        ({"reader": "blog"}, 401, "not that of this id"),
        ({"expires": "soon"}, 400, "expires"),
        ({"expires": True}, 400, "expires"),
        ({"expires": 2_000_000_000}, 401, "not that of this id"),
    ],
)
async def test_a_signature_is_good_for_nothing_else(
    hub: Listener, change: dict[str, Any], status: int, said: str
) -> None:
    got, found = await hub.decide(signed(**change), origin=SHOP)
    assert got == status
    assert said in found["message"]


async def test_a_page_elsewhere_can_not_read_although_the_id_is_signed(hub: Listener) -> None:
    for origin, seen in (("https://evil.example", None), ("https://blog.example", "blog")):
        headers = {"origin": origin}
        async with hub.session.post(
            f"{hub.url}/v1/decide", json=signed(), headers=headers
        ) as answer:
            assert answer.status == 403
            assert ("access-control-allow-origin" in answer.headers) == (seen is not None)
            assert_documented("/v1/decide", "post", 403, await answer.read())


async def test_a_preflight_admits_the_pages_of_readers_and_no_key(hub: Listener) -> None:
    url = f"{hub.url}/v1/decide"
    async with hub.session.options(url, headers={"origin": SHOP}) as answer:
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "authorization" not in answer.headers["access-control-allow-headers"]
    async with hub.session.options(url, headers={"origin": "https://evil.example"}) as answer:
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_another_method_is_told_the_right_one(hub: Listener) -> None:
    async with hub.session.get(f"{hub.url}/v1/decide", headers=BEARER) as answer:
        assert answer.status == 405
        assert answer.headers["allow"] == "POST, OPTIONS"


async def test_a_store_that_can_not_be_read_is_a_reason_to_ask_again(hub: Listener) -> None:
    hub.reads.failure = StoreError("disk I/O error at /secret/path")
    async with hub.session.post(f"{hub.url}/v1/decide", json=U1, headers=BEARER) as answer:
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert "secret" not in await answer.text()
        assert_documented("/v1/decide", "post", 503, await answer.read())


async def test_a_bug_is_logged_without_the_ids_and_answered(hub: Listener) -> None:
    hub.reads.failure = RuntimeError("broken")
    status, found = await hub.decide({"ids": {"user_id": "u-secret"}})
    assert (status, found["code"]) == (500, "internal_error")
    assert [entry["event"] for entry in hub.log.entries] == ["read failed"]
    assert "u-secret" not in repr(hub.log.entries)
    assert KEY not in repr(hub.log.entries)


async def test_beside_the_reads_every_other_path_is_that_of_a_source() -> None:
    ingest = Ingest(
        cast(Keeper, None), clock=ManualClock(), answered=Metrics().request,
        logger=capturing_log(LogCapture()),
    )  # fmt: skip
    operations = cast(Operations, None)
    async with listener() as hub:
        app = ingest_app(ingest, operations, hub.api)
        assert "/v1/decide" in {resource.canonical for resource in app.router.resources()}
    bare = ingest_app(ingest, operations)
    async with listener(app=web.Application()) as hub:
        assert "/v1/decide" not in {resource.canonical for resource in bare.router.resources()}
        async with hub.session.get(f"{hub.url}/v1/track") as answer:
            assert answer.status == 404
