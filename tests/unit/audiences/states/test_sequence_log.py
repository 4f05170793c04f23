"""The log of a sequence is bounded, says so when it matters, and keeps what decides."""

from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.nodes import Sequence, SequenceCondition, Silence, Step
from junctor.audiences.seen import Seen
from junctor.audiences.states.sequence import SequenceKind, SequenceLeaf
from junctor.audiences.states.sequence_log import MOST_ENTRIES, MOST_LOGS
from junctor.audiences.states.sequence_match import MOST_BINDINGS, match
from junctor.audiences.states.sequence_plan import planned
from junctor.audiences.states.times import AHEAD_MS

from .oracle_sequence import fits
from .sequences import (
    DAY,
    EVER,
    HOUR,
    MINUTE,
    T0,
    event,
    folded,
    happened,
    silence,
    states,
    step,
    to,
    told,
)


def kind(
    *steps: Step, keep: int = EVER, silence: Silence | None = None, **keys: Any
) -> SequenceKind:
    return SequenceKind(Sequence(steps, silence, **keys), keep)


def entries(state: Any) -> int:
    return sum(len(log) for log in state[0].values())


def test_an_event_told_twice_changes_nothing() -> None:
    pair = kind(step("A"), step("B", within=HOUR))
    events = happened(("A", 0), ("B", 1), ("A", 2))
    once = orjson.dumps(folded(pair, events))
    assert orjson.dumps(folded(pair, [*events, *events])) == once
    again = pair.merge(folded(pair, events), folded(pair, events[1:]))
    assert orjson.dumps(again) == once


def test_what_is_too_old_to_matter_is_forgotten() -> None:
    pair = kind(step("A"), step("B", within=HOUR), silence=silence("C", length=MINUTE), keep=DAY)
    horizon = HOUR + MINUTE + DAY + AHEAD_MS
    events = happened(("A", 0), ("B", 1), ("A", horizon))
    assert entries(folded(pair, events)) == 3
    assert entries(folded(pair, happened(("A", horizon + 2), ("A", 0), ("B", 1)))) == 1
    late = folded(pair, happened(("A", horizon + 2), ("B", 1)))
    assert (entries(late), pair.degraded(late)) == (1, False)


def test_the_shorter_of_the_whole_and_its_gaps_bounds_the_memory() -> None:
    def size(*steps: Step, within: int | None = None) -> int:
        return kind(*steps, keep=0, within=within).size - AHEAD_MS

    assert size(step("A"), step("B", within=HOUR), step("C", within=HOUR)) == 2 * HOUR
    assert size(step("A"), step("B", within=HOUR), step("C"), within=3 * HOUR) == 3 * HOUR
    assert size(step("A"), step("B", within=HOUR), within=3 * HOUR) == HOUR
    assert size(step("A", count=2), step("B", within=HOUR), within=3 * HOUR) == 3 * HOUR
    assert size(step("A")) == 0


def test_over_its_cap_a_log_keeps_the_newest_and_says_so_while_it_matters() -> None:
    pair = kind(step("A"), step("B", after=1, within=HOUR), keep=0)
    events = happened(*[("A" if n % 2 else "B", n) for n in range(MOST_ENTRIES)])
    state = folded(pair, events)
    assert not pair.degraded(state)
    more = happened(*[("B", 0)] * MOST_ENTRIES, ("A", MOST_ENTRIES))[-1:]
    state = told(pair, state, more[0])
    assert (entries(state), state[0][""][0][0], pair.degraded(state)) == (64, T0 + 1, True)
    later = happened(*[("B", 0)] * (MOST_ENTRIES + 1), ("A", 2 * HOUR))[-1:]
    state = told(pair, state, later[0])
    assert (entries(state), pair.degraded(state), state[1]) == (1, False, None)


def test_over_the_cap_merged_halves_are_degraded_too() -> None:
    pair = kind(step("A"), step("B", within=HOUR))
    events = happened(*[("A" if n % 2 else "B", n) for n in range(MOST_ENTRIES + 6)])
    halves = [folded(pair, events[half::2]) for half in (0, 1)]
    merged = pair.merge(*halves)
    assert (entries(merged), pair.degraded(merged)) == (MOST_ENTRIES, True)


def test_what_one_half_lacks_the_whole_lacks() -> None:
    pair = kind(step("A"), step("B", within=HOUR))
    events = happened(*[("A" if n % 2 else "B", n) for n in range(MOST_ENTRIES + 6)])
    merged = pair.merge(folded(pair, events[-3:]), folded(pair, events))
    assert (entries(merged), pair.degraded(merged)) == (MOST_ENTRIES, True)


def test_the_log_of_values_longest_unseen_makes_room() -> None:
    pair = kind(step("A"), step("B", within=HOUR), same=("cart",))
    carts = [("A", n, {"cart": n}) for n in range(MOST_LOGS)]
    state = folded(pair, happened(*carts))
    assert (len(state[0]), pair.degraded(state)) == (MOST_LOGS, False)
    events = happened(
        *carts, ("A", 20, {"cart": 99}), ("B", 21, {"cart": 0}), ("B", 22, {"cart": 1})
    )
    state = folded(pair, events)
    assert (len(state[0]), pair.degraded(state)) == (MOST_LOGS, True)
    assert pair.completions(state) == []
    assert not pair.degraded(folded(kind(step("A"), keep=0, same=("cart",)), happened(
        *carts, ("A", HOUR, {"cart": 99}),
    )))  # fmt: skip


