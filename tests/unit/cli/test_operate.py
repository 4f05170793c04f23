"""Commands for operators, against a running daemon and against the store alone."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.support.hub import running_hub
from tests.unit.cli.conftest import Daemon, Done, Junctor, config_of, fill, write_config

DEAD = {"destination": "refusing", "code": "invalid_payload", "message": "never"}


@pytest.fixture
def ask(junctor: Junctor, daemon: Daemon) -> Junctor:
    """Return a function that runs a command against the daemon."""
    return lambda *arguments: junctor(*arguments, "--config", daemon.config)


def test_status_shows_every_destination(ask: Junctor) -> None:
    done = ask("status")
    assert (done.code, done.err) == (0, "")
    assert "daemon  running" in done.out
    for id in ("idle", "refusing", "sink"):
        assert f"\n{id} " in done.out
    assert ask("status", "--json").json["destinations"]["idle"]["state"] == "running"


def test_the_ledger_balances(ask: Junctor) -> None:
    refusing = ask("ledger", "--json").json["destinations"]["refusing"]
    assert refusing["accepted"] == 3
    assert refusing["balanced"] is True
    lines = ask("ledger").out.splitlines()
    assert lines[0].split() == [
        "destination", "accepted", "delivered", "filtered", "dead", "pending", "balanced",
    ]  # fmt: skip
    assert lines[1].split() == ["idle", "3", "0", "3", "0", "0", "yes"]


def test_a_profile_is_found_by_any_value(ask: Junctor) -> None:
    found = ask("profile", "user_id", "a b/c", "--json").json
    assert found["traits"] == {"plan": "\x1b[31mred"}
    shown = ask("profile", "user_id", "a b/c")
    assert shown.code == 0
    assert "a b/c" in shown.out


def test_what_events_carry_can_not_steer_the_terminal(ask: Junctor) -> None:
    assert "\x1b" not in ask("profile", "user_id", "a b/c").out
    assert "red" in ask("profile", "user_id", "a b/c").out
    assert "\x1b" not in ask("profile", "user_id", "a b/c", "--json").out


def test_a_person_nobody_knows_is_an_error(ask: Junctor) -> None:
    assert ask("profile", "user_id", "x") == Done(1, "", "junctor: no profile has user_id = x\n")


def test_rejections_are_listed_with_their_reason(ask: Junctor) -> None:
    [rejection] = ask("rejections", "--json").json["rejections"]
    assert rejection["reason"].startswith("type: must be one of")
    assert "type: must be one of" in ask("rejections").out
    assert ask("rejections", "--before", rejection["id"], "--json").json == {"rejections": []}


def test_dead_letters_are_listed_shown_and_filtered(ask: Junctor) -> None:
    letters = ask("dead-letters", "list", "--json").json["dead_letters"]
    assert len(letters) == 3
    assert all(letter.items() >= DEAD.items() for letter in letters)
    assert ask("dead-letters", "list", "--limit", 1, "--json").json["dead_letters"] == letters[:1]
    for nothing in (["--code", "x"], ["--destination", "sink"], ["--since", "2999-01-01"]):
        assert ask("dead-letters", "list", *nothing, "--json").json == {"dead_letters": []}
    shown = ask("dead-letters", "show", letters[0]["id"])
    assert "never" in shown.out
    assert '"event": "Tested"' in shown.out
    assert ask("dead-letters", "show", letters[0]["id"], "--json").json["event"]["type"] == "track"
    assert "invalid_payload" in ask("dead-letters", "list").out


def test_a_dead_letter_that_is_not_there_is_an_error(ask: Junctor) -> None:
    assert ask("dead-letters", "show", 99) == Done(1, "", "junctor: there is no dead letter 99\n")


def test_a_dry_run_only_counts(ask: Junctor) -> None:
    for action, word in (("replay", "replayed"), ("purge", "purged")):
        done = ask("dead-letters", action, "--destination", "refusing", "--dry-run", "--json")
        assert done.json == {word: 3, "dry_run": True}
    done = ask("dead-letters", "purge", "--destination", "refusing", "--dry-run")
    assert done.out == "3 dead letters are meant\n"
    assert len(ask("dead-letters", "list", "--json").json["dead_letters"]) == 3
    done = ask("replay", "--destination", "refusing", "--since", "1h", "--dry-run")
    assert done.out == "3 events would be sent to refusing again\n"
    assert ask("status", "--json").json["replays"] == []


def test_a_destination_is_paused_and_resumed(ask: Junctor) -> None:
    assert ask("pause", "idle", "--reason", "moving house").code == 0
    assert "moving house" in ask("status").out
    assert ask("resume", "idle").out == "idle is running\n"
    assert "moving house" not in ask("status").out
    assert ask("pause", "nobody") == Done(1, "", "junctor: there is no destination nobody\n")


def test_a_replay_begins(ask: Junctor) -> None:
    done = ask("replay", "--destination", "idle", "--since", "1h", "--until", "2999-01-01")
    assert done.code == 0
    assert "has begun" in done.out
    done = ask("replay", "--destination", "nobody", "--since", "1h")
    assert done == Done(1, "", "junctor: there is no destination nobody\n")


def test_a_replay_is_stopped(ask: Junctor) -> None:
    ask("pause", "idle")  # a replay waits for a destination that is paused
    ask("replay", "--destination", "idle", "--since", "1h")
    [replay] = ask("status", "--json").json["replays"]
    done = ask("replay", "--stop", replay["id"], "--json")
    assert done.json == {"id": replay["id"], "state": "stopped"}
    assert ask("status", "--json").json["replays"] == []
    nothing = Done(1, "", f"junctor: there is no replay {replay['id']} under way\n")
    assert ask("replay", "--stop", replay["id"]) == nothing


@pytest.mark.parametrize("given", [[], ["--destination", "idle"], ["--since", "1h"]])
def test_a_replay_has_to_be_told_what(ask: Junctor, given: list[str]) -> None:
    done = ask("replay", *given)
    assert done.code == 2
    assert "--destination and --since" in done.err


def test_dead_letters_are_replayed_and_purged(ask: Junctor) -> None:
    ids = [one["id"] for one in ask("dead-letters", "list", "--json").json["dead_letters"]]
    done = ask("dead-letters", "purge", "--id", ids[0], "--id", 99)
    assert done.out == "1 dead letters are removed\n"
    done = ask("dead-letters", "replay", "--destination", "refusing", "--json")
    assert done.json == {"replayed": 2, "dry_run": False}


def test_secrets_of_connectors_need_not_be_set(
    ask: Junctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEB_WRITE_KEY")
    assert ask("status").code == 0


# -- without a daemon ----------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """Return the configuration of a hub that does not run."""
    return write_config(tmp_path, (free_port(), free_port()))


def test_without_daemon_and_store_the_start_is_named(junctor: Junctor, stopped: Path) -> None:
    done = junctor("status")
    assert done.code == 1
    assert "no daemon answers at 127.0.0.1:" in done.err
    assert f"there is no store at {stopped.parent / 'data'}" in done.err
    assert "junctor run" in done.err
    assert not (stopped.parent / "data").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["pause", "idle"],
        ["resume", "idle"],
        ["replay", "--destination", "idle", "--since", "1h"],
        ["dead-letters", "replay", "--id", "1"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_the_daemon_says_so(
    junctor: Junctor, stopped: Path, arguments: list[str]
) -> None:
    done = junctor(*arguments)
    assert done.code == 1
    assert "no daemon answers" in done.err
    assert "junctor run" in done.err


def test_a_store_that_a_daemon_elsewhere_owns_is_left_alone(
    junctor: Junctor, daemon: Daemon
) -> None:
    other = daemon.config.with_name("elsewhere.toml")
    port = daemon.hub.client.admin.rpartition(":")[2]
    other.write_text(daemon.config.read_text().replace(f":{port}", f":{free_port()}"))
    done = junctor("ledger", "--config", other)
    assert done.code == 1
    assert "a daemon owns the store" in done.err
    assert "admin.listen" in done.err


def test_the_ingest_listener_is_not_taken_for_the_admin_side(
    junctor: Junctor, daemon: Daemon
) -> None:
    other = daemon.config.with_name("ingest.toml")
    admin, ingest = (
        address.rpartition(":")[2]
        for address in (daemon.hub.client.admin, daemon.hub.client.ingest)
    )
    other.write_text(daemon.config.read_text().replace(f":{admin}", f":{ingest}"))
    done = junctor("ledger", "--config", other)
    message = f"junctor: 127.0.0.1:{ingest} is not the admin side; see admin.listen\n"
    assert done == Done(1, "", message)


@pytest.fixture
def left(stopped: Path) -> Path:
    """Return the configuration of a stopped hub with a store that was used."""

    async def live() -> None:
        async with running_hub(stopped.parent, config_of()) as running:
            await fill(running)

    text = stopped.read_text()
    asyncio.run(live())
    stopped.write_text(text)
    return stopped


def test_while_the_daemon_is_stopped_its_store_is_read_and_purged(
    junctor: Junctor, left: Path
) -> None:
    assert "daemon  stopped" in junctor("status").out
    destinations = junctor("status", "--json").json["destinations"]
    assert {id: one["state"] for id, one in destinations.items()} == {
        "idle": "stopped", "refusing": "stopped", "sink": "stopped",
    }  # fmt: skip
    assert junctor("ledger", "--json").json["destinations"]["refusing"]["dead"] == 3
    assert junctor("profile", "user_id", "a b/c").code == 0
    assert junctor("profile", "user_id", "x").err == "junctor: no profile has user_id = x\n"
    assert len(junctor("rejections", "--json").json["rejections"]) == 1
    letters = junctor("dead-letters", "list", "--json").json["dead_letters"]
    assert junctor("dead-letters", "show", letters[0]["id"]).code == 0
    assert junctor("dead-letters", "show", 99).err == "junctor: there is no dead letter 99\n"
    done = junctor("dead-letters", "purge", "--destination", "refusing")
    assert done.out == "3 dead letters are removed\n"
    assert junctor("dead-letters", "list", "--json").json == {"dead_letters": []}
    assert junctor("ledger", "--json").json["destinations"]["refusing"]["balanced"] is True


def test_a_store_that_can_not_be_opened_is_said(junctor: Junctor, stopped: Path) -> None:
    (stopped.parent / "data").mkdir()
    (stopped.parent / "data" / "junctor.db").write_bytes(b"no database at all, but long enough")
    done = junctor("ledger")
    assert done.code == 1
    assert "can't be opened" in done.err
    assert "Traceback" not in done.err
