"""A sequence made ready for matching: bits of a mask for patterns, places for bound values.

Whether an event fits a pattern is known when it arrives, but for the references to earlier steps;
these are tested when events are put together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from junctor.audiences.comparison import Operator, Reference, compare
from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import Pattern, Sequence, Step
from junctor.audiences.patterns import references

Entry = list[Any]
"""What is kept of an event: `[at, rank, mask]`, and its values if the sequence has references.

Bit N of the mask says that the event fits `Plan.patterns[N]`; the values are those of
`Plan.columns`, in their order.
"""
Log = list[Entry]
"""Entries in the order of events, (at, rank)."""
Bound = tuple[Any, ...]
"""Values of earlier steps that later ones refer to."""


@dataclass(frozen=True, slots=True)
class Tie:
    """An event's value in `column` compares with a bound value."""

    column: int
    op: Operator
    place: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are meant: a bit of the mask, and ties to earlier steps."""

    bit: int
    ties: tuple[Tie, ...] = ()

    def fits(self, entry: Entry, bound: Bound) -> bool:
        """Return whether the event of `entry` is meant, given the values of earlier steps."""
        if not entry[2] & self.bit:
            return False
        return not self.ties or all(
            compare(tie.op, entry[3][tie.column], bound[tie.place]) for tie in self.ties
        )


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step. `carried` makes the values bound after it: each (its own?, column or place).

    `binds` says that this changes anything. Without a limit `within` is NEVER.
    """

    wanted: Wanted
    without: tuple[Wanted, ...]
    count: int
    within: int
    after: int
    carried: tuple[tuple[bool, int], ...]
    binds: bool

    def bound(self, entry: Entry, before: Bound) -> Bound:
        """Return the values bound after the step, `entry` being its event."""
        return tuple(entry[3][place] if own else before[place] for own, place in self.carried)


@dataclass(frozen=True, slots=True)
class Plan:
    """A sequence as bits and places. `within` is NEVER if only gaps bound the whole."""

    patterns: tuple[Pattern, ...]
    columns: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    within: int
    silence: Wanted | None
    silent_for: int


def planned(sequence: Sequence) -> Plan:
    """Return the plan of a sequence.

    Raises:
        ValueError: a pattern refers to a step that is not an earlier one.
    """
    return _Planner(sequence).plan()


@dataclass(frozen=True, slots=True)
class _Use:
    """That a pattern looked for after step number `after` refers to a step's property."""

    step: str
    path: str
    after: int


class _Planner:
    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._patterns: dict[Pattern, int] = {}
        self._columns: dict[str, int] = {}
        self._named = {step.name: n for n, step in enumerate(sequence.steps) if step.name}
        self._uses = [
            _Use(reference.step, reference.path, number - 1)
            for number, pattern in self._places()
            for _, reference in references(pattern)
        ]
        for use in self._uses:
            if self._named.get(use.step, len(sequence.steps)) > use.after:
                raise ValueError(f"${use.step} is not an earlier step")

    def plan(self) -> Plan:
        sequence = self._sequence
        steps = tuple(self._step(number, step) for number, step in enumerate(sequence.steps))
        silence = sequence.silence
        quiet = self._wanted(silence.pattern, len(steps)) if silence is not None else None
        return Plan(
            patterns=tuple(self._patterns),
            columns=tuple(self._columns),
            steps=steps,
            within=NEVER if sequence.within is None else sequence.within,
            silence=quiet,
            silent_for=silence.length if silence is not None else 0,
        )

    def _places(self) -> Iterable[tuple[int, Pattern]]:
        """Yield the patterns with the number of the step that they belong to."""
        for number, step in enumerate(self._sequence.steps):
            for pattern in (step.pattern, *step.without):
                yield number, pattern
        if self._sequence.silence is not None:
            yield len(self._sequence.steps), self._sequence.silence.pattern

    def _open(self, number: int) -> list[tuple[str, str]]:
        """Return what is bound after step `number` and still referred to: steps and paths."""
        found = dict.fromkeys(
            (use.step, use.path)
            for use in self._uses
            if self._named[use.step] <= number <= use.after
        )
        return list(found)

    def _step(self, number: int, step: Step) -> PlannedStep:
        before, after = self._open(number - 1), self._open(number)
        return PlannedStep(
            wanted=self._wanted(step.pattern, number),
            without=tuple(self._wanted(pattern, number) for pattern in step.without),
            count=step.count,
            within=NEVER if step.within is None else step.within,
            after=step.after or 0,
            carried=tuple(
                (True, self._column(path))
                if self._named[name] == number
                else (False, before.index((name, path)))
                for name, path in after
            ),
            binds=before != after,
        )

    def _wanted(self, pattern: Pattern, number: int) -> Wanted:
        bound = self._open(number - 1)
        ties = tuple(
            Tie(self._column(path), to.op, bound.index((to.step, to.path)))
            for path, to in references(pattern)
        )
        place = self._patterns.setdefault(untied(pattern), len(self._patterns))
        return Wanted(1 << place, ties)

    def _column(self, path: str) -> int:
        return self._columns.setdefault(path, len(self._columns))


def untied(pattern: Pattern) -> Pattern:
    """Return what of a pattern one event can be tested for: all but references."""
    where = tuple(pair for pair in pattern.where if not isinstance(pair[1], Reference))
    return replace(pattern, where=where)
