"""The engine as a whole against its sentences: random definitions, histories, clocks and merges.

JUNCTOR_ORACLE_CASES says how many cases of each sort are tried.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from junctor.audiences.behavior import Behavior
from junctor.audiences.changes import Changes, Transition
from junctor.audiences.engine import Engine
from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.audiences.seen import Seen
from junctor.model.profile import Profile
from junctor.pipeline.identify import newest
from junctor.pipeline.profile import update_profile

from .oracle_engine import UNITS, History, Maker, Truth
from .oracle_events import T0

CASES: Final = int(os.environ.get("JUNCTOR_ORACLE_CASES", "250"))
IDS: Final = {"userId": "u"}


@dataclass
class Person:
    """One person in the hands of an engine, put away and taken up again at every step."""

    engine: Engine
    id: int = 1
    told: list[Transition] = field(default_factory=list)
    born: bool = True

    def __post_init__(self) -> None:
        self.profile = Profile(self.id)
        self.behavior = Behavior()

    def does(self, seen: Seen) -> None:
        if not self.born:
            self.waits(seen.received_at)
        update_profile(self.profile, dict(seen.body), seen.at)
        changes = self.engine.observe(self.profile, self.behavior, seen, IDS, born=self.born)
        self.born = False
        self.told += changes.transitions

    def waits(self, now: int) -> None:
        changes = Changes()
        self.engine.advance(self.profile, self.behavior, now, IDS, changes)
        self.told += changes.transitions

    def rests(self) -> None:
        """Put the behavior away and take it up again."""
        self.behavior = Behavior.decode(self.behavior.encode())

    def inside(self, now: int) -> set[tuple[str, str]]:
        """Return (audience, session) as a read says; it changes nothing."""
        kept = self.behavior.encode()
        copy = Behavior.decode(kept)
        self.engine.look_ahead(self.profile, copy, now)
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
        self.told += changes.transitions

    @property
    def story(self) -> list[tuple[str, str, bool, int]]:
        return [(t.audience.name, t.session or "", t.entered, t.at) for t in self.told]


@dataclass
class Case:
    """Definitions and a history, by a seed."""

    random: Random
    definitions: Definitions
    history: History

    def person(self, id: int = 1, lag: int = 0) -> Person:
        return Person(Engine(Program(self.definitions), lag), id)


def case(name: str, seed: int, *, late: float = 0.3, **kind: Any) -> Case:
    random = Random(f"{name} {seed}")
    unit = random.choice(UNITS)
    definitions = Maker(random, unit).definitions(**kind)
    return Case(random, definitions, History.random(random, unit, late=late))


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


def test_a_read_at_any_time_says_what_is_so_by_all_that_came() -> None:
    def check(seed: int) -> bool:
        it = case("read", seed, plain=True, exact=False)
        person, truth, seen_in = it.person(), Truth(it.definitions, 1), set()
        events = list(it.history.events)
        for now in it.history.looks(it.random, 12):
            while events and events[0].received_at <= now:
                truth.events.append(events[0])
                person.does(events.pop(0))
            if it.random.random() < 0.3:
                person.waits(now)
            if it.random.random() < 0.3:
                person.rests()
            if truth.events:
                assert person.inside(now) == truth.inside(now), now - T0
                seen_in |= truth.inside(now)
        return bool(seen_in)

    try_all("read", check)


def test_a_read_of_the_future_says_what_will_be_so_if_nothing_happens() -> None:
    def check(seed: int) -> bool:
        it = case("future", seed, plain=True, exact=False)
        person, truth = it.person(), Truth(it.definitions, 1)
        for seen in it.history.events:
            truth.events.append(seen)
            person.does(seen)
        last = it.history.events[-1].received_at
        found = set()
        for now in it.history.looks(it.random, 12):
            if now >= last:
                assert person.inside(now) == truth.inside(now), now - T0
                found |= truth.inside(now)
        return bool(found)

    try_all("future", check)


def test_two_halves_become_one_whose_conditions_are_those_of_all_events() -> None:
    def check(seed: int) -> bool:
        it = case("merge", seed, plain=True, exact=False)
        one, other = it.person(1), it.person(1)
        other.profile.id = 9
        truth, found = Truth(it.definitions, 1), set()
        joined = it.random.randint(1, len(it.history.events))
        for place, seen in enumerate(it.history.events):
            if place == joined and not (one.born or other.born):
                one.absorbs(other, seen.received_at)
                truth = Truth(it.definitions, 1, list(it.history.events[:place]))
                assert one.inside(seen.received_at) == truth.inside(seen.received_at)
            if place < joined:
                (one if it.random.random() < 0.5 or not place else other).does(seen)
            else:
                one.does(seen)
        if not other.born and joined >= len(it.history.events):
            one.absorbs(other, it.history.events[-1].received_at)
        elif other.born or joined >= len(it.history.events):
            return False
        truth = Truth(it.definitions, 1, list(it.history.events))
        for now in it.history.looks(it.random, 8):
            if now >= it.history.events[-1].received_at:
                assert one.inside(now) == truth.inside(now), now - T0
                found |= truth.inside(now)
        return bool(found)

    try_all("merge", check)


def test_comings_and_goings_are_those_of_the_rules_at_their_true_times() -> None:
    def check(seed: int) -> bool:
        it = case("rules", seed, plain=False, exact=True)
        person, truth = it.person(), Truth(it.definitions, 1)
        told: list[tuple[str, str, bool, int]] = []
        events = list(it.history.events)
        for now in range(events[0].received_at, it.history.end, it.history.unit):
            if truth.events:
                told += truth.step(now, (now, 0))
            while events and events[0].received_at == now:
                seen = events.pop(0)
                truth.events.append(seen)
                told += truth.step(now, (seen.at, seen.rank))
                person.does(seen)
                if it.random.random() < 0.3:
                    person.rests()
        person.waits(it.history.end - 1)
        assert sorted(person.story, key=_order) == sorted(told, key=_order)
        return bool(told)

    try_all("rules", check)


def _order(one: tuple[str, str, bool, int]) -> tuple[int, str, str]:
    return (one[3], one[0], one[1])


def test_early_and_late_timers_and_restarts_tell_the_same() -> None:
    def check(seed: int) -> bool:
        it = case("timers", seed, plain=False, exact=False)
        lag = it.random.choice([0, 1, it.history.unit // 2, it.history.unit])
        seldom, often = it.person(lag=lag), it.person(lag=lag)
        looks = list(it.history.looks(it.random, 20))
        for seen in it.history.events:
            while looks and looks[0] <= seen.received_at:
                now = looks.pop(0)
                if not often.born:
                    often.waits(now)
                    often.rests()
            seldom.does(seen)
            often.does(seen)
        for now in [*looks, it.history.end]:
            often.waits(now)
        seldom.waits(it.history.end)
        assert seldom.told == often.told
        return bool(often.told)

    try_all("timers", check)


def test_a_past_read_from_the_log_and_a_present_lived_are_a_life() -> None:
    def check(seed: int) -> bool:
        it = case("fill", seed, plain=True, exact=False)
        events = it.history.events
        whole, begun = it.person(), it.random.randint(0, len(events))
        for seen in events:
            whole.does(seen)
        program = whole.engine.program
        wanted = {kind.key for scope in program.scopes.values() for kind in scope.kinds.values()}
        built = it.person()
        for seen in events[begun:]:
            built.does(seen)
        for seen in events:
            update_profile(built.profile, dict(seen.body), seen.at)
        for seen in it.random.sample(events[:begun], begun):
            built.engine.fill(built.behavior, seen, wanted)
            built.rests()
        built.behavior.revision = ""
        for now in it.history.looks(it.random, 6):
            if now >= events[-1].received_at:
                assert built.inside(now) == whole.inside(now), now - T0
        return bool(whole.told)

    try_all("fill", check)
