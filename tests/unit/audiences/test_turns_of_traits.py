"""When a trait changed: by the calls that teach it, of whom they teach it."""

import pytest

from junctor.audiences.engine import Engine
from junctor.audiences.nodes import ACCOUNT, USER
from junctor.audiences.program import Program
from junctor.audiences.seen import Seen

from .oracle_engine import Told
from .oracle_events import T0
from .oracle_lives import Person
from .visitor import Visitor, defined, told

UPGRADED = '[audiences.upgraded]\nkey = "{key}"\ntrait = "plan"\nchanged_within = "1h"\n'


@pytest.mark.parametrize(("key", "teaches"), [(USER, "identify"), (ACCOUNT, "group")])
@pytest.mark.parametrize("type", ["identify", "group"])
def test_people_and_accounts_learn_of_their_own_traits_only(
    key: str, teaches: str, type: str
) -> None:
    person = Person(Engine(Program(defined(UPGRADED.format(key=key)))), key=key)
    body = {"type": type, "groupId": "acme", "traits": {"plan": "pro"}}
    person.does(Seen("", body, T0, 8, T0))
    expected: list[Told] = [("upgraded", "", True, T0)] if type == teaches else []
    assert person.story == expected


def test_a_trait_that_a_call_carries_beside_others_is_told_as_well() -> None:
    visitor = Visitor(UPGRADED.format(key=USER))
    visitor.does("", 0, type="identify", traits={"name": "Ann"},
                 context={"traits": {"plan": "pro"}})  # fmt: skip
    assert told(visitor.transitions) == [("upgraded", True, 0, "event")]
