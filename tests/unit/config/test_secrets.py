import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from junctor.config.load import LoadedConfig
from junctor.model.problems import ConfigError, Problem

Load = Callable[..., LoadedConfig]
Fail = Callable[..., dict[str, Problem]]

CRM = '[destinations.crm]\ntype = "crm"\nsettings.url = "https://crm.test"\n'
AT = "destinations.crm.settings"
BY_REFERENCE = 'secrets are given by reference: { env = "NAME" } or { file = "PATH" }'


def test_references_are_followed_wherever_a_setting_stands(load: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-file\n")
    loaded = load(
        """
[destinations.crm]
type = "crm"
[destinations.crm.settings]
url = { env = "URL" }
signing_secret = { file = "secret" }
old_secrets = [{ env = "OLD" }, { env = "OLDER" }]
keys.a = { env = "KEY" }
headers = { accept = "text/plain", authorization = { env = "AUTH" }, host = { env = "URL" } }
auth.password = { env = "PASSWORD" }
retries = { env = "RETRIES" }
""",
        {"URL": "http://x", "OLD": "o", "OLDER": "oo", "KEY": "k", "AUTH": "a", "PASSWORD": "p",
         "RETRIES": "7"},
    )  # fmt: skip

    settings = loaded.destinations["crm"].settings
    assert settings.model_dump() == {
        "url": "http://x",
        "signing_secret": SecretStr("from-file"),
        "old_secrets": (SecretStr("o"), SecretStr("oo")),
        "keys": {"a": SecretStr("k")},
        "headers": {
            "accept": "text/plain",
            "authorization": SecretStr("a"),
            "host": SecretStr("http://x"),
        },
        "auth": {"password": SecretStr("p")},
        "format": "json",
        "retries": 7,
    }


@pytest.mark.parametrize(
    "setting",
    [
        'signing_secret = "CANARY"',
        "signing_secret = 4711",
        'signing_secret = { text = "CANARY" }',
        'signing_secret = { env = "X", file = "CANARY" }',
        'old_secrets = [{ env = "X" }, "CANARY"]',
        'keys.a = "CANARY"',
        'auth.password = "CANARY"',
    ],
)
def test_a_secret_that_is_written_out_is_refused(fail: Fail, setting: str) -> None:
    [problem] = fail(f"{CRM}settings.{setting}", {"X": "x"}).values()

    place = setting.partition(" ")[0]
    assert problem.path == f"{AT}.{place}[1]" if "[" in setting else f"{AT}.{place}"
    wrong = "this is no reference to a secret" if "{ " in setting else "a secret is written out"
    if "[" in setting:
        wrong = "a secret is written out"
    assert (problem.message, problem.hint) == (wrong, BY_REFERENCE)


def test_the_admin_token_is_given_by_reference_only(fail: Fail) -> None:
    [problem] = fail('[admin]\ntoken = "CANARY"').values()

    assert (problem.path, problem.line, problem.hint) == ("admin.token", 2, BY_REFERENCE)


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ('{ env = "CRM_SECRET" }', "environment variable CRM_SECRET is not set",
         "set it before the start: CRM_SECRET=…"),
        ('{ env = "CRM_KEYS" }', "environment variable CRM_KEYS is not set",
         'did you mean "CRM_KEY"?'),
        ('{ env = "EMPTY" }', "environment variable EMPTY is empty",
         "set it before the start: EMPTY=…"),
        ('{ env = "sk-live-CANARY" }', "the environment variable is not set",
         "`env` names a variable, in capitals as a rule; it does not hold the value"),
        ("{ env = 3 }", "`env` must be text", None),
        ('{ file = "sk-live-CANARY" }', "the file can't be read (No such file or directory)",
         "relative paths start in FOLDER"),
        ('{ file = "\\u0000" }', "the file can't be read (not a path)",
         "relative paths start in FOLDER"),
        ('{ file = "empty" }', "the file is empty", None),
        ('{ file = "binary" }', "the file is not UTF-8 text", None),
        ('{ file = "huge" }', "the file is over 1 MiB, too large for a value", None),
    ],
)  # fmt: skip
def test_a_reference_to_nothing_is_explained(
    fail: Fail, tmp_path: Path, reference: str, message: str, hint: str | None
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * 1_048_577)

    problems = fail(f"{CRM}settings.signing_secret = {reference}", {"EMPTY": "", "CRM_KEY": "k"})

    expected_hint = hint and hint.replace("FOLDER", str(tmp_path))
    assert problems == {
        f"{AT}.signing_secret": Problem(f"{AT}.signing_secret", message, expected_hint, 4)
    }


