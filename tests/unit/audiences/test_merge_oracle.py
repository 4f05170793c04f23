"""People who turn out to be one, with memberships behind them: settling, held, barred, resting.

Everybody lives by the rules on their own until two are joined; what was so by either half was so.
"""

from dataclasses import dataclass, field

from junctor.audiences.seen import Seen

from .oracle_engine import Told, Truth
from .oracle_lives import Case, Person, case, in_order, try_all


@dataclass
class Half:
    """A person, and what is so of them by the rules."""

    person: Person
    truth: Truth
    told: list[Told] = field(default_factory=list)

    def steps(self, now: int) -> None:
        if self.truth.events:
            self.told += self.truth.step(now, (now, 0))

    def does(self, seen: Seen) -> None:
        self.truth.events.append(seen)
        self.told += self.truth.step(seen.received_at, (seen.at, seen.rank))
        self.person.does(seen)

    def absorbs(self, other: "Half", now: int) -> None:
        """Join the two; who is in by the other half only is told to enter by this one."""
        self.person.absorbs(other.person, now)
        before = {key for key, one in self.truth.standings.items() if one.member}
        self.truth = self.truth.joined(other.truth)
        joined = {key for key, one in self.truth.standings.items() if one.member}
        self.told += self.truth.step(now, (now, 0))
        for audience, session in joined - before:
            if self.truth.standings[audience, session].member:
                self.told.append((audience, session, True, now))


def halves(it: Case, number: int, *, alike: bool = False) -> list[Half]:
    people = [it.person(1 if alike else place + 1) for place in range(number)]
    return [Half(person, it.truth(person)) for person in people]


def test_memberships_of_people_who_become_one_go_on_by_the_rules() -> None:
    def check(seed: int) -> bool:
        it = case("joined", seed, plain=False, exact=True)
        people, stirred = halves(it, it.random.choice([2, 2, 3])), False
        events = list(it.history.events)
        first = events[0].received_at
        merges = sorted(it.random.randint(0, 40) for _ in people[1:])
        for now in range(first, it.history.end, it.history.unit):
            for half in people:
                half.steps(now)
            while merges and now >= first + merges[0] * it.history.unit:
                merges.pop(0)
                one, other = it.random.sample(people, 2)
                if one.person.born or other.person.born:
                    continue
                one.absorbs(other, now)
                people.remove(other)
            while events and events[0].received_at == now:
                half = it.random.choice(people)
                half.does(events.pop(0))
                if it.random.random() < 0.3:
                    half.person.rests()
        for half in people:
            if not half.person.born:
                half.person.waits(it.history.end - 1)
            assert in_order(half.person.story) == in_order(half.told)
            stirred |= bool(half.told)
        return stirred

    try_all("joined", check)


def test_which_of_two_takes_the_other_up_changes_nothing_afterwards() -> None:
    def check(seed: int) -> bool:
        it = case("either", seed, plain=False, exact=False)
        pairs = [halves(it, 2, alike=True) for _ in range(2)]
        events = it.history.events
        joined, whose = it.random.randint(1, len(events)), it.random.choices([0, 1], k=len(events))
        for seen, half in zip(events[:joined], whose, strict=False):
            for pair in pairs:
                pair[half].person.does(seen)
        now = events[joined - 1].received_at + it.random.choice([0, 1, 3, 9]) * it.history.unit
        if len(set(whose[:joined])) == 1:
            return False
        one, other = pairs[0][0].person, pairs[1][1].person
        one.absorbs(pairs[0][1].person, now)
        other.absorbs(pairs[1][0].person, now)
        found = one.inside(now)
        assert other.inside(now) == found
        one.told.clear()
        other.told.clear()
        for seen in events[joined:]:
            for person in (one, other):
                person.does(seen._replace(received_at=max(now, seen.received_at)))
        for person in (one, other):
            person.waits(it.history.end)
        assert one.story == other.story
        return bool(found or one.story)

    try_all("either", check)
