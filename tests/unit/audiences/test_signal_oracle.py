"""Signals and exits: each completion is told once, in whatever order and to whomever events come.

JUNCTOR_ORACLE_CASES says how many cases of each sort are tried.
"""

from contextlib import suppress
from dataclasses import replace
from random import Random

from junctor.audiences.engine import Engine
from junctor.audiences.language import parse_definitions
from junctor.audiences.program import Program
from junctor.audiences.seen import Seen

from .oracle_belief import Belief, Emitted, Teller, visits
from .oracle_lives import Person, try_all
from .oracle_making import UNITS, History, Maker

UNIT = UNITS[0]
IDLES = {"beat": 2 * UNIT}
MOST_VISITS = 4
"""Visits of one session that are looked at: exits of older ones, heard of later, are not told."""


class CrowdedError(Exception):
    """Somebody has more visits than are looked at."""


class Life:
    """Somebody under random signals, and what is to be told of them."""

    def __init__(self, random: Random, maker: Maker, number: int) -> None:
        tables = {"signals": maker.signals(), "audiences": {"gone": {"event": "$exit"}}}
        definitions, problems = parse_definitions(tables)
        while problems:
            tables["signals"] = maker.signals()
            definitions, problems = parse_definitions(tables)
        lag = random.choice([0, 1, 2, 3]) * UNIT
        engine = Engine(Program(definitions, IDLES), lag)
        self.people = [Person(engine, id + 1) for id in range(number)]
        self.tellers = [Teller(definitions, IDLES, Belief(lag)) for _ in range(number)]

    def passes(self, now: int, random: Random) -> None:
        for person, teller in zip(self.people, self.tellers, strict=True):
            if person.born:
                continue
            teller.passes(now)
            if random.random() < 0.5:
                person.waits(now)
                assert told(person) == sorted(teller.told), now

    def does(self, place: int, seen: Seen) -> None:
        person, teller = self.people[place], self.tellers[place]
        if person.born:
            teller.belief.passes(seen.received_at)
        teller.does(seen)
        check_room(teller)
        person.does(seen)
        person.rests()
        assert told(person) == sorted(teller.told)

    def join(self, one: int, other: int, now: int) -> None:
        check_room(self.tellers[one].joined(self.tellers[other]))
        self.people[one].absorbs(self.people[other], now)
        self.people[one].emitted += self.people[other].emitted
        self.tellers[one] = self.tellers[one].joined(self.tellers[other])
        assert told(self.people[one]) == sorted(self.tellers[one].told)
        del self.people[other], self.tellers[other]


def told(person: Person) -> list[Emitted]:
    return sorted((one.name, one.completion.at, one.completion.rank) for one in person.emitted)


def clicks(random: Random, *, late: float) -> History:
    """Return a history of which one session sends heartbeats, and some events leave."""

    def sent(seen: Seen) -> Seen:
        source = "beat" if seen.session == "s1" else "web"
        name = "page_hide" if seen.name == "D" and seen.rank % 3 == 0 else seen.name
        return seen._replace(source=source, name=name)

    together = random.random() < 0.5
    history = History.random(random, UNIT, late=late, most=12, together=together)
    return replace(history, events=[sent(seen) for seen in history.events])


def check_room(teller: Teller) -> None:
    sessions = [visit[0].session for visit in visits(teller.events, IDLES)]
    if any(sessions.count(session) > MOST_VISITS for session in sessions):
        raise CrowdedError


def test_each_completion_is_told_once_when_it_is_certain() -> None:
    def check(seed: int) -> bool:
        random = Random(f"signals {seed}")
        life, history = Life(random, Maker(random, UNIT), 1), clicks(random, late=0.4)
        with suppress(CrowdedError):
            live(life, history, random, merges=0)
        return bool(life.tellers[0].told)

    try_all("signals", check)


def test_each_completion_is_told_once_of_people_who_become_one() -> None:
    def check(seed: int) -> bool:
        random = Random(f"joined signals {seed}")
        number = random.choice([2, 2, 3])
        life, history = Life(random, Maker(random, UNIT), number), clicks(random, late=0.4)
        with suppress(CrowdedError):
            live(life, history, random, merges=number - 1)
        return any(teller.told for teller in life.tellers)

    try_all("joined signals", check)


def live(life: Life, history: History, random: Random, *, merges: int) -> None:
    events = list(history.events)
    first = events[0].received_at
    joins = sorted(first + random.randint(1, 40) * UNIT for _ in range(merges))
    for now in range(first, history.end + 60 * UNIT, UNIT):
        life.passes(now, random)
        while joins and joins[0] <= now:
            joins.pop(0)
            one, other = random.sample(range(len(life.people)), 2)
            if not (life.people[one].born or life.people[other].born):
                life.join(one, other, now)
        while events and events[0].received_at == now:
            life.does(random.randrange(len(life.people)), events.pop(0))
    for person, teller in zip(life.people, life.tellers, strict=True):
        if not person.born:
            person.waits(now)
            assert told(person) == sorted(teller.told)
