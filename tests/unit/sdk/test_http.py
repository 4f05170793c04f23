"""What an answer means, and how long it asks to wait."""

import gc
import math
import weakref
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.sdk import (
    AuthenticationFailed,
    DeliveryError,
    DestinationUnavailable,
    Event,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    RateLimited,
    Request,
    Response,
)
from junctor.sdk.http import (
    MAX_RESPONSE_BYTES,
    EgressRefused,
    idempotency_key,
    raise_for_items,
    raise_for_status,
    retry_after,
    send,
    utc,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC).timestamp()


def asks(value: str) -> float | None:
    return retry_after(Response(429, headers={"retry-after": value}, at=NOW))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("1", 1), ("120", 120), (" 7 ", 7), ("1.5", 1.5), ("-5", 0), ("-0", 0),
        ("99999999999", 99999999999),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30),
        ("Thursday, 01-Jan-26 12:00:30 GMT", 30),
        ("Thu Jan  1 12:00:30 2026", 30),
        ("Thu, 01 Jan 2026 13:00:00 +0100", 0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
        ("Mon, 01 Jan 1900 00:00:00 GMT", 0),
        ("", None), ("   ", None), ("soon", None), ("nan", None), ("inf", None), ("-inf", 0),
        ("1e999", None), ("12 seconds", None), ("0x10", None), ("2026", 2026),
        ("Thu, 32 Jan 2026 12:00:30 GMT", None), ("Thu, 01 Jan 99999 12:00:30 GMT", None),
        ("Thu, 01 Jan 2026 12:00:30 +99999999", None), ("\x00", None), ("€", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert asks(value) == seconds


def test_no_retry_after_is_none() -> None:
    assert retry_after(Response(429)) is None


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,6} [A-Z][a-z]{2} -?\d{1,9} .*"))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_retry_after_breaks_anything(value: str) -> None:
    wait = asks(value)
    assert wait is None or (wait >= 0 and math.isfinite(wait))


@pytest.mark.case(32)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset": "30"}, 30),
        ({"ratelimit-reset": "30.5"}, 30.5),
        ({"x-ratelimit-reset-after": "0.25"}, 0.25),
        ({"x-ratelimit-reset": f"{NOW + 60:.0f}"}, 60),
        ({"x-ratelimit-reset": f"{(NOW + 60) * 1000:.0f}"}, 60),
        ({"x-ratelimit-reset": f"{NOW - 60:.0f}"}, 0),
        ({"x-ratelimit-reset": f"{NOW + 60:.0f}", "x-ratelimit-reset-after": "59.5"}, 59.5),
        ({"x-ratelimit-reset": "30", "retry-after": "7"}, 7),
        ({"x-ratelimit-reset": "30", "retry-after": "soon"}, 30),
        ({"x-ratelimit-reset": "-30"}, 0),
        ({"x-ratelimit-reset": "soon", "ratelimit-reset": "4"}, 4),
        ({"x-ratelimit-reset": "nan"}, None),
        ({"x-ratelimit-reset": "inf"}, None),
        ({"x-ratelimit-reset": "2026-01-01T12:00:30Z"}, None),
        ({"x-ratelimit-remaining": "0"}, None),
    ],
)
def test_a_429_may_say_when_its_limit_ends(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(Response(429, headers=headers, at=NOW)) == pytest.approx(seconds)


def test_only_a_429_is_read_so_for_the_headers_stand_on_every_answer() -> None:
    assert retry_after(Response(503, headers={"x-ratelimit-reset": "30"}, at=NOW)) is None


MEANINGS: dict[int, type[DeliveryError] | None] = {
    200: None, 201: None, 202: None, 204: None, 207: None, 299: None,
    300: Misconfigured, 301: Misconfigured, 302: Misconfigured, 307: Misconfigured,
    400: InvalidPayload, 401: AuthenticationFailed, 402: InvalidPayload, 403: AuthenticationFailed,
    404: Misconfigured, 405: InvalidPayload, 408: DestinationUnavailable, 409: InvalidPayload,
    410: Misconfigured, 413: InvalidPayload, 422: InvalidPayload, 425: DestinationUnavailable,
    429: RateLimited, 500: DestinationUnavailable, 501: DestinationUnavailable,
    502: DestinationUnavailable, 503: DestinationUnavailable, 504: DestinationUnavailable,
    529: DestinationUnavailable, 599: DestinationUnavailable,
}  # fmt: skip


@pytest.mark.parametrize("status", MEANINGS)
def test_a_status_means_a_fate(status: int) -> None:
    meaning = MEANINGS[status]
    if meaning is None:
        raise_for_status(Response(status))
        return
    with pytest.raises(DeliveryError) as raised:
        raise_for_status(Response(status, b"why", {"retry-after": "9"}))
    assert type(raised.value) is meaning
    assert raised.value.status == status
    assert raised.value.message.startswith(f"HTTP {status}: why")


def test_only_gone_is_for_good() -> None:
    for status, permanent in ((410, True), (404, False), (301, False)):
        with pytest.raises(Misconfigured) as raised:
            raise_for_status(Response(status))
        assert raised.value.permanent is permanent


def test_a_rate_limit_says_how_long() -> None:
    with pytest.raises(RateLimited) as raised:
        raise_for_status(Response(429, headers={"retry-after": "9"}))
    assert raised.value.retry_after == 9


def test_the_excerpt_of_an_answer_is_short_and_on_one_line() -> None:
    with pytest.raises(InvalidPayload) as raised:
        raise_for_status(Response(400, b"line\n\n  two \xff" + b"x" * 10_000))
    assert raised.value.message.startswith("HTTP 400: line two \ufffdx")
    assert len(raised.value.message) < 250


def test_a_body_that_is_no_json_is_none() -> None:
    assert Response(200, b'{"a": 1}').json() == {"a": 1}
    assert Response(200, b"<html>").json() is None
    assert Response(200).json() is None


def event(id: str) -> Event:
    body = {"messageId": id, "type": "track", "timestamp": "2026-01-01T00:00:00Z"}
    return Event.from_body(body)


def test_the_idempotency_key_depends_on_the_events_only() -> None:
    a, b, c = event("a"), event("b"), event("c")
    assert idempotency_key([a]) == "a"
    assert idempotency_key([a, b]) == idempotency_key([event("a"), event("b")])
    assert len({idempotency_key(some) for some in ([a, b], [b, a], [a, b, c], [event("ab")])}) == 4
    assert idempotency_key([event("a"), event("bc")]) != idempotency_key([event("ab"), event("c")])


@pytest.mark.case(29)
def test_each_item_of_a_batch_meets_the_fate_of_its_own_status() -> None:
    raise_for_items([200, 201, 204], [event("a"), event("b"), event("c")])
    with pytest.raises(PartialFailure) as raised:
        raise_for_items([200, 400, 429, 503], [event(id) for id in "abcd"])
    assert {index: type(error) for index, error in raised.value.errors.items()} == {
        1: InvalidPayload, 2: RateLimited, 3: DestinationUnavailable,
    }  # fmt: skip


@pytest.mark.case(29)
@pytest.mark.parametrize(
    "statuses", [[], [200], [200, 200, 200], [200, None], [200, "200"], [200, True], [200, 400, 9]]
)
def test_without_a_status_for_each_event_all_are_tried_again(statuses: list[object]) -> None:
    with pytest.raises(DestinationUnavailable, match="states for 2 events"):
        raise_for_items(statuses, [event("a"), event("b")])


def test_times_are_utc() -> None:
    assert utc(NOW).isoformat() == "2026-01-01T12:00:00+00:00"


# -- sending ------------------------------------------------------------------------------------


def answering(answer: httpx.Response | Exception) -> tuple[httpx.AsyncClient, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.AsyncClient(transport=httpx.MockTransport(handle)), seen


async def test_a_request_goes_out_as_it_was_built() -> None:
    http, seen = answering(httpx.Response(200, content=b"yes", headers={"X-A": "1"}))
    request = Request("PUT", "https://a.test/p?x=1", b"\x00body", {"x-own": "2"}, {"q": "a b"})
    async with http:
        response = await send(http, request, now=5)
    (sent,) = seen
    assert (sent.method, sent.content, sent.headers["x-own"]) == ("PUT", b"\x00body", "2")
    assert dict(sent.url.params)["q"] == "a b"
    assert (response.status, response.content, response.at) == (200, b"yes", 5)
    assert response.headers["x-a"] == "1"


def test_json_requests_carry_their_type() -> None:
    request = Request.json("POST", "https://a.test", {"a": 1}, {"authorization": "x"})
    assert request.content == b'{"a":1}'
    assert request.headers == {"content-type": "application/json", "authorization": "x"}


async def test_an_answer_is_cut_at_the_limit() -> None:
    http, _ = answering(httpx.Response(200, content=b"x" * (MAX_RESPONSE_BYTES + 5)))
    async with http:
        assert len((await send(http, Request("GET", "https://a.test"), now=0)).content) == (
            MAX_RESPONSE_BYTES
        )


async def test_of_a_request_nothing_is_kept_once_its_answer_is_read() -> None:
    """In a circle it would stay until the next collection, with the body, as often as one sends."""
    sent: list[weakref.ref[httpx.Request]] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        sent.append(weakref.ref(request))
        return httpx.Response(200, content=b"yes")

    gc.disable()
    try:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
            await send(http, Request("POST", "https://a.test/", b"body"), now=0)
        assert [request() for request in sent] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.ReadTimeout("x"),
        httpx.ReadError("x"), httpx.RemoteProtocolError("x"), httpx.PoolTimeout("x"),
        httpx.DecodingError("x"),
    ],
)  # fmt: skip
async def test_trouble_on_the_way_is_an_outage_that_names_no_path(error: Exception) -> None:
    http, _ = answering(error)
    url = "https://user:password@hooks.test:8443/services/T0/secret?token=s"
    async with http:
        with pytest.raises(DestinationUnavailable) as raised:
            await send(http, Request("POST", url), now=0)
    said = raised.value.message
    assert said.startswith(f"{type(error).__name__} at https://hooks.test:8443")
    assert not any(word in said for word in ("secret", "password", "token", "services"))


async def test_a_refusal_of_the_guard_is_found_below_what_hides_it() -> None:
    error = httpx.ConnectError("x")
    error.__cause__ = OSError("y")
    error.__cause__.__context__ = EgressRefused("10.0.0.7")
    http, _ = answering(error)
    async with http:
        with pytest.raises(Misconfigured, match=r"dialing 10\.0\.0\.7 is refused"):
            await send(http, Request("POST", "https://a.test/"), now=0)


async def test_a_circle_of_causes_ends() -> None:
    error, other = httpx.ConnectError("x"), OSError("y")
    error.__cause__, other.__cause__ = other, error
    http, _ = answering(error)
    async with http:
        with pytest.raises(DestinationUnavailable):
            await send(http, Request("POST", "https://a.test/"), now=0)
