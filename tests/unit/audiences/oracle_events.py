"""Conditions on events by the sentences that define them: every event, every time, no state."""

import copy
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from junctor.audiences.comparison import (
    AllOf,
    AnyOf,
    Between,
    Compare,
    Comparison,
    compile_comparison,
)
from junctor.audiences.event_leaf import event_leaf
from junctor.audiences.leaf import NEVER, Kind, Leaf, State
from junctor.audiences.nodes import EventCondition, Pattern, Window
from junctor.audiences.seen import Seen

DAY: Final = 86_400_000
T0: Final = 1_785_542_400_000
"""2026-08-01T00:00:00Z."""
PATTERN: Final = Pattern(("x",))
AT_LEAST_ONE: Final = Compare("gte", 1)
CASES: Final = int(os.environ.get("JUNCTOR_ORACLE_CASES", "0"))


def event(at: int, rank: int, session: str = "", **properties: Any) -> Seen:
    return Seen("x", {"properties": properties}, at, rank, at, session)


# -- what is so ------------------------------------------------------------------------------------


def is_true(condition: EventCondition, events: Sequence[Seen], now: int) -> bool:
    """Whether the condition holds at `now` of all these events."""
    if condition.first:
        earliest = min(events, key=lambda seen: (seen.at, seen.rank), default=None)
        events = [] if earliest is None else [earliest]
    inside = [seen for seen in events if lies_in(condition, seen, now)]
    if condition.first or not (condition.same or condition.per_session):
        return figures_hold(condition, inside)
    return any(figures_hold(condition, group) for group in groups_of(condition, inside))


def groups_of(condition: EventCondition, events: Sequence[Seen]) -> list[list[Seen]]:
    groups: dict[Any, list[Seen]] = {}
    for seen in events:
        values = [seen.body["properties"].get(prop) for prop in condition.same]
        if condition.per_session:
            values.append(seen.session or None)
        if None not in values:
            groups.setdefault(tuple((type(v) is bool, v) for v in values), []).append(seen)
    return list(groups.values())


def lies_in(condition: EventCondition, seen: Seen, now: int) -> bool:
    window = condition.window
    age = max(0, now - seen.at)
    far = [end for end in (window.within, window.far) if end is not None]
    near = window.near or 0
    if condition.days is not None and far and not (min(far) % DAY or near % DAY):
        # Ages in local days: today's events are 0 days old.
        age = (local_day(condition, now) - local_day(condition, seen.at)).days * DAY
        near = near if near else -NEVER
    return (
        all(age < end for end in far)
        and age >= near
        and (window.since is None or seen.at >= window.since)
        and (window.until is None or seen.at < window.until)
    )


def figures_hold(condition: EventCondition, inside: Sequence[Seen]) -> bool:
    if not compile_comparison(condition.count)(len(inside)):
        return False
    if condition.days is not None:
        days = {local_day(condition, seen.at) for seen in inside}
        if not compile_comparison(condition.days)(len(days)):
            return False
    measure = condition.measure
    return measure is None or compile_comparison(measure.comparison)(figure(condition, inside))


def figure(condition: EventCondition, inside: Sequence[Seen]) -> Any:
    assert condition.measure is not None
    values = [seen.body["properties"].get(condition.measure.prop) for seen in inside]
    if condition.measure.kind == "distinct":
        return len({(type(v) is bool, v) for v in values if v is not None})
    numbers = [v for v in values if isinstance(v, int | float) and type(v) is not bool]
    match condition.measure.kind:
        case "sum":
            return float(sum(map(Fraction, numbers)))
        case "avg":
            return float(sum(map(Fraction, numbers))) / len(numbers) if numbers else None
        case "min":
            return min(numbers, default=None)
        case "max":
            return max(numbers, default=None)


def local_day(condition: EventCondition, at: int) -> date:
    return datetime.fromtimestamp(at / 1000, ZoneInfo(condition.zone)).date()


# -- when it changes -------------------------------------------------------------------------------


def moments(condition: EventCondition, events: Sequence[Seen]) -> list[int]:
    """Return every time at which an event may enter or leave the window, ascending."""
    window = condition.window
    lengths = [n for n in (window.within, window.far, window.near) if n is not None]
    found = {seen.at + length for seen in events for length in lengths}
    if condition.days is not None and lengths:
        first = min((seen.at for seen in events), default=T0) // DAY
        last = max((seen.at + max(lengths) for seen in events), default=T0) // DAY
        found.update(*(midnights(condition, day) for day in range(first - 1, last + 3)))
    return sorted(found)


