"""Golden files hold the request, no secret, and are only written when told to."""

import gzip
from pathlib import Path

import orjson
import pytest

from junctor.sdk import Request, Secret
from junctor.testkit.golden import UPDATE, difference, plain

from .mutants.healthy import WebhookSettings

SETTINGS = WebhookSettings(url="https://acme.test/in", signing_secret=Secret('sesame "open"'))


def test_a_request_is_readable_and_holds_no_secret() -> None:
    headers = {"authorization": 'Bearer sesame "open"'}
    request = Request.json("POST", SETTINGS.url, {"key": 'sesame "open"', "n": 1}, headers)
    assert plain(request, SETTINGS) == {
        "method": "POST",
        "url": "https://acme.test/in",
        "headers": {"content-type": "application/json", "authorization": "Bearer <secret>"},
        "json": {"key": "<secret>", "n": 1},
    }


def test_a_compressed_body_is_shown_and_a_short_secret_spoils_nothing() -> None:
    short = SETTINGS.model_copy(update={"signing_secret": Secret("x")})
    body = gzip.compress(orjson.dumps({"context": "x"}))
    assert plain(Request("POST", SETTINGS.url, body), short)["json"] == {"context": "x"}
    assert plain(Request("POST", SETTINGS.url, b"text=x"), short)["text"] == "text=x"


def test_a_change_is_named_and_written_only_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(UPDATE, raising=False)
    file = tmp_path / "golden" / "track.json"
    before = {"method": "POST", "json": {"n": 1}}
    assert "missing" in str(difference(file, before))
    assert not file.exists()
    monkeypatch.setenv(UPDATE, "1")
    assert difference(file, before) is None
    monkeypatch.delenv(UPDATE)
    assert difference(file, {"json": {"n": 1}, "method": "POST"}) is None
    assert "json changed" in str(difference(file, {"method": "POST", "json": {"n": True}}))
    assert "headers changed" in str(difference(file, {**before, "headers": {"x": "1"}}))
