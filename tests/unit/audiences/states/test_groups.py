"""Events that agree in some properties, or in their session."""

import random

from junctor.audiences.comparison import Compare
from junctor.audiences.event_leaf import event_leaf
from junctor.audiences.leaf import Leaf, State, Verdict
from junctor.audiences.nodes import EventCondition, Measure, Window
from junctor.audiences.states.groups import MOST_GROUPS, Groups
from junctor.audiences.states.times import SLACK, Times
from tests.unit.audiences.oracle_events import (
    AT_LEAST_ONE,
    DAY,
    PATTERN,
    T0,
    a_count,
    a_window,
    check_cases,
    event,
    fold,
    split_and_merged,
)
from tests.unit.audiences.states.test_buckets import MEASURED, a_figure

SECOND = 1_000


def alike(rng: random.Random, unit: int, base: int) -> EventCondition:
    same = rng.choice([("v",), ("v",), ("v", "w"), ()])
    per_session = not same or rng.random() < 0.3
    count = rng.choice([AT_LEAST_ONE, a_count(rng)])
    days = measure = None
    window = a_window(rng, unit, base)
    match rng.choice(["count", "count", "days", "distinct", "number"]):
        case "days":
            days = a_count(rng)
            if rng.random() < 0.5:
                window = Window(within=rng.randint(1, 6) * DAY)
        case "distinct":
            measure = Measure("distinct", "w", a_count(rng))
        case "number":
            measure = Measure(rng.choice(MEASURED), "n", a_figure(rng))
    return EventCondition(
        PATTERN, count, window, days, measure, same, per_session=per_session, zone="Europe/Vienna"
    )


def test_combinations_hold_and_change_as_their_sentences_say() -> None:
    tally = check_cases(alike, 700)
    assert tally.held > 0.1 * tally.cases
    assert tally.changing > 0.1 * tally.cases


def rage_click() -> Leaf:
    condition = EventCondition(
        PATTERN, Compare("gte", 3), Window(within=SECOND), same=("element", "path")
    )
    return event_leaf(condition)


def test_events_of_one_element_are_not_added_to_those_of_another() -> None:
    leaf = rage_click()
    clicks = [event(T0 + 100 * n, n, element="ab"[n % 2], path="/") for n in range(4)]
    states = {leaf.kinds[0].key: fold(leaf.kinds[0], clicks)}
    assert leaf.verdict(states, T0 + 300, T0 + 300) == Verdict(False)
    third = event(T0 + 400, 9, element="a", path="/")
    states = {leaf.kinds[0].key: fold(leaf.kinds[0], [*clicks, third])}
    assert leaf.verdict(states, T0 + 400, T0 + 400) == Verdict(True, T0 + SECOND)
    facts = leaf.facts(states, T0 + 400)
    assert (facts.value, facts.evidence) == (3, [0, 2, 9])


def test_what_lacks_a_property_or_a_session_is_ignored() -> None:
    kind = Groups(Times(PATTERN, 3), ("v",), session=True)
    assert fold(kind, [event(T0, 1, v="a"), event(T0, 2, "s"), event(T0, 3, "s", v=None)]) is None
    assert fold(kind, [event(T0, 4, "s", v="a")]) is not None


def test_a_combination_too_many_makes_what_came_before_it_forgotten_in_any_order() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        size = rng.choice([10_000_000, 100])
        kind = Groups(Times(PATTERN, rng.randint(1, 4)), ("v",), size=size)
        span = rng.choice([50, 3 * SLACK])
        events = [event(T0 + rng.randrange(span), n, v=rng.randrange(25)) for n in range(80)]
        state = fold(kind, sorted(events, key=lambda seen: (seen.at, seen.rank)))
        assert fold(kind, rng.sample(events, 80)) == state
        assert split_and_merged(kind, events, rng) == state
        assert fold(kind, [*events, *events]) == state
        assert len(state) <= MOST_GROUPS + 1


def many_elements() -> tuple[Leaf, dict[str, State]]:
    leaf = rage_click()
    clicks = [event(T0 + n, n, element=n, path="/") for n in range(40)]
    return leaf, {leaf.kinds[0].key: fold(leaf.kinds[0], clicks)}


def test_more_combinations_than_are_kept_degrade_only_while_the_window_has_them() -> None:
    leaf, states = many_elements()
    assert leaf.kinds[0].degraded(states[leaf.kinds[0].key])
    assert leaf.facts(states, T0 + 40).degraded
    assert not leaf.facts(states, T0 + 40 + SECOND).degraded


def test_combinations_that_no_window_reaches_are_let_go() -> None:
    leaf, states = many_elements()
    kind = leaf.kinds[0]
    later = event(T0 + SECOND + SLACK + 100, 99, element="a", path="/")
    state = kind.add(states[kind.key], later, 1)
    assert list(state.values()) == [[[later.at, 99]]]
    assert not kind.degraded(state)


def test_many_events_of_one_combination_degrade() -> None:
    measure = Measure("sum", "n", Compare("gte", 1_000))
    leaf = event_leaf(
        EventCondition(PATTERN, AT_LEAST_ONE, Window(), measure=measure, per_session=True)
    )
    kind = leaf.kinds[0]
    state = fold(kind, [event(T0 + n, n, "s", n=1) for n in range(300)])
    assert kind.degraded(state)
    assert leaf.facts({kind.key: state}, T0 + 300).degraded
