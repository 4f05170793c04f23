"""States: the value now, since when, and the time spent, against the whole history."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from junctor.audiences.comparison import AnyOf, Compare, Comparison, Exists, compile_comparison
from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import Length, Setting, State, StateCondition
from junctor.audiences.seen import Seen
from junctor.audiences.states.scalars import same
from junctor.audiences.states.timeline import MOST_ENTRIES
from junctor.audiences.timelines import StateReader

from .arrivals import CASES, States, check_verdict, folded, named, order, scattered, seen, states_of

T0 = 1_700_000_000_000
SECOND = 1_000
STEPS = (Setting(named("step"), prop="step"), Setting(named("order", "exit"), to=""))
CHECKOUT = State("checkout", STEPS)
PER_SESSION = State("checkout", STEPS, per_session=True)


def step(value: Any, at: int, rank: int, session: str = "") -> Seen:
    return seen("step", T0 + at, rank, session, step=value)


def states(reader: StateReader, *events: Seen) -> States:
    return states_of(reader.kinds, lambda kind: folded(kind, events))


def is_payment(**more: Any) -> StateCondition:
    return StateCondition("checkout", Compare("eq", "payment"), **more)


def test_the_newest_setting_decides_whatever_came_first() -> None:
    reader = StateReader(CHECKOUT)
    events = [step("payment", 5, 1), step("cart", 2, 2)]
    for arrived in (events, events[::-1]):
        assert reader.current(states(reader, *arrived)) == ("payment", T0 + 5)


def test_of_the_same_moment_the_later_rank_decides() -> None:
    reader = StateReader(CHECKOUT)
    assert reader.current(states(reader, step("b", 0, 2), step("a", 0, 1))) == ("b", T0)


def test_a_state_set_again_to_its_value_keeps_running() -> None:
    reader = StateReader(CHECKOUT)
    events = [step("payment", 0, 1), step("payment", 50, 2)]
    assert reader.current(states(reader, *events)) == ("payment", T0)
    late = step("cart", 20, 3)
    assert reader.current(states(reader, *events, late)) == ("payment", T0 + 50)


def test_numbers_and_texts_and_booleans_are_different_values() -> None:
    reader = StateReader(CHECKOUT)
    assert reader.current(states(reader, step(1, 0, 1), step(1.0, 1, 2))) == (1, T0)
    assert reader.current(states(reader, step(1, 0, 1), step(True, 1, 2))) == (True, T0 + 1)
    assert reader.current(states(reader, step(2, 0, 1), step("2", 1, 2))) == ("2", T0 + 1)


def test_an_empty_text_ends_a_state() -> None:
    reader = StateReader(CHECKOUT)
    assert reader.current({}) == (None, None)
    ended = states(reader, step("payment", 0, 1), seen("order", T0 + 9, 2))
    assert reader.current(ended) == (None, T0 + 9)


def test_an_event_without_the_property_sets_nothing() -> None:
    reader = StateReader(CHECKOUT)
    for odd in (None, [1], {"a": 1}):
        events = [step("payment", 0, 1), step(odd, 5, 2)]
        assert reader.current(states(reader, *events)) == ("payment", T0)


def test_of_several_settings_that_fit_the_first_listed_decides() -> None:
    both = State("s", (Setting(named("a"), prop="x"), Setting(named("a", "b"), to=7)))
    reader = StateReader(both)
    assert reader.current(states(reader, seen("a", T0, 1, x="first")))[0] == "first"
    assert reader.current(states(reader, seen("a", T0, 1)))[0] == 7
    assert reader.current(states(reader, seen("b", T0, 1, x="first")))[0] == 7


def test_each_session_has_a_timeline_of_its_own() -> None:
    reader = StateReader(PER_SESSION)
    known = states(
        reader, step("payment", 0, 1, "s1"), step("cart", 3, 2, "s2"), step("lost", 4, 3)
    )
    assert reader.current(known, "s1") == ("payment", T0)
    assert reader.current(known) == ("cart", T0 + 3)
    assert reader.current(known, "s9") == (None, None)
    leaf = reader.leaf(is_payment(lasting=Length(low=10)))
    assert leaf.verdict(known, T0 + 9, T0 + 9) == (False, NEVER, T0 + 10)
    assert leaf.verdict(known, T0 + 10, T0 + 10).holds
    assert leaf.facts(known, T0).value == ["payment", "cart"]


def test_without_sessions_a_session_asked_for_does_not_matter() -> None:
    reader = StateReader(CHECKOUT)
    assert reader.current(states(reader, step("cart", 3, 2, "s2")), "s1") == ("cart", T0 + 3)


def test_how_long_a_value_lasts_is_known_to_the_millisecond() -> None:
    reader = StateReader(CHECKOUT)
    known = states(reader, step("payment", 0, 1))
    long = reader.leaf(is_payment(lasting=Length(low=8 * SECOND)))
    due = T0 + 8 * SECOND
    assert long.verdict(known, due - 1, due - 1) == (False, NEVER, due)
    assert long.verdict(known, due, due - 1) == (False, NEVER, due)
    assert long.verdict(known, due, due) == (True, NEVER, NEVER)
    short = reader.leaf(is_payment(lasting=Length(high=8 * SECOND)))
    assert short.verdict(known, T0, T0) == (True, due, NEVER)
    assert not short.verdict(known, due, T0).holds


def test_the_time_spent_grows_while_it_lasts_and_falls_out_of_the_window() -> None:
    reader = StateReader(CHECKOUT)
    leaf = reader.leaf(is_payment(spent=Length(low=10), within=100))
    known = states(reader, step("payment", 0, 1), step("cart", 4, 2), step("payment", 50, 3))
    assert leaf.facts(known, T0 + 52).value == 6
    assert leaf.verdict(known, T0 + 52, T0 + 52) == (False, NEVER, T0 + 56)
    ended = states(
        reader, step("payment", 0, 1), step("cart", 4, 2), step("payment", 50, 3),
        seen("order", T0 + 60, 4),
    )  # fmt: skip
    assert leaf.facts(ended, T0 + 70).value == 14
    assert leaf.verdict(ended, T0 + 70, T0 + 70) == (True, T0 + 151, NEVER)
    assert leaf.facts(ended, T0 + 151).value == 9


def test_the_time_spent_of_all_sessions_adds_up() -> None:
    reader = StateReader(PER_SESSION)
    leaf = reader.leaf(is_payment(spent=Length(low=10)))
    known = states(reader, step("payment", 0, 1, "a"), step("payment", 2, 2, "b"))
    assert leaf.verdict(known, T0 + 3, T0 + 3) == (False, NEVER, T0 + 6)
    assert leaf.facts(known, T0 + 6).value == 10


def test_time_without_a_value_is_not_spent() -> None:
    reader = StateReader(CHECKOUT)
    other = StateCondition("checkout", Compare("ne", "payment"), spent=Length(low=1))
    known = states(reader, step("payment", 0, 1), seen("order", T0 + 5, 2))
    assert reader.leaf(other).facts(known, T0 + 99).value == 0
    assert reader.leaf(other).verdict(known, T0 + 99, T0 + 99) == (False, NEVER, NEVER)


def test_a_state_may_be_asked_to_be_missing() -> None:
    reader = StateReader(CHECKOUT)
    leaf = reader.leaf(StateCondition("checkout", Exists(False)))
    assert leaf.verdict({}, T0, T0).holds
    assert not leaf.verdict(states(reader, step("a", 0, 1)), T0, T0).holds
    assert leaf.verdict(states(reader, step("a", 0, 1), step("", 1, 2)), T0, T0).holds


def test_the_beginning_is_remembered_beyond_what_is_kept() -> None:
    reader = StateReader(CHECKOUT)
    again = [step("payment", at, at) for at in range(3 * MOST_ENTRIES)]
    known = states(reader, step("cart", -5, 900), *again)
    assert reader.current(known) == ("payment", T0)
    assert len(known[reader.kinds[0].key]["log"]) == MOST_ENTRIES
    leaf = reader.leaf(is_payment(spent=Length(low=10), within=10**6))
    assert leaf.facts(known, T0 + 500).value == 500
    late = states(reader, step("cart", -5, 900), *again, step("cart", MOST_ENTRIES, 901))
    assert reader.current(late) == ("payment", T0 + 2 * MOST_ENTRIES)


def test_what_makes_room_degrades_only_conditions_that_reach_so_far_back() -> None:
    reader = StateReader(CHECKOUT)
    known = states(reader, *(step("ab"[at % 2], 10 * at, at) for at in range(2 * MOST_ENTRIES)))
    newest = T0 + 10 * (2 * MOST_ENTRIES - 1)
    near = reader.leaf(is_payment(spent=Length(low=1), within=10 * MOST_ENTRIES - 11))
    far = reader.leaf(is_payment(spent=Length(low=1), within=10 * MOST_ENTRIES))
    assert not near.facts(known, newest).degraded
    assert far.facts(known, newest).degraded
    assert not reader.leaf(is_payment()).facts(known, newest).degraded
    assert not reader.kinds[0].degraded(known[reader.kinds[0].key])


def test_a_session_that_was_forgotten_degrades() -> None:
    reader = StateReader(PER_SESSION)
    (kind,) = reader.kinds
    for value, degraded in (("payment", True), ("", False)):
        events = [step(value, at, at, f"s{at}") for at in range(MOST_ENTRIES + 1)]
        assert kind.degraded(folded(kind, events)) is degraded


def test_long_texts_are_cut() -> None:
    reader = StateReader(CHECKOUT)
    (kind,) = reader.kinds
    state = folded(kind, [step("x" * 10_000, 0, 1)])
    assert len(str(state)) < 400


# -- against the definition ----------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    state: State
    events: list[Seen]
    condition: StateCondition


def history(case: Case) -> dict[str, list[tuple[int, Any]]]:
    """Return the settings of each session in order; those that set the same value left out."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for event in sorted(case.events, key=order):
        for setting in case.state.settings:
            if event.name not in setting.pattern.names:
                continue
            value = event.body["properties"].get(setting.prop) if setting.prop else setting.to
            if value is None:
                continue
            if event.session or not case.state.per_session:
                told = found.setdefault(event.session if case.state.per_session else "", [])
                if not told or not same(told[-1][1], value):
                    told.append((event.at, value))
            break
    return found


