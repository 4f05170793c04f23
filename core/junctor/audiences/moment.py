"""One subject at one time, and conditions as nodes that can be asked about it."""

from dataclasses import dataclass
from typing import Protocol

from junctor.audiences.behavior import Behavior, Scope
from junctor.audiences.leaf import NEVER, Facts, Leaf, Verdict
from junctor.model.profile import Profile


@dataclass(slots=True)
class Moment:
    """What conditions look at. `scope` is the subject's own, or one of its sessions'.

    `session` is that session's id. `quiet` is the time up to which silence is believed.
    """

    profile: Profile
    behavior: Behavior
    scope: Scope
    now: int
    quiet: int
    session: str | None = None


class Node(Protocol):
    """A condition that can be evaluated."""

    def verdict(self, moment: Moment) -> Verdict:
        """Return whether it holds, and when time alone changes that."""
        ...

    def facts(self, moment: Moment) -> Facts:
        """Return what the verdict rests on."""
        ...


@dataclass(frozen=True, slots=True)
class StateNode:
    """A leaf over states: those of the scope, or, if `of_subject`, always the subject's own."""

    leaf: Leaf
    of_subject: bool = False

    def verdict(self, moment: Moment) -> Verdict:
        """See Node."""
        scope = moment.behavior.own if self.of_subject else moment.scope
        return self.leaf.verdict(scope.states, moment.now, moment.quiet)

    def facts(self, moment: Moment) -> Facts:
        """See Node."""
        scope = moment.behavior.own if self.of_subject else moment.scope
        return self.leaf.facts(scope.states, moment.now)


def _change(verdict: Verdict) -> tuple[int, bool]:
    """Return the next change and whether it rests on silence."""
    return (verdict.at, False) if verdict.at <= verdict.quiet_at else (verdict.quiet_at, True)


def _together(holds: bool, deciding: list[Verdict]) -> Verdict:
    """Return the verdict of what changes only when all of `deciding` have changed.

    Nothing happens before the last of their next changes; then it is looked at again.
    """
    time, silent = max(map(_change, deciding))
    return Verdict(holds, NEVER, time) if silent else Verdict(holds, time)


def _any_one(holds: bool, deciding: list[Verdict]) -> Verdict:
    """Return the verdict of what changes when the first of `deciding` changes."""
    return Verdict(
        holds,
        min([verdict.at for verdict in deciding], default=NEVER),
        min([verdict.quiet_at for verdict in deciding], default=NEVER),
    )


def _joined(items: tuple[Node, ...], moment: Moment, deciding: bool) -> Verdict:
    """Return the verdict of items of which each that is `deciding` decides for all.

    One that decides and never changes by itself ends the look: by far the most do.
    """
    verdicts, decided = [], []
    for item in items:
        verdict = item.verdict(moment)
        if verdict.holds is deciding:
            if verdict.at == NEVER and verdict.quiet_at == NEVER:
                return verdict
            decided.append(verdict)
        else:
            verdicts.append(verdict)
    return _together(deciding, decided) if decided else _any_one(not deciding, verdicts)


def all_of(items: tuple[Node, ...], moment: Moment) -> Verdict:
    """Return the verdict of all of several."""
    return _joined(items, moment, False)


def any_of(items: tuple[Node, ...], moment: Moment) -> Verdict:
    """Return the verdict of any of several."""
    return _joined(items, moment, True)


@dataclass(frozen=True, slots=True)
class AllNode:
    """All of the conditions hold."""

    items: tuple[Node, ...]

    def verdict(self, moment: Moment) -> Verdict:
        """See Node."""
        return all_of(self.items, moment)

    def facts(self, moment: Moment) -> Facts:
        """See Node: how many hold."""
        return _how_many(self.items, moment)


@dataclass(frozen=True, slots=True)
class AnyNode:
    """At least one of the conditions holds."""

    items: tuple[Node, ...]

    def verdict(self, moment: Moment) -> Verdict:
        """See Node."""
        return any_of(self.items, moment)

    def facts(self, moment: Moment) -> Facts:
        """See Node: how many hold."""
        return _how_many(self.items, moment)


@dataclass(frozen=True, slots=True)
class NoneNode:
    """None of the conditions holds."""

    items: tuple[Node, ...]

    def verdict(self, moment: Moment) -> Verdict:
        """See Node."""
        verdict = any_of(self.items, moment)
        return Verdict(not verdict.holds, verdict.at, verdict.quiet_at)

    def facts(self, moment: Moment) -> Facts:
        """See Node: how many hold."""
        return _how_many(self.items, moment)


def _how_many(items: tuple[Node, ...], moment: Moment) -> Facts:
    held = sum(item.verdict(moment).holds for item in items)
    return Facts(f"{held} of {len(items)}")
