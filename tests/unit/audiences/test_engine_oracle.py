"""The engine as a whole against its sentences: random definitions, histories, clocks and merges.

JUNCTOR_ORACLE_CASES says how many cases of each sort are tried.
"""

import pytest

from junctor.audiences.nodes import ACCOUNT, USER
from junctor.pipeline.profile import update_profile

from .oracle_engine import Told
from .oracle_events import T0
from .oracle_lives import case, in_order, try_all

KEYS = pytest.mark.parametrize("key", [USER, ACCOUNT])


@KEYS
def test_a_read_at_any_time_says_what_is_so_by_all_that_came(key: str) -> None:
    def check(seed: int) -> bool:
        it = case("read", seed, key=key, plain=True, exact=False)
        person, seen_in = it.person(), set()
        truth = it.truth(person)
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

    try_all(f"read {key}", check)


@KEYS
def test_a_read_of_the_future_says_what_will_be_so_if_nothing_happens(key: str) -> None:
    def check(seed: int) -> bool:
        it = case("future", seed, key=key, plain=True, exact=False)
        person = it.person()
        truth = it.truth(person)
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

    try_all(f"future {key}", check)


def test_two_halves_become_one_whose_conditions_are_those_of_all_events() -> None:
    def check(seed: int) -> bool:
        it = case("merge", seed, plain=True, exact=False)
        one, other = it.person(1), it.person(1)
        other.profile.id = 9
        truth, found = it.truth(one), set()
        joined = it.random.randint(1, len(it.history.events))
        for place, seen in enumerate(it.history.events):
            if place == joined and not (one.born or other.born):
                one.absorbs(other, seen.received_at)
                truth.events = list(it.history.events[:place])
                assert one.inside(seen.received_at) == truth.inside(seen.received_at)
            if place < joined:
                (one if it.random.random() < 0.5 or not place else other).does(seen)
            else:
                one.does(seen)
        if not other.born and joined >= len(it.history.events):
            one.absorbs(other, it.history.events[-1].received_at)
        elif other.born or joined >= len(it.history.events):
            return False
        truth.events = list(it.history.events)
        for now in it.history.looks(it.random, 8):
            if now >= it.history.events[-1].received_at:
                assert one.inside(now) == truth.inside(now), now - T0
                found |= truth.inside(now)
        return bool(found)

    try_all("merge", check)


@KEYS
def test_comings_and_goings_are_those_of_the_rules_at_their_true_times(key: str) -> None:
    def check(seed: int) -> bool:
        it = case("rules", seed, key=key, plain=False, exact=True)
        person = it.person()
        truth = it.truth(person)
        told: list[Told] = []
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
        assert in_order(person.story) == in_order(told)
        return bool(told)

    try_all(f"rules {key}", check)


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
