"""What is read out of an event, and what becomes of a batch."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.sdk import Event, ProfileView, Rejected
from junctor_connectors.statsig_segment.changes import changes_of, transition_of
from junctor_connectors.statsig_segment.identifier import Identifier
from tests.connectors.statsig_segment.host import identified, moved

USERS = Identifier("user_id")


@pytest.mark.parametrize("entered", [True, False])
def test_a_track_call_moves_a_person(entered: bool) -> None:
    assert transition_of(moved("u-1", "buyers", entered=entered)) == ("buyers", entered)


@pytest.mark.parametrize("entered", [True, False])
def test_an_identify_call_moves_a_person(entered: bool) -> None:
    assert transition_of(identified("u-1", "buyers", entered=entered)) == ("buyers", entered)


def test_the_name_of_the_call_is_the_senders_choice() -> None:
    assert transition_of(moved("u-1", event="Segment Joined")) == ("buyers", True)
    assert transition_of(moved("u-1", event="Audience Exited")) == ("buyers", True)


def test_a_call_without_a_state_is_read_by_its_name() -> None:
    only_key = {"audience_key": "buyers"}
    assert transition_of(moved("u-1", event="Audience Exited", properties=only_key)) == (
        "buyers",
        False,
    )


def test_a_call_without_a_computation_key_has_the_property() -> None:
    context = {"personas": {"computation_class": "audience"}}
    assert transition_of(moved("u-1", context=context)) == ("buyers", True)


AUDIENCE = {"computation_class": "audience", "computation_key": "buyers"}


@pytest.mark.parametrize(
    "body",
    [
        {"context": {}},
        {"context": {"personas": "audience"}},
        {"context": {"personas": {"computation_class": "trait", "computation_key": "buyers"}}},
        {"context": {"personas": {"computation_class": "audience"}}, "properties": {}},
        {"context": {"personas": {**AUDIENCE, "computation_key": 7}}},
        {"event": "Order Completed", "properties": {}},
        {"properties": {"buyers": "true"}},
        {"properties": {"buyers": 1}},
        {"type": "identify", "event": "Audience Entered", "traits": {}},
    ],
)
def test_what_moves_nobody_is_declined(body: dict[str, Any]) -> None:
    event = moved("u-1", **body)
    with pytest.raises(Rejected):
        transition_of(event)
    assert list(changes_of([event], USERS).refused) == [0]


def test_whoever_has_no_such_id_is_declined_and_told_apart() -> None:
    changes = changes_of([moved(None), moved("u-1"), moved("  ")], USERS)
    assert {i: type(error) for i, error in changes.refused.items()} == {0: Rejected, 2: Rejected}
    assert "no user_id" in changes.refused[0].message
    assert changes.refused[0] is not changes.refused[2]
    assert list(changes.of["buyers"]) == ["u-1"]


def test_enter_and_exit_collapse_into_the_last() -> None:
    changes = changes_of(
        [
            moved("u-1"),
            moved("u-2"),
            moved("u-1", entered=False),
            moved("u-2", "readers"),
            moved("u-1"),
            identified("u-2", "buyers", entered=False),
        ],
        USERS,
    )
    buyers = changes.of["buyers"]
    assert (buyers["u-1"].entered, buyers["u-1"].events) == (True, [0, 2, 4])
    assert (buyers["u-2"].entered, buyers["u-2"].events) == (False, [1, 5])
    assert list(changes.of["readers"]) == ["u-2"]


@pytest.mark.case(47)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.booleans())))
def test_the_last_state_of_each_person_wins(moves: list[tuple[str, str, bool]]) -> None:
    changes = changes_of([moved(u, a, entered=e) for u, a, e in moves], USERS)
    last = {(audience, user): entered for user, audience, entered in moves}
    assert {
        (audience, user): change.entered
        for audience, members in changes.of.items()
        for user, change in members.items()
    } == last
    indexes = [i for of in changes.of.values() for change in of.values() for i in change.events]
    assert sorted(indexes) == list(range(len(moves)))


PROFILE = ProfileView(
    identifiers={"user_id": ["u-0", "u-9"], "anonymous_id": ["a-9"], "crm_id": ["c-9"]},
    groups={"g-1": {}, "g-9": {}},
)
EXTERNAL = {
    "externalIds": [
        {"id": "c-1", "type": "crm_id", "collection": "users", "encoding": "none"},
        {"id": "x-1", "type": "other", "collection": "users", "encoding": "none"},
        "no object",
        {"id": 7, "type": "crm_id"},
    ]
}


def event(**body: Any) -> Event:
    whole = {"type": "track", "messageId": "m-1", "timestamp": "2026-01-02T03:04:05Z", **body}
    return Event.from_body(whole, profile=PROFILE)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("user_id", {"userId": " u-1 ", "anonymousId": "a-1"}, "u-1"),
        ("user_id", {"userId": None, "anonymousId": "a-1"}, "u-9"),
        ("anonymous_id", {"userId": "u-1", "anonymousId": "a-1"}, "a-1"),
        ("anonymous_id", {"userId": "u-1"}, "a-9"),
        ("group_id", {"context": {"groupId": "g-2"}}, "g-2"),
        ("group_id", {}, "g-9"),
        ("crm_id", {"context": EXTERNAL}, "c-1"),
        ("crm_id", {"context": {"externalIds": {}}}, "c-9"),
        ("phone", {"userId": "u-1"}, None),
    ],
)
def test_an_events_own_id_goes_before_the_persons(
    kind: str, body: dict[str, Any], expected: str | None
) -> None:
    assert Identifier(kind).of_event(event(**body)) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("user_id", "u-9"), ("anonymous_id", "a-9"), ("group_id", "g-9"), ("phone", None)],
)
def test_a_profile_has_its_newest_id(kind: str, expected: str | None) -> None:
    assert Identifier(kind).of_profile(PROFILE) == expected
