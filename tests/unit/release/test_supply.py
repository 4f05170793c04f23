"""What is shipped is pinned, licensed and looked up; silence is no answer."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from release.audit import verdict
from release.bom import problems as problems_of_bill
from release.pins import CONSTRAINTS, Versions, installed, pins
from release.pins import problems as problems_of_pins

MIT = [{"license": {"id": "MIT"}}]


def versions(**of: str) -> Versions:
    return {canonicalize_name(name): version for name, version in of.items()}


def bill(name: str = "lark", version: str = "1.3.1", **more: Any) -> str:
    part = {"name": name, "version": version, "licenses": MIT, **more}
    return json.dumps({"components": [part]})


def test_every_line_of_constraints_is_a_pin() -> None:
    assert len(pins(CONSTRAINTS.read_text(encoding="utf-8"))) > 50


@pytest.mark.parametrize(
    "line", ["lark", "lark>=1", "--index-url=x", "lark @ https://x.example/lark.whl", "-r more.txt"]
)
def test_what_is_no_pin_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is no pin"):
        pins(f"# Versions.\n{line}\n")


def test_names_are_compared_as_registries_do() -> None:
    assert pins("Typing_Extensions==4.16.0") == versions(**{"typing-extensions": "4.16.0"})
    assert "typing-extensions" in installed()


def test_what_pins_and_environment_do_not_share_is_told() -> None:
    pinned, found = versions(a="1", b="1", c="1"), versions(b="1", c="2", d="1")
    assert list(problems_of_pins(pinned, found)) == [
        "a==1 is pinned and not installed",
        "c is pinned at 1 and installed at 2",
        "d==1 is installed and not pinned",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (bill(version="1.3.0"), "lark==1.3.0 is not the pin, 1.3.1"),
        (bill("stowaway"), "stowaway==1.3.1 is not the pin, None"),
        (bill(licenses=[]), "lark has no license that can be read"),
        (bill(licenses=[{"license": {"id": "GPL-3.0-only"}}]), "lark has the license GPL-3.0-only"),
        (bill(licenses=[{"expression": "MIT OR AGPL-3.0"}]), "lark has the license AGPL-3.0"),
        (bill(licenses=[{"license": {"name": "Mine"}}]), "lark has the license Mine"),
        (bill(url="file:///x/lark.whl"), "the bill names a place of this machine: file:"),
        (bill(url="/home/me/lark.whl"), "the bill names a place of this machine"),
    ],
)
def test_what_is_wrong_with_a_bill_is_told(text: str, problem: str) -> None:
    (said,) = problems_of_bill(text, versions(lark="1.3.1"))
    assert said.startswith(problem)


@pytest.mark.parametrize(
    "licenses",
    [
        MIT,
        [{"expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}],
        [{"license": {"name": "License :: OSI Approved :: Apache Software License"}}],
        [*MIT, {"license": {"name": "License :: OSI Approved :: MIT License"}}],
    ],
)
def test_licenses_may_be_said_in_each_of_the_usual_ways(licenses: list[Any]) -> None:
    assert list(problems_of_bill(bill(licenses=licenses), versions(lark="1.3.1"))) == []


FLAWED = {"name": "lark", "version": "1.3.1", "vulns": [{"id": "X-1", "fix_versions": ["1.4"]}]}
SOUND = {"name": "idna", "version": "3.20", "vulns": []}
SKIPPED = {"name": "idna", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("report", "code"),
    [
        ({"dependencies": [SOUND, SOUND]}, 0),
        ({"dependencies": [SOUND, FLAWED]}, 1),
        ({"dependencies": [SKIPPED, FLAWED]}, 1),
        ({"dependencies": [SOUND, SKIPPED]}, 2),
        ({"dependencies": [SOUND]}, 2),
        (None, 2),
    ],
)
def test_only_a_full_look_up_is_a_clean_audit(report: Mapping[str, Any] | None, code: int) -> None:
    given, lines = verdict(report, "no route to host", asked=2)
    assert given == code
    assert ("NOT AUDITED" in lines[0]) == (code == 2)
