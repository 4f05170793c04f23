"""Sequences against every choice of events. JUNCTOR_ORACLE_CASES sets how many cases."""

import os
from random import Random
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from junctor.audiences.leaf import NEVER, Kind, State
from junctor.audiences.seen import Seen
from junctor.audiences.states.sequence import SequenceKind, SequenceLeaf
from junctor.audiences.states.times import AHEAD_MS

from .oracle_sequence import UNIT, Case, completions, is_in, random_case
from .sequences import EVER, folded

CASES = int(os.environ.get("JUNCTOR_ORACLE_CASES", "1000"))
few = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.large_base_example]
)


def scattered(kind: Kind, events: list[Seen], random: Random) -> State | None:
    """Fold events in random order in up to three parts, some of them twice, and merge the parts."""
    parts: list[list[Seen]] = [[] for _ in range(random.randint(1, 3))]
    for event in random.sample(events, len(events)):
        random.choice(parts).append(event)
        if random.random() < 0.2:
            random.choice(parts).append(event)
    whole: State | None = None
    for part in parts:
        state = stored(folded(kind, part))
        whole = state if whole is None else whole if state is None else kind.merge(whole, state)
    return whole


def stored(state: State | None) -> Any:
    return orjson.loads(orjson.dumps(state))


def clocks(case: Case, random: Random) -> list[int]:
    """Return times at which something may change, a little before and after, and any others."""
    newest = max((event.at for event in case.events), default=100 * UNIT)
    hold, silence = case.condition.hold, case.condition.sequence.silence
    times = [event.at + extra for event in case.events for extra in (0, hold)]
    times += [time + silence.length for time in times] if silence else []
    some = [*random.sample(times, min(5, len(times))), newest + random.randint(0, 70 * UNIT)]
    return sorted({max(newest - AHEAD_MS, time + random.choice([-1, 0, 0, 1])) for time in some})


def check_completions(case: Case, random: Random) -> int:
    """Compare the completions with the oracle's; return how many there are."""
    sequence = case.condition.sequence
    kind = SequenceKind(sequence, keep=EVER)
    state = scattered(kind, case.events, random)
    assert state == folded(kind, case.events)
    found = kind.completions(state)
    assert [(one.end, one.at, one.rank) for one in found] == completions(sequence, case.events)
    assert state is None or not kind.degraded(state)
    return len(found)


def check_leaf(case: Case, random: Random) -> int:
    """Compare the verdicts at some times with the oracle's; return how many of them hold."""
    leaf = SequenceLeaf(case.condition)
    states = {
        kind.key: state
        for kind in leaf.kinds
        if (state := scattered(kind, case.events, random)) is not None
    }
    assert states == {
        kind.key: folded(kind, case.events) for kind in leaf.kinds if kind.key in states
    }
    held = 0
    lag = random.choice([0, 0, UNIT // 12, 3 * UNIT])
    times = clocks(case, random)
    for now in times:
        verdict = leaf.verdict(states, now, now - lag)
        assert verdict.holds is is_in(case.condition, case.events, now, now - lag)
        held += verdict.holds
        for later in times:
            if now <= later < verdict.at and later - lag < verdict.quiet_at:
                assert leaf.verdict(states, later, later - lag).holds is verdict.holds
        if verdict.holds:
            assert verdict.at > now
            if verdict.quiet_at == NEVER:
                assert not leaf.verdict(states, verdict.at, verdict.at - lag).holds
    return held


@few
@given(st.randoms(use_true_random=False))
def test_completions_are_those_that_some_choice_of_events_makes(random: Random) -> None:
    check_completions(random_case(random, most=7), random)


@few
@given(st.randoms(use_true_random=False))
def test_a_condition_holds_exactly_when_the_definition_says_so(random: Random) -> None:
    check_leaf(random_case(random, most=7), random)


def test_many_random_sequences_are_as_the_definition_says() -> None:
    matched = members = 0
    for seed in range(CASES):
        random = Random(seed)
        case = random_case(random)
        matched += check_completions(case, random) > 0
        members += check_leaf(case, random) > 0
    print(f"{CASES} cases: {matched} with a match, {members} with a member at some time")
    assert matched > CASES // 5
    assert members > CASES // 8


def test_long_logs_are_as_the_definition_says() -> None:
    for seed in range(CASES // 50):
        random = Random(seed)
        case = random_case(random, most=30, steps=2)
        check_completions(case, random)
        check_leaf(case, random)
