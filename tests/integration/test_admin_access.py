"""Who gets to the admin side: the holder of the token, from wherever; never somebody's web page."""

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import orjson
import pytest
import pytest_asyncio

from junctor.api.openapi import openapi
from tests.support.client import Reply, basic
from tests.support.events import track
from tests.support.hub import (
    WRITE_KEY,
    RunningHub,
    config_text,
    everything_to,
    running_hub,
    webhook,
)
from tests.support.wire import connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-admins-own-token"
READ_KEY = "the-readers-own-key"
BEARER = {"authorization": f"Bearer {TOKEN}"}
READERS = '[readers.app]\nkey = { env = "READ_KEY" }\n'


def operations() -> list[tuple[str, str]]:
    """Return method and an address of everything that the document says the admin side does."""
    return [
        (method.upper(), re.sub(r"\{\w+\}", "1", path))
        for path, item in openapi()["paths"].items()
        if any("admin" in server["description"] for server in item["servers"])
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    ]


GUARDED = [one for one in operations() if not one[1].startswith("/health/")]


def config(admin: str = "") -> str:
    sink = webhook("sink", "http://127.0.0.1:9/x", delivery='pause_probe = "1h"')
    text = config_text(sink + everything_to("sink") + READERS)
    return text.replace("[admin]\n", f"[admin]\n{admin}\n")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    """A hub whose admin side has a token."""
    keys = {"ADMIN_TOKEN": TOKEN, "READ_KEY": READ_KEY}
    text = config('token = { env = "ADMIN_TOKEN" }')
    async with running_hub(tmp_path_factory.mktemp("guarded"), text, keys) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unguarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    """A hub without a token, on loopback."""
    folder = tmp_path_factory.mktemp("unguarded")
    async with running_hub(folder, config(), {"READ_KEY": READ_KEY}) as running:
        yield running


async def ask(
    running: RunningHub, method: str, path: str, headers: dict[str, str], body: Any = None
) -> Reply:
    """Send to the admin side; of an answer without end only its beginning is read."""
    data = None if body is None else orjson.dumps(body)
    headers = {"content-type": "application/json", **headers} if body is not None else headers
    async with running.client.session.request(
        method, running.client.admin + path, data=data, headers=headers, allow_redirects=False
    ) as response:
        found = {name.lower(): value for name, value in response.headers.items()}
        endless = found.get("content-type") == "text/event-stream"
        return Reply(response.status, found, b"" if endless else await response.read())


async def ask_by_hand(running: RunningHub, *lines: str) -> bytes:
    """Send these lines and nothing else; return all that is answered."""
    async with connection(running.client.admin) as (reader, writer):
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        async with asyncio.timeout(5):
            return await reader.read()


# -- the token -----------------------------------------------------------------------------------

NO_TOKEN: dict[str, dict[str, str]] = {
    "nothing": {},
    "empty": {"authorization": ""},
    "Bearer and nothing": {"authorization": "Bearer "},
    "another": {"authorization": "Bearer guess"},
    "a beginning": {"authorization": f"Bearer {TOKEN[:-1]}"},
    "more": {"authorization": f"Bearer {TOKEN}x"},
    "other capitals": {"authorization": f"Bearer {TOKEN.upper()}"},
    "bare": {"authorization": TOKEN},
    "as a user name": basic(TOKEN),
    "a write key": {"authorization": f"Bearer {WRITE_KEY}"},
    "a write key as SDKs send it": basic(WRITE_KEY),
    "a read key": {"authorization": f"Bearer {READ_KEY}"},
    "in a cookie": {"cookie": f"token={TOKEN}; authorization=Bearer {TOKEN}"},
    "not ASCII": {"authorization": "Bearer schl\u00fcssel"},
}


@pytest.mark.case(9)
@pytest.mark.parametrize(("method", "path"), GUARDED, ids=lambda one: str(one))
async def test_without_the_token_nothing_is_done_or_told(
    guarded: RunningHub, method: str, path: str
) -> None:
    for name, headers in NO_TOKEN.items():
        for query in ("", f"?token={TOKEN}&access_token={TOKEN}"):
            reply = await ask(
                guarded, method, path + query, headers, {} if method != "GET" else None
            )
            assert reply.status == 401, name
            assert reply.headers["www-authenticate"] == "Bearer"
            assert reply.json["error"]["code"] == "unauthorized"
    reply = await ask(guarded, method, path, BEARER, {} if method != "GET" else None)
    assert reply.status != 401


