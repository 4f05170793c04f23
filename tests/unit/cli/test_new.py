"""`junctor new` writes a plug-in that works before anything is changed."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Literal

import pytest

from junctor.cli.new import ScaffoldError, new_connector

KINDS: tuple[Literal["destination", "source"], ...] = ("destination", "source")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_scaffolds_own_test_passes_at_once(
    kind: Literal["destination", "source"], tmp_path: Path
) -> None:
    new_connector(kind, "acme-crm", tmp_path)
    package = tmp_path / "junctor-acme-crm"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_scaffold_is_well_formed(
    kind: Literal["destination", "source"], tmp_path: Path
) -> None:
    files = new_connector(kind, "acme_crm", tmp_path)
    package = tmp_path / "junctor-acme-crm"
    assert {str(file.relative_to(package)) for file in files} == {
        "README.md",
        "pyproject.toml",
        "src/junctor_acme_crm/__init__.py",
        "src/junctor_acme_crm/py.typed",
        f"src/junctor_acme_crm/{kind}.py",
        "tests/test_acme_crm.py",
    }
    assert all(file.is_file() for file in files)
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["name"] == "junctor-acme-crm"
    assert project["entry-points"][f"junctor.{kind}s"] == {
        "acme_crm": f"junctor_acme_crm.{kind}:AcmeCrm"
    }
    assert project["optional-dependencies"]["dev"][0].startswith("junctor[testkit]")
    readme = (package / "README.md").read_text()
    config = tomllib.loads(readme.split("```toml\n")[1].split("```")[0])
    assert config[f"{kind}s"]["acme_crm"]["type"] == "acme_crm"
    assert "$" not in "".join(file.read_text() for file in files)


@pytest.mark.parametrize("kind", KINDS)
def test_the_scaffold_is_clean_to_the_linter(
    kind: Literal["destination", "source"], tmp_path: Path
) -> None:
    new_connector(kind, "acme", tmp_path)
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--select", "E,F,I,B,UP,D1"], ["format", "--check"]):
        done = subprocess.run(
            [*ruff, *command, "--no-cache", "."],
            cwd=tmp_path / "junctor-acme",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Acme",
        "9lives",
        "acme crm",
        "acme.crm",
        "../acme",
        "_acme",
        "acme-",
        "a--b",
        "café",
        "a" * 41,
    ],
)
def test_a_bad_name_is_refused_with_an_example(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="for example acme_crm"):
        new_connector("destination", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["none", "event", "http-destination", "secret", "push_source"])
def test_a_name_that_hides_a_word_of_the_sdk_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="choose another name"):
        new_connector("source", name, tmp_path)


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    new_connector("destination", "acme", tmp_path)
    mine = tmp_path / "junctor-acme" / "README.md"
    mine.write_text("mine")
    with pytest.raises(ScaffoldError, match="exists already"):
        new_connector("source", "acme", tmp_path)
    assert mine.read_text() == "mine"
