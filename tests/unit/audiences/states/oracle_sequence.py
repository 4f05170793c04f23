"""What a sequence means, by trying every choice of events; and random sequences to try it on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random
from typing import Any, Final

from junctor.audiences.comparison import Compare, Comparison, Operator, Reference
from junctor.audiences.nodes import Pattern, Sequence, SequenceCondition, Silence, Step
from junctor.audiences.seen import Seen

UNIT = 60_000
"""Times of random cases are around multiples of a minute, so that many are equal."""
Bound = dict[str, Seen]
FQL: Final[Mapping[str, Callable[[Seen], bool]]] = {
    "properties.k = 1": lambda event: prop(event, "k") == 1,
    'properties.k != 2 and type = "track"': lambda event: prop(event, "k") in (1, True),
    'match(event, "A*") or properties.k = null': lambda event: (
        event.name.startswith("A") or prop(event, "k") is None
    ),
}
"""Conditions in FQL, and what they say of events whose `k` is 1, 2 or missing."""


def at(event: Seen) -> tuple[int, int]:
    return (event.at, event.rank)


def prop(event: Seen, path: str) -> Any:
    return event.body["properties"].get(path)


def compares(op: Operator, left: Any, right: Any) -> bool:
    if op in ("eq", "ne"):
        both = left is not None and right is not None
        equal = both and isinstance(left, bool) == isinstance(right, bool) and left == right
        return bool(equal) is (op == "eq")
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return False
    if isinstance(left, str) is not isinstance(right, str):
        return False
    more, less = left > right, left < right
    return bool({"gt": more, "gte": not less, "lt": less, "lte": not more}[op])


def holds(comparison: Comparison, value: Any, bound: Bound | None) -> bool:
    if isinstance(comparison, Reference):
        if bound is None:
            return True
        return compares(comparison.op, value, prop(bound[comparison.step], comparison.path))
    assert isinstance(comparison, Compare)
    return compares(comparison.op, value, comparison.operand)


def fits(pattern: Pattern, event: Seen, bound: Bound | None = None) -> bool:
    """Whether an event fits; without `bound` any step's value would do."""
    if event.name not in pattern.names or (pattern.fql and not FQL[pattern.fql](event)):
        return False
    return all(holds(comparison, prop(event, path), bound) for path, comparison in pattern.where)


def matches(sequence: Sequence, events: list[Seen]) -> Iterator[tuple[Seen, Seen, Bound]]:
    """Yield the first event, the last event and the named ones of every match."""

    def go(number: int, first: Seen | None, last: Seen | None, bound: Bound) -> Any:
        if number == len(sequence.steps):
            yield first, last, bound
            return
        step = sequence.steps[number]
        later = [event for event in events if last is None or at(event) > at(last)]
        able = [event for event in later if fits(step.pattern, event, bound)]
        for chosen in combinations(able, step.count):
            this = chosen[-1]
            if last is not None:
                gap = this.at - last.at
                if step.within is not None and gap > step.within:
                    continue
                if step.after is not None and gap < step.after:
                    continue
                between = [event for event in later if at(event) < at(this)]
                if any(fits(bad, event, bound) for event in between for bad in step.without):
                    continue
            named = bound if step.name is None else bound | {step.name: this}
            yield from go(number + 1, first or chosen[0], this, named)

    for first, last, bound in go(0, None, None, {}):
        if sequence.within is None or last.at - first.at <= sequence.within:
            yield first, last, bound


def completions(sequence: Sequence, events: list[Seen]) -> list[tuple[int, int, int]]:
    """Return (end, at, rank) of every completion, in order."""
    parts: dict[Any, list[Seen]] = {}
    for event in sorted(events, key=at):
        values = [prop(event, path) for path in sequence.same]
        if None not in values:
            key = tuple((isinstance(value, bool), value) for value in values)
            parts.setdefault(key, []).append(event)
    found = set()
    for part in parts.values():
        for _, last, bound in matches(sequence, part):
            silence = sequence.silence
            if silence is None:
                found.add((last.at, last.at, last.rank))
                continue
            end = last.at + silence.length
            noise = [event for event in part if at(event) > at(last) and event.at < end]
            if not any(fits(silence.pattern, event, bound) for event in noise):
                found.add((end, last.at, last.rank))
    return sorted(found)


