"""Identity whatever the order: where the rules allow one answer, every order gives it."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from junctor.model.processed import Batch
from junctor.store.port import IdentifierKey
from junctor.store.sqlite import SqliteStore

from .bodies import T0
from .town import Town, flow, fold_in_batches, partition, records, rules

LIMITS = {"user_id": 1, "email": 5, "anonymous_id": 100}
sizes = st.lists(st.integers(1, 5), max_size=12)


def event(
    user: str | None, emails: list[str], devices: list[str], at: int, traits: dict[str, int]
) -> dict[str, Any]:
    """Return a call that shows up to one user, two emails and three devices together."""
    body: dict[str, Any] = {"type": "identify", "timestamp": T0 - 1000 * at}
    external = [{"type": "anonymous_id", "id": device} for device in devices[1:]]
    body["traits"] = dict(traits)
    body["context"] = {"externalIds": external}
    if user is not None:
        body["userId"] = user
    if devices:
        body["anonymousId"] = devices[0]
    if emails:
        body["traits"]["email"] = emails[0]
    if emails[1:]:
        body["properties"] = {"email": emails[1].upper()}
    return body


@st.composite
def towns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events of a few people who share nothing: the rules allow one partition only."""
    events: list[dict[str, Any]] = []
    for person in range(draw(st.integers(1, 3))):
        user = draw(st.sampled_from([None, f"u{person}"]))
        emails = [f"{person}{n}@b.c" for n in range(draw(st.integers(0, 3)))]
        devices = [f"d{person}{n}" for n in range(draw(st.integers(1, 5)))]
        for _ in range(draw(st.integers(1, 6))):
            if user is not None and draw(st.integers(0, 4)) == 0:
                previous = draw(st.sampled_from(devices))
                body: dict[str, Any] = {"type": "alias", "userId": user, "previousId": previous}
                events.append(body | {"timestamp": T0 - 1000 * len(events)})
                continue
            some_devices = draw(st.lists(st.sampled_from(devices), max_size=3, unique=True))
            some_emails = (
                draw(st.lists(st.sampled_from(emails), max_size=2, unique=True)) if emails else []
            )
            shown = draw(st.sampled_from([None, user]))
            if shown is None and not some_devices:
                some_devices = devices[:1]
            traits = draw(st.dictionaries(st.sampled_from("pqr"), st.integers(0, 9), max_size=2))
            events.append(event(shown, some_emails, some_devices, len(events), traits))
    return events


def keys_of(body: dict[str, Any]) -> set[IdentifierKey]:
    keys = {("user_id", body.get("userId")), ("anonymous_id", body.get("anonymousId"))}
    keys |= {("anonymous_id", body.get("previousId"))}
    keys |= {("email", body.get("traits", {}).get("email"))}
    email = body.get("properties", {}).get("email")
    keys |= {("email", email.lower() if email else None)}
    keys |= {("anonymous_id", e["id"]) for e in body.get("context", {}).get("externalIds", ())}
    return {(kind, value) for kind, value in keys if value is not None}


def connected(events: list[dict[str, Any]]) -> set[frozenset[IdentifierKey]]:
    """Return the components of the graph in which an event joins its identifiers."""
    groups: list[set[IdentifierKey]] = []
    for body in events:
        keys = keys_of(body)
        touching = [group for group in groups if group & keys]
        groups = [group for group in groups if not group & keys]
        groups.append(keys.union(*touching))
    return {frozenset(group) for group in groups}


def portraits(town: Town) -> list[Any]:
    """Return what is known of each person, without what depends on when they were first heard."""
    return sorted(
        (
            sorted((kind, sorted(values)) for kind, values in person.identifiers.items()),
            sorted((name, value, at) for name, (value, at) in person.traits.items()),
            person.first_seen,
            person.last_seen,
        )
        for person in town.people
    )


