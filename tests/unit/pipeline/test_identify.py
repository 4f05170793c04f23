"""Who an event is about: the rules, one by one."""

from typing import Any

import pytest

from junctor.config.model import Identifier, Identity
from junctor.model.profile import Profile
from junctor.pipeline.identify import Identifiers

from .bodies import T0, track
from .town import Town, people, rules


def identify(user: str, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "traits": traits}


def alias(user: str, previous: str) -> dict[str, Any]:
    return {"type": "alias", "userId": user, "previousId": previous}


def device(anonymous: str, user: str | None = None, **more: Any) -> dict[str, Any]:
    return track(user, anonymous=anonymous, **more)


# -- reading identifiers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (track("ada"), "user_id=ada"),
        (device("x", "ada"), "user_id=ada anonymous_id=x"),
        (track(7), "user_id=7"),  # type: ignore[arg-type]
        (identify("ada", email="A@B.c"), "user_id=ada email=a@b.c"),
        (identify("ada", email=" A@b.c "), "user_id=ada email=a@b.c"),
        (track("ada", context={"traits": {"email": "a@b.c"}}), "user_id=ada email=a@b.c"),
        (track("ada", properties={"email": "a@b.c"}), "user_id=ada email=a@b.c"),
        (
            identify("ada", email="a@b.c") | {"context": {"traits": {"email": "A@B.C"}}},
            "user_id=ada email=a@b.c",
        ),
        (track("Ada"), "user_id=Ada"),  # only an email has no case
        (identify("ada", email=["a@b.c"]), "user_id=ada"),
        (identify("ada", email={"a": 1}), "user_id=ada"),
        (identify("ada", email=True), "user_id=ada"),
        (track("ada", context={"traits": "email"}), "user_id=ada"),
        (track("ada", context=None), "user_id=ada"),
        (alias("ada", "x"), "user_id=ada anonymous_id=x user_id=x"),
        (alias("ada", "ada"), "user_id=ada anonymous_id=ada"),
        (track("x" * 513, anonymous="x"), "anonymous_id=x"),
        ({"type": "group", "userId": "ada", "groupId": "g"}, "user_id=ada"),
    ],
)
def test_identifiers_are_read_by_priority(body: dict[str, Any], keys: str) -> None:
    read = Identifiers(Identity()).of(body)
    assert " ".join(f"{kind}={value}" for kind, value in read) == keys


@pytest.mark.case(25)
@pytest.mark.parametrize(
    "value",
    ["", " ", "null", "NULL", "Null", "undefined", "none", "None", "anonymous", "ANONYMOUS",
     "unknown", "-1", "0", "000", "00000000-0000-0000-0000-000000000000", "-", "---", 0, -1],
)  # fmt: skip
def test_values_that_are_nobodys_identify_nobody(value: Any) -> None:
    town = Town()
    town.see(device(value, value), device("x", value), identify(value, email=value))
    assert town.partition == people("anonymous_id=x")


def test_blocked_values_never_join_people() -> None:
    town = Town()
    town.see(device("x", "null"), device("y", "null"), device("z", "undefined"))
    assert town.partition == people("anonymous_id=x", "anonymous_id=y", "anonymous_id=z")


def test_what_nobody_can_be_recognized_by_is_not_kept() -> None:
    town = Town()
    seen = town.see(*[track("null") for _ in range(5)])
    assert town.people == []
    assert len({item.profile for item in seen}) == 5, "they are no one person either"


def test_patterns_block_one_kind_only() -> None:
    identity = Identity(
        identifiers=(
            Identifier(kind="user_id", limit=1),
            Identifier(
                kind="email", limit=5, blocked=("*@Test.example", "noreply@*"),
                **{"from": ("traits.email",)},
            ),
        ),
        blocked=("Nobody",),
    )  # fmt: skip
    read = Identifiers(identity).of
    assert read(identify("x@test.example", email="x@TEST.example")) == [
        ("user_id", "x@test.example")
    ]
    assert read(identify("ada", email="noreply@shop.example")) == [("user_id", "ada")]
    assert read(identify("NOBODY", email="nobody")) == []
    assert read(identify("null", email="a@b.c")) == [("user_id", "null"), ("email", "a@b.c")]


@pytest.mark.parametrize(
    ("entry", "is_read"),
    [
        ({"id": "g-1", "type": "ga", "collection": "users", "encoding": "none"}, True),
        ({"id": "g-1", "type": "ga"}, True),
        ({"id": "g-1", "type": "ga", "collection": "accounts"}, False),
        ({"id": "g-1", "type": "other"}, False),
        ({"id": None, "type": "ga"}, False),
        ({"id": {"a": 1}, "type": "ga"}, False),
        ({"id": "g-1", "type": ["ga"]}, False),
        ({"type": "ga"}, False),
        ("g-1", False),
        (None, False),
    ],
)
def test_external_ids_are_read_where_their_kind_is_known(entry: Any, is_read: bool) -> None:
    identity = rules(("user_id", 1), ("ga", 5))
    body = track("ada", context={"externalIds": [entry]})
    expected = [("user_id", "ada")] + ([("ga", "g-1")] if is_read else [])
    assert Identifiers(identity).of(body) == expected


