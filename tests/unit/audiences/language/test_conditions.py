"""Every kind of condition and every refinement, as tables of TOML."""

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from junctor.audiences.comparison import AllOf, AnyOf, Between, Compare, Exists, Glob
from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import (
    AttributeCondition,
    AudienceCondition,
    EventCondition,
    Group,
    KnownCondition,
    Length,
    Measure,
    Pattern,
    SampleCondition,
    ScoreCondition,
    SequenceCondition,
    StateCondition,
    TraitCondition,
    Window,
)
from tests.unit.audiences.language.reading import audience, condition, read

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR


def event(text: str = "") -> EventCondition:
    found = condition(f'{{ event = "a"{text} }}')
    assert isinstance(found, EventCondition)
    return found


def test_an_event_alone_means_at_least_once_ever() -> None:
    assert event() == EventCondition(Pattern(("a",)), Compare("gte", 1), Window())


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ('"a"', ("a",)),
        ('["b", "a", "b"]', ("a", "b")),
        ('"*"', ("*",)),
        ('"Check**"', ("Check*",)),
        ('"$exit"', ("$exit",)),
    ],
)
def test_names_are_one_several_or_a_glob(written: str, names: tuple[str, ...]) -> None:
    found = condition(f"{{ event = {written} }}")

    assert isinstance(found, EventCondition)
    assert found.pattern.names == names


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ('{ path = "/a*" }', (("path", Glob("/a*")),)),
        ('{ b = 1, a = ["x"] }', (("a", AnyOf((Compare("eq", "x"),))), ("b", Compare("eq", 1)))),
        ("{ cart = { total = { gte = 5 } } }", (("cart.total", Compare("gte", 5)),)),
        ('{ cart.total = ">5" }', (("cart.total", Compare("gt", 5)),)),
        ('{ "cart.total" = ">5" }', (("cart.total", Compare("gt", 5)),)),
        ("{ has = 1 }", (("has", Compare("eq", 1)),)),
        ('{ context = { os = { name = "iOS" } } }', (("context.os.name", Compare("eq", "iOS")),)),
        ("{ x = { gte = 1, lt = 5 } }", (("x", AllOf((Compare("gte", 1), Compare("lt", 5)))),)),
        ('{ env = "x" }', (("env", Compare("eq", "x")),)),
        ("{}", ()),
    ],
)
def test_where_is_a_table_of_paths_and_comparisons(written: str, where: Any) -> None:
    assert event(f", where = {written}").pattern == Pattern(("a",), where)


def test_where_may_be_fql() -> None:
    found = event(", where = 'match(properties.path, \"/pricing*\")'")

    assert found.pattern == Pattern(("a",), fql='match(properties.path, "/pricing*")')


@pytest.mark.parametrize(
    ("written", "window"),
    [
        ('within = "48h"', Window(within=48 * HOUR)),
        ('within = "500ms"', Window(within=500)),
        ('within = "4w"', Window(within=28 * DAY)),
        ('between = ["90d", "30d"]', Window(far=90 * DAY, near=30 * DAY)),
        ('between = ["90d", "0s"]', Window(far=90 * DAY, near=0)),
        ('since = "1970-01-02"', Window(since=DAY)),
        ('since = 1970-01-02\nuntil = "1970-01-03"', Window(since=DAY, until=2 * DAY)),
        ('within = "1d"\nsince = "1970-01-02"', Window(within=DAY, since=DAY)),
    ],
)
def test_windows_are_milliseconds(written: str, window: Window) -> None:
    found = audience(f'event = "a"\n{written}').condition

    assert isinstance(found, EventCondition)
    assert found.window == window


@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/New_York", "Asia/Kathmandu", "UTC"])
def test_dates_begin_at_midnight_in_the_zone_of_the_audience(zone: str) -> None:
    found = audience(f'zone = "{zone}"\nall = [{{ event = "a", since = "2026-07-01" }}]')

    assert isinstance(found.condition, Group)
    [inner] = found.condition.items
    assert isinstance(inner, EventCondition)
    assert inner.zone == found.zone == zone
    assert inner.window.since is not None
    midnight = datetime.fromtimestamp(inner.window.since / 1000, ZoneInfo(zone))
    assert midnight.replace(tzinfo=None) == datetime(2026, 7, 1)


def test_a_date_whose_midnight_is_skipped_begins_when_the_clocks_jump() -> None:
    found = audience('zone = "America/Sao_Paulo"\nevent = "a"\nsince = "2018-11-04"').condition

    assert isinstance(found, EventCondition)
    assert found.window.since == datetime(2018, 11, 4, 3, tzinfo=UTC).timestamp() * 1000


