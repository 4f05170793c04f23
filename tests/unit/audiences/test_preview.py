"""What criteria keep, what an audience needs, how far it looks back."""

import pytest

from junctor.audiences.behavior import Behavior
from junctor.audiences.explained import moment_of
from junctor.audiences.leaf import NEVER
from junctor.audiences.preview import Tally, looks_back, only, place
from tests.unit.audiences.visitor import T0, Visitor, defined, ms

THREE = """
[audiences.a]
{kind} = [ {{ event = "A" }}, {{ event = "B" }}, {{ event = "C" }} ]
"""


def tallied(kind: str, *histories: str) -> Tally:
    """Count people, each of whom did the events that their text names."""
    visitors = [Visitor(THREE.format(kind=kind)) for _ in histories]
    tally = Tally(visitors[0].engine.program.audiences["a"])
    for visitor, history in zip(visitors, histories, strict=True):
        visitor.behavior = Behavior()
        for name in history or "X":
            visitor.does(name, 0)
        tally.take(moment_of(visitor.profile, visitor.behavior, T0, None))
    return tally


def test_of_all_each_criterion_is_counted_alone_and_with_those_before() -> None:
    tally = tallied("all", "ABC", "AC", "B", "")
    assert tally.total == 4
    assert [(one.kept, one.so_far) for one in tally.criteria] == [(2, 2), (2, 1), (2, 1)]


def test_of_any_criteria_are_counted_alone() -> None:
    tally = tallied("any", "ABC", "AC", "B", "")
    assert [(one.kept, one.so_far) for one in tally.criteria] == [(2, None), (2, None), (2, None)]


def test_of_none_a_criterion_keeps_those_of_whom_it_is_not_true() -> None:
    tally = tallied("none", "ABC", "AC", "B", "")
    assert [(one.kept, one.so_far) for one in tally.criteria] == [(2, 2), (2, 1), (2, 1)]
    assert tally.criteria[0].words == 'not: "A" happened at least once'


def test_a_single_condition_is_the_only_criterion() -> None:
    compiled = Visitor('[audiences.a]\nevent = "A"\n').engine.program.audiences["a"]
    assert [one.words for one in Tally(compiled).criteria] == ['"A" happened at least once']


def test_samples_are_nested_and_of_the_size_that_is_asked_for() -> None:
    tenth = {n for n in range(10_000) if place(f"p-{n}") < 0.1}
    half = {n for n in range(10_000) if place(f"p-{n}") < 0.5}
    assert tenth < half
    assert len(tenth) == pytest.approx(1_000, rel=0.1)
    assert len(half) == pytest.approx(5_000, rel=0.05)


def test_only_what_an_audience_refers_to_is_compiled_for_it() -> None:
    definitions = defined("""
        [audiences.a]
        all = [ { audience = "b" }, { none = [ { score = "s", is = ">=1" } ] } ]
        exit = { attribute = "x", is = ">1" }
        [audiences.b]
        state = "t"
        is = "on"
        [audiences.c]
        event = "C"
        [scores.s]
        rules = [ { add = 1, event = "A" } ]
        [scores.other]
        rules = [ { add = 1, event = "A" } ]
        [states.t]
        set = [ { event = "On", to = "on" } ]
        [attributes.x]
        agg = "counter"
        event = "A"
        [signals.z]
        event = "Z"
        [services.v]
        attributes = ["x"]
    """)
    found = only(definitions, "a")
    assert [one.name for one in found.audiences] == ["a", "b"]
    assert [one.name for one in found.scores] == ["s"]
    assert [one.name for one in found.states] == ["t"]
    assert [one.name for one in found.attributes] == ["x"]
    assert (found.signals, found.services) == ((), ())
    assert [one.name for one in only(definitions, "c").audiences] == ["c"]


@pytest.mark.parametrize(
    ("condition", "reach"),
    [
        ('event = "A"', NEVER),
        ('event = "A"\nwithin = "7d"', ms("7d")),
        ('event = "A"\nbetween = ["90d", "30d"]', ms("90d")),
        ('trait = "plan"\nis = "pro"', 0),
        ('trait = "plan"\nchanged_within = "2d"', ms("2d")),
        ('all = [ { event = "A", within = "1d" }, { event = "B", within = "3d" } ]', ms("3d")),
        ('sequence = [ { event = "A" }, { not = { event = "B" }, for = "1h" } ]\nhold = "1d"',
         NEVER),
        ('sequence = [ { event = "A" }, { event = "B" } ]\nwithin = "1d"', ms("2d")),
        ('state = "t"\nis = "on"', NEVER),
        ('state = "t"\nis = "on"\nspent = ">=1m"\nwithin = "5d"', ms("5d")),
        ('score = "s"\nis = ">=1"', NEVER),
        ('attribute = "x"\nis = ">=1"', ms("30d")),
        ('known = ">=7d"', 0),
        ('event = "A"\nwithin = "1d"\nexit = { all = [ { event = "B", within = "9d" } ] }',
         ms("9d")),
    ],
)  # fmt: skip
def test_it_is_known_how_far_an_audience_looks_back(condition: str, reach: int) -> None:
    definitions = defined(f"""
        [states.t]
        set = [ {{ event = "On", to = "on" }} ]
        [scores.s]
        rules = [ {{ add = 1, event = "A" }} ]
        [attributes.x]
        agg = "counter"
        event = "A"
        period = "30d"
        [audiences.a]
        {condition}
    """)
    assert looks_back(definitions.audiences[0], definitions) == reach
