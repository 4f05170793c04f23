"""`junctor explain`: from a file to what would happen; host/test_explain.py has the rest."""

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest

from junctor.cli.access import Daemon as Client
from junctor.cli.explain import DaemonPeople
from tests.support.events import track
from tests.support.hub import load
from tests.unit.cli.conftest import Daemon, Done, Junctor, config_of, write_config

CONTRACT = {"event", "profile", "audiences", "routes", "requests"}


@pytest.fixture
def event(tmp_path: Path) -> Path:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(track(messageId="m-1", userId="a b/c")))
    return path


def test_the_answer_for_machines_is_the_contract(
    junctor: Junctor, event: Path, tmp_path: Path
) -> None:
    write_config(tmp_path)
    done = junctor("explain", event, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json
    assert found.keys() >= CONTRACT
    assert found["routes"] == {"all": True, "aliases": False}
    assert found["destinations"] == {"refusing": True, "sink": True, "idle": False}
    assert [request["destination"] for request in found["requests"]] == ["sink"]
    assert found["requests"][0]["body"]["messageId"] == "m-1"
    assert not (tmp_path / "data").exists(), "nothing is stored"


def test_the_answer_for_people_tells_the_same(
    junctor: Junctor, event: Path, tmp_path: Path
) -> None:
    write_config(tmp_path)
    out = junctor("explain", event).out
    assert "event, as source web brings it:" in out
    assert "profile p-1:" in out
    assert "condition not met" in out
    assert "request to sink:" in out
    assert "POST http://127.0.0.1:9/closed" in out


def test_the_event_may_come_from_standard_input(
    junctor: Junctor, event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(tmp_path)
    stdin = io.TextIOWrapper(io.BytesIO(event.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert junctor("explain", "-", "--json").json["event"]["messageId"] == "m-1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is no JSON"),
        ("[]", "an event must be a JSON object"),
        ('{"type":"track","userId":"u"}', "event: a track call needs a name"),
    ],
)
def test_a_bad_event_is_refused_with_its_reason(
    junctor: Junctor, tmp_path: Path, text: str, reason: str
) -> None:
    write_config(tmp_path)
    (tmp_path / "bad.json").write_text(text)
    done = junctor("explain", "bad.json")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("junctor: ")
    assert reason in done.err


def test_a_missing_event_and_an_unknown_source_are_said(
    junctor: Junctor, event: Path, tmp_path: Path
) -> None:
    write_config(tmp_path)
    done = junctor("explain", "missing.json")
    message = "junctor: missing.json can't be read (No such file or directory)\n"
    assert done == Done(1, "", message)
    done = junctor("explain", event, "--source", "wbe")
    assert done == Done(1, "", 'junctor: there is no source "wbe"; did you mean "web"?\n')


def test_a_faulty_configuration_shows_its_problems(junctor: Junctor, event: Path) -> None:
    Path("junctor.toml").write_text("[server]\nlistn = 1\n")
    done = junctor("explain", event)
    assert done.code == 1
    assert "server.listn" in done.err


def test_a_running_daemon_is_asked_who_is_known(
    junctor: Junctor, event: Path, daemon: Daemon
) -> None:
    before = daemon.do(daemon.hub.client.get("/api/status"))["log"]
    found = junctor("explain", event, "--json", "--config", daemon.config).json
    assert found["profile"]["id"] == "p-1"
    assert found["profile"]["traits"] == {"plan": "\x1b[31mred"}
    event.write_text(json.dumps(track(userId="somebody new")))
    found = junctor("explain", event, "--json", "--config", daemon.config).json
    assert found["profile"]["id"] == f"p-{before['head'] + 1}"
    assert daemon.do(daemon.hub.client.get("/api/status"))["log"] == before


def test_what_the_daemon_knows_is_what_its_store_knows(daemon: Daemon, tmp_path: Path) -> None:
    write_config(tmp_path)
    port = int(daemon.hub.client.admin.rpartition(":")[2])
    people = DaemonPeople(Client(load(tmp_path, config_of((0, port))).config))
    key = ("user_id", "a b/c")
    store = daemon.hub.hub.store.state
    told = asyncio.run(people.resolve([key, ("email", "nobody@x.co")]))
    assert told == daemon.do(store.resolve([key])) == {key: 1}
    told_profile = asyncio.run(people.profiles([1]))[1]
    assert told_profile.view() == daemon.do(store.profiles([1]))[1].view()
