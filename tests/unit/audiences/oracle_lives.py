"""Random lives in the hands of an engine, to be held against what is so by the definitions."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from junctor.audiences.behavior import Behavior
from junctor.audiences.changes import Changes, Emission, Transition
from junctor.audiences.engine import Engine
from junctor.audiences.nodes import USER, Definitions
from junctor.audiences.program import Program
from junctor.audiences.seen import Seen
from junctor.model.profile import Profile, public_id
from junctor.pipeline.identify import newest
from junctor.pipeline.profile import update_profile
from junctor.pipeline.traits import learn

from .oracle_engine import Told, Truth
from .oracle_making import UNITS, History, Maker

CASES: Final = int(os.environ.get("JUNCTOR_ORACLE_CASES", "250"))
IDS: Final = {"userId": "u"}


@dataclass
class Person:
    """One person in the hands of an engine, put away and taken up again at every step."""

    engine: Engine
    id: int = 1
    key: str = USER
    told: list[Transition] = field(default_factory=list)
    emitted: list[Emission] = field(default_factory=list)
    born: bool = True

    def __post_init__(self) -> None:
        self.profile = Profile(self.id)
        if self.key != USER:
            self.profile = Profile(0, subject=self.name)
        self.behavior = Behavior()

    @property
    def name(self) -> str:
        """Return what a sample goes by."""
        return public_id(self.id) if self.key == USER else f"{self.key}:acme"

    def does(self, seen: Seen) -> None:
        if not self.born:
            self.waits(seen.received_at)
        if self.key == USER:
            update_profile(self.profile, dict(seen.body), seen.at)
        else:
            self._teach(seen)
        changes = self.engine.observe(
            self.profile, self.behavior, seen, IDS, key=self.key, born=self.born
        )
        self.born = False
        self._take(changes)

    def _teach(self, seen: Seen) -> None:
        known = self.profile
        known.first_seen = min(known.first_seen or seen.at, seen.at)
        if seen.body["type"] == "group":
            learn(known, known.traits, seen.body["traits"], seen.at)

    def waits(self, now: int) -> None:
        changes = Changes()
        self.engine.advance(self.profile, self.behavior, now, IDS, changes, key=self.key)
        self._take(changes)

    def _take(self, changes: Changes) -> None:
        self.told += changes.transitions
        self.emitted += changes.emissions

    def rests(self) -> None:
        """Put the behavior away and take it up again."""
        self.behavior = Behavior.decode(self.behavior.encode())

    def inside(self, now: int) -> set[tuple[str, str]]:
        """Return (audience, session) as a read says; it changes nothing."""
        kept = self.behavior.encode()
        copy = Behavior.decode(kept)
        self.engine.look_ahead(self.profile, copy, now, key=self.key)
        assert self.behavior.encode() == kept
        scopes = [("", copy.own), *copy.sessions.items()]
        return {
            (name, session)
            for session, scope in scopes
            for name, known in scope.memberships.items()
            if known.member
        }

    def absorbs(self, other: "Person", now: int) -> None:
        """Merge as the fold does: both are brought up to now, then joined."""
        mine, theirs = self.profile, other.profile
        self.waits(now)
        other.waits(now)
        newest(mine.traits, theirs.traits)
        mine.first_seen = min(mine.first_seen, theirs.first_seen)
        mine.last_seen = max(mine.last_seen, theirs.last_seen)
        changes = self.engine.merge(mine, self.behavior, other.behavior, now, IDS)
        self._take(changes)

    @property
    def story(self) -> list[Told]:
        return [(t.audience.name, t.session or "", t.entered, t.at) for t in self.told]


@dataclass
class Case:
    """Definitions and a history, by a seed."""

    random: Random
    definitions: Definitions
    history: History

    key: str = USER

    def person(self, id: int = 1, lag: int = 0) -> Person:
        return Person(Engine(Program(self.definitions), lag), id, self.key)

    def truth(self, person: Person) -> Truth:
        tells = "identify" if self.key == USER else "group"
        return Truth(self.definitions, person.name, tells=tells)


def case(name: str, seed: int, *, late: float = 0.3, key: str = USER, **kind: Any) -> Case:
    random = Random(f"{name} {seed}")
    unit = random.choice(UNITS)
    definitions = Maker(random, unit).definitions(key=key, **kind)
    tells = "identify" if key == USER else "group"
    return Case(random, definitions, History.random(random, unit, late=late, tells=tells), key)


def try_all(name: str, check: Callable[[int], bool]) -> None:
    """Check every case; say how many were of interest: somebody entered or left something."""
    stirring = 0
    for seed in range(CASES):
        try:
            stirring += check(seed)
        except BaseException as error:
            error.add_note(f"{name}, seed {seed}")
            raise
    print(f"{name}: {CASES} cases, in {stirring} somebody came or went")
    assert stirring > CASES // 5


def in_order(told: list[Told]) -> list[Told]:
    """Return them by time; of one audience and session as they were told."""
    return sorted(told, key=lambda one: (one[3], one[0], one[1]))
