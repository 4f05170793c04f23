"""What processes hand each other means the same at the other end."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.api.keep import Brought, Overloaded
from junctor.delivery.call import ConnectorBug
from junctor.host.plain import (
    ReceivedEvents,
    SentEvents,
    brought_of,
    error_of,
    plain_brought,
    plain_error,
    plain_refusal,
    refusal_of,
)
from junctor.model.profile import Profile
from junctor.model.record import NewRecord, Rejection
from junctor.sdk.errors import (
    AuthenticationFailed,
    DeliveryError,
    DestinationUnavailable,
    Disposition,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    RateLimited,
    Rejected,
)
from junctor.sdk.event import Event, ProfileView
from junctor.store.port import StoreUnavailable


def event(n: int, profile: Any = None) -> Event:
    return Event(
        b'{"n":%d}' % n, type="track", message_id=f"m-{n}", timestamp=n, received_at=n + 1,
        source="web", offset=n, profile=profile or ProfileView(),
    )  # fmt: skip


def shown(one: Event) -> Any:
    view = one.profile
    return (
        one.json, one.type, one.message_id, one.timestamp, one.received_at, one.source, one.offset,
        view.as_dict(),
    )  # fmt: skip


# -- events --------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), max_size=20),
    st.integers(1, 2_000),
)
def test_a_worker_gets_exactly_the_events_that_are_meant(
    batches: list[list[int]], most_bytes: int
) -> None:
    events = [event(n) for n in range(31)]
    sent, received = SentEvents(count(1), most_bytes), ReceivedEvents()
    for batch in batches:
        got = received.of(sent.plain([events[n] for n in batch]))
        assert [shown(one) for one in got] == [shown(events[n]) for n in batch]


def test_what_goes_to_several_destinations_is_sent_once() -> None:
    sent = SentEvents(count(1))
    events = [event(n) for n in range(3)]
    assert len(sent.plain(events)[1]) == 3
    assert sent.plain(events)[1] == []


def test_a_worker_keeps_a_bounded_part_of_them() -> None:
    sent, received = SentEvents(count(1), 1_000), ReceivedEvents()
    for n in range(500):
        received.of(sent.plain([event(n)]))
    assert len(received._events) < 20


def test_each_worker_has_its_own() -> None:
    numbers = count(1)
    one, other = SentEvents(numbers), SentEvents(numbers)
    events = [event(n) for n in range(3)]
    one.plain(events)
    assert len(other.plain(events)[1]) == 3
    assert [shown(e) for e in ReceivedEvents().of(SentEvents(numbers).plain(events))] == [
        shown(e) for e in events
    ]


def test_a_profile_arrives_as_it_was_at_the_event() -> None:
    profile = Profile(7, {"user_id": ["u"]}, {"plan": ("pro", 1)}, {"g": {"size": (3, 1)}}, 5, 6)
    profile.audiences["buyer"] = True
    snapshot = profile.snapshot(lambda: ({"orders": 3}, {"heat": 0.5}))
    before = snapshot()
    profile.traits["plan"] = ("free", 2)
    profile.changed()
    [got] = ReceivedEvents().of(SentEvents(count(1)).plain([event(1, snapshot)]))
    assert got.profile == before
    assert got.profile.traits == {"plan": "pro"}


# -- what came in --------------------------------------------------------------------------------


def test_what_a_request_brought_arrives_unparsed() -> None:
    record = NewRecord("web", "m", 1, True, -5, b'{"a":1}', {"a": 1}, "track", "u")
    rejection = Rejection("web", 1, "why", b"{}")
    got = brought_of(plain_brought(Brought("web", [record], [rejection])))
    assert got == Brought(
        "web", [NewRecord("web", "m", 1, True, -5, b'{"a":1}', None, "track", "u")], [rejection]
    )


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), Overloaded("later")])
def test_a_refusal_is_answered_as_the_hub_would(error: Any) -> None:
    got = refusal_of(plain_refusal(error))
    assert (type(got), str(got)) == (type(error), str(error))


# -- errors --------------------------------------------------------------------------------------


class OfAPlugin(RateLimited):
    """An error with a code and a fate of its own."""

    code = "quota_used_up"
    costs_attempt = True
    disposition = Disposition.PAUSE


def meaning(error: DeliveryError) -> Mapping[str, Any]:
    names = ("message", "code", "disposition", "costs_attempt", "status", "retry_after",
             "permanent", "place")  # fmt: skip
    return {name: getattr(error, name, None) for name in names}


def bug() -> ConnectorBug:
    error = ConnectorBug("KeyError in the connector")
    error.place = "x.py:1 build"
    return error


@pytest.mark.parametrize(
    "error",
    [
        DeliveryError("x"),
        DestinationUnavailable("x", retry_after=3.0, status=503),
        RateLimited("x", retry_after=None, status=429),
        InvalidPayload("x", status=400),
        Rejected("x"),
        AuthenticationFailed("x", status=401),
        Misconfigured("x", status=410, permanent=True),
        bug(),
        OfAPlugin("x", retry_after=7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_means_the_same_at_the_other_end(error: DeliveryError) -> None:
    got = error_of(plain_error(error))
    assert meaning(got) == meaning(error)
    assert isinstance(got, RateLimited) == isinstance(error, RateLimited)
    assert isinstance(got, ConnectorBug) == isinstance(error, ConnectorBug)


def test_items_keep_their_errors_and_those_that_share_one_still_do() -> None:
    shared = InvalidPayload("the batch", status=400)
    failure = PartialFailure({0: shared, 2: shared, 3: RateLimited("slow", retry_after=2)})
    got = error_of(plain_error(failure))
    assert isinstance(got, PartialFailure)
    assert {i: meaning(e) for i, e in got.errors.items()} == {
        i: meaning(e) for i, e in failure.errors.items()
    }
    assert got.errors[0] is got.errors[2]
    assert got.errors[0] is not got.errors[3]
