"""What a hub concludes from silence, and when: not while a batch that is late may go on.

JUNCTOR_ORACLE_CASES says how many cases are tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from junctor.audiences.engine import Engine
from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import (
    Condition,
    Definitions,
    EventCondition,
    Group,
    SequenceCondition,
)
from junctor.audiences.program import Program
from junctor.audiences.seen import Seen

from . import oracle_events
from .oracle_belief import Belief
from .oracle_engine import Told, Truth
from .oracle_lives import Person, try_all
from .oracle_making import History, Maker
from .states.oracle_sequence import fits, is_in

KINDS = ("count", "absence", "absence", "between", "distinct", "sequence", "sequence")

UNIT = 1_000
"""All of a history fits into the time that events are kept for longer than windows need them."""


def believed(condition: Condition, events: Sequence[Seen], now: int, quiet: int) -> bool:
    """Whether a condition holds, silence being believed up to `quiet`."""
    match condition:
        case Group(kind, items):
            each = [believed(item, events, now, quiet) for item in items]
            return {"all": all(each), "any": any(each), "none": not any(each)}[kind]
        case SequenceCondition():
            return is_in(condition, list(events), now, quiet)
        case EventCondition():
            fitting = [one for one in events if fits(condition.pattern, one)]
            return oracle_events.Truth(condition, fitting).believed(now, quiet)
    raise AssertionError(condition)


@dataclass
class Watcher:
    """Says who is in: what changes must be so by what is certain."""

    definitions: Definitions
    belief: Belief
    events: list[Seen] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    told: list[tuple[str, bool, int, int]] = field(default_factory=list)
    """Who came (or went), and the times between which that was, both included."""

    def passes(self, now: int) -> None:
        """Let time pass by one step.

        What only a silence brought about that is believed now was so when the silence was over, or
        when the last late event came; but not before what was so last. Where several conditions
        turned while a silence was waited for, it may be told to have been so with any of them.
        """
        before = {name: self.found(name, now) for name in self.names}
        self.belief.passes(now)
        for name in self.names:
            after, first, last = self.found(name, now), now, now
            if before[name] != after:
                first = now - self.belief.lag
                if not self.is_compound(name):
                    last = first
            self.look(name, now, first, last)

    def does(self, seen: Seen) -> None:
        self.belief.hears(seen)
        self.events.append(seen)
        for name in self.names:
            self.look(name, *[seen.received_at] * 3)

    @property
    def names(self) -> list[str]:
        return [audience.name for audience in self.definitions.audiences]

    def found(self, name: str, now: int) -> tuple[bool, bool]:
        """Return whether the condition holds, and whether the person is in, then."""
        (audience,) = (one for one in self.definitions.audiences if one.name == name)

        def so(quiet: int) -> tuple[bool, bool]:
            holds = believed(audience.condition, self.events, now, quiet)
            leave = audience.exit_while
            return holds, leave is not None and believed(leave, self.events, now, quiet)

        held, inside = name in self.held, name in self.inside
        (holds, out), (surely, surely_out) = so(self.belief.quiet), so(self.belief.certain)
        if holds is not held and surely is held:
            return held, inside
        if (holds or inside) and out is inside and surely_out is not inside:
            return held, inside
        return holds, holds and not out

    def is_compound(self, name: str) -> bool:
        (audience,) = (one for one in self.definitions.audiences if one.name == name)
        return isinstance(audience.condition, Group) or audience.exit_while is not None

    def look(self, name: str, now: int, first: int, last: int) -> None:
        holds, inside = self.found(name, now)
        (self.held.add if holds else self.held.discard)(name)
        if inside is not (name in self.inside):
            (self.inside.add if inside else self.inside.discard)(name)
            turned = [told[2] for told in self.told if told[0] == name]
            self.told.append((name, inside, max([first, *turned]), max([last, *turned])))

    def agrees(self, story: list[Told]) -> bool:
        """Whether what was told is what had to be, each audience by itself."""
        for name in self.names:
            ours = [told for told in self.told if told[0] == name]
            theirs = [told for told in story if told[0] == name]
            if [told[1] for told in ours] != [told[2] for told in theirs]:
                return False
            for (_, _, first, last), (*_, at) in zip(ours, theirs, strict=True):
                if not first <= at <= last:
                    return False
        return True


def watched(random: Random) -> Definitions:
    maker = Maker(random, UNIT, KINDS)
    while True:
        definitions, problems = parse_definitions(maker.watched())
        if not problems:
            return definitions


def test_nothing_is_concluded_from_a_silence_that_is_in_doubt() -> None:
    def check(seed: int) -> bool:
        random = Random(f"late {seed}")
        definitions, lag = watched(random), random.choice([1, 2, 4, 6]) * UNIT
        late, together = random.choice([0.3, 0.7]), random.random() < 0.6
        history = History.random(random, UNIT, late=late, most=10, together=together)
        person, watcher = (
            Person(Engine(Program(definitions), lag)),
            Watcher(definitions, Belief(lag)),
        )
        truth = Truth(definitions, person.name)
        events = list(history.events)
        for now in range(events[0].received_at, history.end, UNIT):
            if not person.born:
                watcher.passes(now)
                if random.random() < 0.3:
                    person.waits(now)
                if random.random() < 0.3:
                    person.rests()
            while events and events[0].received_at == now:
                seen = events.pop(0)
                if person.born:
                    watcher.belief.passes(now)
                watcher.does(seen)
                person.does(seen)
                truth.events.append(seen)
            if all(audience.exit_while is None for audience in definitions.audiences):
                assert person.inside(now) == truth.inside(now), "a read does not wait"
        person.waits(history.end - 1)
        assert watcher.agrees(person.story)
        return bool(watcher.told)

    try_all("late", check)
