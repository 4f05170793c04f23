"""Sequences: when they are complete, who is in, and until when."""

from typing import Any

import pytest

from junctor.audiences.leaf import NEVER, Verdict
from junctor.audiences.nodes import Pattern, Sequence, SequenceCondition, Silence, Step
from junctor.audiences.patterns import compile_pattern
from junctor.audiences.states.sequence import Completion, SequenceKind, SequenceLeaf

from .sequences import (
    DAY,
    EVER,
    HOUR,
    MINUTE,
    SECOND,
    T0,
    ends,
    event,
    folded,
    happened,
    silence,
    states,
    step,
    to,
)


def kind(*steps: Step, silence: Silence | None = None, **keys: Any) -> SequenceKind:
    return SequenceKind(Sequence(steps, silence, **keys), keep=EVER)


def leaf(
    *steps: Step,
    hold: int,
    exit: Pattern | None = None,
    silence: Silence | None = None,
    **keys: Any,
) -> SequenceLeaf:
    return SequenceLeaf(SequenceCondition(Sequence(steps, silence, **keys), hold, exit))


AB = kind(step("A"), step("B", within=MINUTE))


def test_steps_happen_in_order() -> None:
    assert ends(AB, happened(("A", 0), ("B", 5))) == [5]
    assert ends(AB, happened(("B", 0), ("A", 5))) == []


def test_each_event_that_completes_it_is_a_completion() -> None:
    assert ends(AB, happened(("A", 0), ("B", 5), ("A", 7), ("B", 9))) == [5, 9]


def test_a_late_event_completes_what_came_before_it() -> None:
    assert ends(AB, happened(("B", 5), ("A", 0))) == [5]


def test_a_gap_may_be_as_long_as_within_says_and_no_longer() -> None:
    assert ends(AB, happened(("A", 0), ("B", MINUTE))) == [MINUTE]
    assert ends(AB, happened(("A", 0), ("B", MINUTE + 1))) == []


def test_a_gap_may_be_as_short_as_after_says_and_no_shorter() -> None:
    late = kind(step("A"), step("B", after=8 * SECOND, within=MINUTE))
    assert ends(late, happened(("A", 0), ("B", 8 * SECOND))) == [8 * SECOND]
    assert ends(late, happened(("A", 0), ("B", 8 * SECOND - 1))) == []
    # The first B is too early after the second A, but late enough after the first one.
    assert ends(late, happened(("A", 0), ("A", 5 * SECOND), ("B", 9 * SECOND))) == [9 * SECOND]


def test_the_whole_is_measured_from_the_first_event_to_the_last() -> None:
    whole = kind(step("A"), step("B"), step("C"), within=10)
    assert ends(whole, happened(("A", 0), ("B", 5), ("C", 10))) == [10]
    assert ends(whole, happened(("A", 0), ("B", 5), ("C", 11))) == []
    assert ends(whole, happened(("A", 0), ("A", 2), ("B", 5), ("C", 11))) == [11]


def test_a_silence_at_the_end_is_extra_to_the_whole() -> None:
    quiet = kind(step("A"), step("B"), within=10, silence=silence("C", length=100))
    assert ends(quiet, happened(("A", 0), ("B", 10))) == [110]


def test_a_step_with_a_count_is_at_its_last_event() -> None:
    thrice = kind(step("A"), step("B", count=3, within=10))
    assert ends(thrice, happened(("A", 0), ("B", 5), ("B", 6), ("B", 9), ("B", 10))) == [9, 10]
    assert ends(thrice, happened(("B", 0), ("A", 5), ("B", 6), ("B", 9))) == []


def test_the_whole_begins_at_the_first_event_of_a_count() -> None:
    retries = kind(step("A", count=3), step("B"), within=10)
    assert ends(retries, happened(("A", 0), ("A", 1), ("A", 2), ("B", 10))) == [10]
    assert ends(retries, happened(("A", 0), ("A", 1), ("A", 2), ("B", 11))) == []


def test_a_count_at_the_beginning_without_a_whole_takes_any_time() -> None:
    rare = SequenceKind(Sequence((step("A", count=3), step("B", within=10))), keep=0)
    events = happened(
        ("A", 0), ("B", 1), ("A", DAY), ("B", 2 * DAY), ("A", 400 * DAY), ("B", 400 * DAY + 1)
    )
    assert ends(rare, events) == [400 * DAY + 1]