def test_older_events_of_a_count_without_a_whole_are_kept_and_missed_when_dropped() -> None:
    rare = kind(step("A", count=3), step("B", within=10), keep=0)
    calm = happened(("A", 0), ("A", 1), ("B", 2), ("A", 3), ("B", 4), ("A", DAY))
    state = folded(rare, calm)
    assert [entry[0] - T0 for entry in state[0][""]] == [1, 3, DAY]
    flood = happened(("A", 0), ("A", 1), *[("AB"[n % 2], DAY + n) for n in range(MOST_ENTRIES + 1)])
    state = folded(rare, flood)
    assert rare.degraded(state)
    after = happened(*[("A", 0)] * 200, ("B", 9 * DAY))[-1:]
    assert not rare.degraded(told(rare, state, after[0]))


def test_more_open_combinations_of_values_than_are_followed_count_as_degraded() -> None:
    three = kind(
        step("A", name="a"),
        step("A", name="b", within=HOUR),
        step("B", within=HOUR, k=to("a.k"), v=to("b.k")),
    )

    def with_values(number: int, last: int) -> Any:
        first = [("A", n, {"k": n}) for n in range(number)]
        return folded(three, happened(*first, ("B", number, {"k": last - 1, "v": last})))

    few = with_values(11, 5)
    assert (len(three.completions(few)), three.degraded(few)) == (1, False)
    many = with_values(40, 39)
    assert (len(three.completions(many)), three.degraded(many)) == (1, True)
    assert 40 * 39 // 2 > MOST_BINDINGS > 11 * 10 // 2


def test_a_flood_of_what_breaks_a_silence_drowns_no_membership() -> None:
    cart = SequenceLeaf(
        SequenceCondition(
            Sequence((step("Added"),), silence("Added", "page_view", length=3 * DAY)), 14 * DAY
        )
    )
    flood = happened(("Added", 0), *[("page_view", 4 * DAY + n * MINUTE) for n in range(500)])
    now = T0 + 16 * DAY
    assert cart.verdict(states(cart, flood), now, now).holds
    assert cart.facts(states(cart, flood), now).degraded


def test_a_flood_of_first_steps_drowns_no_membership() -> None:
    viewed = SequenceLeaf(
        SequenceCondition(Sequence((step("A"), step("B", within=HOUR))), 30 * DAY)
    )
    flood = happened(("A", 0), ("B", 1), *[("A", DAY + n * MINUTE) for n in range(500)])
    now = T0 + 29 * DAY
    assert viewed.verdict(states(viewed, flood), now, now).holds


def test_first_steps_that_also_break_the_silence_are_not_needless() -> None:
    quiet = kind(step("A"), step("B", within=HOUR), silence=silence("A", length=10))
    flood = happened(("A", 0), ("B", 1), ("A", 5), *[("A", 100 + n) for n in range(90)])
    assert quiet.completions(folded(quiet, flood)) == []


FLOODS: list[tuple[str, Sequence]] = [
    ("XY", Sequence((step("A"),), silence("X", "Y", "A", length=30))),
    ("AXY", Sequence((step("A"), step("B", within=40, without=(event("X"), event("X", "Y")))))),
    ("AY", Sequence((step("A", count=2), step("B", count=2)), silence("Y", length=9), within=50)),
    ("AY", Sequence((step("A", count=3), step("B", within=20, without=(event("Y"),))))),
    ("AX", Sequence((step("A", name="a"), step("B", within=90, k=to("a.k"), without=(
        event("X", k=to("a.k")),
    ))))),
    ("XY", Sequence((
        step("A"), step("B", within=40, without=(event("Y"),)),
    ), silence("X", length=9))),
    ("X", Sequence((step("A"), step("B", within=40, after=5)), silence("X", length=9))),
]  # fmt: skip


@pytest.mark.parametrize(("floods", "sequence"), FLOODS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_flood_of_one_kind_of_event_changes_nothing_that_is_found(
    floods: str, sequence: Sequence, seed: int
) -> None:
    random = Random(seed)
    names = random.choices("AAABXY", k=9)
    runs = [(name, random.choice([1, 2, 90] if name in floods else [1, 2])) for name in names]
    events = happened(*_runs(random, runs))
    bounded = SequenceKind(sequence, EVER)
    plan = planned(sequence)
    log = [_entry(bounded, one, plan.columns) for one in events]
    log = [entry for entry in log if entry[2]]
    state = folded(bounded, events)
    assert state is None or entries(state) == min(len(log), MOST_ENTRIES)
    found = [log[way[0]][1] for way in match(plan, log).ways]
    assert [one.rank for one in bounded.completions(state)] == found


def _runs(random: Random, runs: list[tuple[str, int]]) -> list[tuple[Any, ...]]:
    time, made = 0, []
    for name, length in runs:
        value = {"k": random.choice([1, True, "1"])}
        for _ in range(length):
            time += random.choice([0, 1, 1, 3])
            made.append((name, time, value))
    return made


def _entry(kind: SequenceKind, event: Seen, columns: tuple[str, ...]) -> list[Any]:
    mask = sum(fits(pattern, event) << bit for bit, pattern in enumerate(kind.patterns))
    values = [event.body["properties"].get(column) for column in columns]
    return [event.at, event.rank, mask, values] if columns else [event.at, event.rank, mask]
