"""Scores: what adds, what fades, what is taken back, and when a limit is crossed."""

from dataclasses import dataclass
from random import Random

import pytest

from junctor.audiences.comparison import (
    AnyOf,
    Between,
    Compare,
    Comparison,
    Operator,
    compile_comparison,
)
from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import (
    Pattern,
    Score,
    ScoreCondition,
    ScoreRule,
    Sequence,
    Silence,
    Step,
)
from junctor.audiences.scores import ScoreReader
from junctor.audiences.seen import Seen
from junctor.audiences.states.score_sequence import KEPT_OPEN_MS
from junctor.audiences.turning import thresholds

from .arrivals import CASES, check_verdict, folded, named, order, scattered, seen, states_of
from .states.oracle_sequence import UNIT, completions, random_events, random_sequence

DAY = 86_400_000
T0 = 1_700_000_000_000
OPENED = Sequence((Step(named("open")),), Silence(named("click"), DAY))


def score(*rules: ScoreRule, **more: float | None) -> Score:
    half_life = more.pop("half_life", None)
    return Score("s", rules, int(half_life) if half_life else None, **more)


def value(reader: ScoreReader, events: list[Seen], now: int, quiet: int | None = None) -> float:
    states = states_of(reader.kinds, lambda kind: folded(kind, events))
    return reader.value(states, now, now if quiet is None else quiet)


def test_each_rule_adds_for_each_event_and_once_only_for_the_earliest() -> None:
    reader = ScoreReader(
        score(
            ScoreRule(5, named("a")), ScoreRule(6, named("b"), once=True), ScoreRule(-3, named("c"))
        )
    )
    events = [seen(name, T0 + rank, rank) for rank, name in enumerate("aabbbc")]
    assert value(reader, events, T0 + 9) == 2 * 5 + 6 - 3
    assert value(reader, [], T0) == 0


def test_an_addition_halves_every_half_life() -> None:
    reader = ScoreReader(score(ScoreRule(8, named("a")), half_life=DAY))
    event = [seen("a", T0, 1)]
    assert value(reader, event, T0) == 8
    assert value(reader, event, T0 + DAY) == 4
    assert value(reader, event, T0 + 3 * DAY) == 1
    assert value(reader, [*event, seen("a", T0 + DAY, 2)], T0 + DAY) == 12


def test_once_fades_from_the_earliest_event() -> None:
    reader = ScoreReader(score(ScoreRule(8, named("a"), once=True), half_life=DAY))
    events = [seen("a", T0 + DAY, 1), seen("a", T0, 2)]
    assert value(reader, events, T0 + DAY) == 4


def test_a_score_is_bounded_when_read_and_not_on_the_way() -> None:
    reader = ScoreReader(
        score(ScoreRule(-30, named("a")), ScoreRule(25, named("b")), low=-20, high=3)
    )
    assert value(reader, [seen("a", T0, 1)], T0) == -20
    assert value(reader, [seen("a", T0, 1), seen("b", T0, 2)], T0) == -5
    assert value(reader, [seen("b", T0, 2)], T0) == 3


def test_a_score_of_nothing_is_within_its_bounds() -> None:
    assert value(ScoreReader(score(ScoreRule(1, named("a")), low=5)), [], T0) == 5


def test_an_event_ahead_of_the_clock_counts_in_full() -> None:
    reader = ScoreReader(score(ScoreRule(8, named("a")), half_life=DAY))
    assert value(reader, [seen("a", T0 + 60_000, 1)], T0) == 8


def test_a_rule_needs_an_event_or_a_sequence() -> None:
    with pytest.raises(ValueError, match="event's or a sequence's"):
        ScoreReader(score(ScoreRule(1)))


def test_a_completion_adds_when_its_silence_is_believed() -> None:
    reader = ScoreReader(score(ScoreRule(-1, sequence=OPENED)))
    events = [seen("open", T0, 1)]
    assert value(reader, events, T0 + DAY + 5, T0 + DAY - 1) == 0
    assert value(reader, events, T0 + DAY + 5, T0 + DAY) == -1


def test_a_late_event_takes_a_completion_back() -> None:
    reader = ScoreReader(score(ScoreRule(-1, sequence=OPENED)))
    events = [seen("open", T0, 1), seen("open", T0 + 5 * DAY, 2)]
    now = T0 + 6 * DAY
    assert value(reader, events, now) == -2
    assert value(reader, [*events, seen("click", T0 + 9, 3)], now) == -1


def test_a_late_half_of_a_sequence_adds() -> None:
    steps = (Step(named("a")), Step(named("b"), within=UNIT))
    reader = ScoreReader(score(ScoreRule(2, sequence=Sequence(steps))))
    events = [seen("b", T0 + UNIT, 1), seen("b", T0 + 6 * DAY, 2), seen("a", T0, 3)]
    assert value(reader, events, T0 + 6 * DAY) == 2