def test_counts_days_figures_and_the_rest_refine_an_event() -> None:
    assert event(', count = ">=3"').count == Compare("gte", 3)
    assert event(", count = 0").count == Compare("eq", 0)
    assert event(', count = "3..5"').count == Between(3, 5)
    days = event(', days = ">=7", within = "10d"')
    assert (days.days, days.count) == (Compare("gte", 7), Compare("gte", 1))
    assert event(', days = ">=3", between = ["10d", "3d"]').days == Compare("gte", 3)
    for kind in ("distinct", "sum", "avg", "min", "max"):
        measure = event(f', {kind} = {{ prop = "p.q", is = ">=2" }}').measure
        assert measure == Measure(kind, "p.q", Compare("gte", 2))
    assert event(', sum = { prop = "p", is = "<-0.5" }').measure is not None
    assert event(', count = ">=2", same = ["a", "b.c"]').same == ("a", "b.c")
    assert event(', first = true, within = "7d"').first
    assert event(', per = "session", count = ">=2"').per_session


def test_conditions_on_a_person() -> None:
    assert condition('{ trait = "a.b", is = "<=6" }') == TraitCondition("a.b", Compare("lte", 6))
    assert condition('{ trait = "plan", changed_within = "1h" }') == TraitCondition(
        "plan", None, HOUR
    )
    assert condition('{ trait = "x", is = { exists = true } }') == TraitCondition("x", Exists(True))
    assert condition('{ known = ">=7d" }') == KnownCondition(Length(7 * DAY))
    assert condition('{ sample = "10%" }') == SampleCondition(0.1)
    assert condition('{ sample = "0.5%", salt = "s" }') == SampleCondition(0.005, "s")
    assert condition('{ sample = "100%" }') == SampleCondition(1)


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ('"7d"', Length(7 * DAY)),
        ('">=8s"', Length(8000)),
        ('">8s"', Length(8001)),
        ('"<1h"', Length(None, HOUR)),
        ('"<= 1h"', Length(None, HOUR + 1)),
        ('"3d..5d"', Length(3 * DAY, 5 * DAY + 1)),
        ('{ gte = "1h", lt = "2h" }', Length(HOUR, 2 * HOUR)),
        ('{ gt = "1h", lte = "2h" }', Length(HOUR + 1, 2 * HOUR + 1)),
    ],
)
def test_how_long_something_lasts_is_from_a_length_to_below_another(
    written: str, length: Length
) -> None:
    assert condition(f"{{ known = {written} }}") == KnownCondition(length)


def test_conditions_on_what_is_defined_elsewhere() -> None:
    definitions = read(
        """
        [audiences.a]
        known = "7d"
        [audiences.x]
        all = [
          { audience = "a" },
          { audience = "a", is = false, for = ">=1d" },
          { audience = "a", left_within = "1h" },
          { score = "s", is = ">=12" },
          { attribute = "t", is = "high" },
          { state = "st", is = "payment", for = ">=8s" },
          { state = "st", is = ["a", "b"], spent = ">=5m", within = "7d" },
          { state = "st", is = "payment" },
        ]
        [scores.s]
        rules = [{ add = 1, event = "e" }]
        [attributes.t]
        agg = "counter"
        event = "e"
        bands = { low = 0, high = 5 }
        [states.st]
        set = [{ event = "e", to = "payment" }]
        """
    )

    found = definitions.audiences[1].condition
    either = AnyOf((Compare("eq", "a"), Compare("eq", "b")))
    assert isinstance(found, Group)
    assert found.items == (
        AudienceCondition("a"),
        AudienceCondition("a", False, Length(DAY)),
        AudienceCondition("a", left_within=HOUR),
        ScoreCondition("s", Compare("gte", 12)),
        AttributeCondition("t", Compare("eq", "high")),
        StateCondition("st", Compare("eq", "payment"), Length(8000)),
        StateCondition("st", either, None, Length(300_000), 7 * DAY),
        StateCondition("st", Compare("eq", "payment")),
    )


def test_groups_nest_deeply() -> None:
    text = '{ event = "a" }'
    for _ in range(30):
        text = f'{{ any = [ {text}, {{ none = [ {{ event = "b" }} ] }} ] }}'
    found = condition(text)
    depth = 0
    while isinstance(found, Group):
        found, depth = found.items[0], depth + 1

    assert depth == 30


def test_what_is_nested_too_deeply_is_refused_in_words() -> None:
    raw: dict[str, Any] = {"event": "a"}
    for _ in range(400):
        raw = {"all": [raw]}

    definitions, [problem] = parse_definitions({"audiences": {"x": raw}})

    assert definitions.audiences == ()
    assert problem.message == "is nested too deeply"


def test_a_condition_in_a_group_has_a_sequence_with_a_hold_of_its_own() -> None:
    found = condition('{ sequence = [{ event = "a" }], hold = "1d" }')

    assert isinstance(found, SequenceCondition)
    assert (found.hold, found.exit) == (DAY, None)
