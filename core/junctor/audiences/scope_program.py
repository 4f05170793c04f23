"""What is compiled for subjects of one sort: which events feed which states, who rests on them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from junctor.audiences.behavior import Scope
from junctor.audiences.function_signals import FunctionSignal
from junctor.audiences.leaf import Kind, States
from junctor.audiences.moment import Node
from junctor.audiences.nodes import Audience
from junctor.audiences.presence import EXIT
from junctor.audiences.seen import HUB, Reader, Seen
from junctor.audiences.signals import Detector
from junctor.audiences.states.times import Times

PRESENCE: Final = "presence"


@dataclass(frozen=True, slots=True)
class Compiled:
    """An audience that can be evaluated. `number` is its place in the order of references.

    `needs` are keys of kinds: where none of a group has a state, the condition does not hold, and
    time alone changes nothing about that.
    """

    audience: Audience
    version: str
    number: int
    node: Node
    exit_kind: Times | None
    exit_node: Node | None
    needs: tuple[tuple[str, ...], ...] = ()

    def may_hold(self, states: States) -> bool:
        """Whether the condition may hold for a subject with these states, now or by time alone."""
        return not any(states.keys().isdisjoint(group) for group in self.needs)

    @property
    def name(self) -> str:
        """Its name."""
        return self.audience.name


class Feed(NamedTuple):
    """A state that a pattern's events go into, and the pattern's bit there."""

    kind: str
    bit: int


@dataclass(slots=True)
class ScopeProgram:
    """All that concerns subjects of one sort: people, sessions, accounts, …

    `values` are kinds that take every event in which their reader finds something; `crossing` names
    the audiences of sessions that rest on a state of the person. `at_birth` are audiences that may
    hold from the first event on, whatever it is; `by_age` those that rest on the time of that.
    """

    key: str
    kinds: dict[str, Kind] = field(default_factory=dict)
    feeds: dict[int, list[Feed]] = field(default_factory=dict)
    values: list[tuple[Reader, Kind]] = field(default_factory=list)
    detectors: dict[str, list[Detector]] = field(default_factory=dict)
    functions: dict[str, list[FunctionSignal]] = field(default_factory=dict)
    audiences: dict[str, Compiled] = field(default_factory=dict)
    by_kind: dict[str, list[Compiled]] = field(default_factory=dict)
    by_trait: dict[str, dict[str, Compiled]] = field(default_factory=dict)
    crossing: dict[str, list[Compiled]] = field(default_factory=dict)
    at_birth: list[Compiled] = field(default_factory=list)
    by_age: list[Compiled] = field(default_factory=list)

    def resting_on(self, trait: str, scope: Scope) -> list[Compiled]:
        """Return the audiences that rest on a trait and may turn with it, for a subject's scope.

        Found by what the subject has states of: many audiences may ask for the same trait.
        """
        concerned = self.by_trait.get(trait)
        if not concerned:
            return []
        found = {one.name: one for one in concerned.values() if not one.needs}
        for key in scope.states:
            for one in self.by_kind.get(key, ()):
                if one.name in concerned and one.may_hold(scope.states):
                    found[one.name] = one
        for name in (*scope.memberships, *scope.dues):
            if name in concerned:
                found[name] = concerned[name]
        return list(found.values())

    def wanting(self, seen: Seen, matched: Iterable[int]) -> list[tuple[Kind, int]]:
        """Return the kinds that want an event that fits these patterns, each with their bits."""
        masks: dict[str, int] = {}
        for number in matched:
            for key, bit in self.feeds.get(number, ()):
                masks[key] = masks.get(key, 0) | 1 << bit
        found = [(self.kinds[key], mask) for key, mask in masks.items()]
        if seen.name != EXIT and seen.source != HUB:
            found += [(kind, 0) for read, kind in self.values if read(seen.body) is not None]
            if PRESENCE in self.kinds:
                found.append((self.kinds[PRESENCE], 0))
        return found