def midnights(condition: EventCondition, day: int) -> Iterator[int]:
    """Yield the times of a UTC day at which another local day begins, by looking."""
    before = local_day(condition, day * DAY - 1)
    for at in range(day * DAY, (day + 1) * DAY, 900_000):
        today = local_day(condition, at)
        if today != before:
            yield at
        before = today


@dataclass
class Truth:
    """A condition, events, and what is so at the times between which nothing changes."""

    condition: EventCondition
    events: Sequence[Seen]

    def __post_init__(self) -> None:
        self.moments = moments(self.condition, self.events)

    def at(self, now: int) -> bool:
        return is_true(self.condition, self.events, now)

    def by_leaving(self, moment: int) -> bool:
        """Whether it holds at a time even without the events that enter the window then."""
        lasting = [seen for seen in self.events if lies_in(self.condition, seen, moment - 1)]
        return is_true(self.condition, lasting, moment)

    def believed(self, now: int, quiet: int) -> bool:
        """Whether it holds, if holding by events that left is believed only up to `quiet`."""
        holds, silent = self.at(quiet), False
        for moment in self.moments:
            if quiet < moment <= now:
                before, holds = holds, self.at(moment)
                if holds and not before:
                    silent = self.by_leaving(moment)
        return holds and not silent

    def changes(self, now: int, lag: int) -> Iterator[int]:
        """Yield the times after `now` at which what is believed may change."""
        yield from sorted(
            {moment for moment in self.moments if moment > now}
            | {moment + lag for moment in self.moments if moment + lag > now}
        )


# -- states ----------------------------------------------------------------------------------------


def fold(kind: Kind, events: Sequence[Seen]) -> State:
    state: State = None
    for seen in events:
        state = kind.add(state, seen, 1)
    return state


def split_and_merged(kind: Kind, events: Sequence[Seen], rng: random.Random) -> State:
    """Return the state of events that 2 or 3 subjects had, who turned out to be one."""
    parts: list[list[Seen]] = [[] for _ in range(rng.choice([2, 3]))]
    for seen in events:
        rng.choice(parts).append(seen)
    merged: State = None
    for part in parts:
        state = fold(kind, part)
        if state is not None:
            state = orjson.loads(orjson.dumps(state))
            merged = state if merged is None else kind.merge(merged, state)
    return merged


def states_of(leaf: Leaf, events: Sequence[Seen], rng: random.Random) -> dict[str, State]:
    """Return the states of a leaf, the same in whatever order events come and split they are."""
    states = {}
    for kind in leaf.kinds:
        shuffled = rng.sample(events, len(events))
        state = fold(kind, shuffled)
        ordered = sorted(events, key=lambda seen: (seen.at, seen.rank))
        assert state == fold(kind, ordered)
        assert state == split_and_merged(kind, shuffled, rng)
        if state is not None:
            states[kind.key] = state
    return states


def again(leaf: Leaf, states: dict[str, State], events: Sequence[Seen]) -> None:
    """Check that events that come once more change nothing."""
    for kind in leaf.kinds:
        state = copy.deepcopy(states.get(kind.key))
        for seen in events:
            state = kind.add(state, seen, 1)
        assert state == states.get(kind.key)


# -- a case ----------------------------------------------------------------------------------------

Making = Callable[[random.Random, int, int], EventCondition]
"""Makes a condition: lengths are multiples of a unit in milliseconds, times count from a base."""

