from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from junctor.config.connectors import Connectors
from junctor.config.load import LoadedConfig, load_config
from junctor.model.problems import ConfigError, Problem

Load = Callable[..., LoadedConfig]
Fail = Callable[..., dict[str, Problem]]
WHOLE = """
[store]
path = "data"
[sources.web]
type = "hook"
settings.write_key = { env = "WEB_KEY" }
[sources.poll]
type = "poll"
[destinations.crm]
type = "crm"
settings = { url = "https://crm.test", signing_secret = { env = "CRM_SECRET" } }
[destinations.plain]
type = "plain"
[routes.all]
to = ["plain"]
[routes.big]
from = ["web"]
to = ["crm", "plain"]
when = 'type = "track" and properties.revenue >= 100'
"""
ENVIRON = {"WEB_KEY": "k-1", "CRM_SECRET": "s-1"}


def test_a_good_file_becomes_classes_settings_and_predicates(load: Load, tmp_path: Path) -> None:
    loaded = load(WHOLE, ENVIRON)

    assert loaded.warnings == []
    assert loaded.path == tmp_path / "junctor.toml"
    web = loaded.sources["web"]
    assert (web.id, web.cls.manifest.type, web.section.enabled) == ("web", "hook", True)
    assert cast(Any, web.settings).write_key.get_secret_value() == "k-1"
    assert cast(Any, loaded.destinations["crm"].settings).url == "https://crm.test"
    everywhere, big = loaded.routes["all"], loaded.routes["big"]
    assert everywhere.sources == {"web", "poll"}
    assert everywhere.when is None
    assert (big.sources, big.destinations) == (frozenset({"web"}), ("crm", "plain"))
    assert big.when is not None
    assert big.when({"type": "track", "properties": {"revenue": 120}})
    assert not big.when({"type": "track", "properties": {"revenue": 1}})


def test_relative_paths_start_in_the_folder_of_the_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()

    loaded = load('plugins = ["mine.py"]\n' + WHOLE, ENVIRON)

    assert loaded.config.store.path == tmp_path / "data"
    assert loaded.config.plugins == (tmp_path / "mine.py",)


def test_an_absolute_store_stays_where_it_is(load: Load) -> None:
    assert load('[store]\npath = "/var/lib/junctor"').config.store.path == Path("/var/lib/junctor")


def test_an_empty_file_is_the_defaults_with_a_warning(load: Load) -> None:
    loaded = load("")

    assert loaded.config.server.listen == "127.0.0.1:8080"
    assert [warning.path for warning in loaded.warnings] == ["sources"]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path, load: Load) -> None:
    assert load("\ufeff[log]\r\nlevel = 'debug'\r\n").config.log.level == "debug"


@pytest.mark.parametrize(
    ("content", "said", "line"),
    [
        (b"[a]\nb = \n", "no TOML: Invalid value (column 5)", 2),
        (b"[a]\n[a]\n", "no TOML: Cannot declare ('a',) twice (column 3)", 2),
        (b"a = " + b"[" * 5000, "no TOML: nested too deeply", None),
        (b"a = '\xff'", "is not UTF-8 text", None),
    ],
)
def test_what_is_no_toml_is_refused_with_its_place(
    tmp_path: Path, stub: Connectors, content: bytes, said: str, line: int | None
) -> None:
    path = tmp_path / "junctor.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_config(path, stub, {})

    [problem] = caught.value.problems
    assert problem.message.endswith(said)
    assert problem.line == line


def test_a_missing_file_is_a_problem_with_a_hint(tmp_path: Path, stub: Connectors) -> None:
    with pytest.raises(ConfigError, match=r"No such file.*--config"):
        load_config(tmp_path / "nowhere.toml", stub, {})


def test_all_problems_come_at_once_in_the_order_of_the_file(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            """
[server]
max_bodi = "1MiB"
[log]
level = "inof"
[sourcs.x]
type = "hook"
[sources.web]
type = "hoook"
[sources.other]
type = "hook"
settings.write_key = { env = "NOT_SET" }
[destinations.crm]
type = "crm"
url = "https://crm.test"
delivery = { concurency = 3, retry = { initial = "1 moment" } }
[destinations.plain]
typ = "plain"
[destinations.broken]
type = "broken"
[routes.all]
from = ["wbe"]
to = ["crn", "plain"]
when = 'type = track'
[routes.none]
to = []
"""
        )

    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (3, "server.max_bodi"),
        (5, "log.level"),
        (6, "sourcs"),
        (9, "sources.web.type"),
        (12, "sources.other.settings.write_key"),
        (13, "destinations.crm.settings.url"),
        (15, "destinations.crm.url"),
        (16, "destinations.crm.delivery.retry.initial"),
        (16, "destinations.crm.delivery.concurency"),
        (17, "destinations.plain.type"),
        (18, "destinations.plain.typ"),
        (20, "destinations.broken.type"),
        (22, "routes.all.from[0]"),
        (23, "routes.all.to[0]"),
        (24, "routes.all.when"),
        (26, "routes.none.to"),
    ]
    for problem in caught.value.problems:
        assert str(problem) in str(caught.value)


