"""Whole definitions by the sentences that define them.

Nothing here keeps a state of events: every question is put to all the events there have been.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from junctor.audiences.comparison import compile_comparison
from junctor.audiences.nodes import (
    SESSION,
    AttributeCondition,
    Audience,
    AudienceCondition,
    Condition,
    Definitions,
    EventCondition,
    Group,
    KnownCondition,
    Length,
    SampleCondition,
    Score,
    ScoreCondition,
    SequenceCondition,
    Setting,
    State,
    StateCondition,
    TraitCondition,
)
from junctor.audiences.seen import Seen

from . import oracle_attributes, oracle_events
from .states.oracle_sequence import fits, is_in

Told = tuple[str, str, bool, int]
"""Audience, session, whether it was entered, and when."""


@dataclass
class Standing:
    """How somebody stands to an audience, by the rules of settle, hold, exit, cooldown, once."""

    member: bool = False
    held: bool = False
    turned: int = 0
    """When the condition last became true or false, as the hub saw it."""
    made_by: tuple[int, int] = (0, 0)
    barred: bool = False
    since: int = 0
    left_at: int = 0
    changes: int = 0

    def joined(self, other: "Standing") -> "Standing":
        """Return that of one person who turned out to be two.

        What was so by either was so from when it first was; what was so by neither is so from when
        the last of the two ceased to be.
        """
        inside = [one.since for one in (self, other) if one.member]
        held = [(one.turned, one.made_by) for one in (self, other) if one.held]
        ceased = max((self.turned, self.made_by), (other.turned, other.made_by))
        turned, made_by = min(held) if held else ceased
        return Standing(
            member=bool(inside),
            held=bool(held),
            turned=turned,
            made_by=made_by,
            barred=self.barred or other.barred,
            since=min(inside) if inside else max(self.since, other.since),
            left_at=max(self.left_at, other.left_at),
            changes=self.changes + other.changes,
        )


@dataclass
class Truth:
    """All that happened to one person, or one account, and what follows from it."""

    definitions: Definitions
    name: str
    """By which a sample takes them, or not."""
    events: list[Seen] = field(default_factory=list)
    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)
    tells: str = "identify"
    """The type of call that tells of traits."""

    def __post_init__(self) -> None:
        self.audiences = {one.name: one for one in self.definitions.audiences}
        self.scores = {one.name: one for one in self.definitions.scores}
        self.attributes = {one.name: one for one in self.definitions.attributes}
        self.states = {one.name: one for one in self.definitions.states}

    @property
    def sessions(self) -> set[str]:
        return {seen.session for seen in self.events} - {""}

    def scopes(self, audience: Audience) -> list[str]:
        return sorted(self.sessions) if audience.key == SESSION else [""]

    def inside(self, now: int) -> set[tuple[str, str]]:
        """Return (audience, session) of those whose conditions hold, each taken at its word."""
        return {
            (audience.name, session)
            for audience in self.definitions.audiences
            for session in self.scopes(audience)
            if self.holds(audience.condition, now, session)
        }

    def holds(self, condition: Condition, now: int, session: str = "") -> bool:
        match condition:
            case Group(kind, items):
                each = [self.holds(item, now, session) for item in items]
                return {"all": all(each), "any": any(each), "none": not any(each)}[kind]
            case EventCondition():
                fitting = [one for one in self._of(session) if fits(condition.pattern, one)]
                return oracle_events.is_true(condition, fitting, now)
            case SequenceCondition():
                return is_in(condition, self._of(session), now, now)
            case ScoreCondition(name, comparison):
                return compile_comparison(comparison)(self.score(self.scores[name], now))
            case AttributeCondition(name, comparison):
                return compile_comparison(comparison)(self.attribute(name, now))
            case StateCondition():
                return self.is_so(condition, now, session)
            case TraitCondition(path, comparison, within):
                if comparison is not None and not compile_comparison(comparison)(self.trait(path)):
                    return False
                changed = self.changed(path) if within is not None else None
                return within is None or (changed is not None and now - changed < within)
            case KnownCondition(age):
                first = min((seen.at for seen in self.events), default=None)
                return first is not None and lasts(age, now - first)
            case SampleCondition(fraction, salt):
                text = f"{salt}:{self.name}".encode()
                place = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
                return place < fraction * 2**64
            case AudienceCondition():
                return self.refers(condition, now, session)
        raise AssertionError(condition)

    def refers(self, condition: AudienceCondition, now: int, session: str) -> bool:
        """Whether a condition on another audience holds: by its standing, if there are any."""
        other = self.audiences[condition.name]
        scopes = [session if other.key == SESSION and session else ""]
        if other.key == SESSION and not session:
            scopes = sorted(self.sessions)
        if not self.standings:
            member = any(self.holds(other.condition, now, scope) for scope in scopes)
            return member is condition.member
        found = [self.standings.get((other.name, scope), Standing()) for scope in scopes]
        member = any(one.member for one in found)
        if condition.left_within is not None:
            left = max((one.left_at for one in found), default=0)
            return not member and left > 0 and now - left < condition.left_within
        if member is not condition.member:
            return False
        if condition.lasting is None:
            return True
        since = [one.since for one in found if one.member is member and one.since]
        first = min(seen.at for seen in self.events)
        start = (min(since) if member else max(since)) if since else first
        return lasts(condition.lasting, max(0, now - start))

    # -- figures -----------------------------------------------------------------------------------

    def score(self, score: Score, now: int) -> float:
        value = 0.0
        for rule in score.rules:
            assert rule.pattern is not None
            fitting = [seen for seen in self.events if fits(rule.pattern, seen)]
            fitting.sort(key=order)
            for seen in fitting[:1] if rule.once else fitting:
                age = max(0, now - seen.at)
                value += rule.add * (0.5 ** (age / score.half_life) if score.half_life else 1)
        if score.low is not None:
            value = max(value, score.low)
        return value if score.high is None else min(value, score.high)

    def attribute(self, name: str, now: int) -> Any:
        attribute = self.attributes[name]
        fitting = [seen for seen in self.events if fits(attribute.pattern, seen)]
        return oracle_attributes.value(oracle_attributes.Case(attribute, fitting), now)

    def trait(self, path: str) -> Any:
        told = self.tellings(path)
        return told[-1][1] if told else None

    def changed(self, path: str) -> int | None:
        """Return when a trait was last told to be another than the time before, or told first."""
        told = [(None, None), *((seen.at, value) for seen, value in self.tellings(path))]
        changes = [at for (_, before), (at, value) in pairwise(told) if value != before]
        return changes[-1] if changes else None

    def tellings(self, path: str) -> list[tuple[Seen, Any]]:
        """Return the events that told a trait, in order, with what they told."""
        head, _, rest = path.partition(".")
        found = []
        for seen in sorted(self.events, key=order):
            told = seen.body.get("context", {}) if head == "context" else {}
            if head != "context" and seen.body["type"] == self.tells:
                told = seen.body["traits"]
            value = told.get(rest if head == "context" else path)
            if value is not None:
                found.append((seen, value))
        return found

    # -- states ------------------------------------------------------------------------------------

    def is_so(self, condition: StateCondition, now: int, session: str) -> bool:
        """Whether a state has a value for so long, or had it for so long in all."""
        state, test = self.states[condition.name], compile_comparison(condition.comparison)
        parts = self.runs(state, session, now)
        if condition.spent is not None:
            assert condition.within is not None
            first = now - condition.within
            spent = sum(
                max(0, min(end, now) - max(start, first))
                for runs in parts
                for start, end, value in runs
                if value is not None and test(value)
            )
            return lasts(condition.spent, spent)
        latest = [runs[-1] for runs in parts if runs]
        if condition.lasting is None:
            return any(test(value) for _, _, value in latest) if latest else test(None)
        return any(
            test(value) and lasts(condition.lasting, max(0, now - start))
            for start, _, value in latest
        )

    def runs(self, state: State, session: str, now: int) -> list[list[tuple[int, int, Any]]]:
        """Return, for each session that counts, what it was from when to when, None for nothing."""
        sessions = [""]
        if state.per_session:
            sessions = [session] if session else sorted(self.sessions)
        found = []
        for one in sessions:
            told: list[tuple[int, Any]] = []
            for seen in sorted(self._of(one), key=order):
                value = setting_of(state.settings, seen)
                if value is not None and (not told or told[-1][1] != value):
                    told.append((seen.at, value))
            ends = [at for at, _ in told[1:]] + [max(now, told[-1][0])] if told else []
            found.append(
                [(at, end, value or None) for (at, value), end in zip(told, ends, strict=True)]
            )
        return found

    def _of(self, session: str) -> list[Seen]:
        return [seen for seen in self.events if seen.session == session or not session]

    # -- memberships -------------------------------------------------------------------------------

    def step(self, now: int, moment: tuple[int, int]) -> list[Told]:
        """Look at every audience once, at a time; return who entered or left what."""
        told = []
        for audience in self.definitions.audiences:  # each only refers to those before it
            for session in self.scopes(audience):
                standing = self.standings.setdefault((audience.name, session), Standing())
                before = standing.member
                self._move(audience, standing, now, moment, session)
                if standing.member is not before:
                    standing.changes += 1
                    standing.since = now
                    if before:
                        standing.left_at = now
                    told.append((audience.name, session, standing.member, now))
        return told

    def _move(
        self, audience: Audience, known: Standing, now: int, moment: tuple[int, int], session: str
    ) -> None:
        holds = self.holds(audience.condition, now, session)
        if holds is not known.held:
            known.held, known.turned, known.made_by = holds, now, moment
        exits = [
            seen
            for seen in self._of(session)
            if audience.exit_event is not None
            and fits(audience.exit_event, seen)
            and order(seen) > known.made_by
        ]
        known.barred = holds and (known.barred or bool(exits))
        out = known.barred
        if audience.exit_while is not None and self.holds(audience.exit_while, now, session):
            out = True
        if known.member:
            over = not holds and now >= known.turned + audience.hold
            known.member = not (out or over)
        elif holds and not out and not (audience.once and known.changes):
            rested = not known.left_at or now >= known.left_at + audience.cooldown
            known.member = rested and now >= known.turned + audience.settle

    def joined(self, other: "Truth") -> "Truth":
        """Return one person who turned out to be two: this one, by name."""
        standings = dict(self.standings)
        for key, standing in other.standings.items():
            standings[key] = standings.get(key, Standing()).joined(standing)
        return replace(self, events=[*self.events, *other.events], standings=standings)


def order(seen: Seen) -> tuple[int, int]:
    return (seen.at, seen.rank)


def lasts(length: Length, age: int) -> bool:
    low, high = length.low, length.high
    return (low is None or age >= low) and (high is None or age < high)


def setting_of(settings: Sequence[Setting], seen: Seen) -> Any:
    """Return to what an event sets a state, "" for nothing; None if it does not set it."""
    for setting in settings:
        if not fits(setting.pattern, seen):
            continue
        value = seen.body["properties"].get(setting.prop) if setting.prop else setting.to
        if value is not None:
            return value
    return None
