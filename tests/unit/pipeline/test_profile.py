"""What events teach about a person: newest by event time, whatever order they come in."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from junctor.model.profile import Profile
from junctor.pipeline.profile import MOST_GROUPS, update_profile
from junctor.pipeline.traits import MOST_TRAITS

from .bodies import T0, json_values, texts, track

Told = tuple[dict[str, Any], int]


def told(*events: Told) -> Profile:
    profile = Profile(1)
    for body, at in events:
        update_profile(profile, body, at)
    return profile


def identify(**traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": "ada", "traits": traits}


def group(id: Any, **traits: Any) -> dict[str, Any]:
    return {"type": "group", "userId": "ada", "groupId": id, "traits": traits}


def test_the_newest_value_of_a_trait_wins_by_event_time() -> None:
    events = [(identify(plan="pro", city="Bern"), T0 + 5), (identify(plan="free", age=3), T0)]
    for order in (events, events[::-1]):
        assert told(*order).view().traits == {"plan": "pro", "city": "Bern", "age": 3}


def test_of_the_same_moment_the_later_in_the_log_wins() -> None:
    """A batch without times of its own has one moment, and an order."""
    assert told((identify(plan="a"), T0), (identify(plan="b"), T0)).view().traits == {"plan": "b"}


def test_traits_that_any_call_carries_in_its_context_are_learned() -> None:
    body = track(context={"traits": {"email": "a@b.c"}}, properties={"plan": "pro"})
    assert told((body, T0)).view().traits == {"email": "a@b.c"}
    both = identify(email="new@b.c") | {"context": {"traits": {"email": "old@b.c", "x": 1}}}
    assert told((both, T0)).view().traits == {"email": "new@b.c", "x": 1}


def test_a_trait_may_become_null_and_is_told_as_such() -> None:
    assert told((identify(plan="pro"), T0), (identify(plan=None), T0 + 1)).view().traits == {
        "plan": None
    }


def test_traits_of_a_group_are_not_those_of_its_member() -> None:
    body = group("g", size=3) | {"context": {"traits": {"name": "Acme"}}}
    view = told((body, T0)).view()
    assert view.traits == {}
    assert view.groups == {"g": {"size": 3}}


def test_groups_are_told_apart_and_kept_by_time() -> None:
    view = told(
        (group("g", size=9), T0 + 9), (group(7), T0), (group("g", size=3, city="Bern"), T0 + 1)
    ).view()
    assert view.groups == {"g": {"size": 9, "city": "Bern"}, "7": {}}


def test_traits_that_are_no_object_teach_nothing() -> None:
    odd: list[dict[str, Any]] = [
        {"type": "identify", "traits": None}, {"type": "identify"},
        {"type": "group", "groupId": "g", "traits": None}, {"type": "group", "groupId": " "},
        track(context=None), track(context={"traits": [1]}), track(context={"traits": {}}),
    ]  # fmt: skip
    events: list[Told] = [(body, T0) for body in odd]
    view = told(*events).view()
    assert (view.traits, view.groups) == ({}, {"g": {}})


def test_first_and_last_seen_are_the_ends_of_event_time() -> None:
    profile = told((track(), T0), (track(), T0 - 50), (track(), T0 + 70), (track(), T0 + 1))
    assert (profile.first_seen, profile.last_seen) == (T0 - 50, T0 + 70)


def test_a_profile_is_bounded() -> None:
    groups: list[Told] = [(group(f"g{n}"), T0 + n) for n in range(MOST_GROUPS + 5)]
    profile = told(
        (identify(**{f"t{n}": n for n in range(MOST_TRAITS + 5)}), T0),
        (identify(t0="known", late=1), T0 + 1),
        *groups,
    )
    assert len(profile.traits) == MOST_TRAITS
    assert profile.traits["t0"][0] == "known"
    assert len(profile.groups) == MOST_GROUPS


def test_a_view_does_not_follow_later_changes() -> None:
    profile = told((identify(plan="free"), T0), (group("g", size=1), T0))
    view, later = profile.view(), profile.snapshot()
    update_profile(profile, identify(plan="pro"), T0 + 1)
    update_profile(profile, group("g", size=2), T0 + 1)
    update_profile(profile, group("h"), T0 + 1)
    for seen in (view, later()):
        assert (seen.traits, seen.groups) == ({"plan": "free"}, {"g": {"size": 1}})
        assert seen.last_seen == T0
    assert profile.view().traits == {"plan": "pro"}


calls = st.lists(
    st.one_of(
        st.dictionaries(texts, json_values, max_size=3).map(lambda traits: identify(**traits)),
        st.builds(
            lambda id, traits: group(id, **traits),
            st.sampled_from(["g", "h", 7]),
            st.dictionaries(texts, json_values, max_size=3),
        ),
        st.dictionaries(texts, json_values, max_size=3).map(
            lambda traits: track(context={"traits": traits})
        ),
    ),
    max_size=6,
)


@given(calls, st.data())
def test_any_order_teaches_the_same(bodies: list[dict[str, Any]], data: st.DataObject) -> None:
    events = [(body, T0 + 1000 * n) for n, body in enumerate(bodies)]
    shuffled = data.draw(st.permutations(events))
    one, other = told(*events), told(*shuffled)
    assert one.view().traits == other.view().traits
    assert one.view().groups == other.view().groups
    assert (one.first_seen, one.last_seen) == (other.first_seen, other.last_seen)


@given(calls)
def test_a_profile_survives_its_record(bodies: list[dict[str, Any]]) -> None:
    profile = told(*[(body, T0 + n) for n, body in enumerate(bodies)])
    profile.identifiers = {"user_id": ["ada"], "email": ["a@b.c", "d@e.f"]}
    profile.merges = 3
    profile.changed()
    kept = Profile.decode(1, profile.encode())
    assert kept.view() == profile.view()
    assert (kept.merges, kept.encode()) == (3, profile.encode())


def test_it_tells_which_traits_an_event_changed() -> None:
    profile = Profile(1)
    assert set(update_profile(profile, identify(plan="pro", age=1), T0)) == {"plan", "age"}
    assert set(update_profile(profile, identify(plan="pro", age=True), T0 + 1)) == {"age"}
    assert set(update_profile(profile, identify(plan="free"), T0 - 1)) == set()
    carried = {"type": "track", "event": "x", "context": {"traits": {"plan": "free"}}}
    assert set(update_profile(profile, carried, T0 + 2)) == {"plan"}
    assert set(update_profile(profile, group("g", plan="team"), T0 + 3)) == set()
