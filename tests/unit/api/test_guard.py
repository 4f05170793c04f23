"""Who may talk to the admin listener, and what it says of itself when it breaks."""

import asyncio
import hmac
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import LogCapture

from junctor.api.admin import admin_app
from junctor.api.admin_guard import is_loopback
from junctor.telemetry.live import LiveStream
from junctor.telemetry.metrics import Metrics
from junctor.testkit.doubles import capturing_log


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8081", "LOCALHOST", "127.0.0.1", "127.0.0.1:8081", "127.9.9.9",
     "[::1]", "[::1]:8081"],
)  # fmt: skip
def test_this_computer_by_address_or_as_localhost(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.evil.example", "127.0.0.1.evil.example:8081", "localhost.evil.example",
     "10.0.0.1", "[2001:db8::1]:80", "", "[", "::1.evil.example"],
)  # fmt: skip
def test_a_name_that_only_looks_like_it_is_refused(host: str) -> None:
    assert not is_loopback(host)


# -- tokens and faults ---------------------------------------------------------------------------

TOKEN = "the-admins-own-token"


class Broken:
    """Operations that fail with a text that nobody must see."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: object, **__: object) -> None:
            raise RuntimeError("hunter2 in /srv/junctor")

        return fail


def client_of(log: LogCapture, token: str | None = None) -> TestClient[Any, Any]:
    broken = cast(Any, Broken())
    app = admin_app(broken, broken, broken, Metrics(), LiveStream(), token, capturing_log(log))
    return TestClient(TestServer(app))


@pytest.mark.case(17)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of a loop that watches itself
async def test_a_fault_is_answered_without_saying_how_the_hub_is_made() -> None:
    log = LogCapture()
    asyncio.get_running_loop().set_debug(True)  # aiohttp would show a traceback
    async with client_of(log) as client:
        for path in ("/api/status", "/api/ledger", "/api/audiences", "/api/profiles/a/b"):
            reply = await client.get(path, headers={"accept": "text/html"})
            body = await reply.text()
            assert reply.status == 500
            assert reply.content_type == "application/json"
            assert not [word for word in ("Traceback", "hunter2", "/srv", ".py") if word in body]
            assert reply.headers["x-content-type-options"] == "nosniff"
    asyncio.get_running_loop().set_debug(False)
    assert {entry["event"] for entry in log.entries} == {"request failed"}


@pytest.mark.case(9)
async def test_a_token_is_compared_in_constant_time_whatever_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    sent = ["", "Bearer ", "Bearer t", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}!", f"Basic {TOKEN}"]
    async with client_of(LogCapture(), TOKEN) as client:
        for header in sent:
            reply = await client.get("/api/status", headers={"authorization": header})
            assert reply.status == 401
    assert compared == [(one.strip().encode(), f"Bearer {TOKEN}".encode()) for one in sent]
