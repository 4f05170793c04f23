"""What is sent, request by request, for deliveries of each form."""

import json
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

import junctor_connectors.statsig_segment
from junctor.sdk import Event, ProfileView
from tests.connectors.statsig_segment.console_api import Segment
from tests.connectors.statsig_segment.host import Host

FOLDER = Path(junctor_connectors.statsig_segment.__path__[0]) / "golden"
GOLDEN = sorted(FOLDER.glob("*.json"))


def plain(request: httpx.Request) -> dict[str, Any]:
    sent = {name: value for name, value in request.headers.items() if name in HEADERS}
    body = {"body": orjson.loads(request.content)} if request.content else {}
    return {"method": request.method, "url": str(request.url), "headers": sent, **body}


HEADERS = ("content-type", "statsig-api-key", "statsig-api-version")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
async def test_requests_are_golden(path: Path, host: Host) -> None:
    golden = json.loads(path.read_bytes())  # noqa: ASYNC240
    for id, members in golden["segments"].items():
        id_type = golden["settings"].get("id_type", "userID")
        host.api.segments[id] = Segment(id_type=id_type, members=dict.fromkeys(members))
    profile = ProfileView(**golden["profile"])
    events = [Event.from_body(body, profile=profile) for body in golden["events"]]
    await host.destination(**golden["settings"]).deliver(events)
    assert [plain(request) for request in host.api.requests] == golden["requests"]


def test_golden_requests_cover_every_form_of_a_transition() -> None:
    forms = {"enter", "exit", "identify", "batch", "stable_id", "custom_id"}
    assert forms <= {path.stem for path in GOLDEN}