def test_without_looks_strictly_between() -> None:
    clean = kind(step("A"), step("B", within=10, without=(event("X", "B"),)))
    assert ends(clean, happened(("X", 0), ("A", 1), ("B", 2), ("X", 3))) == [2]
    assert ends(clean, happened(("A", 1), ("X", 1), ("B", 1))) == []
    assert ends(clean, happened(("A", 1), ("B", 2), ("B", 3))) == [2]
    assert ends(clean, happened(("A", 1), ("X", 2), ("A", 3), ("B", 4))) == [4]


def test_a_step_never_reuses_the_event_before() -> None:
    twice = kind(step("A"), step("A", within=10))
    assert ends(twice, happened(("A", 0))) == []
    assert ends(twice, happened(("A", 0), ("A", 0))) == [0]


def test_events_of_the_same_time_are_in_order_of_rank() -> None:
    assert ends(AB, happened(("A", 5), ("B", 5))) == [5]
    assert ends(AB, happened(("B", 5), ("A", 5))) == []


def test_what_must_be_the_same_keeps_matches_apart() -> None:
    checkout = kind(step("A"), step("B", within=10), same=("cart",))
    one, other = {"cart": 1}, {"cart": 2}
    assert ends(checkout, happened(("A", 0, one), ("B", 1, other), ("B", 2, one))) == [2]
    assert ends(checkout, happened(("A", 0, {"cart": 2.0}), ("B", 1, other))) == [1]
    for odd in ({}, {"cart": None}, {"cart": "1"}, {"cart": True}):
        assert ends(checkout, happened(("A", 0, odd), ("B", 1, one))) == []


def test_an_event_without_what_must_be_the_same_is_not_there() -> None:
    checkout = kind(step("A"), same=("cart",), silence=silence("A", length=10))
    events = happened(("A", 0, {"cart": 1}), ("A", 5, {"cart": 2}), ("A", 5))
    assert ends(checkout, events) == [10, 15]


@pytest.mark.parametrize(
    ("op", "value", "fits"),
    [
        ("eq", 1, True), ("eq", 1.0, True), ("eq", "1", False), ("eq", True, False),
        ("eq", None, False), ("ne", 2, True), ("ne", 1, False), ("ne", None, True),
        ("gt", 2, True), ("gt", 1, False), ("gt", "2", False), ("lte", 1, True),
    ],
)  # fmt: skip
def test_a_step_compares_with_an_earlier_one(op: Any, value: Any, fits: bool) -> None:
    later = kind(step("A", name="a"), step("B", k=to("a.k", op), within=10))
    assert bool(ends(later, happened(("A", 0, {"k": 1}), ("B", 1, {"k": value})))) is fits


def test_missing_equals_not_even_missing() -> None:
    later = kind(step("A", name="a"), step("B", k=to("a.k"), within=10))
    assert ends(later, happened(("A", 0), ("B", 1))) == []


@pytest.mark.parametrize("odd", [True, 1.0])
def test_values_that_python_takes_for_equal_stay_apart(odd: Any) -> None:
    later = kind(step("A", name="a"), step("B", k=to("a.k"), within=10))
    events = happened(("A", 0, {"k": odd}), ("A", 1, {"k": 1}), ("B", 11, {"k": odd}))
    assert ends(later, events) == ([] if odd is True else [11])


@pytest.mark.parametrize("value", ["é" * 500, ["a", {"b": 1}], {"b": [2, 3]}])
def test_long_values_compare_as_a_whole(value: Any) -> None:
    later = kind(step("A", name="a"), step("B", k=to("a.k"), within=10))
    other = value + "x" if isinstance(value, str) else [value]
    assert ends(later, happened(("A", 0, {"k": value}), ("B", 1, {"k": value}))) == [1]
    assert ends(later, happened(("A", 0, {"k": value}), ("B", 1, {"k": other}))) == []
    assert len(str(folded(later, happened(("A", 0, {"k": value}))))) < 200


def test_a_name_stands_for_the_last_event_of_a_count() -> None:
    later = kind(step("A", count=2, name="a"), step("B", k=to("a.k"), within=10))
    for value, found in ((1, []), (2, [2])):
        events = happened(("A", 0, {"k": 1}), ("A", 1, {"k": 2}), ("B", 2, {"k": value}))
        assert ends(later, events) == found