CASES = [
    # text, path, message, hint
    ('[servr]\nlisten = "x"', "servr", "unknown key", 'did you mean "server"?'),
    ('[server]\nlisten = "8080"', "server.listen", "not an address; write for example "
     '"127.0.0.1:8080" or "[::1]:8080"', None),
    ('[log]\nlevel = "inof"', "log.level", "must be 'debug', 'info', 'warning' or 'error'",
     'did you mean "info"?'),
    ("[store]\ndedupe_window = -1", "store.dedupe_window", "must be greater than or equal to 0",
     None),
    ("[store]\ndedupe_window = inf", "store.dedupe_window", "must be a finite number", None),
    ('[server]\nmax_body = "5 apples"', "server.max_body",
     'not a size; write for example "500KB", "5MiB" or "2GiB"', None),
    ('[egress]\nallow = ["10.0.0.1/8"]', "egress.allow[0]",
     'not a network; write for example "10.0.0.0/8" or "fd00::/8", without host bits', None),
    ("[egress]\nallow = [0]", "egress.allow[0]",
     'not a network; write for example "10.0.0.0/8" or "fd00::/8", without host bits', None),
    ("server = 3", "server", "must be a table", None),
    ('[sources]\nweb = "hook"', "sources.web", "must be a table", None),
    ('[sources."a b"]\ntype = "poll"', 'sources."a b"',
     "is no id: must match pattern '^[A-Za-z0-9_-]+$'", "use a-z, 0-9, _ and -"),
    ('[sources.w]\ntype = "crm"', "sources.w.type", "there is no source connector of this type",
     "there is a destination connector of this name"),
    ('[sources.w]\ntype = "pol"', "sources.w.type", "there is no source connector of this type",
     'did you mean "poll"?'),
    ('[destinations.b]\ntype = "broken"', "destinations.b.type",
     "broken.py line 3: SyntaxError: invalid syntax", None),
    ('[destinations.c]\ntype = "crm"', "destinations.c.settings.url", "is required",
     "Address of the CRM"),
    ('[destinations.c]\ntype = "crm"\nurl = "http://c"', "destinations.c.url", "unknown key",
     'did you mean "settings.url"?'),
    ('[destinations.c]\ntype = "plain"\nconcurrency = 2', "destinations.c.concurrency",
     "unknown key", 'did you mean "delivery.concurrency"?'),
    ('[destinations.c]\ntype = "crm"\nsettings = { url = "http://c", format = "jsn" }',
     "destinations.c.settings.format", "must be 'json' or 'form'", 'did you mean "json"?'),
    ('[destinations.c]\ntype = "crm"\nsettings = { url = "http://c", auth = { passwort = 1 } }',
     "destinations.c.settings.auth.passwort", "unknown key", 'did you mean "password"?'),
    ('[destinations.p]\ntype = "plain"\n[routes.r]\nto = ["q"]', "routes.r.to[0]",
     "there is no destination of this id", 'there is "p"'),
    ('[routes.r]\nto = ["q"]', "routes.r.to[0]", "there is no destination of this id",
     "declare it as [destinations.ID]"),
    ('[routes.r]\nto = "q"', "routes.r.to", "must be a list",
     "write it in brackets, also a single one"),
    ("[identity]\nidentifiers = [{ kind = 'a', from = ['x'] }, { kind = 'a', from = ['x'] }]",
     "identity.identifiers[1].kind", "this kind is in the list already", None),
    ('[destinations.p]\ntype = "plain"\ndelivery.retry.initial = "1h"',
     "destinations.p.delivery.retry.initial", "is longer than `max` of the same table", None),
    ('plugins = ["nowhere.py"]', "plugins[0]", "does not exist", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "message", "hint"), CASES)
def test_each_problem_names_place_cause_and_remedy(
    fail: Fail, text: str, path: str, message: str, hint: str | None
) -> None:
    problem = fail(text)[path]

    assert (problem.message, problem.hint) == (message, hint)


