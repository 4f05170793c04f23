"""The OpenAPI document is valid, and it is true: every route, every answer."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from yarl import URL

from junctor.api.openapi import openapi
from junctor_connectors.segment.source import BATCHES, CALLS, PIXEL, SELF_METRICS
from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, RunningHub, config_text, running_hub, webhook

DOCUMENT = openapi()
METHODS = ("get", "post", "put", "delete", "patch", "options", "head")


def operations(listener: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        if any(listener in server["description"] for server in item["servers"]):
            for method in METHODS:
                if method in item:
                    yield method, path, item[method]


def documented(path: str, method: str) -> dict[str, Any]:
    """Return the operation that answers a request."""
    path = path.partition("?")[0]
    item = DOCUMENT["paths"].get(path) or next(
        item
        for template, item in DOCUMENT["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    )
    found: dict[str, Any] = item[method.lower()]
    return found


def schema_of(response: dict[str, Any], content_type: str) -> dict[str, Any] | None:
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response.get("content", {})
    assert content_type in content or not content
    return content.get(content_type, {}).get("schema") if content else None


def assert_true(path: str, method: str, status: int, content_type: str, body: bytes) -> None:
    """Check that an answer is one that the document promises."""
    promised = documented(path, method)["responses"]
    assert str(status) in promised, (method, path, status, body)
    schema = schema_of(promised[str(status)], content_type)
    if schema is not None and content_type == "application/json":
        whole = {**schema, "components": DOCUMENT["components"]}
        OAS31Validator(whole).validate(orjson.loads(body))


def content(body: Any) -> dict[str, Any]:
    """Return how aiohttp is told to send a body: bytes as they are, everything else as JSON."""
    if body is None:
        return {}
    text = body if isinstance(body, bytes) else orjson.dumps(body)
    return {"data": BytesIO(text), "headers": {"content-type": "application/json"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=400)

    vendor = web.Application()
    vendor.router.add_route("*", "/refusing", refuse)
    runner = web.AppRunner(vendor)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/refusing"
    routes = "[routes.all]\nto = ['refusing']\n[routes.none]\nto=['idle']\nwhen='type=\"alias\"'\n"
    destinations = webhook("refusing", url) + webhook("idle", url)
    config = config_text(destinations + routes, server='body_timeout = "200ms"')
    async with running_hub(tmp_path_factory.mktemp("hub"), config) as running:
        events = [track(), track(), track(), {"type": "nothing"}]
        events[0]["messageId"], events[0]["userId"] = "m/1", "a b/c"
        await running.client.batch(events, WRITE_KEY)

        async def dead() -> bool:
            return bool((await running.client.ledger())["refusing"]["dead"] == 3)

        await until(dead)
        yield running
    await runner.cleanup()


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert orjson.loads(orjson.dumps(DOCUMENT)) == DOCUMENT


def test_every_reference_leads_somewhere() -> None:
    for name in re.findall(r'"\$ref":"#/components/(.*?)"', orjson.dumps(DOCUMENT).decode()):
        kind, _, name = name.partition("/")
        assert name in DOCUMENT["components"][kind]


@pytest.mark.asyncio(loop_scope="module")
async def test_every_route_of_the_admin_side_is_documented_and_no_other(hub: RunningHub) -> None:
    served = {
        (route.method.lower(), route.resource.canonical)
        for runner in hub.hub._runners[1:]
        for route in runner.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert served == {(method, path) for method, path, _ in operations("admin")}


def test_every_path_of_the_tracking_api_is_documented() -> None:
    paths = {path for _, path, _ in operations("ingest")}
    for path in (*CALLS, *BATCHES, SELF_METRICS, f"{PIXEL}{{call}}"):
        assert f"/v1{path}" in paths
    assert {
        "/v1/projects/{writeKey}/settings",
        "/hooks/{source}",
        "/hooks/{source}/{token}",
    } < paths


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/status", None, 200),
        ("GET", "/api/ledger", None, 200),
        ("GET", "/api/events/m%2F1", None, 200),
        ("GET", "/api/events/never", None, 404),
        ("GET", "/api/rejections", None, 200),
        ("GET", "/api/rejections?limit=x", None, 400),
        ("GET", "/api/rejections?limit=0&before=5", None, 200),
        ("GET", "/api/dead-letters", None, 200),
        ("GET", "/api/dead-letters?destination=refusing&code=invalid_payload&since=1h", None, 200),
        ("GET", "/api/dead-letters?since=soon", None, 400),
        ("GET", "/api/dead-letters/1", None, 200),
        ("GET", "/api/dead-letters/99", None, 404),
        ("POST", "/api/dead-letters/replay", {"ids": [1], "dry_run": True}, 200),
        ("POST", "/api/dead-letters/replay", {}, 400),
        ("POST", "/api/dead-letters/purge", {"destination": "idle"}, 200),
        ("POST", "/api/dead-letters/purge", {"ids": "all"}, 400),
        ("POST", "/api/replays", {"destination": "idle", "since": "1h", "dry_run": True}, 200),
        ("POST", "/api/replays", {"destination": "idle", "since": "1h"}, 202),
        ("POST", "/api/replays", {"destination": "nobody", "since": "1h"}, 404),
        ("POST", "/api/replays", {"destination": "idle"}, 400),
        ("GET", "/api/replays", None, 200),
        ("POST", "/api/replays/99/stop", {}, 404),
        ("GET", "/api/profiles/user_id/a%20b%2Fc", None, 200),
        ("GET", "/api/profiles/user_id/nobody", None, 404),
        ("POST", "/api/destinations/idle/pause", {"reason": "a test"}, 200),
        ("POST", "/api/destinations/idle/pause", {"reason": 1}, 400),
        ("POST", "/api/destinations/idle/resume", {}, 200),
        ("POST", "/api/destinations/nobody/resume", {}, 404),
        ("POST", "/api/destinations/idle/pause", b"x" * 2**20 + b"x", 413),
        ("GET", "/openapi.json", None, 200),
        ("GET", "/metrics", None, 200),
        ("GET", "/health/live", None, 200),
        ("GET", "/health/ready", None, 200),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_the_admin_side_answers_as_documented(
    hub: RunningHub, method: str, path: str, body: Any, status: int
) -> None:
    url = URL(hub.client.admin + path, encoded=True)
    async with hub.client.session.request(method, url, **content(body)) as answer:
        text = await answer.read()
        assert answer.status == status, text
        assert_true(path, method, status, answer.content_type, text)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_guard_answers_as_documented(hub: RunningHub) -> None:
    session, admin = hub.client.session, hub.client.admin
    async with session.get(admin + "/api/status", headers={"host": "evil.example"}) as answer:
        assert answer.status == 403
        assert_true("/api/status", "GET", 403, answer.content_type, await answer.read())
    async with session.post(admin + "/api/replays", data=b"{}") as answer:
        assert answer.status == 415
        assert_true("/api/replays", "POST", 415, answer.content_type, await answer.read())


@pytest.mark.asyncio(loop_scope="module")
async def test_the_stream_is_of_the_documented_type(hub: RunningHub) -> None:
    async with hub.client.session.get(hub.client.admin + "/api/stream") as answer:
        assert answer.status == 200
        assert_true("/api/stream", "GET", 200, answer.content_type, b"")


KEY = {"writeKey": WRITE_KEY}
CALL = {**KEY, "userId": "u", "event": "e", "groupId": "g", "previousId": "p"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        *(("POST", f"/v1{path}", CALL, 200) for path in CALLS),
        *(("POST", f"/v1{path}", {**KEY, "batch": [{}, 1]}, 200) for path in sorted(BATCHES)),
        ("POST", "/v1/m", {}, 200),
        ("POST", "/v1/track", {**KEY, "userId": "u"}, 400),
        ("POST", "/v1/track", {**CALL, "writeKey": "no"}, 401),
        ("GET", "/v1/track", None, 405),
        ("POST", "/v1/batch", KEY, 400),
        ("POST", "/v1/batch", {"batch": []}, 401),
        ("OPTIONS", "/v1/batch", None, 204),
        ("GET", "/v1/pixel/track?data=e30", None, 200),
        ("GET", f"/v1/projects/{WRITE_KEY}/settings", None, 200),
        ("GET", "/v1/projects/no/settings", None, 401),
        ("POST", "/v1/projects/no/settings", None, 405),
        ("POST", "/hooks/web/t", CALL, 200),
        ("POST", "/hooks/nobody", {}, 404),
        ("POST", "/hooks/nobody/token", {}, 404),
        ("POST", "/v1/track", b"x" * 11 * 2**20, 413),
        ("GET", "/health/live", None, 200),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_the_ingest_side_answers_as_documented(
    hub: RunningHub, method: str, path: str, body: Any, status: int
) -> None:
    url = hub.client.ingest + path
    async with hub.client.session.request(method, url, **content(body)) as answer:
        text = await answer.read()
    assert answer.status == status, text
    documented_method = "GET" if status == 405 and "projects" in path else method
    documented_method = "POST" if path == "/v1/track" else documented_method
    assert_true(path, documented_method, status, answer.content_type, text)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_that_does_not_come_is_answered_as_documented(hub: RunningHub) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    url = f"{hub.client.ingest}/v1/track"
    async with hub.client.session.post(url, data=stalls()) as answer:
        assert answer.status == 408
        assert_true("/v1/track", "POST", 408, answer.content_type, await answer.read())


@pytest.mark.asyncio(loop_scope="module")
async def test_the_document_is_served(hub: RunningHub) -> None:
    assert await hub.client.get("/openapi.json") == DOCUMENT


async def test_with_a_token_the_refusal_is_as_documented(tmp_path: Path) -> None:
    config = config_text("").replace("[store]", 'token = { env = "ADMIN_TOKEN" }\n[store]')
    async with running_hub(tmp_path, config, {"ADMIN_TOKEN": "right"}) as running:
        session, url = running.client.session, running.client.admin + "/api/status"
        async with session.get(url, headers={"authorization": "Bearer wrong"}) as answer:
            assert answer.status == 401
            assert_true("/api/status", "GET", 401, answer.content_type, await answer.read())
        async with session.get(url, headers={"authorization": "Bearer right"}) as answer:
            assert answer.status == 200
