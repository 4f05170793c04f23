"""An event has only those audiences looked at that it may turn, and no turn is missed by that."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.behavior import Behavior
from junctor.audiences.changes import Changes, Transition
from junctor.audiences.engine import Engine
from junctor.audiences.evaluation import Evaluation
from junctor.audiences.program import Program
from junctor.audiences.scope_program import Compiled
from junctor.audiences.seen import RANKS_PER_OFFSET, Seen
from junctor.model.profile import Profile
from junctor.pipeline.profile import update_profile

from .visitor import T0, defined

IDS = {"userId": "u"}
AUDIENCES = """
[audiences.pro]
trait = "plan"
is = "pro"
[audiences.pro_buyer]
all = [{ trait = "plan", is = "pro" }, { event = "buy", within = "1h" }]
[audiences.quiet_pro]
all = [{ trait = "plan", is = "pro" }, { event = "buy", count = 0, within = "1h" }]
[audiences.either]
any = [{ trait = "plan", is = "free" }, { event = "buy", count = ">=2", within = "1h" }]
[audiences.neither]
none = [{ trait = "plan", is = ["pro", "free"] }, { event = "look" }]
[audiences.moved]
all = [{ trait = "address.city", is = "Graz" }, { event = "look", within = "2h" }]
[audiences.upgraded]
trait = "plan"
is = "pro"
changed_within = "1h"
[audiences.mobile_pro]
all = [{ trait = "context.device", is = "phone" }, { trait = "plan", is = "pro" }]
[audiences.visit]
key = "session"
all = [{ trait = "plan", is = "pro" }, { event = "buy" }]
[audiences.keen]
sequence = [{ event = "look" }, { event = "buy", within = "1h" }]
hold = "2h"
exit = { trait = "plan", is = "free" }
[audiences.known_pro]
all = [{ audience = "pro" }, { event = "look", count = ">=2", within = "1h" }]
"""

traits = st.fixed_dictionaries(
    {},
    optional={
        "plan": st.sampled_from(["pro", "free", "other"]),
        "address": st.sampled_from([{"city": "Graz"}, {"city": "Wien"}, {}]),
        "name": st.sampled_from(["a", "b"]),
    },
)
events = st.tuples(
    st.sampled_from(["buy", "look", "identify"]),
    st.integers(0, 240),  # minutes
    st.integers(0, 30),  # minutes that it is late
    traits,
    st.sampled_from(["", "one", "two"]),
    st.sampled_from([None, "phone", "desk"]),
)


class Person:
    def __init__(self, program: Program, *, told: bool) -> None:
        self.engine, self.told = Engine(program), told
        self.profile, self.behavior = Profile(1), Behavior()
        self.transitions: list[Transition] = []

    def does(self, number: int, body: dict[str, Any], at: int, came: int, session: str) -> None:
        if number > 1:
            self.passes(came)
        learned = update_profile(self.profile, body, at)
        name = body.get("event", "")
        seen = Seen(name, body, at, number * RANKS_PER_OFFSET, came, session, "web")
        self.transitions += self.engine.observe(
            self.profile, self.behavior, seen, IDS, born=number == 1,
            learned=learned if self.told else None,
        ).transitions  # fmt: skip

    def passes(self, now: int) -> None:
        changes = Changes()
        self.engine.advance(self.profile, self.behavior, now, IDS, changes)
        self.transitions += changes.transitions


def body_of(name: str, told: dict[str, Any], session: str, device: str | None) -> dict[str, Any]:
    context = {"sessionId": session, "device": device} if session else {"device": device}
    if name == "identify":
        return {"type": "identify", "traits": told, "context": context}
    return {
        "type": "track",
        "event": name,
        "properties": {},
        "context": {**context, "traits": told},
    }


def lived(program: Program, some: list[Any], *, told: bool) -> list[Transition]:
    person = Person(program, told=told)
    for number, (name, minute, late, traits, session, device) in enumerate(
        sorted(some, key=lambda event: event[1] + event[2]), 1
    ):
        at = T0 + minute * 60_000
        body = body_of(name, traits, session, device)
        person.does(number, body, at, at + late * 60_000, session)
    person.passes(T0 + 24 * 3_600_000)
    return person.transitions


@settings(max_examples=150)
@given(some=st.lists(events, min_size=1, max_size=12))
def test_knowing_what_an_event_taught_misses_no_turn(some: list[Any]) -> None:
    program = Program(defined(AUDIENCES))
    assert lived(program, some, told=True) == lived(program, some, told=False)


@settings(max_examples=150)
@given(some=st.lists(events, min_size=1, max_size=12))
def test_not_looking_at_what_can_not_hold_misses_no_turn(some: list[Any]) -> None:
    program = Program(defined(AUDIENCES))
    found = lived(program, some, told=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compiled, "may_hold", lambda self, states: True)
        assert lived(program, some, told=True) == found


def test_a_trait_told_again_has_nothing_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    original = Evaluation._look

    def look(self: Evaluation, compiled: Compiled, session: str | None) -> bool:
        looks.append(compiled.name)
        return original(self, compiled, session)

    monkeypatch.setattr(Evaluation, "_look", look)
    many = "".join(
        f'[audiences.a{n}]\nall = [{{ trait = "plan", is = "pro" }}, {{ event = "e{n}" }}]\n'
        for n in range(200)
    )
    person = Person(Program(defined(many)), told=True)
    told = {"plan": "pro"}
    person.does(1, body_of("e7", told, "", None), T0, T0, "")
    person.does(2, body_of("e9", told, "", None), T0 + 1, T0 + 1, "")
    assert set(looks) == {"a7", "a9"}
    assert [one.audience.name for one in person.transitions] == ["a7", "a9"]
