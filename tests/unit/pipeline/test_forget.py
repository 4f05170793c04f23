"""A delete asks to forget a person, and nobody else is taken for them afterwards."""

from typing import Any

import orjson
import pytest

from junctor.audiences.seen import HUB
from junctor.model.erasure import digest_of
from junctor.model.profile import Profile, number_of, public_id
from junctor.model.record import Record
from junctor.pipeline.forget import same_person
from junctor.pipeline.route import (
    GONE,
    NO_ROUTE,
    TOLD_BY_DELETE,
    WRONG_TYPE,
    Router,
    RouteRule,
    Target,
)

from .bodies import T0, track
from .town import ALL, Town, finish


def told_by_hub(number: int, **fields: Any) -> Record:
    """Return an event of the hub's own at an offset."""
    body = {"type": "track", "event": "Audience Entered", "messageId": f"hub-{number}", **fields}
    return Record(number, HUB, f"hub-{number}", T0 + 1000 * number, False, orjson.dumps(body))


def names(person: int) -> dict[str, Any]:
    return {"junctor": {"profile": public_id(person)}}


def fold(town: Town, record: Record) -> Any:
    previous = town.log[-1].offset
    town.log.append(record)
    finish(town.flow.fold([record], previous))
    return town.batches[-1].events[-1]


def delete(user: str, **more: Any) -> dict[str, Any]:
    return {"type": "delete", "userId": user, **more}


def test_all_that_is_known_of_who_is_meant_is_to_be_erased() -> None:
    town = Town()
    town.see(track("ada", anonymous="x", properties={"email": "a@b.c"}), delete("ada"))
    [asked] = town.state.erasures
    assert (asked.offset, asked.people) == (2, (1,))
    ids = {("user_id", "ada"), ("anonymous_id", "x"), ("email", "a@b.c")}
    assert set(asked.ids) == ids
    assert set(asked.digests) == {digest_of(*one) for one in ids}


def test_a_delete_of_nobody_is_asked_for_as_well() -> None:
    town = Town()
    [deletion] = town.see(delete("ada"))
    [asked] = town.state.erasures
    assert (asked.people, asked.ids) == ((1,), (("user_id", "ada"),))
    assert deletion.event.profile.identifiers == {"user_id": ("ada",)}
    assert town.people == []


@pytest.mark.case(16)
def test_a_delete_joins_nobody_and_means_the_user_alone() -> None:
    town = Town()
    town.see(track("ada"), track(None, anonymous="shared"), delete("ada", anonymousId="shared"))
    assert [sorted(person.identifiers) for person in town.people] == [["anonymous_id"]]
    assert town.state.merged == []
    [asked] = town.state.erasures
    assert asked.ids == (("user_id", "ada"),)


def test_what_the_hub_still_tells_of_an_erased_person_goes_nowhere_and_is_theirs() -> None:
    town = Town()
    town.see(track("ada"), delete("ada"))
    late = fold(town, told_by_hub(3, userId="ada", context=names(1)))
    assert (late.profile, dict(late.decision)) == (1, {"crm": GONE})
    parting = fold(
        town, told_by_hub(4, userId="ada", context=names(1), properties={"reason": "erased"})
    )
    assert (parting.profile, dict(parting.decision)) == (1, {"crm": TOLD_BY_DELETE})


@pytest.mark.case(16)
def test_who_comes_again_is_not_taken_for_who_was_erased() -> None:
    town = Town()
    town.see(track("ada"), delete("ada"), track("ada"))
    [again] = town.people
    assert again.id == 3
    late = fold(town, told_by_hub(4, userId="ada", context=names(1)))
    assert (late.profile, dict(late.decision)) == (1, {"crm": GONE})
    own = fold(town, told_by_hub(5, userId="ada", context=names(3)))
    assert (own.profile, dict(own.decision)) == (3, {"crm": ""})
    [before] = finish(town.flow.again(town.log[1:2]))
    assert before.event.profile.id == "", "the delete does not show who came later"


def test_who_was_absorbed_is_who_absorbed_them() -> None:
    survivor = Profile(3)
    assert same_person(survivor, {"context": names(7)}) is survivor
    assert same_person(survivor, {"context": names(2)}) is None
    assert same_person(survivor, {"context": {}}) is survivor


@pytest.mark.parametrize("public", ["p-17", "p-1"])
def test_a_public_id_is_read_back(public: str) -> None:
    assert public_id(number_of(public)) == public


@pytest.mark.parametrize(
    "nothing", [None, 17, "", "17", "p-", "p-x", "p-²", "p--1", "p-" + "9" * 30]
)
def test_what_is_no_public_id_is_nobody(nothing: object) -> None:
    assert number_of(nothing) == 0


def test_a_delete_goes_to_all_that_can_delete_and_that_some_route_leads_to() -> None:
    router = Router(
        [RouteRule(frozenset({"web"}), frozenset({"crm", "ads"}), lambda event: False)],
        [Target("crm", ALL, ("marketing",), ("CRM",)), Target("ads", ALL - {"delete"}),
         Target("unused", ALL), Target("triggered", ALL)],
        {"keen": frozenset({"triggered"})},
    )  # fmt: skip
    event = delete(
        "ada", integrations={"CRM": False},
        context={"consent": {"categoryPreferences": {"marketing": False}}},
    )  # fmt: skip
    assert dict(router.decide(event, "segment_cloud", None)) == {
        "crm": "", "ads": WRONG_TYPE, "unused": NO_ROUTE, "triggered": "",
    }  # fmt: skip
    assert router.deleting == ["crm", "triggered"]