def test_completions_that_left_the_log_still_count_once() -> None:
    reader = ScoreReader(score(ScoreRule(-1, sequence=OPENED)))
    events = [seen("open", T0 + 2 * DAY * rank, rank) for rank in range(200)]
    now = T0 + 500 * DAY
    assert value(reader, events, now) == -200
    (kind,) = reader.kinds
    state = folded(kind, events)
    assert len(state["log"][0][""]) < 10
    assert not kind.degraded(state)
    late = [seen("click", T0 + 1, 900), seen("open", T0 + DAY, 901)]
    assert value(reader, events + late, now) == -200


def test_completions_that_a_full_log_drops_still_count_once() -> None:
    steps = (Step(named("a")), Step(named("b"), within=UNIT))
    reader = ScoreReader(score(ScoreRule(1, sequence=Sequence(steps))))
    events = [seen("ab"[rank % 2], T0 + UNIT * rank, rank) for rank in range(1_000)]
    assert value(reader, events, T0 + DAY) == 500
    (kind,) = reader.kinds
    assert not kind.degraded(folded(kind, events))


def test_completions_of_more_values_than_are_kept_apart_still_count_once() -> None:
    steps = (Step(named("a")), Step(named("b"), within=UNIT))
    reader = ScoreReader(score(ScoreRule(1, sequence=Sequence(steps, same=("item",)))))
    events = [seen("ab"[rank % 2], T0 + UNIT * rank, rank, item=rank // 2) for rank in range(200)]
    assert value(reader, events, T0 + DAY) == 100


def test_once_counts_the_earliest_completion_however_long_ago() -> None:
    reader = ScoreReader(score(ScoreRule(8, sequence=OPENED, once=True), half_life=50 * DAY))
    events = [seen("open", T0 + 2 * DAY * rank, rank) for rank in range(30)]
    assert value(reader, events, T0 + DAY + 50 * DAY) == 4
    assert value(reader, events[:1], T0 + DAY + 50 * DAY) == 4
    assert value(reader, events, T0 + DAY + 100 * DAY) == pytest.approx(2)


def test_two_halves_that_both_settled_add_up() -> None:
    reader = ScoreReader(score(ScoreRule(1, sequence=OPENED)))
    (kind,) = reader.kinds
    events = [seen("open", T0 + 2 * DAY * rank, rank) for rank in range(60)]
    for half in (events[:30], events[:50], events[::2]):
        rest = [event for event in events if event not in half]
        for one, other in ((half, rest), (rest, half)):
            state = kind.merge(folded(kind, one), folded(kind, other))
            assert reader.value({kind.key: state}, T0 + 999 * DAY, T0 + 999 * DAY) == 60


def test_a_limit_is_crossed_at_the_millisecond() -> None:
    leaf = ScoreReader(score(ScoreRule(8, named("a")), half_life=DAY)).leaf(
        ScoreCondition("s", Compare("gte", 2))
    )
    states = states_of(leaf.kinds, lambda kind: folded(kind, [seen("a", T0, 1)]))
    verdict = leaf.verdict(states, T0, T0)
    assert verdict == (True, T0 + 2 * DAY + 1, NEVER)
    assert leaf.verdict(states, T0 + 2 * DAY, T0).holds
    assert not leaf.verdict(states, T0 + 2 * DAY + 1, T0).holds
    assert leaf.facts(states, T0 + DAY).value == 4
    assert leaf.facts(states, T0 + DAY).evidence == (1,)


def test_a_score_that_falls_below_a_limit_waits_for_silence() -> None:
    leaf = ScoreReader(score(ScoreRule(8, named("a")), half_life=DAY)).leaf(
        ScoreCondition("s", Compare("lt", 4))
    )
    states = states_of(leaf.kinds, lambda kind: folded(kind, [seen("a", T0, 1)]))
    below = T0 + DAY + 1
    assert leaf.verdict(states, T0, T0) == (False, NEVER, below)
    assert leaf.verdict(states, below, below - 1) == (False, NEVER, below)
    assert leaf.verdict(states, below, below).holds


@dataclass(frozen=True)
class Case:
    score: Score
    events: list[Seen]
    condition: Comparison


def random_case(random: Random) -> Case:
    rules: list[ScoreRule] = []
    events: list[Seen] = []
    whole = random.random() < 0.5
    for _ in range(random.randint(1, 4)):
        add = random.choice([1, 2, 5, -1, -3]) if whole else random.uniform(-3, 5)
        once = random.random() < 0.3
        if random.random() < 0.35:
            sequence = random_sequence(random, random.randint(1, 3))
            rules.append(ScoreRule(add, sequence=sequence, once=once))
            events += random_events(random, sequence, random.randint(0, 6))
        else:
            names = tuple(random.sample("ABCD", random.choice([1, 1, 2])))
            rules.append(ScoreRule(add, Pattern(names), once=once))
    span = random.choice([0, 4, 40])
    for _ in range(random.randint(0, 8)):
        events.append(seen(random.choice("ABCD"), UNIT * (100 + random.randint(0, span)), 0))
    events = [event._replace(rank=8 * rank) for rank, event in enumerate(events)]
    half_life = random.choice([None, UNIT // 3, UNIT, 7 * UNIT, 100 * UNIT])
    low, high = random.choice([None, -2, 0, 1]), random.choice([None, 3, 9])
    limits = sorted(random.choice([-3, -1, 0, 1, 2, 2.5, 4, 7]) for _ in range(2))
    operators: list[Operator] = ["eq", "ne", "gt", "gte", "lt", "lte"]
    comparisons: list[Comparison] = [Compare(op, limits[0]) for op in operators]
    comparisons += [Between(*limits), AnyOf((comparisons[4], Compare("gte", limits[1])))]
    return Case(Score("s", tuple(rules), half_life, low, high), events, random.choice(comparisons))


def expected(case: Case, now: int, quiet: int) -> float:
    """Return the score as its definition says it."""
    additions: list[tuple[float, int]] = []
    for rule in case.score.rules:
        if rule.sequence is not None:
            ends = [end for end, *_ in completions(rule.sequence, case.events)]
            times = [end for end in ends if rule.sequence.silence is None or end <= quiet]
        else:
            assert rule.pattern is not None
            names = rule.pattern.names
            times = [event.at for event in sorted(case.events, key=order) if event.name in names]
        additions += [(rule.add, time) for time in (times[:1] if rule.once else times)]
    clock = max([now, *(time for _, time in additions)])
    half_life = case.score.half_life
    total = sum(
        add * (0.5 ** ((clock - time) / half_life) if half_life else 1) for add, time in additions
    )
    low, high = case.score.low, case.score.high
    total = total if high is None else min(total, high)
    return total if low is None else max(total, low)


def check(case: Case, random: Random) -> bool:
    """Compare a case with its definition at some times; return whether it held at one of them."""
    leaf = ScoreReader(case.score).leaf(ScoreCondition("s", case.condition))
    states = states_of(leaf.kinds, lambda kind: scattered(kind, case.events, random, twice=False))
    newest = max((event.at for event in case.events), default=100 * UNIT)
    lag = random.choice([0, 0, UNIT // 12, 3 * UNIT])
    reader = ScoreReader(case.score)
    held = False
    for _ in range(4):
        now = newest + random.choice([-UNIT, 0, 1, UNIT, random.randint(0, 30 * UNIT)])
        assert reader.value(states, now, now - lag) == pytest.approx(expected(case, now, now - lag))
        verdict = leaf.verdict(states, now, now - lag)
        soon = [min(verdict.at, now + 900 * UNIT), min(verdict.quiet_at + lag, now + 900 * UNIT)]
        clocks = [time + more for time in soon for more in (-2, -1, 0)]
        clocks += [random.randint(now, max(soon)) for _ in range(6)]
        holds = check_verdict(leaf, states, now, lag, clocks)
        held |= holds
        if verdict.at < NEVER and verdict.quiet_at == NEVER and verdict.holds:
            assert not leaf.verdict(states, verdict.at, verdict.at - lag).holds
        values = [expected(case, now, now - lag), expected(case, now - lag, now - lag)]
        limits = thresholds(case.condition)
        whole = case.score.half_life is None and all(v == int(v) for v in values)
        if whole or all(abs(one - limit) > 1e-9 for one in values for limit in limits):
            assert holds is all(compile_comparison(case.condition)(one) for one in values)
    return held


def test_many_random_scores_are_as_the_definition_says() -> None:
    held = 0
    for seed in range(CASES):
        random = Random(seed)
        held += check(random_case(random), random)
    print(f"{CASES} cases, {held} of them with a verdict that holds")
    assert held > CASES // 4


def test_long_streams_with_stragglers_count_every_completion_once() -> None:
    for seed in range(CASES // 20):
        random = Random(seed)
        sequence = Sequence(
            (Step(named("A")), Step(named("B"), within=DAY)),
            random.choice([None, Silence(named("C"), DAY)]),
        )
        reader = ScoreReader(
            score(ScoreRule(1, sequence=sequence), half_life=random.choice([None, 90 * DAY]))
        )
        (kind,) = reader.kinds
        events = [
            seen(random.choice("ABC"), T0 + random.randint(0, 200 * DAY // UNIT) * UNIT, rank)
            for rank in range(random.randint(1, 120))
        ]
        late = {event.rank: random.choice([0, 0, KEPT_OPEN_MS - 1]) for event in events}
        arrived = sorted(events, key=lambda event: (event.at + late[event.rank], event.rank))
        now = T0 + 230 * DAY
        states = {kind.key: folded(kind, arrived)}
        case = Case(
            Score("s", (ScoreRule(1, sequence=sequence),), reader.half_life),
            events,
            Compare("eq", 0),
        )
        assert reader.value(states, now, now) == pytest.approx(expected(case, now, now))
