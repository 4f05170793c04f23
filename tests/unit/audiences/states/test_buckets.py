"""Sums and the like, and counts of many: exact while events are few, in slots when they are not."""

import random
import re
from math import fsum

from junctor.audiences.comparison import Between, Compare, Comparison
from junctor.audiences.event_leaf import event_leaf
from junctor.audiences.leaf import NEVER, State
from junctor.audiences.moment import StateNode
from junctor.audiences.nodes import (
    Audience,
    Definitions,
    EventCondition,
    Measure,
    Measured,
    Window,
)
from junctor.audiences.program import Program
from junctor.audiences.seen import Seen
from junctor.audiences.states.buckets import SLOTS, Buckets, Totals
from junctor.audiences.states.readings import Number
from junctor.audiences.states.times import MOST, SLACK
from junctor.audiences.states.totals import average_of, count_of, greatest_of, least_of, sum_of
from tests.unit.audiences.oracle_events import (
    AT_LEAST_ONE,
    CASES,
    PATTERN,
    T0,
    a_count,
    a_window,
    check_cases,
    event,
    figure,
    fold,
    lies_in,
    split_and_merged,
)

MEASURED: list[Measured] = ["sum", "avg", "min", "max"]
HOUR = 3_600_000


def a_figure(rng: random.Random) -> Comparison:
    number = rng.choice([0, 1, 2, 0.3, -3, 2.1])
    comparisons: list[Comparison] = [
            Compare("gte", number), Compare("gt", number), Compare("lt", number),
            Compare("lte", number), Compare("eq", number), Compare("ne", number),
            Between(number, number + 2),
        ]  # fmt: skip
    return rng.choice(comparisons)


def measured(rng: random.Random, unit: int, base: int) -> EventCondition:
    count = rng.choice([AT_LEAST_ONE, AT_LEAST_ONE, a_count(rng)])
    measure = Measure(rng.choice(MEASURED), "n", a_figure(rng))
    return EventCondition(PATTERN, count, a_window(rng, unit, base), measure=measure)


def test_figures_hold_and_change_as_their_sentences_say() -> None:
    tally = check_cases(measured, 700)
    assert tally.held > 0.1 * tally.cases
    assert tally.changing > 0.1 * tally.cases
    assert tally.waiting


def many(rng: random.Random, count: int, span: int) -> list[Seen]:
    return [
        event(T0 + rng.randrange(span), number, n=rng.choice([1, 2, 0.1, -7]))
        for number in range(count)
    ]


def test_many_events_make_the_same_slots_in_whatever_order_and_split_they_come() -> None:
    for seed in range(12):
        rng = random.Random(seed)
        window = rng.choice([HOUR, 24 * HOUR, 100])
        events = many(rng, rng.choice([260, 400, 700]), rng.choice([window, 3 * window, 50]))
        kind = Buckets(PATTERN, window, rng.choice([None, Number("n")]))
        state = fold(kind, sorted(events, key=lambda seen: (seen.at, seen.rank)))
        assert fold(kind, rng.sample(events, len(events))) == state
        assert split_and_merged(kind, rng.sample(events, len(events)), rng) == state
        slack = min(SLACK, max(window, 60_000))
        assert len(state) <= MOST + (window + slack) // kind.width + 2


def test_many_events_are_counted_with_an_error_of_a_slot_at_the_far_edge() -> None:
    for seed in range(10):
        rng = random.Random(seed)
        events = many(rng, 900, 24 * HOUR)
        leaf = event_leaf(EventCondition(PATTERN, Compare("gte", 300), Window(within=20 * HOUR)))
        kind = leaf.kinds[0]
        assert isinstance(kind, Buckets)
        assert kind.width * SLOTS <= 20 * HOUR
        state = fold(kind, events)
        now = T0 + rng.randrange(24 * HOUR, 30 * HOUR)
        facts = leaf.facts({kind.key: state}, now)
        exact = sum(now - seen.at < 20 * HOUR for seen in events)
        blurred = sum(now - seen.at < 20 * HOUR + kind.width for seen in events)
        assert exact <= facts.value <= blurred
        assert facts.degraded
        assert facts.error == "±1/68 of the window at the far edge"


def test_what_left_the_window_no_longer_makes_a_count_inexact() -> None:
    leaf = event_leaf(EventCondition(PATTERN, Compare("gte", 300), Window(within=HOUR)))
    kind = leaf.kinds[0]
    state = fold(kind, [event(T0 + number, number) for number in range(400)])
    assert leaf.verdict({kind.key: state}, T0 + 400, T0 + 400).holds
    assert leaf.facts({kind.key: state}, T0 + 400).degraded
    later = leaf.facts({kind.key: state}, T0 + HOUR + 200)
    assert (later.value, later.error, later.degraded) == (199, "", False)


def test_slots_are_let_go_when_no_window_reaches_them() -> None:
    kind = Buckets(PATTERN, size=HOUR)
    state = fold(kind, [event(T0 + number, number) for number in range(400)])
    assert kind.add(state, event(T0 + 2 * HOUR + SLACK, 400), 1) == [[T0 + 2 * HOUR + SLACK, 400]]