UNITS: Final = (1, 1, 1_000, 7_200_000, DAY // 2)


@dataclass
class Tally:
    """How many cases there were, and in how many the condition held, would change, waited."""

    cases: int = 0
    held: int = 0
    changing: int = 0
    waiting: int = 0


def check_cases(making: Making, usual: int, base: int = T0, units: Sequence[int] = UNITS) -> Tally:
    """Check so many cases, or as many as the environment asks for; say how they turned out.

    Raises:
        AssertionError: it is not as the sentences say.
    """
    tally = Tally()
    for seed in range(CASES or usual):
        check(random.Random(f"{making.__name__} {base} {seed}"), making, tally, base, units)
    print(making.__name__, tally)
    return tally


def check(
    rng: random.Random, making: Making, tally: Tally, base: int, units: Sequence[int]
) -> None:
    """Check one case: order, merge, repetition, what holds, and when it changes."""
    unit = rng.choice(units)
    condition = making(rng, unit, base)
    events = some_events(rng, unit, base)
    leaf = event_leaf(condition)
    states = states_of(leaf, events, rng)
    if not any(type(kind).__name__ == "Totals" for kind in leaf.kinds):
        again(leaf, states, events)
    truth = Truth(condition, events)
    newest = max((seen.at for seen in events), default=base)
    for _ in range(3):
        now = a_time(rng, unit, newest, truth.moments)
        lag = rng.choice([0, 0, rng.randint(1, 5) * min(unit, 1_000)])
        check_verdict(leaf, states, truth, now, lag, tally)


def a_time(rng: random.Random, unit: int, newest: int, moments: list[int]) -> int:
    """Return a time to look at, near a change as a rule, at most a minute before the newest."""
    later = [moment for moment in moments if moment > newest - 60_000]
    if later and rng.random() < 0.6:
        return rng.choice(later) + rng.choice([-1, 0, 0, 1])
    return newest + rng.randint(-min(3 * unit, 60_000), 40 * unit)


def check_verdict(
    leaf: Leaf, states: dict[str, State], truth: Truth, now: int, lag: int, tally: Tally
) -> None:
    verdict = leaf.verdict(states, now, now - lag)
    assert verdict.holds == truth.believed(now, now - lag)
    next_change = min(verdict.at, verdict.quiet_at + lag if verdict.quiet_at < NEVER else NEVER)
    assert next_change > now
    for change in truth.changes(now, lag):
        if change >= next_change:
            break
        assert truth.believed(change, change - lag) == verdict.holds
        assert leaf.verdict(states, change, change - lag).holds == verdict.holds
    if lag == 0 and next_change < NEVER:
        assert truth.at(next_change) != verdict.holds
        assert truth.at(next_change - 1) == verdict.holds
    tally.cases += 1
    tally.held += verdict.holds
    tally.changing += next_change < NEVER
    tally.waiting += truth.at(now) and not verdict.holds


def some_events(rng: random.Random, unit: int, base: int) -> list[Seen]:
    """Return events of which several are at the same time, in no order."""
    events = []
    jitter = rng.choice([0, 0, unit // 3])
    for number in range(rng.randint(0, 12)):
        at = base + rng.randint(0, 30) * unit + rng.randint(0, jitter)
        properties = {
            prop: value
            for prop, values in PROPERTIES.items()
            if (value := rng.choice(values)) is not None
        }
        events.append(event(at, number, rng.choice(["", "s1", "s2", "s3"]), **properties))
    return events


PROPERTIES: Final[dict[str, list[Any]]] = {
    "n": [None, 1, 2.0, 2, -3, 0.1, 0.2, 0.7, 1e16, True, "5"],
    "v": [None, "a", "b", "c", 1, 1.0, True, "1"],
    "w": [None, "k", "l"],
}


def a_window(rng: random.Random, unit: int, base: int) -> Window:
    since = until = None
    if rng.random() < 0.2:
        since = base + rng.randint(0, 20) * unit
    if rng.random() < 0.2:
        until = base + rng.randint(10, 30) * unit
    match rng.choice(["within", "within", "between", "ever"]):
        case "within":
            return Window(within=rng.randint(1, 25) * unit, since=since, until=until)
        case "between":
            near = rng.randint(0, 12)
            far = (near + rng.randint(1, 15)) * unit
            return Window(far=far, near=near * unit, since=since, until=until)
    return Window(since=since, until=until)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def a_count(rng: random.Random) -> Comparison:
    number = rng.randint(0, 4)
    comparisons: list[Comparison] = [
            Compare("gte", number + 1), Compare("gte", number + 1), Compare("gt", number),
            Compare("eq", number), Compare("eq", 0), Compare("ne", number),
            Compare("lte", number), Compare("lt", number + 1), Between(number, number + 2),
            AnyOf((Compare("eq", 1), Compare("gte", 3))),
            AllOf((Compare("gte", 1), Compare("lt", 4))),
        ]  # fmt: skip
    return rng.choice(comparisons)
