"""Whole definitions by the sentences that define them, and random ones, with histories, to try.

Nothing here keeps a state of events: every question is put to all the events there have been.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from junctor.audiences.comparison import compile_comparison
from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import (
    SESSION,
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
    TraitCondition,
)
from junctor.audiences.seen import RANKS_PER_OFFSET, Seen

from . import oracle_events
from .oracle_events import DAY, T0
from .states.oracle_sequence import fits, is_in

UNITS: Final = (60_000, DAY // 2)
"""Every time of a case is a multiple of one of these."""
NAMES: Final = "ABCD"
SESSIONS: Final = ("", "s1", "s2")


# -- what is so ------------------------------------------------------------------------------------


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


@dataclass
class Truth:
    """All that happened to one person, and what follows from it."""

    definitions: Definitions
    profile: int
    events: list[Seen] = field(default_factory=list)
    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.audiences = {one.name: one for one in self.definitions.audiences}
        self.scores = {one.name: one for one in self.definitions.scores}

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
            case TraitCondition(path, comparison, None):
                assert comparison is not None
                return compile_comparison(comparison)(self.trait(path))
            case KnownCondition(age):
                first = min((seen.at for seen in self.events), default=None)
                return first is not None and lasts(age, now - first)
            case SampleCondition(fraction, salt):
                text = f"{salt}:p-{self.profile}".encode()
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

    def score(self, score: Score, now: int) -> float:
        value = 0.0
        for rule in score.rules:
            assert rule.pattern is not None
            fitting = [seen for seen in self.events if fits(rule.pattern, seen)]
            fitting.sort(key=lambda seen: (seen.at, seen.rank))
            for seen in fitting[:1] if rule.once else fitting:
                age = max(0, now - seen.at)
                value += rule.add * (0.5 ** (age / score.half_life) if score.half_life else 1)
        if score.low is not None:
            value = max(value, score.low)
        return value if score.high is None else min(value, score.high)

    def trait(self, path: str) -> Any:
        told = [one for one in self.events if path in (one.body.get("traits") or {})]
        newest = max(told, key=lambda seen: seen.at, default=None)
        return None if newest is None else newest.body["traits"][path]

    def _of(self, session: str) -> list[Seen]:
        return [seen for seen in self.events if seen.session == session or not session]

    # -- memberships -------------------------------------------------------------------------------

    def step(self, now: int, moment: tuple[int, int]) -> list[tuple[str, str, bool, int]]:
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
            and (seen.at, seen.rank) > known.made_by
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


def lasts(length: Length, age: int) -> bool:
    low, high = length.low, length.high
    return (low is None or age >= low) and (high is None or age < high)


# -- random definitions ----------------------------------------------------------------------------


class Maker:
    """Makes definitions as a configuration file has them; lengths are multiples of a unit."""

    def __init__(self, random: Random, unit: int) -> None:
        self.random = random
        self.unit = unit

    def definitions(self, *, plain: bool, exact: bool, sessions: bool = True) -> Definitions:
        """Return some that load.

        `plain`: conditions only, nothing that remembers when something was seen to change.
        `exact`: nothing changes between multiples of the unit.
        """
        while True:
            raw = self._tables(plain=plain, exact=exact, sessions=sessions)
            definitions, problems = parse_definitions(raw)
            if not problems:
                return definitions

    def _tables(self, *, plain: bool, exact: bool, sessions: bool) -> dict[str, Any]:
        random = self.random
        rules: list[dict[str, Any]] = [
            {"add": random.choice([-2, 1, 2, 3]), **self._pattern()}
            for _ in range(random.choice([1, 2]))
        ]
        if random.random() < 0.3:
            rules[0]["once"] = True
        score: dict[str, Any] = {"rules": rules}
        if not exact and random.random() < 0.6:
            score["half_life"] = self._length(1, 6)
        if random.random() < 0.3:
            score["range"] = [-3, 5]
        audiences: dict[str, Any] = {}
        for place in range(random.choice([1, 1, 2, 3])):
            audiences[f"a{place}"] = self._audience(list(audiences), plain, sessions)
        return {"scores": {"s": score}, "audiences": audiences}

    def _audience(self, others: list[str], plain: bool, sessions: bool) -> dict[str, Any]:
        random = self.random
        audience = self._condition(others, plain, 0)
        if sessions and random.random() < 0.25:
            audience["key"] = "session"
        if plain:
            return audience
        if random.random() < 0.3:
            audience["settle"] = self._length(1, 3)
        if "sequence" not in audience and random.random() < 0.3:
            audience["hold"] = self._length(1, 4)
        if random.random() < 0.35:
            if random.random() < 0.6 or "sequence" in audience:
                audience["exit"] = self._pattern()
            else:
                audience["exit"] = self._condition([], plain, 2)
        if random.random() < 0.25:
            audience["cooldown"] = self._length(1, 6)
        if random.random() < 0.15:
            audience["once"] = True
        return audience

    def _condition(self, others: list[str], plain: bool, depth: int) -> dict[str, Any]:
        random = self.random
        if depth < 2 and random.random() < (0.45 if depth == 0 else 0.25):
            kind = random.choice(["all", "all", "any", "none"])
            number = random.choice([1, 2, 2, 3])
            return {kind: [self._condition(others, plain, depth + 1) for _ in range(number)]}
        kinds = ["count"] * 4 + ["absence"] * 3 + ["sequence"] * 4 + ["score", "trait", "known"]
        kinds += ["sample", "days", "between", "distinct", "first"] + ["audience"] * bool(
            others
        ) * 3
        match random.choice(kinds):
            case "count":
                count = random.choice([">=1", ">=2", ">=3", "<=1", "1..2", 2, "<3"])
                return {**self._pattern(), "count": count, **self._window()}
            case "absence":
                return {**self._pattern(), "count": 0, **self._window()}
            case "sequence":
                return self._sequence(depth)
            case "score":
                return {"score": "s", "is": random.choice([">=2.5", ">=4.5", "<0.5", "1..3"])}
            case "trait":
                return {"trait": "plan", "is": random.choice(["pro", "!=pro", ["free", "x"]])}
            case "known":
                return {"known": f"{random.choice(['>=', '<'])}{self._length(1, 9)}"}
            case "sample":
                return {"sample": "50%", "salt": random.choice("xyz")}
            case "days":
                return {**self._pattern(), "days": random.choice([">=2", "<=1"]), "within": "3d"}
            case "between":
                near = random.randint(1, 3)
                far = self._length(near + 1, near + 6)
                return {
                    **self._pattern(),
                    "count": random.choice([">=1", 0, "<=1", ">=2"]),
                    "between": [far, self._length(near, near)],
                }
            case "distinct":
                is_ = random.choice([">=2", "<=1", 1])
                return {**self._pattern(), "distinct": {"prop": "k", "is": is_}, **self._window()}
            case "first":
                return {**self._pattern(), "first": True, "within": self._length(1, 8)}
        return self._reference(others, plain)

    def _reference(self, others: list[str], plain: bool) -> dict[str, Any]:
        random = self.random
        reference: dict[str, Any] = {"audience": random.choice(others)}
        how = "is" if plain else random.choice(["is", "for", "left", "never"])
        if how == "left":
            reference["left_within"] = self._length(1, 6)
            return reference
        if how == "for":
            reference["for"] = f"{random.choice(['>=', '<'])}{self._length(1, 4)}"
        if random.random() < 0.4:
            reference["is"] = False
        return reference

    def _sequence(self, depth: int) -> dict[str, Any]:
        random = self.random
        steps: list[dict[str, Any]] = [self._pattern()]
        for _ in range(random.choice([0, 1, 1, 2])):
            step = self._pattern()
            if random.random() < 0.5:
                step["within"] = self._length(1, 4)
            if random.random() < 0.2:
                step["after"] = self._length(1, 2)
            if random.random() < 0.25:
                step["without"] = [self._pattern()]
            steps.append(step)
        if random.random() < 0.2:
            steps[0]["count"] = 2
        if random.random() < 0.5:
            steps.append({"not": self._pattern(), "for": self._length(1, 3)})
        made: dict[str, Any] = {"sequence": steps, "hold": self._length(1, 6)}
        if random.random() < 0.3:
            made["within"] = self._length(2, 8)
        return made

    def _pattern(self) -> dict[str, Any]:
        names = self.random.sample(NAMES, self.random.choice([1, 1, 1, 2]))
        pattern: dict[str, Any] = {"event": names if len(names) > 1 else names[0]}
        if self.random.random() < 0.2:
            pattern["where"] = {"k": self.random.choice([1, 2])}
        return pattern

    def _window(self) -> dict[str, Any]:
        return {"within": self._length(1, 8)} if self.random.random() < 0.85 else {}

    def _length(self, low: int, high: int) -> str:
        return f"{self.random.randint(low, high) * self.unit // 1000}s"


# -- random histories ------------------------------------------------------------------------------


@dataclass(frozen=True)
class History:
    """Events in the order that they come, and the times at which somebody looks."""

    events: list[Seen]
    unit: int
    end: int

    @classmethod
    def random(cls, random: Random, unit: int, *, late: float, most: int = 9) -> "History":
        """Return one in which a share of the events comes `late`."""
        told: list[tuple[int, Seen]] = []
        times = random.sample(range(24), 24)
        for place in range(random.randint(1, most)):
            at = T0 + unit * (times[place] if random.random() < 0.8 else random.randint(0, 23))
            came = at + (unit * random.randint(1, 12) if random.random() < late else 0)
            told.append((came, _event(random, at, came)))
        told.sort(key=lambda one: one[0])
        events = [
            seen._replace(rank=(place + 1) * RANKS_PER_OFFSET)
            for place, (_, seen) in enumerate(told)
        ]
        return cls(_without_ties(events, unit), unit, T0 + 48 * unit)

    def looks(self, random: Random, number: int) -> Iterator[int]:
        """Yield times, in order, at which something may just have changed."""
        chosen = [random.randint(0, 47) for _ in range(number)]
        yield from sorted(T0 + self.unit * one + random.choice([-1, 0, 0, 1]) for one in chosen)


def _event(random: Random, at: int, came: int) -> Seen:
    session = random.choice(SESSIONS)
    if random.random() < 0.15:
        body: dict[str, Any] = {"type": "identify", "traits": {"plan": random.choice("px")}}
        body["traits"]["plan"] = random.choice(["pro", "free", "x"])
        return Seen("", body, at, 0, came, session, "web")
    properties: Mapping[str, Any] = {"k": random.choice([1, 2, None])}
    name = random.choice(NAMES)
    body = {"type": "track", "event": name, "properties": properties}
    return Seen(name, body, at, 0, came, session, "web")


def _without_ties(events: list[Seen], unit: int) -> list[Seen]:
    """Keep of tellings of traits at one time the first: the hub's order is another matter."""
    kept: list[Seen] = []
    told: set[int] = set()
    for seen in events:
        if seen.body["type"] == "identify":
            if seen.at in told:
                continue
            told.add(seen.at)
        kept.append(seen)
    return kept
