"""Canonical events: time corrected once, the client's JSON kept."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.model.record import Record
from junctor.pipeline.ingest import check
from junctor.pipeline.normalize import canonical, format_time, identifier_text, parse_time

from .bodies import T0, event_bodies, record, track

RECEIVED = "2023-11-14T22:13:20.000Z"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


# -- reading a time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2023-11-14T22:13:20.000Z", T0),
        ("2023-11-14T22:13:20Z", T0),
        ("2023-11-14t22:13:20z", T0),
        ("2023-11-14 22:13:20", T0),
        ("2023-11-14T22:13:20+00:00", T0),
        ("2023-11-15T00:13:20+02:00", T0),
        ("2023-11-15T03:43:20+0530", T0),
        ("  2023-11-14T22:13:20Z\n", T0),
        ("2023-11-14T22:13:20.1Z", T0 + 100),
        ("2023-11-14T22:13:20.123456Z", T0 + 123),
        ("2023-11-14T22:13:20.123456789Z", T0 + 123),
        ("2023-11-14T22:13:20.123456789+00:00", T0 + 123),
        ("2023-11-14T22:13:20.9996Z", T0 + 1000),
        ("2023-11-14", T0 - 80_000_000),
        ("20231114", T0 - 80_000_000),
        ("1700000000", T0),
        ("1700000000000", T0),
        ("1700000000.25", T0 + 250),
        (1_700_000_000, T0),
        (1_700_000_000_000, T0),
        (1_700_000_000.25, T0 + 250),
        (0, 0),
        ("1969-12-31T23:59:59Z", -1000),
    ],
)
def test_times_that_clients_send_are_understood(value: Any, expected: int) -> None:
    assert parse_time(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, "", " ", "yesterday", "null", "nan", "inf", "-inf", "1e400", "NaN",
        "Tue, 14 Nov 2023 22:13:20 GMT", "2023-02-30T00:00:00Z", "2023-11-14T25:00:00Z",
        "+012023-11-14T22:13:20Z", float("nan"), float("inf"), {}, [],
        [2023, 11, 14], {"$date": 1},
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(value: Any) -> None:
    assert parse_time(value) is None


@given(st.integers(0, 8_000_000_000_000))  # to the year 2223
def test_a_written_time_reads_back_to_the_millisecond(at: int) -> None:
    text = format_time(at)
    assert ISO.fullmatch(text)
    assert parse_time(text) == at


@given(st.text() | st.floats() | st.integers() | st.none() | st.lists(st.integers()))
def test_reading_a_time_never_raises(value: Any) -> None:
    found = parse_time(value)
    assert found is None or isinstance(found, int)
    if found is not None:
        assert ISO.fullmatch(format_time(found))


# -- correcting the clock ------------------------------------------------------------------------


def times(hours: float) -> str:
    """Return the time `hours` after the receipt."""
    return format_time(T0 + round(hours * 3_600_000))


@pytest.mark.case(7)
@pytest.mark.parametrize(
    ("timestamp", "sent_at", "expected"),
    [
        # timestamp = receivedAt - (sentAt - originalTimestamp)
        (times(0), times(0), 0),
        (times(-1), times(0), -1),
        (times(5), times(5), 0),  # five hours ahead
        (times(4), times(5), -1),  # ahead, and queued for an hour
        (times(-9), times(-8), -1),  # behind, and queued for an hour
        ("1970-01-01T00:00:10Z", "1970-01-01T01:00:10Z", -1),  # a clock that was never set
        ("2099-01-01T00:00:00Z", "2099-01-01T02:00:00Z", -2),
        # without a usable sentAt the client's time stands
        (times(-3), None, -3),
        (times(-3), "garbage", -3),
        # what can't be is the time of receipt
        (None, times(5), 0),
        ("garbage", times(-1), 0),
        ("", None, 0),
        (times(2), None, 0),  # the future
        (times(3), times(1), 0),  # after it was sent
        ("1970-01-01T00:00:00Z", None, 0),
        ("1970-01-01T00:05:00Z", None, 0),
        (0, None, 0),
        ("0000-00-00T00:00:00Z", None, 0),
        ("1969-07-20T20:17:40Z", None, 0),
        (times(-1), times(24 * 365 * 60), 0),  # corrected to before 1971
    ],
)
def test_the_clock_is_corrected_by_segments_formula(
    timestamp: Any, sent_at: Any, expected: float
) -> None:
    body = track(timestamp=timestamp, sentAt=sent_at)
    event, at = canonical(record(body, corrects_clock=True))
    assert at == T0 + expected * 3_600_000
    assert event["timestamp"] == format_time(at)
    assert event["receivedAt"] == RECEIVED


def test_small_deviations_into_the_future_are_left_alone() -> None:
    assert canonical(record(track(timestamp=times(0.01))))[1] == T0 + 36_000


def test_a_source_whose_times_are_corrected_already_is_not_corrected_again() -> None:
    body = track(timestamp=times(-1), originalTimestamp=times(4), sentAt=times(5))
    event, at = canonical(record(body, corrects_clock=False))
    assert at == T0 - 3_600_000
    assert event["originalTimestamp"] == times(4)


@pytest.mark.parametrize(
    ("fields", "original"),
    [
        ({"timestamp": times(-2)}, times(-2)),
        ({"timestamp": "garbage"}, "garbage"),
        ({"timestamp": 1_700_000_000}, 1_700_000_000),
        ({"originalTimestamp": times(-2)}, times(-2)),
        ({"timestamp": times(-1), "originalTimestamp": times(-2)}, times(-2)),
        ({"timestamp": times(-1), "originalTimestamp": None}, times(-1)),
        ({}, RECEIVED),
    ],
)
def test_what_the_client_said_stays_as_original_timestamp(
    fields: dict[str, Any], original: Any
) -> None:
    event, _ = canonical(record(track(**fields), corrects_clock=True))
    assert event["originalTimestamp"] == original


def test_an_event_with_only_an_original_timestamp_happened_then() -> None:
    assert canonical(record(track(originalTimestamp=times(-2))))[1] == T0 - 7_200_000


# -- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("u-1", "u-1"),
        (" u-1\n", "u-1"),
        (42, "42"),
        (-1, "-1"),
        (2**63, str(2**63)),
        (42.0, "42"),
        (1e15, "1000000000000000"),
        (0.5, None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        ("", None),
        (" \t", None),
        (None, None),
        (True, None),
        (False, None),
        ({}, None),
        (["u-1"], None),
    ],
)
def test_ids_become_text_or_nothing(value: Any, expected: str | None) -> None:
    assert identifier_text(value) == expected


def test_ids_that_are_none_leave_the_event_and_numbers_become_text() -> None:
    body = {
        "type": "group", "userId": 7, "anonymousId": None, "groupId": 12.0, "previousId": "",
    }  # fmt: skip
    event, _ = canonical(record(body))
    assert {key: event.get(key) for key in ("userId", "groupId")} == {
        "userId": "7",
        "groupId": "12",
    }
    assert not {"anonymousId", "previousId"} & set(event)


# -- laws ----------------------------------------------------------------------------------------


@given(body=event_bodies(), corrects=st.booleans(), received=st.integers(T0, 2 * T0))
def test_whatever_passed_the_checks_becomes_canonical(
    body: dict[str, Any], corrects: bool, received: int
) -> None:
    check(body)
    one = Record(1, "web", "m-1", received, corrects, orjson.dumps(body))
    event, at = canonical(one)
    orjson.dumps(event)
    assert 0 < at <= received + 60_000
    for name in ("timestamp", "receivedAt"):
        assert ISO.fullmatch(event[name])
    assert parse_time(event["timestamp"]) == at
    assert parse_time(event["receivedAt"]) == received
    assert event["messageId"] == "m-1"


@given(body=event_bodies(), corrects=st.booleans())
def test_nothing_else_of_the_clients_json_changes(body: dict[str, Any], corrects: bool) -> None:
    event, _ = canonical(record(body, corrects_clock=corrects))
    set_by_hub = {
        "messageId", "timestamp", "originalTimestamp", "receivedAt", "userId", "anonymousId",
        "groupId", "previousId",
    }  # fmt: skip
    assert orjson.dumps({k: v for k, v in event.items() if k not in set_by_hub}) == orjson.dumps(
        {k: v for k, v in body.items() if k not in set_by_hub}
    )
    assert [key for key in event if key in body] == [key for key in body if key in event]


@given(body=event_bodies(), corrects=st.booleans())
def test_a_canonical_event_is_canonical(body: dict[str, Any], corrects: bool) -> None:
    first, at = canonical(record(body, corrects_clock=corrects))
    text = orjson.dumps(first)
    again = Record(1, "web", first["messageId"], T0, False, text)
    second, same = canonical(again)
    assert same == at
    assert orjson.dumps(second) == text


@given(body=event_bodies(), corrects=st.booleans())
def test_live_and_read_back_are_the_same(body: dict[str, Any], corrects: bool) -> None:
    stored = record(body, corrects_clock=corrects)
    live = Record(1, "web", stored.message_id, T0, corrects, stored.json, orjson.loads(stored.json))
    assert canonical(live) == canonical(stored)
    assert live.body is None, "the body is changed, so nobody else may use it"
