"""Attributes: figures of a profile, computed when they are read."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from junctor.audiences.attribute_figures import figure_of
from junctor.audiences.comparison import compile_comparison
from junctor.audiences.leaf import EVIDENCE, NEVER, Facts, Kind, States, Verdict
from junctor.audiences.nodes import Attribute, AttributeCondition
from junctor.audiences.states.times import Entries
from junctor.audiences.turning import crossings, first_change, thresholds, verdict
from junctor.fql.values import is_number

_LOOKED_AHEAD: Final = 4
"""Changes of a figure that are tried for one that turns a condition; it is looked at again then."""


class AttributeReader:
    """Reads an attribute off its state, at any time."""

    def __init__(self, attribute: Attribute) -> None:
        """Prepare `attribute`.

        Raises:
            ValueError: its aggregation needs a property, and it has none.
        """
        self.attribute = attribute
        self._figure = figure_of(attribute)
        self._key = self._figure.kind.key
        self._runs = attribute.agg in ("time_since_last", "time_since_first")

    @property
    def never_rests(self) -> bool:
        """Whether the value is another with every millisecond."""
        return self._runs and not self.attribute.bands

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kind whose state the attribute is read from."""
        return (self._figure.kind,)

    def leaf(self, condition: AttributeCondition) -> "AttributeLeaf":
        """Return the leaf of a condition on this attribute."""
        return AttributeLeaf(self, condition)

    def value(self, states: States, now: int) -> Any:
        """Return the figure at `now`, or its band; None where there is none."""
        return self._banded(self.raw(states, now))

    def raw(self, states: States, now: int) -> Any:
        """Return the figure at `now`, or the default; None where there is neither.

        `time_since_…` is in fractions of the unit, never negative.
        """
        known = self._known(states, now)
        if known:
            return self._since(known, now) if self._runs else self._figure.measure(known)
        if self.attribute.default is not None:
            return self.attribute.default
        return 0 if self.attribute.agg == "counter" else None

    def next_change(self, states: States, now: int) -> int:
        """Return when the value may next be another by time alone, or a little before; or NEVER.

        A `time_since_…` without bands is another with every millisecond.
        """
        if not self._runs or self.attribute.bands:
            return self.turns(states, now, [low for _, low in self.attribute.bands])[0]
        known = self._known(states, now)
        if not known:
            return NEVER
        return min(self._leaving(known), max(now, int(self._figure.measure(known))) + 1)

    def turns(self, states: States, clock: int, limits: Sequence[float]) -> list[int]:
        """Return the times, in order, at which the figure passes a limit, or jumps: that is last.

        Only a `time_since_…` passes limits without a jump. NEVER if there is no jump.
        """
        known = self._known(states, clock)
        jump = self._leaving(known)
        highest = max(limits, default=0)
        if not self._runs or not known or highest < 0:
            return [jump]
        end = min(jump, int(self._figure.measure(known) + highest * self.attribute.unit) + 2)
        if end <= clock:
            return [jump]
        return [*crossings(lambda at: self._since(known, at), limits, clock, end), jump]

    def error(self, states: States) -> str:
        """Return how exact the figure is, "" for exact."""
        entries = states.get(self._key)
        return self._figure.error(entries) if entries else ""

    def facts(self, states: States, now: int) -> Facts:
        """Return the value, and what it rests on."""
        entries = states.get(self._key)
        return Facts(
            self.value(states, now),
            [entry[1] for entry in self._known(states, now)[-EVIDENCE:]],
            self.error(states),
            bool(entries) and self._figure.kind.degraded(entries),
        )

    def _known(self, states: States, now: int) -> Entries:
        return self._figure.current(states.get(self._key) or [], now)

    def _leaving(self, known: Entries) -> int:
        """Return when time alone next takes something away."""
        return known[0][0] + self._figure.age if known and self._figure.age < NEVER else NEVER

    def _since(self, known: Entries, now: int) -> float:
        return max(0, now - int(self._figure.measure(known))) / self.attribute.unit

    def _banded(self, figure: Any) -> Any:
        bands = self.attribute.bands
        if not bands:
            return figure
        reached = [name for name, low in bands if is_number(figure) and low <= figure]
        return reached[-1] if reached else None


class AttributeLeaf:
    """An attribute, its band if it has bands, compares."""

    def __init__(self, attribute: AttributeReader, condition: AttributeCondition) -> None:
        """Prepare a condition on `attribute`."""
        self._attribute = attribute
        self._test = compile_comparison(condition.comparison)
        bands = attribute.attribute.bands
        self._limits = tuple(low for _, low in bands) or thresholds(condition.comparison)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """See Leaf."""
        return self._attribute.kinds

    def verdict(self, states: States, now: int, quiet: int) -> Verdict:
        """See Leaf."""

        @cache
        def holds(clock: int) -> bool:
            return self._test(self._attribute.value(states, clock))

        def change(clock: int) -> int:
            for _ in range(_LOOKED_AHEAD):
                turns = self._attribute.turns(states, clock, self._limits)
                turn, clock = first_change(holds, clock, turns), turns[-1]
                if turn < NEVER or clock == NEVER:
                    return turn
            return clock

        return verdict(holds, change, now, quiet)

    def facts(self, states: States, now: int) -> Facts:
        """See Leaf: the value compared."""
        return self._attribute.facts(states, now)