def expected(case: Case, now: int) -> bool:
    condition, test = case.condition, compile_comparison(case.condition.comparison)
    told = history(case)
    if condition.spent is not None:
        first = now - (condition.within if condition.within is not None else 10**9)
        spent = 0
        for session in told.values():
            for (start, value), (end, _) in zip(session, [*session[1:], (now, "")], strict=True):
                if value != "" and test(value):
                    spent += sum(start <= moment < end for moment in range(max(first, 0), now))
        if not is_long(condition.spent, spent):
            return False
    if condition.lasting is None and condition.spent is not None:
        return True
    currents = [session[-1] for session in told.values()]
    fitting = [at for at, value in currents if test(value if value != "" else None)]
    if condition.lasting is None:
        return bool(fitting) if currents else test(None)
    return any(is_long(condition.lasting, max(0, now - at)) for at in fitting)


def is_long(length: Length, time: int) -> bool:
    low, high = length.low or 0, length.high if length.high is not None else 10**12
    return low <= time < high


VALUES: list[str | int | float | None] = ["x", "x", "y", "", 1, 1.0, True, None]


def random_length(random: Random) -> Length:
    low = random.choice([None, 1, 3, random.randint(0, 30)])
    high = random.choice([None, (low or 0) + random.randint(1, 30)])
    return Length(low, high)


