import pytest

from junctor.config.lines import Lines
from junctor.model.problems import ConfigError, Problem, closest, suggest, written


def test_a_problem_prints_in_one_line() -> None:
    assert str(Problem("a.b", "is bad", "do c", 3)) == "a.b (line 3): is bad; do c"
    assert str(Problem("", "no TOML", None, 3)) == "line 3: no TOML"
    assert str(Problem("a", "is bad")) == "a: is bad"
    assert str(Problem("", "is bad")) == "is bad"


def test_an_error_prints_all_its_problems() -> None:
    assert str(ConfigError([Problem("a", "x"), Problem("b", "y")])) == "a: x\nb: y"


def test_paths_are_written_as_toml_does() -> None:
    assert written(("routes", "big", "to", 0)) == "routes.big.to[0]"
    assert written(("a", 'x "y" z', "b-c_1")) == 'a."x \\"y\\" z".b-c_1'
    assert written(()) == ""


@pytest.mark.parametrize(
    ("word", "match"),
    [("statsg", "statsig"), ("Slack", "slack"), ("big-orders", "big_orders"), ("zzz", None)],
)
def test_a_mistyped_word_is_recognized(word: str, match: str | None) -> None:
    assert closest(word, ["statsig", "slack", "webhook", "big_orders"]) == match


def test_a_short_list_is_told_where_nothing_is_similar() -> None:
    assert suggest("zzz", ["b", "a"]) == 'there is "a", "b"'
    assert suggest("zzz", []) is None
    assert suggest("zzz", [str(number) for number in range(50)]) is None


TEXT = '''\
top = 1
[server]
listen = "x"  # listen = 2
[sources.web]
type = "segment"
settings.write_key = { env = "X" }
[ "destinations" . "my crm" ]
delivery.retry.max = "5m"
"quoted key" = 1
text = """
[not.a.table]
type = "no key"
"""
last = \'\'\'one line\'\'\'
list = [
  "a",
]
[[rows]]
a = 1
[[rows]]
a = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("top", 1),
        ("server", 2),
        ("server.listen", 3),
        ("sources", 4),
        ("sources.web.type", 5),
        ("sources.web.settings", 6),
        ("sources.web.settings.write_key", 6),
        ("sources.web.settings.write_key.env", 6),
        ('destinations."my crm"', 7),
        ('destinations."my crm".delivery.retry', 8),
        ('destinations."my crm".delivery.retry.max', 8),
        ('destinations."my crm"."quoted key"', 9),
        ('destinations."my crm".text', 10),
        ('destinations."my crm".type', 7),
        ('destinations."my crm".last', 14),
        ('destinations."my crm".list[1]', 15),
        ("rows[0].a", 19),
        ("rows[1].a", 21),
        ("not.a.table", None),
        ("", None),
    ],
)
def test_every_path_finds_its_line_or_the_nearest_one(path: str, line: int | None) -> None:
    assert Lines(TEXT).of(path) == line
