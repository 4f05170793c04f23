"""Signals that are Python functions: when they are called, with what, and what comes of it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audience import Occurrence, Person
from junctor.audiences.behavior import Behavior
from junctor.audiences.changes import Changes
from junctor.audiences.engine import Engine
from junctor.audiences.function_signals import MOST_BYTES_EACH, MOST_EVENTS, LogKind
from junctor.audiences.functions import LONGEST, Function
from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import Pattern
from junctor.audiences.program import Program
from junctor.audiences.seen import RANKS_PER_OFFSET, Seen
from junctor.model.profile import Profile
from tests.unit.audiences.visitor import T0

SIGNAL: Final = {
    "function": "1",
    "reads": [{"event": "Payment Failed"}, {"event": "click", "where": {"deep": True}}],
    "within": "10m",
}
MINUTE: Final = 60_000


def engine(*functions: Function, **tables: Any) -> Engine:
    definitions, problems = parse_definitions({"signals": tables or {"hint": SIGNAL}})
    assert problems == []
    return Engine(Program(definitions, functions=functions))


def function(call: Any, name: str = "hint", version: str = "1") -> Function:
    return Function(name, version, call)


class Someone:
    """A person whose events reach an engine; emissions are kept as (name, minute, properties)."""

    def __init__(self, engine: Engine, **traits: Any) -> None:
        self.engine = engine
        self.profile = Profile(1, traits={name: (one, T0) for name, one in traits.items()})
        self.behavior = Behavior()
        self.emitted: list[tuple[str, float, dict[str, Any]]] = []

    def does(
        self,
        name: str,
        minute: float,
        properties: dict[str, Any] | None = None,
        *,
        rank: int | None = None,
    ) -> "Someone":
        at = T0 + round(minute * MINUTE)
        number = round(minute * MINUTE) if rank is None else rank
        body = {"type": "track", "event": name, "properties": properties or {}}
        seen = Seen(name, body, at, number * RANKS_PER_OFFSET, T0 + 10**9)
        self._took(self.engine.observe(self.profile, self.behavior, seen, {"userId": "u"}))
        return self

    def merges(self, other: "Someone") -> None:
        now = T0 + 10**9
        self._took(self.engine.merge(self.profile, self.behavior, other.behavior, now, {}))

    def _took(self, changes: Changes) -> None:
        self.emitted += [
            (one.name, (one.completion.at - T0) / MINUTE, dict(one.properties))
            for one in changes.emissions
        ]
        self.behavior = Behavior.decode(self.behavior.encode())


def three(person: Person, event: Occurrence) -> bool:
    return len(person.recent) >= 2


def odd(person: Person, event: Occurrence) -> bool:
    return len(person.recent) % 2 == 1


def test_a_function_is_called_for_what_it_reads_with_what_came_before() -> None:
    calls: list[tuple[Person, Occurrence]] = []
    who = Someone(engine(function(lambda *call: calls.append(call))), plan={"name": "pro"})

    who.does("Payment Failed", 0, {"code": 1}).does("click", 1).does("click", 2, {"deep": True})
    who.does("Payment Failed", 10, {"code": 2})

    first = Occurrence("Payment Failed", datetime.fromtimestamp(T0 / 1000, UTC), {"code": 1})
    assert [one.name for _, one in calls] == ["Payment Failed", "click", "Payment Failed"]
    assert calls[0] == (Person({"plan": {"name": "pro"}}, ()), first)
    assert calls[1][0].recent == (first,)
    assert [one.name for one in calls[2][0].recent] == ["click"]  # ten minutes ago is too old


def test_a_true_result_is_a_signal_and_a_dict_adds_properties() -> None:
    def hint(person: Person, event: Occurrence) -> Any:
        return {0: False, 1: True, 2: {"risk": "high"}, 3: {}, 4: None}[event.properties["n"]]

    who = Someone(engine(function(hint)))
    for number in range(5):
        who.does("Payment Failed", number, {"n": number})

    assert who.emitted == [("signal:hint", 1, {}), ("signal:hint", 2, {"risk": "high"})]


@pytest.mark.case(18)
def test_what_a_function_does_to_what_it_gets_is_not_kept() -> None:
    def greedy(person: Person, event: Occurrence) -> bool:
        person.traits["cart"].append(event.properties.pop("n"))  # type: ignore[attr-defined]
        return True

    who = Someone(engine(function(greedy)), cart=[])
    who.does("Payment Failed", 0, {"n": 1}).does("Payment Failed", 1, {"n": 2})

    assert len(who.emitted) == 2
    assert who.profile.traits["cart"] == ([], T0)


@pytest.mark.case(18)
@pytest.mark.parametrize(
    ("wrong", "failure"),
    [
        (lambda person, event: 1 / 0, "ZeroDivisionError (test_function_signals.py line"),
        (lambda person, event: {"x": object()}, "TypeError"),
        (lambda person, event: {"x": "y" * 3000}, "ValueError"),
        (lambda person: True, "TypeError"),
        (lambda person, event: exit(3), "SystemExit"),
    ],
)
def test_what_a_function_raises_is_counted_and_stops_nothing(wrong: Any, failure: str) -> None:
    failing = function(wrong)
    who = Someone(engine(failing, function(three, "other"), hint=SIGNAL, other=SIGNAL))

    for minute in range(3):
        who.does("Payment Failed", minute)

    assert who.emitted == [("signal:other", 2, {})]
    assert failing.failures == 3
    assert failing.failure.startswith(failure)


@pytest.mark.case(18)
def test_a_call_that_takes_too_long_is_ended_and_the_third_was_the_last() -> None:
    now = [0.0]

    def slow(person: Person, event: Occurrence) -> bool:
        calls.append(event)
        while len(calls) > 1:
            now[0] += LONGEST / 10
            try:
                looking.end_if_late()
            except Exception:
                raise AssertionError("the function itself can catch it") from None
        now[0] += LONGEST
        looking.end_if_late()  # just in time
        return True

    calls: list[Occurrence] = []
    looking = Function("hint", "1", slow, clock=lambda: now[0])
    who = Someone(engine(looking, function(three, "other"), hint=SIGNAL, other=SIGNAL))

    for minute in range(10):
        who.does("Payment Failed", minute)
    looking.end_if_late()  # nothing runs

    assert [name for name, *_ in who.emitted] == ["signal:hint", *["signal:other"] * 8]
    assert (len(calls), looking.failures) == (4, 3)
    assert "TookTooLong" in looking.failure
    assert "not called any more" in looking.failure


def test_an_alarm_in_the_hub_s_own_work_behind_a_call_ends_nothing() -> None:
    now = [0.0]

    def slow(_: Person, __: Occurrence) -> object:
        now[0] += 60  # it raises by itself, and late
        raise RuntimeError

    class Alarmed(Function):
        def _blamed(self, error: BaseException) -> str:
            self.end_if_late()
            return super()._blamed(error)

    function = Alarmed("slow", "1", slow, clock=lambda: now[0])
    assert function.properties(Person(), Occurrence("x", datetime.now(UTC))) is None
    assert function.failures == 1


def test_a_failure_does_not_tell_what_it_is_about() -> None:
    def personal(person: Person, event: Occurrence) -> bool:
        raise ValueError(person.traits["email"])

    failing = function(personal)
    Someone(engine(failing), email="jane@example.com").does("Payment Failed", 0)

    assert "jane" not in failing.failure


def test_a_function_of_another_version_is_silent() -> None:
    who = Someone(engine(function(lambda *_: True, version="2")))

    assert who.does("Payment Failed", 0).emitted == []


def test_a_late_event_lets_later_ones_speak_each_once() -> None:
    who = Someone(engine(function(three)))
    for minute in (0, 8, 9, 30):
        who.does("Payment Failed", minute)
    assert [minute for _, minute, _ in who.emitted] == [9]

    who.does("Payment Failed", 1)
    assert [minute for _, minute, _ in who.emitted] == [9, 8]
    who.does("Payment Failed", 2)
    assert [minute for _, minute, _ in who.emitted] == [9, 8, 2]


def test_of_a_build_nothing_is_told() -> None:
    who = Someone(engine(function(three)))
    kind = next(iter(who.engine.program.scopes["user"].functions))
    for minute in range(5):
        body = {"type": "track", "event": "Payment Failed", "properties": {}}
        seen = Seen("Payment Failed", body, T0 + minute * MINUTE, minute * 8, T0)
        who.engine.fill(who.behavior, seen, {kind})
    who.does("Payment Failed", 6)

    assert [minute for _, minute, _ in who.emitted] == [6]


EVENTS: Final = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["one", "other"])), max_size=12
)


def expected(call: Any, minutes: Sequence[float]) -> list[float]:
    """Return the minutes at which a search through all events in order finds the signal."""
    found = []
    for place, minute in enumerate(minutes):
        recent = [one for one in minutes[:place] if minute - one < 10]
        if call(Person({}, [Occurrence("x", datetime.now(UTC))] * len(recent)), None):
            found.append(minute)
    return found


@given(EVENTS, st.sampled_from([three, odd]))
@settings(max_examples=60)
def test_in_order_a_function_speaks_as_a_search_through_all_events(
    events: list[tuple[int, str]], call: Any
) -> None:
    who = Someone(engine(function(call)))
    minutes = sorted(minute for minute, _ in events)
    for rank, minute in enumerate(minutes):
        who.does("Payment Failed", minute, rank=rank)

    assert [minute for _, minute, _ in who.emitted] == expected(call, minutes)


@given(EVENTS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_whatever_the_order_and_the_merge_what_more_events_never_take_back_is_told_once(
    events: list[tuple[int, str]], random: Any
) -> None:
    runs = engine(function(three))
    halves = {"one": Someone(runs), "other": Someone(runs)}
    ranked = list(enumerate(sorted(events)))
    random.shuffle(ranked)
    for rank, (minute, half) in ranked:
        halves[half].does("Payment Failed", minute, rank=rank)
    halves["one"].merges(halves["other"])

    told = halves["one"].emitted + halves["other"].emitted
    minutes = sorted(minute for minute, _ in events)
    assert sorted(minute for _, minute, _ in told) == expected(three, minutes)


ENTRIES: Final = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 99), st.integers(0, 2500)), unique=True
)


def folded(entries: Iterable[tuple[int, int, int]]) -> Any:
    state = None
    for at, rank, length in entries:
        body = {"properties": {"text": "x" * length, "list": [1]}}
        state = LOG.add(state, Seen("a", body, at, rank, 0), 1)
    return state


LOG: Final = LogKind((Pattern(("a",)),), 2000)


@given(ENTRIES, st.randoms(use_true_random=False), st.floats(0, 1))
@settings(max_examples=60)
def test_logs_of_two_halves_make_the_log_of_all(
    entries: list[tuple[int, int, int]], random: Any, share: float
) -> None:
    entries = list({(at, rank): (at, rank, length) for at, rank, length in entries}.values())
    whole = folded(sorted(entries))
    random.shuffle(entries)
    part = round(share * len(entries))
    one, other = folded(entries[:part]), folded(entries[part:])

    merged = LOG.merge(one, other) if one and other else one or other
    assert merged == whole


def test_a_log_is_bounded_and_large_events_lose_their_lists_first() -> None:
    state = folded((minute, 0, 10) for minute in range(200))
    assert len(state) == MOST_EVENTS

    body = {"properties": {"id": 7, "list": ["x" * MOST_BYTES_EACH]}}
    assert LOG.add(None, Seen("a", body, 0, 0, 0), 1)[0][3] == '{"id":7}'
    assert folded([(0, 0, MOST_BYTES_EACH)])[0][3] == "{}"