def test_a_file_loses_its_line_end_and_nothing_else(load: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b" two\nlines \r\n")

    loaded = load(f'{CRM}settings.signing_secret = {{ file = "secret" }}')

    settings = cast(Any, loaded.destinations["crm"].settings)
    assert settings.signing_secret.get_secret_value() == " two\nlines "


def test_env_is_an_ordinary_key_where_no_secret_belongs(load: Load) -> None:
    text = '[sources.env]\ntype = "poll"\n[destinations.file]\ntype = "plain"\n'

    loaded = load(text + '[routes.env]\nto = ["file"]')

    assert list(loaded.routes) == ["env"]


CANARY = "cAnArY-5f3a"
PLACES = [
    f'[admin]\ntoken = "{CANARY}"',
    f'[admin]\ntokn = "{CANARY}"',
    f'[server]\nlisten = "{CANARY}"',
    f'[log]\nlevel = "{CANARY}"',
    f'[log]\nlevel = ["{CANARY}"]',
    f'[store]\ndedupe_window = "{CANARY}"',
    f'[egress]\nallow = ["{CANARY}"]',
    f'secrets = "{CANARY}"',
    f'sources = "{CANARY}"',
    f'[sources.s]\ntype = "{CANARY}"',
    f'[sources.s]\ntype = "hook"\nsettings = "{CANARY}"',
    f'[sources.s]\ntype = "hook"\nwrite_key = "{CANARY}"',
    f'[sources.s]\ntype = "hook"\nsettings.write_key = "{CANARY}"',
    f'[sources.s]\ntype = "hook"\nsettings.write_key = {{ env = "{CANARY}" }}',
    f'[sources.s]\ntype = "hook"\nsettings.write_key = {{ file = "{CANARY}" }}',
    f'[sources.s]\ntype = "hook"\nsettings.write_key = {{ value = "{CANARY}" }}',
    f'[sources.s]\ntype = "hook"\nsettings.write_kee = "{CANARY}"',
    '[sources.s]\ntype = "hook"\nsettings.write_kee = { env = "SECRET" }',
    f"{CRM}settings.old_secrets = '{CANARY}'",
    f"{CRM}settings.old_secrets = ['{CANARY}']",
    f"{CRM}settings.format = '{CANARY}'",
    f"{CRM}settings.retries = '{CANARY}'",
    f"{CRM}settings.auth = '{CANARY}'",
    f"{CRM}settings.auth = {{ passwort = '{CANARY}' }}",
    '[destinations.c]\ntype = "crm"\nsettings.url = { env = "SECRET" }',
    f'[destinations.c]\ntype = "crm"\nsettings.url = "{CANARY}"',
    f'{CRM}integration = ["{CANARY}"]',
    f'[routes.r]\nto = ["{CANARY}"]',
    f'[routes.r]\nfrom = ["{CANARY}"]\nto = "{CANARY}"',
    f'plugins = ["{CANARY}"]',
    f"[sources.s]\nsettings.write_key = {CANARY}",
    f'[sources.s]\nsettings.write_key = "{CANARY}',
]


@pytest.mark.parametrize("text", PLACES)
def test_no_value_of_a_faulty_file_reaches_an_error(load: Load, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, {"SECRET": CANARY})

    error = caught.value
    shown = "".join(traceback.format_exception(error, chain=True))
    shown += f"{error!s}{error!r}{error.args}{error.problems}"
    shown += f"{error.__context__!r}{error.__cause__!r}{getattr(error, '__notes__', '')}"
    assert CANARY not in shown


def test_no_secret_of_a_good_file_is_printed(load: Load) -> None:
    loaded = load(
        f"""
[admin]
token = {{ env = "SECRET" }}
{CRM}
settings.signing_secret = {{ env = "SECRET" }}
settings.headers.x = {{ env = "SECRET" }}
settings.old_secrets = [{{ env = "SECRET" }}]
[sources.s]
type = "poll"
settings.url = {{ env = "SECRET" }}
[routes.r]
to = ["crm"]
""",
        {"SECRET": CANARY},
    )

    parts = [loaded, loaded.config, loaded.sources, loaded.destinations, loaded.routes]
    assert CANARY not in f"{parts}{loaded.destinations['crm'].settings!r}{loaded.config.admin}"


def test_every_problem_is_frozen_and_hashable() -> None:
    assert len({Problem("a", "b"), Problem("a", "b")}) == 1


def test_the_environment_is_a_parameter(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of-the-process")

    with pytest.raises(ConfigError, match="TOKEN is not set"):
        load('[admin]\ntoken = { env = "TOKEN" }')