def is_in(condition: SequenceCondition, events: list[Seen], now: int, quiet: int) -> bool:
    silent = condition.sequence.silence is not None
    exits = [event for event in events if condition.exit and fits(condition.exit, event)]
    for end, time, rank in completions(condition.sequence, events):
        done = end <= quiet if silent else True
        left = any(
            event.at >= end if silent else at(event) > (time, rank) for event in exits
        )  # fmt: skip
        if done and now < end + condition.hold and not left:
            return True
    return False


@dataclass(frozen=True)
class Case:
    condition: SequenceCondition
    events: list[Seen]


VALUES = [1, 1, 1.0, True, 2, 2, "1", "x" * 80, "y" * 80, None]
STATIC = [Compare("eq", 1), Compare("ne", 2), Compare("ne", "1"), Compare("eq", True)]
GAPS = [UNIT // 2, UNIT, 2 * UNIT, 5 * UNIT, 20 * UNIT]


def random_case(random: Random, *, most: int = 9, steps: int = 4) -> Case:
    """Return a condition and events, few kinds of both, so that they meet."""
    sequence = random_sequence(random, random.randint(1, steps))
    leave = random_pattern(random, []) if random.random() < 0.4 else None
    hold = random.choice([1, UNIT, 3 * UNIT, 10 * UNIT, 50 * UNIT])
    events = random_events(random, sequence, random.randint(most // 4, most))
    return Case(SequenceCondition(sequence, hold, leave), events)


def random_events(random: Random, sequence: Sequence, number: int) -> list[Seen]:
    """Return any events, among them some that come close to a match."""
    span = random.choice([4, 12, 40])
    told = [
        (random.choice("ABCD"), UNIT * (100 + random.randint(0, span)), random.choice(VALUES))
        for _ in range(number)
    ]
    if random.random() < 0.75:
        planted = list(_planted(random, sequence))
        told[: len(planted)] = planted
    events = []
    for rank, (name, time, value) in enumerate(told[:number]):
        also = value if random.random() < 0.6 else random.choice(VALUES)
        kept = {path: one for path, one in (("k", value), ("v", also)) if one is not None}
        time += random.choice([0, 0, 0, -1, 1])
        events.append(seen(name, time, rank * 8, **kept))
    return events


def _planted(random: Random, sequence: Sequence) -> Iterator[tuple[str, int, Any]]:
    """Yield events (name, time, value) that might be those of a match."""
    time, value = UNIT * (100 + random.randint(0, 4)), random.choice(VALUES)
    for number, step in enumerate(sequence.steps):
        gap = step.after or 0
        if number and step.within is not None and step.within > gap:
            gap = random.choice([gap, gap, step.within])
        time += gap
        for _ in range(step.count):
            yield random.choice(step.pattern.names), time, value


def seen(name: str, at: int, rank: int, **properties: Any) -> Seen:
    return Seen(name, {"properties": properties}, at, rank, at)


def random_pattern(random: Random, earlier: list[str]) -> Pattern:
    names = tuple(sorted(random.sample("ABCD", random.choice([1, 1, 1, 2]))))
    where: list[tuple[str, Comparison]] = []
    if random.random() < 0.15:
        where.append(("k", random.choice(STATIC)))
    while earlier and random.random() < 0.4:
        op: Operator = random.choice(["eq", "eq", "eq", "ne", "gt", "lte"])
        reference = Reference(op, random.choice(earlier), random.choice("kv"))
        where.append((random.choice("kv"), reference))
    return Pattern(names, tuple(where))


def random_sequence(random: Random, length: int) -> Sequence:
    within = random.choice([None, None, 2 * UNIT, 6 * UNIT, 20 * UNIT])
    steps: list[Step] = []
    earlier: list[str] = []
    for number in range(length):
        name = f"s{number}" if random.random() < 0.4 else None
        step = Step(random_pattern(random, earlier), random.choice([1, 1, 1, 1, 2, 3]), name=name)
        if number:
            gap = random.choice(GAPS) if within is None or random.random() < 0.4 else None
            step = replace(
                step,
                within=gap,
                after=random.choice([None, None, None, UNIT // 2, UNIT, 2 * UNIT]),
                without=tuple(
                    random_pattern(random, earlier) for _ in range(random.choice([0, 0, 0, 1, 2]))
                ),
            )
        steps.append(step)
        if name:
            earlier.append(name)
    silence = None
    if random.random() < 0.4:
        silence = Silence(random_pattern(random, earlier), random.choice(GAPS))
    same = random.choice([(), (), (), (), ("k",), ("k", "v")])
    return Sequence(tuple(steps), silence, within, same)
