"""Signals, states, scores, attributes and services."""

from typing import Any, get_args

import pytest

from junctor.audiences.comparison import Compare
from junctor.audiences.nodes import (
    Aggregation,
    Attribute,
    DatePart,
    Pattern,
    Prop,
    Score,
    ScoreRule,
    Sequence,
    Service,
    Setting,
    Signal,
    Silence,
    State,
    Step,
)
from tests.unit.audiences.language.reading import read

A = Pattern(("a",))


def attribute(text: str) -> Attribute:
    [found] = read(f'[attributes.x]\nevent = "a"\n{text}').attributes
    return found


def test_signals_are_events_or_sequences() -> None:
    [every, counted, sequence, chained] = read(
        """
        [signals.every]
        event = "a"
        where = { x = 1 }
        [signals.counted]
        event = "a"
        count = ">=3"
        within = "1s"
        same = ["element"]
        [signals.sequence]
        sequence = [{ event = "a" }, { not = { event = "a" }, for = "3s" }]
        [signals.chained]
        event = "signal:counted"
        """
    ).signals

    assert every == Signal("every", Pattern(("a",), (("x", Compare("eq", 1)),)))
    assert counted == Signal("counted", A, 3, 1000, ("element",))
    assert sequence == Signal("sequence", sequence=Sequence((Step(A),), Silence(A, 3000)))
    assert chained.pattern == Pattern(("signal:counted",))


def test_states_are_set_by_events() -> None:
    [found] = read(
        """
        [states.x]
        per = "session"
        set = [
          { event = "a", to = "$cart.step" }, { event = "a", to = "" },
          { event = "a", where = { x = 1 }, to = "done" }, { event = "a", to = 3 },
        ]
        """
    ).states

    where = Pattern(("a",), (("x", Compare("eq", 1)),))
    settings = (
        Setting(A, "", "cart.step"), Setting(A, ""), Setting(where, "done"), Setting(A, 3),
    )  # fmt: skip
    assert found == State("x", settings, True)


def test_scores_are_rules_with_a_half_life_and_a_range() -> None:
    [plain, whole] = read(
        """
        [scores.plain]
        rules = [{ add = 0.5, event = "a" }]
        [scores.whole]
        half_life = "1d"
        range = [-20, 100]
        rules = [
          { add = -1, event = "a", once = true },
          { add = 2, sequence = [{ event = "a" }, { event = "a", within = "1s" }], same = ["x"] },
        ]
        """
    ).scores

    assert plain == Score("plain", (ScoreRule(0.5, A),))
    steps = Sequence((Step(A), Step(A, within=1000)), same=("x",))
    rules = (ScoreRule(-1, A, True), ScoreRule(2, sequence=steps))
    assert whole == Score("whole", rules, 86_400_000, -20, 100)


@pytest.mark.parametrize("agg", get_args(Aggregation))
def test_all_aggregations_are_there(agg: str) -> None:
    prop = "" if agg == "counter" or agg.startswith("time_since") else 'prop = "p"'

    assert attribute(f'agg = "{agg}"\n{prop}').agg == agg


@pytest.mark.parametrize("part", get_args(DatePart))
def test_all_parts_of_a_date_are_there(part: str) -> None:
    found = attribute(f'agg = "most_frequent"\nprop = "$time"\ndate_part = "{part}"')

    assert found.prop == Prop(("$time",), None, part)  # type: ignore[arg-type]


@pytest.mark.parametrize("calculation", ["concat", "sum", "product", "min", "max", "coalesce"])
def test_properties_may_be_calculated(calculation: Any) -> None:
    found = attribute(f'agg = "last"\nprop = {{ {calculation} = ["a", "b.c"] }}')

    assert found.prop == Prop(("a", "b.c"), calculation)


@pytest.mark.parametrize(
    ("unit", "milliseconds"),
    [("s", 1000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)],
)
def test_times_since_have_units(unit: str, milliseconds: int) -> None:
    assert attribute(f'agg = "time_since_last"\nunit = "{unit}"').unit == milliseconds


def test_attributes_have_periods_defaults_and_bands() -> None:
    found = attribute(
        'agg = "sum"\nprop = "p"\nperiod = "30d"\ndefault = 0\nbands = { high = 500, low = 0.5 }'
    )

    assert (found.period, found.ttl, found.default) == (30 * 86_400_000, None, 0)
    assert found.bands == (("low", 0.5), ("high", 500))
    assert attribute('agg = "last"\nprop = "p"\nttl = "1d"').ttl == 86_400_000
    assert attribute('agg = "last"\nprop = "p"\ndefault = "x"').default == "x"
    assert attribute('agg = "last"\nprop = "p"\ndefault = false').default is False


def test_services_name_what_is_read_together() -> None:
    definitions = read(
        """
        [services.s]
        attributes = ["x"]
        audiences = ["x"]
        scores = ["x"]
        [services.empty]
        [attributes.x]
        agg = "counter"
        event = "a"
        [audiences.x]
        event = "a"
        [scores.x]
        rules = [{ add = 1, event = "a" }]
        """
    )

    assert definitions.services == (Service("s", ("x",), ("x",), ("x",)), Service("empty"))