def test_a_reference_to_a_section_that_is_broken_itself_is_no_second_problem(fail: Fail) -> None:
    text = '[destinations.p]\ntyp = "plain"\n[routes.r]\nto = ["p"]'

    assert set(fail(text)) == {"destinations.p.type", "destinations.p.typ"}


def test_a_condition_is_refused_with_the_column(fail: Fail) -> None:
    text = (
        '[destinations.p]\ntype = "plain"\n'
        "[routes.r]\nto = ['p']\nwhen = '''type = \"track\"\nand event = Order'''"
    )

    [problem] = fail(text).values()

    assert problem.path == "routes.r.when"
    assert "(line 2 of the condition, column 13)" in problem.message
    assert problem.hint


def test_a_condition_that_reads_differently_elsewhere_is_a_warning(load: Load) -> None:
    loaded = load(
        '[sources.s]\ntype = "poll"\n[destinations.p]\ntype = "plain"\n[routes.r]\nto = ["p"]\n'
        """when = 'type = "track" or type = "page" and event = "x"'"""
    )

    assert [(warning.path, warning.line) for warning in loaded.warnings] == [("routes.r.when", 7)]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ('[sources.s]\ntype = "poll"', ["sources.s"]),
        ('[sources.s]\ntype = "poll"\n[destinations.p]\ntype = "plain"',
         ["sources.s", "destinations.p"]),
        ('[sources.s]\ntype = "poll"\n[destinations.p]\ntype = "plain"\nenabled = false\n'
         '[routes.r]\nto = ["p"]', ["routes.r.to"]),
        ('[sources.s]\ntype = "poll"\n[destinations.p]\ntype = "plain"\n'
         '[routes.r]\nfrom = []\nto = ["p"]', ["sources.s", "routes.r.from"]),
        ('[sources.s]\ntype = "poll"\n[destinations.p]\ntype = "plain"\n[routes.r]\nto = ["p"]\n'
         '[identity]\nidentifiers = [{ kind = "user_id" }, { kind = "phone" }]',
         ["identity.identifiers[1].from"]),
    ],
)  # fmt: skip
def test_what_nothing_reaches_is_warned_of(load: Load, text: str, warned: list[str]) -> None:
    assert [warning.path for warning in load(text).warnings] == warned


@pytest.mark.parametrize(
    ("server", "admin", "faulty"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080", True),
        ("127.0.0.1:8080", "localhost:8080", True),
        ("0.0.0.0:8080", "127.0.0.1:8080", True),
        ("0.0.0.0:8080", "127.0.0.1:8081", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("127.0.0.1:8080", "[::1]:8080", False),
        ("127.0.0.1:8080", "0.0.0.0:8081", True),  # others can reach it, and there is no token
        ("127.0.0.1:8080", "hub.example:8081", True),
    ],
)
def test_listeners_neither_collide_nor_lie_open(
    load: Load, server: str, admin: str, faulty: bool
) -> None:
    text = f'[server]\nlisten = "{server}"\n[admin]\nlisten = "{admin}"'
    if faulty:
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert [problem.path for problem in caught.value.problems] == ["admin.listen"]
    else:
        assert load(text).config.admin.listen == admin


def test_an_open_admin_listener_is_fine_with_a_token(load: Load) -> None:
    loaded = load('[admin]\nlisten = "0.0.0.0:8081"\ntoken = { env = "TOKEN" }', {"TOKEN": "t-123"})

    assert loaded.config.admin.token == SecretStr("t-123")


@pytest.mark.parametrize("key", ["two words", "schl\u00fcssel", "line\nbreak", "tab\t", "\x7f"])
def test_a_key_that_no_header_can_carry_is_told_without_it(load: Load, key: str) -> None:
    text = '[admin]\ntoken = { env = "TOKEN" }\n[readers.app]\nkey = { env = "KEY" }'
    with pytest.raises(ConfigError) as caught:
        load(text, {"TOKEN": f"adm-{key}", "KEY": f"rd-{key}"})
    problems = caught.value.problems
    assert [problem.path for problem in problems] == ["admin.token", "readers.app.key"]
    assert not [p for p in problems if "adm-" in str(p) or "rd-" in str(p) or key in str(p)]


def test_a_route_of_wrong_shape_still_has_its_condition_checked(fail: Fail) -> None:
    problems = fail("[routes.b]\nto = []\nwhen = 'properties.x == 3'\n")
    assert {"routes.b.to", "routes.b.when"} <= set(problems)