@pytest.mark.case(25)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(events=towns(), data=st.data(), batches=sizes)
def test_any_order_of_arrival_ends_in_the_same_people(
    events: list[dict[str, Any]], data: st.DataObject, batches: list[int]
) -> None:
    town = Town()
    town.see(*events)
    town.check(LIMITS)
    assert town.partition == connected(events)
    shuffled = data.draw(st.permutations(events))
    other = Town()
    other.see(*shuffled, batch=batches)
    other.check(LIMITS)
    assert other.partition == town.partition
    assert portraits(other) == portraits(town)
    assert town.state.conflicts == other.state.conflicts == []


names = st.sampled_from("abc")


@st.composite
def quarrels(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events in which everybody uses everybody's identifiers."""
    events: list[dict[str, Any]] = []
    for n in range(draw(st.integers(1, 10))):
        match draw(st.integers(0, 7)):
            case 0:
                body: dict[str, Any] = {
                    "type": "alias", "userId": draw(names), "previousId": draw(names),
                }  # fmt: skip
            case 1:
                body = {"type": "delete", "userId": draw(names)}
            case _:
                users = draw(st.none() | names)
                emails = draw(st.lists(names, max_size=2, unique=True))
                devices = draw(st.lists(names, min_size=1, max_size=3, unique=True))
                body = event(users, emails, devices, n, {draw(names): n})
        events.append(body)
    return events


identities = st.builds(
    lambda users, emails, devices, merges: (
        {"user_id": users, "email": emails, "anonymous_id": devices}, merges,
    ),
    st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4),
)  # fmt: skip


@pytest.mark.case(25)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(events=quarrels(), identity=identities, batches=sizes)
def test_the_rules_hold_and_batches_do_not_matter(
    events: list[dict[str, Any]], identity: tuple[dict[str, int], int], batches: list[int]
) -> None:
    limits, most = identity
    outcomes = []
    for sizes_of_batches in ([1] * len(events), batches, []):
        town = Town(rules(*limits.items(), max_merges=most))
        seen = town.see(*events, batch=sizes_of_batches)
        town.check(limits)
        assert all(person.merges <= most for person in town.people)
        outcomes.append(
            (
                town.state,
                [
                    (item.profile, item.decision, item.event.json, item.event.profile)
                    for item in seen
                ],
            )
        )
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.case(25)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(events=quarrels())
def test_a_user_is_never_merged_with_another(events: list[dict[str, Any]]) -> None:
    town = Town()
    for body in events:
        before = {p.id: p.identifiers.get("user_id", []) for p in town.people}
        merges = len(town.state.merged)
        town.see(body)
        for merge in town.state.merged[merges:]:
            joined = set(before.get(merge.survivor, [])) | set(before.get(merge.absorbed, []))
            assert len(joined) <= 1
        for person in town.people:
            assert len(person.identifiers.get("user_id", [])) <= 1


@pytest.mark.case(25)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(events=quarrels())
def test_every_event_is_given_to_somebody_who_has_its_first_identifier(
    events: list[dict[str, Any]],
) -> None:
    """No event goes to a wrong user: the user named by the event, if any, is the person's own."""
    town = Town()
    for body in events:
        [item] = town.see(body)
        user = body.get("userId")
        if user is not None:
            assert list(item.event.profile.identifiers.get("user_id", [])) == [user]


@settings(max_examples=20, deadline=None)
@given(events=towns(), data=st.data(), batches=sizes)
def test_the_embedded_store_ends_in_the_same_people(
    events: list[dict[str, Any]], data: st.DataObject, batches: list[int]
) -> None:
    shuffled = data.draw(st.permutations(events))

    async def run(folder: Path) -> set[frozenset[IdentifierKey]]:
        store = SqliteStore.open(folder)
        published: list[Batch] = []
        log = records(shuffled)
        await fold_in_batches(flow(store.state, published), log, 0, batches, published)
        await store.close()
        store = SqliteStore.open(folder)
        keys = [key for body in events for key in keys_of(body)]
        found = partition(await store.state.resolve(keys))
        await store.close()
        return found

    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(run(Path(folder))) == connected(events)
