"""Why somebody is in an audience or not: its condition as a tree, and what each part rests on.

Nothing here changes anything: the subject is asked as a read has left it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from junctor.audiences.behavior import Behavior, Membership
from junctor.audiences.leaf import NEVER
from junctor.audiences.moment import AllNode, AnyNode, Moment, Node, NoneNode
from junctor.audiences.nodes import (
    AttributeCondition,
    Audience,
    AudienceCondition,
    Condition,
    EventCondition,
    Group,
    KnownCondition,
    Length,
    Measure,
    SampleCondition,
    ScoreCondition,
    StateCondition,
)
from junctor.audiences.readable import age_words, readable
from junctor.audiences.scope_program import Compiled
from junctor.audiences.seen import RANKS_PER_OFFSET
from junctor.audiences.turning import thresholds
from junctor.audiences.words import condition_lines
from junctor.model.profile import Profile

Standing = Literal[
    "in", "held", "out", "settling", "cooling", "once", "left", "kept out", "about to enter",
]  # fmt: skip
"""`held`: in though the condition no longer holds; `settling`, `cooling`: it holds, but has to hold
longer, or the last time is too near; `once`: it was in before; `left`: by `exit`, until the
condition was false once; `kept out`: by an `exit` that is a condition; `about to enter`: the hub
has not come to it yet."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One condition about one subject.

    `value` is the figure compared, `evidence` offsets of events behind it, newest last; `error`
    how exact the value is, "" for exact. `changes_at` is when time alone changes it (epoch ms, None
    if it does not), and `by_silence` whether only if nothing happens until then.
    """

    words: str
    holds: bool
    value: Any = None
    evidence: tuple[int, ...] = ()
    error: str = ""
    degraded: bool = False
    changes_at: int | None = None
    by_silence: bool = False
    items: "tuple[Explained, ...]" = ()

    def all_evidence(self) -> Iterator[int]:
        """Yield the offsets of all events in the tree."""
        yield from self.evidence
        for item in self.items:
            yield from item.all_evidence()


@dataclass(frozen=True, slots=True)
class Stand:
    """How a subject stands to an audience.

    `until` is when that changes by itself if nothing happens (None: it does not), `number` how
    often it came and went.
    """

    standing: Standing
    member: bool
    since: int | None
    until: int | None
    number: int


def explain(compiled: Compiled, moment: Moment) -> Explained:
    """Return the audience's condition at a moment."""
    return _condition(compiled.audience.condition, compiled.node, moment)


def explain_exit(compiled: Compiled, moment: Moment) -> Explained | None:
    """Return the condition that keeps out while it holds, None where there is none."""
    condition = compiled.audience.exit_while
    if condition is None or compiled.exit_node is None:
        return None
    return _condition(condition, compiled.exit_node, moment)


def moment_of(profile: Profile, behavior: Behavior, now: int, session: str | None) -> Moment:
    """Return what conditions look at: of a subject, or of one of its sessions."""
    scope = behavior.own if session is None else behavior.sessions[session]
    return Moment(profile, behavior, scope, now, now, session)


def stand(audience: Audience, known: Membership | None, now: int, kept_out: bool) -> Stand:
    """Return how a subject stands; `kept_out` says that an `exit` condition holds."""
    if known is None:
        return Stand("out", False, None, None, 0)
    since = known.since or None
    if known.member:
        if known.holds:
            return Stand("in", True, since, None, known.number)
        return Stand("held", True, since, known.holds_since + audience.hold, known.number)
    standing: Standing = "about to enter"
    until: int | None = None
    settled = known.holds_since + audience.settle
    cooled = known.left_at + audience.cooldown if known.left_at else 0
    if not known.holds:
        standing = "out"
    elif known.blocked:
        standing = "left"
    elif kept_out:
        standing = "kept out"
    elif audience.once and known.number:
        standing = "once"
    elif max(settled, cooled) > now:
        standing, until = ("settling", settled) if settled >= cooled else ("cooling", cooled)
    return Stand(standing, False, since, until, known.number)


def _shown(condition: Condition, value: Any) -> Any:
    """Return a value as people read it: times in words, a number without what nobody reads."""
    match condition:
        case KnownCondition():
            return age_words(value)
        case StateCondition(spent=Length()):
            return age_words(value)
        case AudienceCondition(left_within=None):
            return "in" if value else "not in"
        case SampleCondition():
            return f"at {value * 100:.4g} %"
        case ScoreCondition():
            return value  # it is short already, by all conditions that there are
    return readable(value, _limits(condition)) if isinstance(value, float) else value


def _limits(condition: Condition) -> tuple[float, ...]:
    """Return the numbers that the figure of a condition is compared with."""
    match condition:
        case EventCondition(measure=Measure(comparison=comparison)):
            return thresholds(comparison)
        case AttributeCondition():
            return thresholds(condition.comparison)
    return ()


def _condition(condition: Condition, node: Node, moment: Moment) -> Explained:
    verdict, facts = node.verdict(moment), node.facts(moment)
    lines = condition_lines(condition)
    items: tuple[Explained, ...] = ()
    if isinstance(condition, Group):
        assert isinstance(node, AllNode | AnyNode | NoneNode)
        pairs = zip(condition.items, node.items, strict=True)
        items = tuple(_condition(*pair, moment) for pair in pairs)
        lines = lines[:1]  # the rest is what the items say
    change = min(verdict.at, verdict.quiet_at)
    offsets = dict.fromkeys(rank // RANKS_PER_OFFSET for rank in facts.evidence)
    return Explained(
        "\n".join(lines),
        verdict.holds,
        _shown(condition, facts.value),
        tuple(offsets),
        facts.error,
        facts.degraded,
        None if change == NEVER else change,
        verdict.quiet_at < verdict.at,
        items,
    )
