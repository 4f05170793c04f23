"""Definitions in Python: part of the configuration like those of TOML, with their own places."""

import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from junctor.config.load import LoadedConfig
from junctor.model.problems import ConfigError, Problem

Load = Callable[..., LoadedConfig]
Fail = Callable[..., dict[str, Problem]]
FILE = "from junctor.audience import *\n"
NAMED = 'audience_files = ["a.py"]\n'


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Write a Python file beside the configuration."""

    def write(text: str, name: str = "a.py") -> None:
        (tmp_path / name).write_text(FILE + text, encoding="utf-8")

    return write


Write = Callable[..., None]


def test_python_and_toml_define_together(load: Load, write: Write) -> None:
    write('audience("b", member("a") & event("x").at_least(2).within("2d"))')
    loaded = load(f'{NAMED}[audiences.a]\nevent = "x"\n[audiences.c]\naudience = "b"')

    assert [one.name for one in loaded.definitions.audiences] == ["a", "c", "b"]


def test_what_python_defines_is_kept_and_told_like_toml(load: Load, write: Write) -> None:
    write('audience("a", event("x", where={"p": ("y", 1)}).since("2026-01-01"))')
    loaded = load(NAMED)

    assert orjson.loads(orjson.dumps(loaded.config.audiences)) == {
        "a": {"event": "x", "where": {"p": ["y", 1]}, "since": "2026-01-01"}
    }


def test_a_file_is_read_anew_each_time(load: Load, write: Write) -> None:
    write('audience("a", event("x"))')
    load(NAMED)
    write('audience("b", event("x"))')

    assert [one.name for one in load(NAMED).definitions.audiences] == ["b"]
    assert "junctor_audience_file" not in sys.modules


def test_mistakes_have_the_path_and_the_place_of_the_definition(load: Load, write: Write) -> None:
    write(
        '\naudience("a", event("x").count(-1), send=["nowhere"])\n'
        'signal("s", event("y").at_least(3))\n'
        "def two(name):\n"
        "    audience(name, seq('x', 'y'))\n"
        "two('c')\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(NAMED + '[audiences.d]\nevnt = "x"')

    assert [(one.path, one.file, one.line) for one in caught.value.problems] == [
        ("audiences.d.evnt", None, 3),
        ("audiences.a.count", "a.py", 3),
        ("audiences.a.send[0]", "a.py", 3),
        ("signals.s.within", "a.py", 4),
        ("audiences.c.sequence[1].within", "a.py", 7),
        ("audiences.c.hold", "a.py", 7),
    ]
    assert str(caught.value.problems[1]).startswith("audiences.a.count (a.py line 3): ")


def test_warnings_have_their_place_too(load: Load, write: Write) -> None:
    write('audience("a", seq("x", event("$exit").within("30s")).hold("1d"))')
    [warning] = [one for one in load(NAMED).warnings if one.file]

    assert (warning.path, warning.line) == ("audiences.a.sequence[1]", 2)


def test_a_name_in_both_names_both_places(fail: Fail, write: Write) -> None:
    write('audience("a", event("x"))\naudience("a-b", event("x"))')
    problem = fail(NAMED + '[audiences.a]\nevent = "x"')["audiences.a"]

    assert str(problem) == (
        "audiences.a (line 2): is defined in a.py line 2 as well; choose another name"
    )


def test_a_name_twice_in_python_names_both_places(fail: Fail, write: Write) -> None:
    write('audience("a", event("x"))\naudience("b", event("x"))')
    write('signal("a", event("x"))\naudience("a", event("x"))', "b.py")
    problems = fail('audience_files = ["a.py", "b.py"]')

    assert [str(problem) for problem in problems.values()] == [
        "audiences.a (b.py line 3): is defined in a.py line 2 already; choose another name"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f():\n    return 1 / 0\nf()", "(a.py line 3): ZeroDivisionError: division by zero"),
        ("audience(", "(a.py line 2): SyntaxError: '(' was never closed"),
        ("raise SystemExit(3)", "(a.py line 2): SystemExit: 3"),
        ('audience("a", event("x", p={1}))', "(a.py line 2): TypeError: a table can't hold set"),
        ("import nowhere_at_all", "(a.py line 2): ModuleNotFoundError: No module"),
    ],
)
def test_what_a_file_raises_is_told_with_its_line(
    fail: Fail, write: Write, text: str, said: str
) -> None:
    write(text)
    [problem] = fail(NAMED).values()

    assert str(problem).startswith(f"audience_files[0] {said}")


def test_a_file_that_is_not_there_is_told(fail: Fail) -> None:
    problem = fail(NAMED)["audience_files[0]"]

    assert problem.message == "can't be read (No such file or directory)"
    assert problem.line == 1


def test_what_nobody_defines_is_told(fail: Fail, write: Write) -> None:
    write('define("sinks", "x", a=1)\naudience("a b", event("x"))')
    problems = fail(NAMED)

    assert problems[""].message == '"sinks" can\'t be defined'
    assert problems['audiences."a b"'].message.startswith("is no id")


def test_a_function_comes_with_the_configuration(load: Load, write: Write) -> None:
    write(
        '@signal("s", version="1")\n'
        'def s(user, ev, *, reads=("x", event("y", p=1)), within="10m"):\n'
        "    return True\n"
    )
    loaded = load(NAMED)

    assert loaded.config.signals["s"] == {
        "function": "1",
        "reads": [{"event": "x"}, {"event": "y", "where": {"p": 1}}],
        "within": "10m",
    }
    assert [(one.name, one.version) for one in loaded.functions] == [("s", "1")]


def test_a_changed_function_is_another(load: Load, write: Write) -> None:
    found = []
    for returned in ("True", "None"):  # of one length, as fast as files can be written
        write(f'@signal("s", reads="x", within="1m")\ndef s(user, ev): return {returned}\n')
        found.append(load(NAMED).functions[0].version)

    assert found[0] != found[1]


def test_a_function_that_is_nowhere_is_told(fail: Fail, write: Write) -> None:
    text = '[signals.s]\nfunction = "1"\nreads = [{ event = "x" }]\nwithin = "1m"'
    problem = fail(text)["signals.s.function"]

    assert (problem.message, problem.line) == ("is a function in Python", 2)


@pytest.mark.parametrize(
    ("decorator", "path"),
    [
        ('@signal("s", reads=["x"], within="soon")', "signals.s.within"),
        ('@signal("s", reads=[event("x").at_least(2)], within="1m")', "signals.s.reads[0].count"),
        ('@signal("s", reads=["signal:t"], within="1m")', "signals.s.reads[0].event"),
        ('@signal("s", reads=["signal:s"], within="1m")', "signals.s.reads[0].event"),
    ],
)
def test_what_a_function_reads_is_checked(
    fail: Fail, write: Write, decorator: str, path: str
) -> None:
    write(f"{decorator}\ndef s(user, ev): return True\n")

    assert fail(NAMED)[path].file == "a.py"