def test_of_ways_with_different_values_the_one_that_began_latest_counts() -> None:
    other = kind(step("A", name="a"), step("B", k=to("a.k", "ne")), step("C"), within=10)
    told = [("A", 0, {"k": 1}), ("A", 5, {"k": 2}), ("B", 8, {"k": 3})]
    assert ends(other, happened(*told, ("C", 12))) == [12]
    # The way through the second B began earlier than that through the first one.
    chain = kind(step("A", name="a"), step("B", k=to("a.k")), step("C"), within=10)
    told = [("A", 0, {"k": 1}), ("A", 5, {"k": 2}), ("B", 6, {"k": 2}), ("B", 7, {"k": 1})]
    assert ends(chain, happened(*told, ("C", 12))) == [12]


def test_what_is_forbidden_between_steps_may_refer_to_one() -> None:
    shipped = kind(
        step("Ordered", name="o"),
        step("Shipped", order=to("o.order"), within=DAY, without=(
            event("Cancelled", order=to("o.order")),
        )),
    )  # fmt: skip
    one, other = {"order": "1"}, {"order": "2"}
    told = [("Ordered", 0, one), ("Ordered", 1, other), ("Cancelled", 2, one)]
    assert ends(shipped, happened(*told, ("Shipped", 3, one), ("Shipped", 4, other))) == [4]


def test_a_silence_may_refer_to_a_step() -> None:
    unread = kind(
        step("Email Opened", name="o"),
        silence=silence("Email Clicked", length=DAY, message_id=to("o.message_id")),
    )
    one, other = {"message_id": "m1"}, {"message_id": "m2"}
    told = [("Email Opened", 0, one), ("Email Opened", 1, other), ("Email Clicked", 2, one)]
    assert ends(unread, happened(*told)) == [DAY + 1]


def test_the_patterns_wanted_can_be_tested_on_one_event() -> None:
    later = kind(
        step("A", name="a"),
        step("B", k=to("a.k"), within=10, without=(event("B"),)),
        silence=silence("B", length=10, v=to("a.v", "ne")),
    )
    assert later.patterns == (event("A"), event("B"))
    assert [compile_pattern(one)(happened(("B", 0))[0]) for one in later.patterns] == [False, True]


def test_a_reference_to_no_earlier_step_is_refused() -> None:
    for steps in (
        (step("A", k=to("b.k")), step("B", name="b", within=10)),
        (step("A", name="a", k=to("a.k")),),
        (step("A"), step("B", name="b", within=10, without=(event("C", k=to("b.k")),))),
    ):
        with pytest.raises(ValueError, match="is not an earlier step"):
            kind(*steps)


QUIET = kind(step("A"), silence=silence("A", "X", length=10))


def test_a_silence_is_broken_until_its_end() -> None:
    assert ends(QUIET, happened(("A", 0), ("X", 9))) == []
    assert ends(QUIET, happened(("A", 0), ("X", 10))) == [10]
    assert ends(QUIET, happened(("A", 0), ("A", 9))) == [19]


def test_only_what_comes_after_the_step_breaks_its_silence() -> None:
    assert ends(QUIET, happened(("X", 0), ("A", 0))) == [10]
    assert ends(QUIET, happened(("A", 0), ("X", 0))) == []


def test_a_silence_counts_when_it_is_believed() -> None:
    state = folded(QUIET, happened(("A", 0), ("A", 50)))
    assert QUIET.latest(state, T0 + 9) is None
    assert QUIET.pending(state, T0 + 9) == T0 + 10
    assert QUIET.latest(state, T0 + 10) == Completion(T0 + 10, T0, 0, (0,))
    assert QUIET.pending(state, T0 + 10) == T0 + 60
    assert QUIET.latest(state, T0 + 60) == Completion(T0 + 60, T0 + 50, 1, (1,))
    assert QUIET.pending(state, T0 + 60) is None


def test_of_nothing_there_are_no_completions() -> None:
    assert (QUIET.completions(None), QUIET.latest(None, T0), QUIET.pending(None, T0)) == (
        [], None, None,
    )  # fmt: skip


def test_a_completion_names_the_events_of_its_steps() -> None:
    found = AB.latest(folded(AB, happened(("A", 0), ("A", 1), ("B", 2))), 0)
    assert found is not None
    assert found.steps == (1, 2)


