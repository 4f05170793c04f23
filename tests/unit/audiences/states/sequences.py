"""Short ways to write sequences and what happened, for tests."""

from typing import Any

from junctor.audiences.comparison import Comparison, Operator, Reference
from junctor.audiences.leaf import Kind, State, States
from junctor.audiences.nodes import Pattern, Silence, Step
from junctor.audiences.seen import Seen
from junctor.audiences.states.sequence import SequenceKind, SequenceLeaf

from .oracle_sequence import fits, seen

SECOND = 1000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = 1_790_000_000_000
"""Times in tests are relative to this."""
EVER = 2**50


def event(*names: str, **where: Comparison) -> Pattern:
    return Pattern(names, tuple(where.items()))


def step(of: str, **keys: Any) -> Step:
    """Return a step; references are to what properties of its event compare with."""
    where = {key: keys.pop(key) for key in list(keys) if isinstance(keys[key], Reference)}
    return Step(event(of, **where), **keys)


def to(reference: str, op: Operator = "eq") -> Reference:
    name, _, path = reference.partition(".")
    return Reference(op, name, path)


def silence(*names: str, length: int, **where: Comparison) -> Silence:
    return Silence(event(*names, **where), length)


def happened(*told: tuple[Any, ...]) -> list[Seen]:
    """Return events from (name, time, properties), in order of arrival: the rank counts up."""
    return [
        seen(name, T0 + at, rank, **(more[0] if more else {}))
        for rank, (name, at, *more) in enumerate(told)
    ]


def told(kind: Kind, state: State | None, event: Seen) -> Any:
    """Add an event if it fits one of the kind's patterns, as the engine does."""
    matched = sum(fits(pattern, event) << bit for bit, pattern in enumerate(kind.patterns))
    return kind.add(state, event, matched) if matched else state


def folded(kind: Kind, events: list[Seen]) -> Any:
    state = None
    for one in events:
        state = told(kind, state, one)
    return state


def states(leaf: SequenceLeaf, events: list[Seen]) -> States:
    made = {kind.key: folded(kind, events) for kind in leaf.kinds}
    return {key: state for key, state in made.items() if state is not None}


def ends(kind: SequenceKind, events: list[Seen]) -> list[int]:
    """Return when the completions end, relative to T0."""
    return [one.end - T0 for one in kind.completions(folded(kind, events))]
