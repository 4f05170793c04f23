"""Audiences and what belongs to them, as sections of the configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from junctor.audiences.comparison import Compare
from junctor.audiences.nodes import Definitions, EventCondition, Pattern
from junctor.config.load import LoadedConfig
from junctor.config.reference import toml
from junctor.model.problems import ConfigError, Problem

Load = Callable[..., LoadedConfig]
Fail = Callable[..., dict[str, Problem]]
EXAMPLES = Path(__file__).parents[1] / "audiences/language/examples.toml"
AROUND = """
[sources.web]
type = "poll"
exit_idle = "30s"
[destinations.statsig]
type = "plain"
[destinations.slack]
type = "plain"
"""


def test_all_examples_load_from_a_file(load: Load) -> None:
    loaded = load(AROUND + EXAMPLES.read_text(encoding="utf-8"))

    names = [audience.name for audience in loaded.definitions.audiences]
    assert names[:2] == ["high_intent", "power_user"]
    assert len(loaded.definitions.signals) == 7
    assert list(loaded.config.audiences) == names
    assert [warning.path for warning in loaded.warnings] == []


def test_a_file_without_audiences_defines_nothing(load: Load) -> None:
    assert load("").definitions == Definitions()


def test_a_property_called_env_or_file_is_no_secret(load: Load) -> None:
    text = '[audiences.x]\nall = [{ event = "a", where = { env = "x" } },'
    text += ' { event = "b", where = { cart = { file = "y" } } }]'
    [audience] = load(text, {"x": "secret"}).definitions.audiences

    [first, second] = getattr(audience.condition, "items")  # noqa: B009
    assert isinstance(first, EventCondition)
    assert first.pattern == Pattern(("a",), (("env", Compare("eq", "x")),))
    assert second.pattern == Pattern(("b",), (("cart.file", Compare("eq", "y")),))


def test_mistakes_in_definitions_come_with_all_others_in_the_order_of_the_file(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            """
[audiences.x]
all = [
  { event = "a", count = -1 },
]
send = ["nowhere"]
[routes.all]
to = ["elsewhere"]
[signals.s]
evnt = "a"
[audiences.y]
key = "emial"
event = "a"
"""
        )

    assert [(one.path, one.line) for one in caught.value.problems] == [
        ("audiences.x.all[0].count", 3),
        ("audiences.x.send[0]", 6),
        ("routes.all.to[0]", 8),
        ("signals.s.event", 9),
        ("signals.s.evnt", 10),
        ("audiences.y.key", 12),
    ]
    assert caught.value.problems[-1].hint == 'did you mean "email"?'


def test_what_the_shape_is_blamed_for_is_not_told_twice(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load('[audiences]\nx = 3\n"a b" = { event = "e" }\n[signals]\n"é" = 3')

    assert [one.path for one in caught.value.problems] == [
        "audiences.x", 'audiences."a b"', 'signals."é"',
    ]  # fmt: skip


def test_a_broken_audience_may_be_named_without_another_complaint(fail: Fail) -> None:
    problems = fail('[audiences.x]\nevent = ""\n[audiences.y]\naudience = "x"')

    assert list(problems) == ["audiences.x.event"]


@pytest.mark.parametrize("key", ["user", "session", "account", "user_id", "email", "anonymous_id"])
def test_an_audience_may_be_of_every_kind_of_identifier(load: Load, key: str) -> None:
    assert load(f'[audiences.x]\nevent = "a"\nkey = "{key}"').definitions.audiences[0].key == key


def test_an_audience_is_sent_to_destinations_that_are_there(load: Load, fail: Fail) -> None:
    declared = '[destinations.crm_one]\ntype = "plain"\n'
    problems = fail(declared + '[audiences.x]\nevent = "a"\nsend = ["crm_one", "crm_on"]')

    assert problems["audiences.x.send[1]"].hint == 'did you mean "crm_one"?'
    loaded = load(declared + '[audiences.x]\nevent = "a"\nsend = ["crm_one"]')
    assert [warning.path for warning in loaded.warnings] == ["sources"]


def test_the_hub_is_a_source_of_routes_and_of_nothing_else(load: Load, fail: Fail) -> None:
    route = '[destinations.d]\ntype = "plain"\n[routes.r]\nfrom = ["junctor"]\nto = ["d"]\n'
    assert load(route).routes["r"].sources == {"junctor"}

    problems = fail('[sources.junctor]\ntype = "poll"')
    assert problems["sources.junctor"].hint == "choose another id"


GAPS = """
[audiences.x]
hold = "1d"
sequence = [
  { event = "a" },
  { event = ["b", "$exit"], within = "30s" },
  { event = "$exit", after = "8s", within = "1h" },
]
[signals.s]
sequence = [{ event = "a" }, { event = "$exit", within = "1s" }]
[scores.t]
rules = [{ add = 1, sequence = [{ event = "a" }, { event = "$exit", within = "1s" }] }]
[audiences.y]
event = "$exit"
within = "1d"
[audiences.z]
within = "1d"
sequence = [{ event = "a" }, { event = "$exit" }]
"""


def too_soon(loaded: LoadedConfig) -> list[Problem]:
    return [one for one in loaded.warnings if "is over before anybody enters" in one.message]


SILENT = 'sequence = [ { event = "a" }, { not = { event = "b" }, for = "1m" } ]'


@pytest.mark.parametrize(
    ("audience", "path"),
    [
        (f'{SILENT}\nhold = "1s"', "audiences.x.hold"),
        (f'{SILENT}\nwithin = "900ms"', "audiences.x.within"),
        (f'hold = "500ms"\nwhen = {{ {SILENT}, within = "1h" }}', "audiences.x.hold"),
        (f'hold = "1d"\nall = [ {{ {SILENT}, hold = "1s" }}, {{ known = "1d" }} ]',
         "audiences.x.all[0].hold"),
    ],
)  # fmt: skip
def test_a_hold_that_is_over_before_its_silence_is_acted_upon_is_warned_of(
    load: Load, audience: str, path: str
) -> None:
    [warning] = too_soon(load(f"{AROUND}[audiences.x]\n{audience}\n"))
    assert warning.path == path
    assert warning.hint == 'make it longer: "10s", or settle_lag shorter'


@pytest.mark.parametrize(
    "audience",
    [
        f'{SILENT}\nhold = "2s"',
        f'{SILENT}\nhold = "2s"\nwithin = "1s"',
        f'hold = "2s"\nwhen = {{ {SILENT}, within = "1s" }}',
        'sequence = [ { event = "a" }, { event = "b", within = "1d" } ]\nhold = "1s"',
    ],
)
def test_a_hold_that_outlasts_the_lag_is_not_warned_of(load: Load, audience: str) -> None:
    assert too_soon(load(f"{AROUND}[audiences.x]\n{audience}\n")) == []


def test_without_a_lag_the_shortest_hold_will_do(load: Load) -> None:
    around = AROUND.replace('exit_idle = "30s"', 'settle_lag = "0s"')
    assert too_soon(load(f'{around}[audiences.x]\n{SILENT}\nhold = "1ms"\n')) == []


def test_a_gap_before_an_exit_wants_a_source_with_heartbeats(load: Load) -> None:
    warnings = load(GAPS).warnings

    assert [one.path for one in warnings if "exit_idle" in one.message] == [
        "audiences.x.sequence[1]",
        "audiences.x.sequence[2]",
        "signals.s.sequence[1]",
        "scores.t.rules[0].sequence[1]",
    ]
    with_heartbeats = load(AROUND + GAPS).warnings
    assert not any("exit_idle" in one.message for one in with_heartbeats)


def test_readers_have_secrets_by_reference(load: Load, fail: Fail) -> None:
    environ = {"KEY": "k-1", "SIGN": "s-1"}
    text = '[readers.shop]\nkey = { env = "KEY" }\n'
    reader = load(text, environ).config.readers["shop"]
    assert (reader.key.get_secret_value(), reader.origins, reader.signing_secret) == (
        "k-1", (), None,
    )  # fmt: skip

    text += 'origins = ["https://shop.example"]\nsigning_secret = { env = "SIGN" }'
    browser = load(text, environ).config.readers["shop"]
    assert browser.origins == ("https://shop.example",)
    assert browser.signing_secret is not None
    assert "k-1" not in repr(browser)
    assert fail('[readers.shop]\nkey = "k-1"')["readers.shop.key"].message == (
        "a secret is written out"
    )


def test_sources_say_when_silence_is_an_exit_and_how_long_stragglers_are_waited_for(
    load: Load,
) -> None:
    sources = load(AROUND + '[sources.app]\ntype = "poll"\nsettle_lag = "5s"').config.sources

    assert (sources["web"].exit_idle, sources["web"].settle_lag) == (30, 1)
    assert (sources["app"].exit_idle, sources["app"].settle_lag) == (None, 5)


@pytest.mark.parametrize("value", [3, "x", [], [3], {"a": 3}])
def test_an_audience_of_any_shape_is_refused_in_words(fail: Fail, value: Any) -> None:
    assert fail(f"audiences = {{ x = {toml(value)} }}")