def random_settings(random: Random) -> Iterator[Setting]:
    for _ in range(random.randint(1, 3)):
        pattern = named(*random.sample("ABC", random.choice([1, 1, 2])))
        constant = Setting(pattern, to=random.choice(VALUES) or "")
        yield random.choice([constant, Setting(pattern, prop="v")])


def random_case(random: Random) -> Case:
    state = State("s", tuple(random_settings(random)), random.random() < 0.4)
    span = random.choice([0, 5, 60])
    events = [
        seen(
            random.choice("ABCD"),
            100 + random.randint(0, span),
            rank,
            random.choice(["", "p", "q"]),
            v=random.choice(VALUES),
        )
        for rank in range(random.randint(0, 12))
    ]
    comparisons: list[Comparison] = [
        Compare("eq", "x"), Compare("ne", "x"), Compare("eq", 1), Exists(False), Exists(True),
        AnyOf((Compare("eq", "x"), Compare("eq", "y"))),
    ]  # fmt: skip
    within = random.choice([None, 1, 20, 70])
    spent = random_length(random) if random.random() < 0.6 else None
    lasting = random_length(random) if random.random() < (0.2 if spent else 0.6) else None
    condition = StateCondition("s", random.choice(comparisons), lasting, spent, within)
    return Case(state, events, condition)


def check(case: Case, random: Random) -> bool:
    reader = StateReader(case.state)
    leaf = reader.leaf(case.condition)
    known = states_of(leaf.kinds, lambda kind: scattered(kind, case.events, random))
    assert known == states_of(leaf.kinds, lambda kind: folded(kind, case.events))
    told = history(case)
    for session in told:
        value, since = told[session][-1][1], told[session][-1][0]
        assert reader.current(known, session) == (value if value != "" else None, since)
    lag = random.choice([0, 0, 3, 40])
    held = False
    for now in random.sample(range(95, 240), 5):
        holds = check_verdict(leaf, known, now, lag, range(now, now + 120))
        assert holds is (expected(case, now) and expected(case, now - lag))
        verdict = leaf.verdict(known, now, now - lag)
        if lag == 0 and (change := min(verdict.at, verdict.quiet_at)) < NEVER:
            assert leaf.verdict(known, change, change).holds is not holds
        held |= holds
    return held


def test_many_random_timelines_are_as_the_definition_says() -> None:
    held = 0
    for seed in range(CASES):
        random = Random(seed)
        held += check(random_case(random), random)
    print(f"{CASES} cases, {held} of them with a verdict that holds")
    assert held > CASES // 4


@pytest.mark.parametrize("sessions", [1, 5])
def test_in_order_the_value_and_its_beginning_are_exact_for_ever(sessions: int) -> None:
    for seed in range(max(1, CASES // 100)):
        random = Random(seed)
        state = State("s", STEPS, per_session=sessions > 1)
        events = [
            step(random.choice("aaaab"), at, at, f"s{random.randrange(sessions)}")
            for at in range(400)
        ]
        reader = StateReader(state)
        known = states(reader, *events)
        for session, told in history(Case(state, events, is_payment())).items():
            assert reader.current(known, session) == (told[-1][1], told[-1][0])
