"""`junctor conformance` prints what the kit found and exits accordingly."""

import io
import json
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from junctor.cli.conformance import CANNOT_RUN, installed_connectors, run_conformance

from .mutants import bronze, healthy, silver

SETTINGS = {"url": "https://acme.test/in", "signing_secret": "sesame-open-up"}


class TellsItsSecret(healthy.Webhook):
    """Fails with the secret in its hands."""

    async def start(self) -> None:
        raise RuntimeError(self.settings.signing_secret.get_secret_value())


def run(connector: Any, settings: Any = SETTINGS, **options: Any) -> tuple[int, str]:
    out = io.StringIO()
    return run_conformance(connector, settings, out, **options), out.getvalue()


def test_a_healthy_connector_exits_0_and_shows_its_rules() -> None:
    code, text = run(healthy.Webhook)
    assert code == 0
    assert "destination webhook" in text
    assert "redirect-not-followed-with-credentials" in text
    assert "0 of 24 rules broken" in text


def test_settings_are_made_up_when_none_are_given() -> None:
    assert run(healthy.Batch, None)[0] == 0


def test_a_broken_rule_exits_1_and_says_what_is_wrong() -> None:
    code, text = run(silver.Swallows500)
    assert code == 1
    assert "1 of 24 rules broken" in text
    assert "500" in text


def test_secrets_of_real_settings_are_not_shown() -> None:
    code, text = run(TellsItsSecret)
    assert code == 1
    assert "***" in text
    assert "sesame" not in text


def test_wrong_settings_are_named_without_their_values() -> None:
    code, text = run(healthy.Webhook, {"url": "https://acme.test", "signing_secrt": "sesame"})
    assert code == CANNOT_RUN
    assert "signing_secrt" in text
    assert "sesame" not in text


@pytest.mark.parametrize(
    ("connector", "message", "color"),
    [(healthy.Webhook, "no tier", "lightgrey"), (bronze.UnreadableRate, "broken", "red")],
)
def test_json_holds_a_badge_and_every_rule(connector: Any, message: str, color: str) -> None:
    code, text = run(connector, as_json=True)
    (data,) = json.loads(text)
    assert code == (message == "broken")
    assert (data["type"], data["kind"]) == ("webhook", "destination")
    assert data["badge"] == {
        "schemaVersion": 1,
        "label": "junctor",
        "message": message,
        "color": color,
    }
    assert len(data["rules"]) == 24
    assert {"name", "tier", "outcome", "detail"} == data["rules"][0].keys()


def test_a_type_is_looked_up_and_all_that_is_found_is_checked() -> None:
    def lookup(type: str) -> Sequence[type[Any]]:
        assert type == "webhook"
        return [healthy.Webhook, healthy.Hook]

    code, text = run("webhook", None, lookup=lookup)
    assert code == 0
    assert "destination webhook" in text
    assert "source hook" in text


def test_a_type_that_is_not_installed_gets_a_hint() -> None:
    points = [EntryPoint("webhook", "json:JSONDecoder", "junctor.destinations")]
    with pytest.raises(LookupError, match="did you mean 'webhook'"):
        installed_connectors("webhok", points)
    assert installed_connectors("webhook", points) == [json.JSONDecoder]
    code, text = run("nothing_like_it")
    assert code == CANNOT_RUN
    assert "no connector 'nothing_like_it' is installed" in text


def test_exemptions_beside_the_connector_count(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.toml").write_text(
        '[destination]\nexempt = { "errors-typed" = "never fails" }\nreply = "ok"\n'
    )
    monkeypatch.setattr("inspect.getfile", lambda connector: str(tmp_path / "acme.py"))
    code, text = run(silver.Swallows500)
    assert code == 0
    assert "never fails" in text


def test_without_pytest_the_way_to_get_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("junctor.testkit")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytest", None)
    code, text = run(healthy.Webhook)
    assert code == CANNOT_RUN
    assert "pip install 'junctor[testkit]'" in text
