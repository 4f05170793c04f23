"""Requests recorded from real SDKs on loopback, and the records that are made of them.

Each file holds `request` (path, headers that matter, body without compression) and `records`.
"""

import json
from pathlib import Path

import httpx
import pytest

from junctor.sdk import Accepted, InboundRequest
from junctor.testkit.doubles import context
from junctor_connectors.segment.source import Segment, SegmentSettings

NO_HTTP = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
CTX = context(NO_HTTP, id="web")
FILES = sorted((Path(__file__).parent / "captured").glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recorded_request_gives_the_recorded_calls(file: Path) -> None:
    captured = json.loads(file.read_text())
    sent = captured["request"]
    settings = SegmentSettings.model_validate({"write_key": "wk-test"})
    source = Segment(settings, CTX)
    request = InboundRequest(
        "POST",
        sent["path"].removeprefix("/v1"),
        json.dumps(sent["body"]).encode(),
        sent["headers"],
        remote="203.0.113.9",
    )
    assert source.claims(request)
    taken = source.accept(request)
    assert isinstance(taken, Accepted)
    assert not taken.refused
    assert taken.corrects_clock
    # As text: the order of keys and the digits of integers count.
    assert json.dumps(taken.records, indent=1) == json.dumps(captured["records"], indent=1)


def test_all_clients_were_recorded() -> None:
    assert {file.stem for file in FILES} >= {
        "analytics-node", "analytics-python", "rudder-node", "rudder-python",
    }  # fmt: skip