@pytest.mark.parametrize("ids", [None, {}, "x", 1, [[]], [None]])
def test_broken_external_ids_are_no_ids(ids: Any) -> None:
    assert Identifiers(Identity()).of(track("ada", context={"externalIds": ids})) == [
        ("user_id", "ada")
    ]


# -- joining and keeping apart -------------------------------------------------------------------

STORIES: dict[str, tuple[list[dict[str, Any]], set[Any]]] = {
    "a visitor logs in": (
        [device("x"), device("x", "ada"), track("ada")],
        people("user_id=ada anonymous_id=x"),
    ),
    "two devices of one person": (
        [device("x"), device("y"), device("x", "ada"), device("y", "ada")],
        people("user_id=ada anonymous_id=x anonymous_id=y"),
    ),
    "an email joins": (
        [identify("ada", email="a@b.c"), track(None, anonymous="x", properties={"email": "A@B.C"})],
        people("user_id=ada email=a@b.c anonymous_id=x"),
    ),
    "a shared device keeps its first user": (
        [device("x", "ada"), device("x", "bob"), device("x", "ada"), device("x")],
        people("user_id=ada anonymous_id=x", "user_id=bob"),
    ),
    "a shared device between two known users": (
        [track("ada"), track("bob"), device("x", "ada"), device("x", "bob")],
        people("user_id=ada anonymous_id=x", "user_id=bob"),
    ),
    "a family's email stays with the first": (
        [identify("ada", email="home@b.c"), identify("bob", email="home@b.c")],
        people("user_id=ada email=home@b.c", "user_id=bob"),
    ),
    "a device and an email of two people": (
        [identify("ada", email="a@b.c"), device("x", "bob"),
         track(None, anonymous="x", properties={"email": "a@b.c"})],
        people("user_id=ada email=a@b.c", "user_id=bob anonymous_id=x"),
    ),
    "an alias joins a visitor": (
        [device("x"), alias("ada", "x")],
        people("user_id=ada anonymous_id=x"),
    ),
    "an alias before its events": (
        [alias("ada", "x"), device("x")],
        people("user_id=ada anonymous_id=x"),
    ),
    "an alias of a known user is refused": (
        [track("ada"), alias("bob", "ada")],
        people("user_id=ada", "user_id=bob anonymous_id=ada"),
    ),
    "an alias before the other is known as a user": (
        [alias("bob", "ada"), track("ada")],
        people("user_id=ada", "user_id=bob anonymous_id=ada"),
    ),
    "an alias of oneself": (
        [track("ada"), alias("ada", "ada")],
        people("user_id=ada anonymous_id=ada"),
    ),
    "an alias loop": (
        [alias("b", "a"), alias("a", "b"), alias("b", "a"), track("a"), track("b")],
        people("user_id=b anonymous_id=a", "user_id=a anonymous_id=b"),
    ),
    "an alias chain": (
        [device("x"), alias("y", "x"), alias("z", "y"), track("z")],
        people("user_id=y anonymous_id=x", "user_id=z anonymous_id=y"),
    ),
    "an alias of a blocked value": (
        [alias("ada", "null"), alias("bob", "null")],
        people("user_id=ada", "user_id=bob"),
    ),
    "a number and its text are one id": (
        [track(7), track("7"), device("8", "7"), device(8)],  # type: ignore[arg-type]
        people("user_id=7 anonymous_id=8"),
    ),
    "the sixth email is left out": (
        [identify("ada", email=f"{n}@b.c") for n in range(6)],
        people("user_id=ada " + " ".join(f"email={n}@b.c" for n in range(5))),
    ),
    "two users in one event": (
        [track("ada", context={"externalIds": [{"id": "bob", "type": "user_id"}]})],
        people("user_id=ada"),
    ),
}  # fmt: skip


@pytest.mark.case(25)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
@pytest.mark.parametrize("story", STORIES)
def test_a_story_ends_with_the_right_people(story: str, together: bool) -> None:
    events, expected = STORIES[story]
    town = Town()
    town.see(*events, batch=() if together else [1] * len(events))
    assert town.partition == expected
    town.check({"user_id": 1, "email": 5, "anonymous_id": 100})


def test_a_new_person_keeps_to_the_limits_too() -> None:
    town = Town(rules(("user_id", 1), ("email", 1)))
    body = identify("ada", email="first@b.c") | {"properties": {"email": "second@b.c"}}
    town.see(body)
    assert town.partition == people("user_id=ada email=first@b.c")


def test_a_merge_over_a_limit_is_refused_and_the_event_goes_to_the_stronger_identifier() -> None:
    town = Town(rules(("user_id", 1), ("anonymous_id", 2)))
    town.see(device("x", "ada"), device("y", "ada"), device("z"))
    [item] = town.see(device("z", "ada"))
    assert item.profile == town.who("user_id", "ada").id
    assert town.partition == people("user_id=ada anonymous_id=x anonymous_id=y", "anonymous_id=z")
    [conflict] = town.state.conflicts
    assert conflict.reason == "anonymous_id left out: one person has at most 2 anonymous_id"
    assert (conflict.offset, conflict.profile) == (4, item.profile)


