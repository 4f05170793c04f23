"""`junctor check` shows everything at once, each with its place, and never a secret."""

from pathlib import Path

import pytest

from tests.support.hub import STATSIG_SECRET, WRITE_KEY, config_text, everything_to, webhook
from tests.unit.cli.conftest import CLOSED, Junctor, write_config

FAULTY = f"""
[server]
listn = "127.0.0.1:8080"
[sources.web]
type = "segmnt"
[sources.second]
type = "segment"
settings.write_key = "{WRITE_KEY}"
[destinations.crm]
type = "webhook"
settings.url = "nonsense"
[destinations.statsig]
type = "statsig"
settings.server_secret = {{ env = "NOT_SET" }}
[routes.all]
to = ["crm", "nowhere"]
when = 'type = '
"""
WILLING = '''

class Willing(Refusing):
    """Says that all is well."""

    manifest = Manifest(type="willing", title="Willing", summary="Says that all is well.")

    async def check(self) -> None:
        return None
'''
PLACES = {
    3: "server.listn",
    5: "sources.web.type",
    8: "sources.second.settings.write_key",
    11: "destinations.crm.settings.url",
    14: "destinations.statsig.settings.server_secret",
    16: "routes.all.to[1]",
    17: "routes.all.when",
}


def test_every_problem_is_told_with_path_line_and_hint(junctor: Junctor) -> None:
    Path("junctor.toml").write_text(FAULTY)
    report = junctor("check", "--json")
    assert report.code == 1
    assert report.json["ok"] is False
    found = {one["line"]: one["path"] for one in report.json["problems"]}
    assert found == PLACES
    shown = junctor("check")
    assert shown.code == 1
    for line, path in PLACES.items():
        assert f"line {line}" in shown.out
        assert f"{path}: " in shown.out
    assert 'hint: did you mean "listen"?' in shown.out
    assert "junctor.toml: 7 errors" in shown.out
    assert WRITE_KEY not in shown.out + shown.err + report.out


def test_a_good_file_is_fine(junctor: Junctor, tmp_path: Path) -> None:
    write_config(tmp_path)
    done = junctor("check")
    assert (done.code, done.err) == (0, "")
    assert done.out == "junctor.toml is fine: 1 source, 3 destinations, 2 routes\n"
    assert junctor("check", "--json").json == {"ok": True, "problems": [], "warnings": []}


def test_warnings_name_the_place_and_do_not_fail(junctor: Junctor) -> None:
    text = config_text(
        webhook("crm", CLOSED) + webhook("lost", CLOSED)
        + "[routes.all]\nto = ['crm']\nwhen = 'type = \"track\" or type = \"page\" and x = 1'\n",
        sources='[sources.open]\ntype = "webhook"\n',
    )  # fmt: skip
    Path("junctor.toml").write_text(text)
    done = junctor("check", "--json")
    assert done.code == 0
    warnings = {one["path"]: one["message"] for one in done.json["warnings"]}
    assert "whoever knows the address can post" in warnings["sources.open.settings"]
    assert "column" in warnings["routes.all.when"]
    assert "no route leads here" in warnings["destinations.lost"]
    assert "warning  line" in junctor("check").out


def test_warnings_are_told_beside_errors(junctor: Junctor) -> None:
    text = config_text(webhook("crm", "nonsense"), sources='[sources.open]\ntype = "webhook"\n')
    Path("junctor.toml").write_text(text)
    found = junctor("check", "--json").json
    assert [one["path"] for one in found["problems"]] == ["destinations.crm.settings.url"]
    assert "sources.open.settings" in {one["path"] for one in found["warnings"]}


def test_online_every_destination_is_asked(junctor: Junctor, tmp_path: Path) -> None:
    path = write_config(tmp_path)
    path.write_text(
        path.read_text()
        + f"""
[destinations.vendor]
type = "statsig"
settings.server_secret = {{ env = "STATSIG_SERVER_SECRET" }}
settings.endpoint = "{CLOSED}/{STATSIG_SECRET}"
[destinations.willing]
type = "willing"
[destinations.off]
type = "refusing"
enabled = false
"""
    )
    with (tmp_path / "refusing.py").open("a") as plugin:
        plugin.write(WILLING)
    done = junctor("check", "--online", "--json")
    assert done.code == 1
    answers = done.json["online"]
    assert answers["refusing"] == {"ok": False, "why": "as always"}
    assert answers["willing"] == {"ok": True, "why": None}
    assert answers["vendor"]["ok"] is False
    assert "127.0.0.1:9" in answers["vendor"]["why"]
    assert "off" not in answers
    shown = junctor("check", "--online")
    assert shown.code == 1
    assert "as always" in shown.out
    assert STATSIG_SECRET not in shown.out + shown.err + done.out


def test_online_a_guarded_address_is_refused(junctor: Junctor) -> None:
    text = config_text(
        '[destinations.vendor]\ntype = "statsig"\n'
        'settings.server_secret = { env = "STATSIG_SERVER_SECRET" }\n'
        f'settings.endpoint = "{CLOSED}"\n' + everything_to("vendor")
    ).replace('allow = ["127.0.0.0/8"]', "allow = []")
    Path("junctor.toml").write_text(text)
    done = junctor("check", "--online", "--json")
    assert done.code == 1
    assert "[egress]" in done.json["online"]["vendor"]["why"]


@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_a_problem_keeps_destinations_from_being_asked(junctor: Junctor, flag: list[str]) -> None:
    Path("junctor.toml").write_text(FAULTY)
    done = junctor("check", "--online", *flag)
    assert done.code == 1
    assert "answers" not in done.out
