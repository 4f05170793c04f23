"""What `HttpDestination.deliver` promises: every event meets its own fate, by its own index."""

from collections.abc import Mapping, Sequence

import httpx
import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from junctor.sdk import (
    AuthenticationFailed,
    Context,
    DeliveryError,
    DestinationUnavailable,
    Event,
    EventType,
    HttpDestination,
    InvalidPayload,
    Manifest,
    PartialFailure,
    RateLimited,
    Rejected,
    Request,
    Response,
    Settings,
    raise_for_status,
)

NOW = 1767323045.25


class StillClock:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a connector does not wait")


class Vendor:
    """Takes lists of message ids, answers with a status, names those it does not take."""

    def __init__(self, status: int = 200, refuses: frozenset[str] = frozenset()) -> None:
        self.status = status
        self.refuses = refuses
        self.requests: list[list[str]] = []
        self.times: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        ids: list[str] = orjson.loads(request.content)
        self.requests.append(ids)
        self.times.append(request.headers["x-time"])
        failed = [index for index, id in enumerate(ids) if id in self.refuses]
        return httpx.Response(self.status, json=failed)


class Batches(HttpDestination[Settings]):
    """Sends message ids as a list; `refuses` are errors of `build` by message id."""

    manifest = Manifest(
        type="batches",
        title="Batches",
        summary="Lists of ids.",
        accepts=frozenset((EventType.TRACK, EventType.PAGE)),
        max_batch=50,
    )
    settings_model = Settings
    refuses: Mapping[str, DeliveryError] = {}

    def build(self, events: Sequence[Event]) -> Request:
        refused = {
            index: self.refuses[event.message_id]
            for index, event in enumerate(events)
            if event.message_id in self.refuses
        }
        if refused:
            raise refused[0] if len(events) == 1 else PartialFailure(refused)
        return Request.json(
            "POST", "https://vendor.example/", [event.message_id for event in events]
        )

    def stamp(self, request: Request, at: float) -> Request:
        return Request(
            request.method, request.url, request.content, {**request.headers, "x-time": str(at)}
        )

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        raise_for_status(response)
        failed = {index: InvalidPayload(events[index].message_id) for index in response.json()}
        if failed:
            raise PartialFailure(failed)


def event(id: str) -> Event:
    return Event(b"{}", type="track", message_id=id, timestamp=1, received_at=1, source="test")


async def deliver(
    ids: Sequence[str], vendor: Vendor, refuses: Mapping[str, DeliveryError] | None = None
) -> DeliveryError | None:
    """Return what `deliver` raised for events with these ids."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(vendor)) as http:
        destination = Batches(
            Settings(), Context("under_test", http, structlog.get_logger(), StillClock())
        )
        destination.refuses = refuses or {}
        try:
            await destination.deliver([event(id) for id in ids])
        except DeliveryError as error:
            return error
        return None


def fates(error: DeliveryError | None) -> dict[int, type[DeliveryError]]:
    assert isinstance(error, PartialFailure)
    return {index: type(one) for index, one in error.errors.items()}


def test_limits_are_the_manifests_unless_overridden() -> None:
    destination = Batches(Settings(), None)  # type: ignore[arg-type]  # nothing is sent
    assert destination.batch_limit() == 50
    assert destination.accepts() == {"track", "page"}


async def test_a_batch_is_one_request_stamped_with_the_attempts_time() -> None:
    vendor = Vendor()
    assert await deliver("abc", vendor) is None
    assert vendor.requests == [["a", "b", "c"]]
    assert vendor.times == [str(NOW)]


async def test_what_build_refuses_does_not_keep_back_the_others() -> None:
    vendor = Vendor()
    declined, broken = Rejected("no id"), InvalidPayload("too deep")
    error = await deliver("abcde", vendor, {"b": declined, "d": broken})
    assert vendor.requests == [["a", "c", "e"]]
    assert vendor.times == [str(NOW)]
    assert isinstance(error, PartialFailure)
    assert error.errors == {1: declined, 3: broken}


async def test_nothing_is_sent_when_everything_is_refused() -> None:
    vendor = Vendor()
    error = await deliver("ab", vendor, {"a": Rejected("a"), "b": InvalidPayload("b")})
    assert fates(error) == {0: Rejected, 1: InvalidPayload}
    assert vendor.requests == []


async def test_the_refusal_of_an_only_event_is_raised_as_it_is() -> None:
    vendor = Vendor()
    declined = Rejected("no id")
    assert await deliver("a", vendor, {"a": declined}) is declined
    assert vendor.requests == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (503, DestinationUnavailable),
        (429, RateLimited),
        (401, AuthenticationFailed),
        (400, InvalidPayload),
    ],
)
async def test_when_the_rest_fails_each_event_has_its_own_error(
    status: int, expected: type[DeliveryError]
) -> None:
    vendor = Vendor(status)
    error = await deliver("abcde", vendor, {"a": Rejected("a"), "d": Rejected("d")})
    assert fates(error) == {0: Rejected, 1: expected, 2: expected, 3: Rejected, 4: expected}
    assert vendor.requests == [["b", "c", "e"]]
    assert isinstance(error, PartialFailure)
    assert len({id(error.errors[index]) for index in (1, 2, 4)}) == 1


async def test_without_refusals_a_failure_is_raised_as_it_is() -> None:
    assert isinstance(await deliver("abc", Vendor(503)), DestinationUnavailable)
    assert fates(await deliver("abc", Vendor(refuses=frozenset("b")))) == {1: InvalidPayload}


async def test_items_that_the_vendor_refuses_keep_their_place_in_the_batch() -> None:
    vendor = Vendor(refuses=frozenset("ce"))
    error = await deliver("abcde", vendor, {"b": Rejected("b"), "d": Rejected("d")})
    assert vendor.requests == [["a", "c", "e"]]
    assert isinstance(error, PartialFailure)
    assert {index: one.message for index, one in error.errors.items()} == {
        index: "abcde"[index] for index in (1, 2, 3, 4)
    }


@given(st.lists(st.sampled_from(("taken", "refused here", "refused there")), min_size=1))
async def test_the_errors_name_exactly_the_events_that_were_not_delivered(lots: list[str]) -> None:
    ids = [f"m-{index}" for index in range(len(lots))]
    here = {id: Rejected(id) for id, lot in zip(ids, lots, strict=True) if lot == "refused here"}
    there = {id for id, lot in zip(ids, lots, strict=True) if lot == "refused there"}
    vendor = Vendor(refuses=frozenset(there))
    error = await deliver(ids, vendor, here)
    sendable = [id for id in ids if id not in here]
    assert vendor.requests == ([sendable] if sendable else [])
    if len(ids) == 1 and here:
        assert error is here["m-0"]
    elif not here and not there:
        assert error is None
    else:
        assert isinstance(error, PartialFailure)
        assert {ids[index]: one.message for index, one in error.errors.items()} == {
            id: id for id in {*here, *there}
        }


async def test_a_bug_in_a_connector_is_not_taken_for_a_failure_of_the_vendor() -> None:
    class Buggy(Batches):
        def interpret(self, response: Response, events: Sequence[Event]) -> None:
            raise KeyError("a bug")

    async with httpx.AsyncClient(transport=httpx.MockTransport(Vendor())) as http:
        destination = Buggy(
            Settings(), Context("under_test", http, structlog.get_logger(), StillClock())
        )
        destination.refuses = {"a": Rejected("a")}
        with pytest.raises(KeyError):
            await destination.deliver([event("a"), event("b")])