def test_slots_of_a_short_window_are_not_kept_long() -> None:
    kind = Buckets(PATTERN, 64_000)
    state = fold(kind, [event(T0 + 100 * number, number) for number in range(6_000)])
    assert len(state) <= MOST + 2 * 2 * SLOTS + 2


def test_windows_of_another_length_have_slots_of_their_own() -> None:
    assert Buckets(PATTERN, HOUR).key != Buckets(PATTERN, 2 * HOUR).key


WINDOWS = [Window(within=length) for length in (60_000, HOUR, 24 * HOUR, 7 * 24 * HOUR)]
WINDOWS += [Window(far=30 * HOUR, near=2 * HOUR), Window(far=300_000, near=60_000)]


def asked(rng: random.Random, window: Window) -> EventCondition:
    measure = rng.choice([None, Measure(rng.choice(MEASURED), "n", Compare("gte", 0))])
    count = Compare("gte", 1 if measure else 300)
    days = rng.choice([None, Compare("gte", 1)]) if measure else None
    return EventCondition(PATTERN, count, window, measure=measure, days=days)


def told(condition: EventCondition, events: list[Seen]) -> float | None:
    value = len(events) if condition.measure is None else figure(condition, events)
    return value if value is None else float(value)


def shifts(error: str, far: int) -> int:
    """Return how many milliseconds an edge may be off."""
    found = re.match(r"±1/(\d+) of ", error)
    return far // int(found[1]) if found else 0


def test_the_true_value_lies_within_the_error_that_is_told_whatever_else_is_asked() -> None:
    """Of many events, and of conditions that ask for the same ones in windows of all lengths."""
    blurred = 0
    for seed in range(max(40, CASES // 20)):
        rng = random.Random(seed)
        conditions = [asked(rng, window) for window in WINDOWS]
        audiences = [Audience(f"a{number}", one) for number, one in enumerate(conditions)]
        program = Program(Definitions(audiences=tuple(audiences)))
        span = rng.choice([30_000, 300_000, 2 * HOUR, 40 * HOUR])
        events = many(rng, rng.choice([300, 600]), span)
        kinds = program.scopes["user"].kinds
        states = {key: fold(kind, events) for key, kind in kinds.items()}
        now = T0 + span + rng.choice([0, 0, 1_000, HOUR])
        for number, condition in enumerate(conditions):
            node = program.audiences[f"a{number}"].node
            assert isinstance(node, StateNode)
            facts = node.leaf.facts(states, now)
            value = None if facts.value is None else float(facts.value)
            off = shifts(facts.error, condition.window.within or condition.window.far or 0)
            exact = [seen for seen in events if lies_in(condition, seen, now)]
            assert off or value == told(condition, exact)
            assert value in possible(condition, events, now, off)
            blurred += value != told(condition, exact)
    assert blurred


def possible(
    condition: EventCondition, events: list[Seen], now: int, off: int
) -> set[float | None]:
    """Return what the figure may be if the window's edges lie up to `off` earlier."""

    def is_in(seen: Seen, later: int = 0) -> bool:
        return lies_in(condition, seen._replace(at=seen.at + later), now)

    inside = [seen for seen in events if is_in(seen)]
    first = min((seen.at for seen in inside), default=now)
    before = [seen for seen in events if not is_in(seen) and is_in(seen, off) and seen.at < first]
    ends = [seen.at for seen in inside if not is_in(seen, off)]
    return {
        told(condition, [seen for seen in [*before, *inside] if start <= seen.at < end])
        for start in (first, *(seen.at for seen in before))
        for end in (NEVER, *ends)
    }


def test_without_a_window_totals_of_any_number_of_events_are_exact() -> None:
    rng = random.Random(1)
    events = many(rng, 1_000, HOUR)
    kind = Totals(PATTERN, reading=Number("n"))
    state: State = fold(kind, events)
    assert split_and_merged(kind, rng.sample(events, 1_000), rng) == state
    values = [seen.body["properties"]["n"] for seen in events]
    assert sum_of(state) == fsum(values)
    assert average_of(state) == fsum(values) / 1_000
    assert (count_of(state), least_of(state), greatest_of(state)) == (1_000, -7, 2)
    assert not kind.degraded(state)
    newest = max(events, key=lambda seen: (seen.at, seen.rank))
    assert kind.add(state, newest, 1) == state


def test_many_are_counted_exactly_where_there_is_no_window() -> None:
    leaf = event_leaf(EventCondition(PATTERN, Compare("eq", 700), Window(since=T0)))
    kind = leaf.kinds[0]
    events = [event(T0 + number - 50, number) for number in range(750)]
    assert leaf.verdict({kind.key: fold(kind, events)}, T0, T0).holds


def test_a_sum_of_no_numbers_is_0_and_other_figures_are_missing() -> None:
    events = [event(T0, 1, n="many")]
    for kind, holds in (("sum", True), ("avg", False), ("min", False), ("max", False)):
        measure = Measure(kind, "n", Compare("lt", 100))  # type: ignore[arg-type]
        leaf = event_leaf(EventCondition(PATTERN, AT_LEAST_ONE, Window(), measure=measure))
        states = {kind.key: fold(kind, events) for kind in leaf.kinds}
        assert leaf.verdict(states, T0, T0).holds is holds
        assert not leaf.verdict({}, T0, T0).holds, "it takes an event"
