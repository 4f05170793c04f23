"""Events as they may arrive: in any order, in the hands of several profiles that become one."""

import os
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import orjson

from junctor.audiences.leaf import NEVER, Kind, Leaf, State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Seen

from .states.oracle_sequence import fits

CASES = int(os.environ.get("JUNCTOR_ORACLE_CASES", "400"))
"""Random cases of each oracle test."""

States = dict[str, State]


def named(*names: str) -> Pattern:
    return Pattern(names)


def seen(name: str, at: int, rank: int, session: str = "", **properties: Any) -> Seen:
    return Seen(name, {"properties": properties}, at, rank, at, session)


def order(event: Seen) -> tuple[int, int]:
    return event.at, event.rank


def folded(kind: Kind, events: Iterable[Seen]) -> Any:
    state = None
    for event in events:
        bits = (fits(pattern, event) for pattern in kind.patterns)
        if matched := sum(bit << place for place, bit in enumerate(bits)):
            state = kind.add(state, event, matched)
    return state


def stored(state: State | None) -> Any:
    return orjson.loads(orjson.dumps(state))


def scattered(kind: Kind, events: list[Seen], random: Random, *, twice: bool = True) -> Any:
    """Fold events in random order in up to three parts, some of them `twice`, and merge them."""
    parts: list[list[Seen]] = [[] for _ in range(random.randint(1, 3))]
    for event in random.sample(events, len(events)):
        random.choice(parts).append(event)
        if twice and random.random() < 0.2:
            random.choice(parts).append(event)
    whole: State | None = None
    for part in parts:
        state = stored(folded(kind, part))
        whole = state if whole is None else whole if state is None else kind.merge(whole, state)
    return stored(whole)


def states_of(kinds: Iterable[Kind], fold: Callable[[Kind], State | None]) -> States:
    """Return the states of kinds; those of equal key share theirs."""
    unlike = {kind.key: kind for kind in kinds}.values()
    return {kind.key: state for kind in unlike if (state := fold(kind)) is not None}


def check_verdict(leaf: Leaf, states: States, now: int, lag: int, clocks: Iterable[int]) -> bool:
    """Check that nothing changes before the verdict's time says so; return whether it holds."""
    verdict = leaf.verdict(states, now, now - lag)
    assert verdict.at > now
    assert verdict.quiet_at > now - lag
    assert max(verdict.at, 0) <= NEVER >= verdict.quiet_at
    for clock in clocks:
        if now <= clock < verdict.at and clock - lag < verdict.quiet_at:
            assert leaf.verdict(states, clock, clock - lag).holds is verdict.holds, clock
    return verdict.holds