async def test_metrics_and_the_stream_want_the_token_and_health_does_not(
    guarded: RunningHub,
) -> None:
    for path in ("/metrics", "/api/stream"):
        assert (await ask(guarded, "GET", path, {})).status == 401
        assert (await ask(guarded, "GET", path, BEARER)).status == 200
    for path in ("/health/live", "/health/ready"):
        assert (await ask(guarded, "GET", path, {})).status == 200


@pytest.mark.case(9)
async def test_no_key_opens_another_door_than_its_own(guarded: RunningHub) -> None:
    event = orjson.dumps(track())
    decide = orjson.dumps({"ids": {"user_id": "u-1"}})
    for key, path, body in [
        (BEARER, "/v1/track", event), (basic(TOKEN), "/v1/track", event),
        (basic(READ_KEY), "/v1/track", event),
        ({"authorization": f"Bearer {READ_KEY}"}, "/v1/track", event),
        (BEARER, "/v1/decide", decide), (basic(WRITE_KEY), "/v1/decide", decide),
        ({"authorization": f"Bearer {WRITE_KEY}"}, "/v1/decide", decide),
    ]:  # fmt: skip
        headers = {"content-type": "application/json", **key}
        assert (await guarded.client.ask("POST", path, body, headers)).status == 401, (key, path)
    right = {"content-type": "application/json", "authorization": f"Bearer {READ_KEY}"}
    assert (await guarded.client.ask("POST", "/v1/decide", decide, right)).status == 200
    assert (await guarded.client.ask("POST", "/v1/track", event, basic(WRITE_KEY))).status == 200


async def test_guesses_are_counted_and_told_once(guarded: RunningHub) -> None:
    for n in range(50):
        await ask(guarded, "GET", "/api/status", {"authorization": f"Bearer guess-{n}"})
    told = [one for one in guarded.log.entries if one["event"] == "an admin request was refused"]
    assert len(told) == 1
    assert "guess" not in repr(guarded.log.entries)
    metrics = (await ask(guarded, "GET", "/metrics", BEARER)).body.decode()
    found = re.search(r'junctor_admin_refused_total\{reason="token"\} (\S+)', metrics)
    assert found is not None
    assert float(found[1]) >= 50


# -- paths and methods ---------------------------------------------------------------------------

TRICKS = [
    "/health/../api/status", "/health/live/../../api/status", "/health/%2e%2e/api/status",
    "/health%2f..%2fapi%2fstatus", "/health/live/..;/api/status",
    "/health/live%2f..%2f..%2fmetrics",
    "//api/status", "/./api/status", "/api//status", "/api/status/", "/api/status/.",
    "/%61pi/status", "/API/STATUS", "/api/status;x", "/api/status%00", "/health//api/status",
    "http://127.0.0.1/api/status", "http://127.0.0.1/health/../api/status", "/\\api\\status",
    "/health/live?/../../api/status",
]  # fmt: skip


@pytest.mark.case(17)
@pytest.mark.parametrize("path", TRICKS)
async def test_no_spelling_of_a_path_goes_around_the_guard(guarded: RunningHub, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        said = await ask_by_hand(guarded, f"{method} {path} HTTP/1.1", "Host: 127.0.0.1")
        status = int(said.split(b" ")[1])
        harmless = path.startswith("/health/live?")
        assert status in ((200, 405) if harmless else (400, 401)), said
        assert b"junctor_" not in said
        assert b'"log"' not in said


FILES = [
    "/", "/api", "/api/", "/static/", "/health", "/health/", "/.git/config", "/junctor.toml",
    "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/profiles/", "/data/junctor.db",
]  # fmt: skip


@pytest.mark.case(17)
@pytest.mark.parametrize("path", FILES)
async def test_there_are_no_files_and_no_lists_of_them(guarded: RunningHub, path: str) -> None:
    said = await ask_by_hand(
        guarded, f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {TOKEN}"
    )
    head, _, body = said.partition(b"\r\n\r\n")
    assert b" 404 " in head.split(b"\r\n")[0]
    assert orjson.loads(body)["error"]["code"] == "not_found"


@pytest.mark.case(17)
@pytest.mark.parametrize(("method", "path"), GUARDED, ids=lambda one: str(one))
async def test_other_methods_are_refused_and_say_which_there_are(
    guarded: RunningHub, method: str, path: str
) -> None:
    served = {one for one, where in GUARDED if where == path}
    for other in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        if other in served or (other == "HEAD" and "GET" in served):
            continue
        reply = await ask(guarded, other, path, BEARER, None if other == "HEAD" else {})
        assert reply.status == 405, other
        assert served <= {one.strip() for one in reply.headers["allow"].split(",")}


@pytest.mark.case(17)
async def test_head_of_the_stream_ends(guarded: RunningHub) -> None:
    said = await ask_by_hand(
        guarded, "HEAD /api/stream HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}"
    )
    assert b" 405 " in said.split(b"\r\n")[0]


# -- browsers ------------------------------------------------------------------------------------

ELSEWHERE: dict[str, dict[str, str]] = {
    "another site": {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    "another site, an old browser": {"origin": "https://evil.example"},
    "another port of this computer": {"origin": "http://127.0.0.1:3000",
                                      "sec-fetch-site": "same-site"},
    "another port, an old browser": {"origin": "http://localhost:3000"},
    "a page without origin": {"origin": "null"},
    "a sandboxed frame": {"origin": "null", "sec-fetch-site": "cross-site"},
    "an image": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors",
                 "sec-fetch-dest": "image"},
    "a frame": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "iframe"},
    "no origin at all": {"origin": "http://["},
}  # fmt: skip
WRITES = [one for one in GUARDED if one[0] == "POST"]


