"""A release is the same bytes whoever builds it, and has what it should and nothing else."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"junctor": "core", "junctor_connectors": "connectors"}
BUILT = ("junctor-*.whl", "junctor-*.tar.gz")
NOT_THE_TREE = shutil.ignore_patterns(
    ".git", ".venv", ".hypothesis", ".*_cache", "__pycache__", "build", "dist", "junctor-data*"
)


def tree(folder: Path, of: Path = ROOT) -> Path:
    """Copy a checkout, without what is no part of it."""
    shutil.copytree(of, folder, ignore=NOT_THE_TREE)
    return folder


def build(folder: Path, umask: int = 0o022, environ: Mapping[str, str] | None = None) -> list[Path]:
    """Do as `make wheel` does; return wheel and sdist."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", "dist"]
    env = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        command, cwd=folder, env={**env, **(environ or {})}, umask=umask, check=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    return [next((folder / "dist").glob(pattern)) for pattern in BUILT]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build(tree(tmp_path_factory.mktemp("release") / "here"))


def test_another_folder_time_umask_and_path_build_the_same_bytes(
    built: list[Path], tmp_path: Path
) -> None:
    elsewhere = tree(tmp_path / "somewhere" / "else", of=built[0].parents[1])
    for path in elsewhere.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(path.stat().st_mode & 0o700)
    (elsewhere / "core" / "junctor" / "__pycache__").mkdir()
    (elsewhere / "core" / "junctor" / "__pycache__" / "left.pyc").write_bytes(b"behind")
    environ = {"PATH": "/usr/bin:/bin", "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}

    again = build(elsewhere, umask=0o077, environ=environ)

    assert [one.name for one in again] == [one.name for one in built]
    assert [one.read_bytes() for one in again] == [one.read_bytes() for one in built]


def test_the_sdist_builds_the_same_wheel(built: list[Path], tmp_path: Path) -> None:
    wheel, sdist = built
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()

    assert build(unpacked)[0].read_bytes() == wheel.read_bytes()


def test_the_wheel_has_the_two_packages_whole_and_nothing_else(built: list[Path]) -> None:
    here = built[0].parents[1]
    sources = {
        path.relative_to(here / root).as_posix()
        for package, root in PACKAGES.items()
        for path in (here / root / package).rglob("*")
        if path.is_file()
    }
    needed = {"junctor/py.typed", "junctor_connectors/py.typed", "junctor/host/example.toml"}
    assert needed | {"junctor/store/sqlite/schema.sql"} <= sources
    with ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    metadata = {name for name in names if PurePosixPath(name).parts[0].endswith(".dist-info")}
    assert names - metadata == sources
    assert {PurePosixPath(name).name for name in metadata} == {
        "METADATA", "WHEEL", "RECORD", "entry_points.txt", "LICENSE",
    }  # fmt: skip


def test_the_wheel_alone_checks_a_configuration(built: list[Path], tmp_path: Path) -> None:
    with ZipFile(built[0]) as wheel:
        wheel.extractall(tmp_path / "wheel")
    config = tmp_path / "junctor.toml"
    config.write_text("[store]\npath = 'data'\n[sources.web]\ntype = 'segment'\n", "utf-8")
    code = "import junctor; print(junctor.__file__); from junctor.cli.main import main; main()"
    said = subprocess.run(
        [sys.executable, "-c", code, "check", "--config", str(config)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "wheel")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert said.stdout.startswith(str(tmp_path / "wheel"))
    assert "write_key" in said.stdout + said.stderr
