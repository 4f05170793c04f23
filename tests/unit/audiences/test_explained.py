"""Why somebody is in or not: a tree that agrees with the engine, and how they stand."""

from typing import Any

import pytest

from junctor.audiences.behavior import Behavior, Membership
from junctor.audiences.explained import Explained, explain, explain_exit, moment_of, stand
from junctor.audiences.nodes import Audience, KnownCondition, Length
from tests.unit.audiences.visitor import T0, Visitor, ms


def explained(visitor: Visitor, name: str, at: str) -> Explained:
    behavior = Behavior.decode(visitor.behavior.encode())
    visitor.engine.look_ahead(visitor.profile, behavior, T0 + ms(at))
    moment = moment_of(visitor.profile, behavior, T0 + ms(at), None)
    return explain(visitor.engine.program.audiences[name], moment)


def test_each_criterion_has_its_own_words_truth_and_value() -> None:
    visitor = Visitor("""
        [audiences.a]
        all = [
          { event = "Viewed", count = ">=2", within = "1d" },
          { any = [ { trait = "plan", is = "pro" }, { known = ">=30d" } ] },
          { none = [ { event = "Bought" } ] },
        ]
    """)
    visitor.does("Viewed", "0s")
    visitor.does("Viewed", "1h")
    visitor.identifies("2h", plan="pro")
    found = explained(visitor, "a", "3h")
    assert (found.words, found.holds, found.value) == ("all of these:", True, "3 of 3")
    views, either, none = found.items
    assert (views.holds, views.value, views.evidence) == (True, 2, (1, 2))
    assert views.changes_at == T0 + ms("1d")
    plan, known = either.items
    assert (plan.holds, plan.value) == (True, "pro")
    assert (known.holds, known.value) == (False, "3.0 hours")
    assert known.changes_at == T0 + ms("30d")
    assert [item.holds for item in none.items] == [False]
    assert sorted(found.all_evidence()) == [1, 2]


def test_a_figure_is_shown_short_and_on_its_own_side_of_the_comparison() -> None:
    visitor = Visitor("""
        [scores.s]
        half_life = "14d"
        rules = [ { add = 15, event = "Viewed" } ]
        [audiences.a]
        any = [
          { score = "s", is = ">=15" }, { score = "s", is = ">14" },
          { event = "Viewed", avg = { prop = "x", is = ">=1" } },
        ]
    """)
    visitor.does("Viewed", "0s", properties={"x": 0.1 + 0.2})
    readiness, again, mean = explained(visitor, "a", "3ms").items
    assert (readiness.holds, readiness.value) == (False, 14.99999997)
    assert (again.holds, again.value) == (True, readiness.value)
    assert mean.value == 0.3


def test_times_and_shares_and_memberships_are_shown_in_words() -> None:
    visitor = Visitor("""
        [states.step]
        set = [ { event = "Step", to = "$step" } ]
        [audiences.member]
        event = "Step"
        [audiences.a]
        any = [
          { state = "step", is = "pay", spent = ">=1h", within = "7d" },
          { audience = "member" },
          { audience = "member", is = false }, { sample = "50%" },
        ]
    """)
    visitor.does("Step", "0s", properties={"step": "pay"})
    spent, member, other, sample = (item.value for item in explained(visitor, "a", "90s").items)
    assert (spent, member, other) == ("1.5 minutes", "in", "in")
    assert sample.startswith("at ")
    assert sample.endswith(" %")


def test_what_rests_on_silence_says_so() -> None:
    visitor = Visitor('[audiences.a]\nevent = "login"\ncount = 0\nwithin = "7d"\n')
    visitor.does("login", "0s")
    found = explained(visitor, "a", "1d")
    assert (found.holds, found.changes_at, found.by_silence) == (False, T0 + ms("7d"), True)


def test_an_exit_that_is_a_condition_is_explained_by_itself() -> None:
    visitor = Visitor("""
        [audiences.a]
        event = "Viewed"
        exit = { trait = "plan", is = "free" }
        [audiences.b]
        event = "Viewed"
        exit = { event = "Bought" }
    """)
    visitor.does("Viewed", "0s", traits={"plan": "free"})
    visitor.identifies("0s", plan="free")
    moment = moment_of(visitor.profile, visitor.behavior, T0, None)
    audiences = visitor.engine.program.audiences
    found = explain_exit(audiences["a"], moment)
    assert found is not None
    assert (found.holds, found.value) == (True, "free")
    assert explain_exit(audiences["b"], moment) is None


def test_a_long_sequence_is_one_condition_of_several_lines() -> None:
    visitor = Visitor("""
        [audiences.a]
        sequence = [ { event = "Viewed" }, { event = "Bought", within = "1h" } ]
        within = "1d"
    """)
    visitor.does("Viewed", "0s")
    visitor.does("Bought", "1m")
    found = explained(visitor, "a", "2m")
    assert found.holds
    assert found.words.splitlines()[0] == "in this order, all within 24 hours:"
    assert found.evidence[-1] == 2


ANYBODY = KnownCondition(Length())


@pytest.mark.parametrize(
    ("audience", "known", "kept_out", "standing", "until"),
    [
        ({}, None, False, "out", None),
        ({}, {"member": True, "since": 5, "holds": True}, False, "in", None),
        ({"hold": 10}, {"member": True, "holds_since": 95}, False, "held", 105),
        ({}, {"holds": False, "since": 5}, False, "out", None),
        ({"settle": 10}, {"holds": True, "holds_since": 95}, False, "settling", 105),
        ({"cooldown": 10}, {"holds": True, "left_at": 95}, False, "cooling", 105),
        ({"settle": 10}, {"holds": True, "holds_since": 80}, False, "about to enter", None),
        ({"once": True}, {"holds": True, "number": 2}, False, "once", None),
        ({}, {"holds": True, "blocked": True}, False, "left", None),
        ({}, {"holds": True}, True, "kept out", None),
    ],
)
def test_how_somebody_stands_is_told_with_until_when(
    audience: dict[str, Any], known: dict[str, Any] | None, kept_out: bool, standing: str,
    until: int | None,
) -> None:  # fmt: skip
    membership = Membership(**known) if known is not None else None
    found = stand(Audience("a", ANYBODY, **audience), membership, 100, kept_out)
    assert (found.standing, found.until) == (standing, until)
    assert found.member is (standing in ("in", "held"))