@pytest.mark.case(17)
@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_a_page_of_another_origin_neither_reads_nor_writes(
    unguarded: RunningHub, headers: dict[str, str]
) -> None:
    for method, path in GUARDED:
        for type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
            body = None if method == "GET" else dict[str, str]()
            reply = await ask(unguarded, method, path, {**headers, "content-type": type}, body)
            assert reply.status == 403, (method, path)
            assert not [name for name in reply.headers if name.startswith("access-control")]
    status = (await ask(unguarded, "GET", "/api/status", {})).json
    assert status["destinations"]["sink"]["paused"] is None


@pytest.mark.case(17)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "0.0.0.0", "10.0.0.1"])
async def test_a_name_rebound_to_this_computer_is_not_served(
    unguarded: RunningHub, host: str
) -> None:
    port = unguarded.client.admin.rpartition(":")[2]
    for method, path in GUARDED:
        for same in ({}, {"origin": f"http://{host}:{port}", "sec-fetch-site": "same-origin"}):
            headers = {**same, "host": f"{host}:{port}"}
            body = None if method == "GET" else dict[str, str]()
            assert (await ask(unguarded, method, path, headers, body)).status == 403
    for lines in (
        (f"GET http://{host}/api/status HTTP/1.1", "Host: 127.0.0.1"),
        (f"GET http://{host}/api/status HTTP/1.1", f"Host: {host}"),
        ("GET /api/status HTTP/1.0",),
    ):
        assert b" 403 " in (await ask_by_hand(unguarded, *lines)).split(b"\r\n")[0]


@pytest.mark.case(17)
async def test_what_a_form_can_send_is_no_write(unguarded: RunningHub) -> None:
    types = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
    for (method, path), type in product(WRITES, types):
        assert (await ask(unguarded, method, path, {"content-type": type}, {})).status in (403, 415)
    status = (await ask(unguarded, "GET", "/api/status", {})).json
    assert status["destinations"]["sink"]["paused"] is None


@pytest.mark.case(17)
async def test_tools_own_pages_and_followed_links_are_served(unguarded: RunningHub) -> None:
    own = {"origin": unguarded.client.admin}
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document"}  # fmt: skip
    typed = {"sec-fetch-site": "none"}
    for headers in ({}, own, {**own, "sec-fetch-site": "same-origin"}, link, typed):
        assert (await ask(unguarded, "GET", "/api/status", headers)).status == 200
    for headers in ({}, own, {**own, "sec-fetch-site": "same-origin"}):
        reply = await ask(unguarded, "POST", "/api/destinations/sink/resume", headers, {})
        assert reply.status == 200
    assert (await ask(unguarded, "POST", "/api/destinations/sink/pause", link, {})).status == 403


@pytest.mark.case(17)
async def test_every_answer_tells_browsers_to_be_careful_and_allows_no_origin(
    guarded: RunningHub,
) -> None:
    asked = [(method, path, BEARER) for method, path in operations()]
    asked += [("GET", "/api/status", {}), ("GET", "/nothing", BEARER), ("PUT", "/metrics", BEARER)]
    asked += [("OPTIONS", path, {**BEARER, "access-control-request-method": "POST"})
              for path in ("/api/status", "/api/replays")]  # fmt: skip
    for method, path, headers in asked:
        headers = {**headers, "origin": guarded.client.admin}
        reply = await ask(guarded, method, path, headers, None if method == "GET" else {})
        said = reply.headers
        assert said["x-content-type-options"] == "nosniff", path
        assert said["x-frame-options"] == "DENY"
        assert said["cache-control"] == "no-store"
        assert "default-src 'none'" in said["content-security-policy"]
        assert said["cross-origin-resource-policy"] == "same-origin"
        assert said["server"] == "junctor", "no versions"
        assert not [name for name in said if name.startswith("access-control")]