def test_a_member_stays_until_the_hold_ends() -> None:
    stalled = leaf(step("A"), step("B", within=7 * DAY), hold=14 * DAY)
    known = states(stalled, happened(("A", 0), ("B", DAY)))
    end = T0 + 15 * DAY
    assert stalled.verdict(known, T0 + DAY, T0 + DAY) == Verdict(True, end)
    assert stalled.verdict(known, end - 1, end - 1) == Verdict(True, end)
    assert stalled.verdict(known, end, end) == Verdict(False)


def test_an_event_ahead_of_the_clock_counts() -> None:
    loop = leaf(step("A"), step("B", within=HOUR), hold=DAY)
    known = states(loop, happened(("A", 0), ("B", MINUTE)))
    assert loop.verdict(known, T0 + 1, T0 + 1) == Verdict(True, T0 + MINUTE + DAY)


def test_only_an_exit_after_the_completion_ends_it_and_a_later_completion_enters_again() -> None:
    stalled = leaf(step("A"), step("B", within=HOUR), hold=DAY, exit=event("Done"))
    told: list[tuple[Any, ...]] = [("A", 0), ("Done", 1), ("B", 1)]
    now = T0 + HOUR
    assert stalled.verdict(states(stalled, happened(*told)), now, now).holds
    told.append(("Done", 1))
    assert stalled.verdict(states(stalled, happened(*told)), now, now) == Verdict(False)
    told.append(("B", 2))
    again = stalled.verdict(states(stalled, happened(*told)), now, now)
    assert again == Verdict(True, T0 + 2 + DAY)


CART = leaf(
    step("Product Added"), hold=14 * DAY, exit=event("Order Completed"),
    silence=silence("Checkout Started", "Product Added", "page_view", length=3 * DAY),
)  # fmt: skip


def test_silence_lets_in_without_any_event() -> None:
    known = states(CART, happened(("Product Added", 0)))
    end = T0 + 3 * DAY
    assert CART.verdict(known, T0 + 1, T0 + 1) == Verdict(False, NEVER, end)
    assert CART.verdict(known, end + 1, end - 1) == Verdict(False, NEVER, end)
    assert CART.verdict(known, end + 5, end) == Verdict(True, end + 14 * DAY)
    assert CART.verdict(known, end + 14 * DAY, end + 14 * DAY) == Verdict(False)


def test_a_straggler_takes_a_silence_back() -> None:
    known = states(CART, happened(("Product Added", 0), ("page_view", DAY)))
    assert CART.verdict(known, T0 + 3 * DAY, T0 + 3 * DAY) == Verdict(False)


def test_an_exit_within_the_silence_ends_nothing_and_one_from_its_end_on_does() -> None:
    end = 3 * DAY
    for at, holds in ((1, True), (end - 1, True), (end, False), (end + 1, False)):
        known = states(CART, happened(("Product Added", 0), ("Order Completed", at)))
        assert CART.verdict(known, T0 + end + 2, T0 + end + 2).holds is holds


def test_a_member_may_wait_for_a_second_silence() -> None:
    known = states(CART, happened(("Product Added", 0), ("Product Added", 5 * DAY)))
    now = T0 + 6 * DAY
    assert CART.verdict(known, now, now) == Verdict(True, T0 + 17 * DAY, T0 + 8 * DAY)


def test_facts_tell_the_completions_and_the_events_of_the_last_one() -> None:
    stalled = leaf(step("A"), step("B", within=HOUR), hold=DAY)
    events = happened(("A", 0), ("B", 1), ("A", 2), ("A", 3), ("B", 4))
    facts = stalled.facts(states(stalled, events), T0 + 5)
    assert (facts.value, tuple(facts.evidence), facts.degraded) == (2, (3, 4), False)
    assert stalled.facts({}, T0).value == 0
    ahead = CART.facts(states(CART, happened(("Product Added", 0))), T0 + DAY)
    assert (ahead.value, tuple(ahead.evidence)) == (0, ())


def test_a_sequence_has_one_key_however_long_it_is_held() -> None:
    short, long = (leaf(step("A"), step("B", within=HOUR), hold=hold) for hold in (DAY, 9 * DAY))
    assert [kind.key for kind in short.kinds] == [kind.key for kind in long.kinds]
    assert long.kinds[0].size - short.kinds[0].size == 8 * DAY
    other = leaf(step("A"), step("B", within=HOUR + 1), hold=DAY)
    assert other.kinds[0].key != short.kinds[0].key
