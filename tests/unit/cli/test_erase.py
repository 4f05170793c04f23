"""`junctor erase`, against a running daemon."""

from typing import Any

import pytest

from junctor.cli import access
from tests.unit.cli.conftest import Daemon, Done, Junctor


@pytest.fixture
def ask(junctor: Junctor, daemon: Daemon) -> Junctor:
    """Return a function that runs a command against the daemon."""
    return lambda *arguments: junctor(*arguments, "--config", daemon.config)


def test_a_dry_run_says_what_there_is_and_erases_nothing(ask: Junctor) -> None:
    done = ask("erase", "user_id", "a b/c", "--dry-run", "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.json["profile"], done.json["identifiers"], done.json["dry_run"]) == (
        "p-1", 1, True,
    )  # fmt: skip
    assert done.json["known_by"] == {"user_id": ["a b/c"]}
    shown = ask("erase", "user_id", "a b/c", "--dry-run")
    assert "known by user_id  a b/c" in shown.out
    assert "told to delete    sink, idle" in shown.out
    unknown = ask("erase", "email", "x@y.example", "--dry-run", "--json")
    assert (unknown.json["profile"], unknown.json["known_by"]) == (None, {})
    assert ask("profile", "user_id", "a b/c").code == 0


def test_a_dry_run_may_take_long(ask: Junctor, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, waited = access.Daemon.ask, []

    def noted(self: access.Daemon, *arguments: Any, **options: Any) -> dict[str, Any]:
        waited.append(options.get("timeout", 0.0))
        return usual(self, *arguments, **options)

    monkeypatch.setattr(access.Daemon, "ask", noted)
    assert ask("erase", "user_id", "a b/c", "--dry-run").code == 0
    assert max(waited) > 300


def test_nothing_is_erased_while_nobody_can_be_asked(ask: Junctor) -> None:
    done = ask("erase", "user_id", "a b/c")
    assert done.code == 1
    assert "--yes" in done.err
    assert ask("profile", "user_id", "a b/c").code == 0


def test_who_is_erased_is_not_known_any_more_and_it_is_said_who_waits(ask: Junctor) -> None:
    done = ask("erase", "user_id", "a b/c", "--yes")
    assert (done.code, done.err) == (0, "")
    assert "3 events, 3 dead letters and 0 rejections are gone" in done.out
    assert "still to be told: sink, idle" in done.out
    assert ask("profile", "user_id", "a b/c").code == 1
    again = ask("erase", "user_id", "a b/c", "--yes", "--no-wait", "--suppress", "--json")
    assert (again.json["stage"], again.json["suppressed"]) == ("erasing", ["a b/c"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("shoe_size", "44"), "kind: shoe_size identifies nobody"),
        (("user_id", "null"), "value: nobody is known by such a user_id"),
        (("email", "x@y.example", "--suppress"), "suppress: only a user_id can be suppressed"),
    ],
)
def test_what_can_not_be_erased_is_said(ask: Junctor, arguments: tuple[str, ...], why: str) -> None:
    done = ask("erase", *arguments, "--yes")
    assert isinstance(done, Done)
    assert done.code == 1
    assert why in done.err
