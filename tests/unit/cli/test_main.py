"""The command as a whole: what there is, how it fails, how fast it starts."""

import subprocess
import sys

import pytest

from junctor import __version__
from tests.unit.cli.conftest import Junctor

COMMANDS = (
    "run", "demo", "check", "explain", "connectors", "new", "conformance", "dead-letters",
    "replay", "profile", "status", "ledger", "pause", "resume", "rejections",
)  # fmt: skip
READING = (
    ("status",),
    ("ledger",),
    ("profile", "user_id", "u"),
    ("rejections",),
    ("dead-letters", "list"),
    ("dead-letters", "show", "1"),
    ("dead-letters", "purge", "--id", "1"),
)
NEEDING_A_DAEMON = (
    ("pause", "crm"),
    ("resume", "crm"),
    ("replay", "--destination", "crm", "--since", "1h"),
    ("dead-letters", "replay", "--id", "1"),
)
CONFIGURED = (*READING, *NEEDING_A_DAEMON, ("run",), ("check",))


def test_help_names_every_command(junctor: Junctor) -> None:
    done = junctor("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert f"  {command} " in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_anything_configured(junctor: Junctor, command: str) -> None:
    done = junctor(command, "--help")
    assert done.code == 0
    assert f"junctor {command}" in done.out


def test_the_version_is_told(junctor: Junctor) -> None:
    assert junctor("--version").out == f"junctor {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["explain"],
        ["new", "sink", "x"],
        ["replay", "--destination", "crm"],
        ["replay", "--destination", "crm", "--since", "soon"],
        ["dead-letters", "list", "--since", "soon"],
        ["dead-letters", "list", "--limit", "0"],
        ["dead-letters", "show", "x"],
        ["dead-letters", "purge"],
        ["dead-letters", "purge", "--code", "x"],
        ["dead-letters", "replay", "--id", "1", "--destination", "crm"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_exit_with_2(junctor: Junctor, arguments: list[str]) -> None:
    done = junctor(*arguments)
    assert done.code == 2
    assert "Usage: junctor" in done.err


@pytest.mark.parametrize("arguments", CONFIGURED, ids=" ".join)
def test_a_missing_configuration_is_one_clear_message(
    junctor: Junctor, arguments: tuple[str, ...]
) -> None:
    done = junctor(*arguments, "--config", "missing.toml")
    assert done.code == 1
    said = done.err + done.out
    assert "missing.toml can't be read (No such file or directory)" in said
    assert "--config" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", CONFIGURED, ids=" ".join)
def test_what_is_no_toml_is_said_with_its_line(
    junctor: Junctor, arguments: tuple[str, ...], tmp_path: object
) -> None:
    with open("junctor.toml", "w") as file:
        file.write("[server\n")
    done = junctor(*arguments)
    assert done.code == 1
    assert "no TOML" in done.err + done.out
    assert "line 1" in done.err + done.out


def test_a_fast_start_imports_neither_http_nor_the_sdk() -> None:
    """Half a second each, which `junctor status` need not pay."""
    code = (
        "import sys, junctor.cli.main\n"
        "heavy = {'httpx', 'aiohttp', 'junctor.sdk', 'rich', 'orjson', 'structlog'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
