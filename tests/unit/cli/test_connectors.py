"""Commands about connectors: what there is, a new one, and whether one keeps the rules."""

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Done, Junctor, write_config

BUILT_IN = {
    ("segment", "source"),
    ("segment_webhook", "source"),
    ("slack", "destination"),
    ("statsig", "destination"),
    ("webhook", "destination"),
    ("webhook", "source"),
}


def test_all_connectors_are_listed(junctor: Junctor) -> None:
    found = junctor("connectors", "--json").json
    assert {(one["type"], one["kind"]) for one in found} >= BUILT_IN
    out = junctor("connectors").out
    assert all(type in out for type, _ in BUILT_IN)


def test_plug_ins_of_the_configuration_are_listed_with_it(junctor: Junctor, tmp_path: Path) -> None:
    write_config(tmp_path)
    assert "refusing" in {one["type"] for one in junctor("connectors", "--json").json}


def test_a_plug_in_that_can_not_be_imported_is_told_on_standard_error(
    junctor: Junctor, tmp_path: Path
) -> None:
    write_config(tmp_path)
    (tmp_path / "refusing.py").write_text("raise OSError('broken')")
    done = junctor("connectors", "--json")
    assert done.code == 0
    assert {(one["type"], one["kind"]) for one in done.json} >= BUILT_IN
    assert "plugins[0]" in done.err


def test_one_connector_shows_settings_events_and_limits(junctor: Junctor) -> None:
    [slack] = junctor("connectors", "slack", "--json").json
    settings = {one["key"]: one for one in slack["settings"]}
    assert settings["webhook_url"]["secret"] is True
    assert "track" in slack["accepts"]
    assert slack["limits"]["rate"] == "1/s"
    out = junctor("connectors", "slack").out
    for text in ("webhook_url", "secret", "track, identify", "max_batch", "beta"):
        assert text in out
    both = junctor("connectors", "webhook").out
    assert "destination webhook: " in both
    assert "source webhook: " in both
    assert "/hooks/ID, /v1/…" in junctor("connectors", "segment").out


def test_an_unknown_type_is_an_error_with_a_hint(junctor: Junctor) -> None:
    done = junctor("connectors", "slak")
    assert done == Done(1, "", 'junctor: there is no connector "slak"; did you mean "slack"?\n')


def test_a_scaffold_is_written_once(junctor: Junctor, tmp_path: Path) -> None:
    done = junctor("new", "destination", "acme", "--folder", tmp_path)
    assert done.code == 0
    files = [Path(line) for line in done.out.splitlines()]
    assert files
    assert all(file.is_file() for file in files)
    done = junctor("new", "destination", "acme", "--folder", tmp_path)
    assert done.code == 1
    assert done.err.startswith("junctor: ")
    assert "exists already" in done.err


def test_the_kit_finds_plug_ins_of_the_configuration(
    junctor: Junctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def run(connector: str, settings: None, out: object, **options: object) -> int:
        lookup = options["lookup"]
        assert callable(lookup)
        asked.extend(lookup(connector))
        return 1

    monkeypatch.setattr("junctor.cli.conformance.run_conformance", run)
    write_config(tmp_path)
    assert junctor("conformance", "refusing").code == 1
    assert [cls.__name__ for cls in asked if isinstance(cls, type)] == ["Refusing"]


def test_the_kit_can_not_judge_what_is_not_there(junctor: Junctor) -> None:
    done = junctor("conformance", "slak")
    assert done.code == 2
    assert "there is no connector 'slak'" in done.out
