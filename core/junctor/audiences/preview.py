"""What an audience would be before it is saved: how many, and what each criterion keeps."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from junctor.audiences.leaf import NEVER
from junctor.audiences.moment import Moment, Node
from junctor.audiences.nodes import (
    AttributeCondition,
    Audience,
    AudienceCondition,
    Condition,
    Definitions,
    EventCondition,
    Group,
    ScoreCondition,
    SequenceCondition,
    StateCondition,
    TraitCondition,
)
from junctor.audiences.scope_program import Compiled
from junctor.audiences.words import condition_lines


@dataclass(slots=True)
class Criterion:
    """A part of the condition: how many it alone keeps, and how many together with those before.

    `so_far` is None where parts do not have to hold together.
    """

    words: str
    kept: int = 0
    so_far: int | None = None


class Tally:
    """Counts what the criteria of an audience keep, one subject after another.

    The criteria are the parts of an `all`, `any` or `none` at the root; of `none` a part keeps
    those of whom it is not true.
    """

    def __init__(self, compiled: Compiled) -> None:
        """Count for an audience."""
        condition, node = compiled.audience.condition, compiled.node
        self.total = 0
        self._wanted = True
        self._nodes: tuple[Node, ...] = (node,)
        parts: tuple[Condition, ...] = (condition,)
        together = False
        if isinstance(condition, Group):
            parts, self._nodes = condition.items, getattr(node, "items", ())
            self._wanted = condition.kind != "none"
            together = condition.kind != "any"
        self.criteria = [
            Criterion(self._words(part), so_far=0 if together else None) for part in parts
        ]

    def take(self, moment: Moment) -> None:
        """Count a subject."""
        self.total += 1
        so_far = True
        for criterion, node in zip(self.criteria, self._nodes, strict=True):
            keeps = node.verdict(moment).holds is self._wanted
            so_far = so_far and keeps
            criterion.kept += keeps
            if criterion.so_far is not None:
                criterion.so_far += so_far

    def _words(self, condition: Condition) -> str:
        lines = condition_lines(condition)
        return "\n".join(lines if self._wanted else [f"not: {lines[0]}", *lines[1:]])


def place(id: str) -> float:
    """Return where a subject lies from 0 to 1, the same from run to run: samples are nested."""
    digest = hashlib.sha256(f"preview:{id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def only(definitions: Definitions, name: str) -> Definitions:
    """Return the definitions that one audience needs: itself, and all that it refers to.

    Signals are left out: those of the past are events like others.
    """
    by_name = {audience.name: audience for audience in definitions.audiences}
    wanted: set[tuple[str, str]] = set()
    left = [name]
    while left:
        audience = by_name[left.pop()]
        wanted.add(("audience", audience.name))
        for condition in _conditions(audience):
            match condition:
                case AudienceCondition(other) if ("audience", other) not in wanted:
                    left.append(other)
                case ScoreCondition(other):
                    wanted.add(("score", other))
                case AttributeCondition(other):
                    wanted.add(("attribute", other))
                case StateCondition(other):
                    wanted.add(("state", other))
    return replace(
        definitions,
        audiences=tuple(a for a in definitions.audiences if ("audience", a.name) in wanted),
        signals=(),
        scores=tuple(s for s in definitions.scores if ("score", s.name) in wanted),
        attributes=tuple(a for a in definitions.attributes if ("attribute", a.name) in wanted),
        states=tuple(s for s in definitions.states if ("state", s.name) in wanted),
        services=(),
    )


def looks_back(audience: Audience, definitions: Definitions) -> int:
    """Return how far back (milliseconds) its conditions look at events; NEVER for without end."""
    periods = {one.name: one.period for one in definitions.attributes}
    return max((_looks_back(one, periods) for one in _conditions(audience)), default=0)


def _looks_back(condition: Condition, periods: dict[str, int | None]) -> int:
    match condition:
        case EventCondition(window=window):
            ends = [end for end in (window.within, window.far) if end is not None]
            return min(ends, default=NEVER)
        case SequenceCondition(sequence, hold):
            silence = sequence.silence.length if sequence.silence is not None else 0
            return NEVER if sequence.within is None else sequence.within + silence + hold
        case AttributeCondition(name):
            period = periods.get(name)
            return NEVER if period is None else period
        case TraitCondition(changed_within=int(within)):
            return within
        case StateCondition(within=int(within)):
            return within
        case ScoreCondition() | StateCondition():
            return NEVER
    return 0


def _conditions(audience: Audience) -> Iterator[Condition]:
    roots = [audience.condition]
    if audience.exit_while is not None:
        roots.append(audience.exit_while)
    for root in roots:
        yield from _all(root)


def _all(condition: Condition) -> Iterable[Condition]:
    yield condition
    if isinstance(condition, Group):
        for item in condition.items:
            yield from _all(item)