def test_an_alias_may_join_users_where_the_rules_allow_two() -> None:
    for batch in ([1] * 3, [3]):
        town = Town(rules(("user_id", 2), ("anonymous_id", 100)))
        town.see(track("ada"), track("bob"), alias("bob", "ada"), batch=batch)
        assert town.partition == people("user_id=ada user_id=bob anonymous_id=ada")


@pytest.mark.case(25)
def test_one_profile_absorbs_only_so_many() -> None:
    town = Town(rules(("user_id", 1), ("anonymous_id", 100), max_merges=3))
    town.see(*[device(f"x{n}") for n in range(6)])
    town.see(track("ada"), *[device(f"x{n}", "ada") for n in range(6)])
    assert town.who("user_id", "ada").merges == 3
    assert len(town.people) == 4
    assert {c.reason.split(": ")[1] for c in town.state.conflicts} == {
        "at most 3 profiles are merged into one"
    }


def test_merging_can_be_forbidden() -> None:
    town = Town(rules(("user_id", 1), ("anonymous_id", 9), max_merges=0))
    town.see(device("x"), track("ada"), device("x", "ada"))
    assert town.partition == people("user_id=ada", "anonymous_id=x")


# -- merges --------------------------------------------------------------------------------------


def two_visitors() -> Town:
    town = Town()
    town.see(
        {"type": "identify", "anonymousId": "x", "traits": {"plan": "free", "name": "Ada"}},
        {"type": "identify", "anonymousId": "y", "traits": {"plan": "pro"}},
        {"type": "group", "anonymousId": "y", "groupId": "g", "traits": {"size": 3}},
        device("x"),
    )
    return town


def test_the_older_profile_survives_with_the_newest_of_both() -> None:
    town = two_visitors()
    town.see(device("x", "ada"), device("y", "ada"))
    [person] = town.people
    assert person.id == 1
    assert person.view().traits == {"plan": "pro", "name": "Ada"}
    assert person.view().groups == {"g": {"size": 3}}
    assert (person.first_seen, person.last_seen, person.merges) == (T0, T0 + 5000, 1)
    assert town.partition == people("user_id=ada anonymous_id=x anonymous_id=y")


def test_the_log_of_merges_has_what_undoes_them() -> None:
    town = two_visitors()
    town.see(device("x", "ada"))
    before = dict(town.state.people)
    town.see(device("y", "ada"))
    [merge] = town.state.merged
    assert (merge.survivor, merge.absorbed, merge.offset, merge.at) == (1, 2, 6, T0 + 5000)
    undone = {
        merge.survivor: Profile.decode(merge.survivor, merge.survivor_record),
        merge.absorbed: Profile.decode(merge.absorbed, merge.absorbed_record),
    }
    assert {id: profile.encode() for id, profile in undone.items()} == before


@pytest.mark.case(25)
def test_merges_of_several_are_undone_from_the_last_to_the_first() -> None:
    town = Town(rules(("email", 9), ("phone", 9), ("anonymous_id", 9)))
    town.see(track(None, properties={"email": "a@b.c"}), device("x"), device("y"))
    before = dict(town.state.people)
    external = [{"type": "anonymous_id", "id": "y"}]
    town.see(device("x", properties={"email": "a@b.c"}, context={"externalIds": external}))
    assert len(town.people) == 1
    state = dict(town.state.people)
    for merge in reversed(town.state.merged):
        state[merge.survivor] = merge.survivor_record
        state[merge.absorbed] = merge.absorbed_record
    assert state == before


def test_a_person_who_is_merged_twice_in_a_batch_is_one() -> None:
    town = Town()
    town.see(
        device("x"), device("y"), device("z"),
        device("y", "ada"), device("z", "ada"), device("x", "ada"), device("z"),
    )  # fmt: skip
    assert town.partition == people("user_id=ada anonymous_id=x anonymous_id=y anonymous_id=z")
    town.check({"user_id": 1, "anonymous_id": 100})


# -- deletion ------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [(), [1] * 9])
def test_a_deleted_person_is_gone_and_may_come_back_as_new(batch: list[int]) -> None:
    town = Town()
    town.see(
        device("x", "ada"), identify("ada", email="a@b.c"), track("bob"),
        {"type": "delete", "userId": "ada"}, batch=batch,
    )  # fmt: skip
    assert town.partition == people("user_id=bob")
    assert [person.id for person in town.people] == [3]
    town.see(track("ada"), device("x"), batch=batch)
    assert town.partition == people("user_id=bob", "user_id=ada", "anonymous_id=x")
    assert town.who("user_id", "ada").traits == {}


def test_deleting_an_unknown_person_leaves_nothing() -> None:
    town = Town()
    town.see({"type": "delete", "userId": "nobody-yet"})
    assert (town.people, town.partition) == ([], set())
