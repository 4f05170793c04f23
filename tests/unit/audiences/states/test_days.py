"""Local days, those of clock changes too."""

import random
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from junctor.audiences.comparison import Compare
from junctor.audiences.event_leaf import event_leaf
from junctor.audiences.leaf import NEVER, Verdict
from junctor.audiences.nodes import EventCondition, Window
from junctor.audiences.states.days import LocalDays
from tests.unit.audiences.oracle_events import (
    AT_LEAST_ONE,
    DAY,
    PATTERN,
    T0,
    a_count,
    a_window,
    check_cases,
    event,
    fold,
    utc,
)

ZONES = [
    "UTC", "Europe/Vienna", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Pacific/Apia", "America/Havana", "Africa/Cairo", "America/Nuuk", "Asia/Beirut",
]  # fmt: skip
CHANGES = [T0, utc("2026-03-20"), utc("2026-10-20"), utc("2026-11-01"), utc("2011-12-20")]


def on_days(rng: random.Random, unit: int, base: int) -> EventCondition:
    window = a_window(rng, unit, base)
    if rng.random() < 0.8:
        days = rng.randint(1, 6)
        window = Window(within=days * DAY, since=window.since, until=window.until)
        if rng.random() < 0.3:
            window = Window(far=(days + 3) * DAY, near=rng.randint(0, 3) * DAY, until=window.until)
    count = rng.choice([AT_LEAST_ONE, AT_LEAST_ONE, a_count(rng)])
    zone = rng.choice(ZONES)
    return EventCondition(PATTERN, count, window, days=a_count(rng), zone=zone)


@pytest.mark.parametrize("base", CHANGES)
def test_days_hold_and_change_as_their_sentence_says(base: int) -> None:
    tally = check_cases(on_days, 80, base, (DAY // 12, DAY // 2, DAY))
    assert tally.held > 0.1 * tally.cases
    assert tally.changing > 0.1 * tally.cases


def seven_in_ten(zone: str) -> EventCondition:
    window = Window(within=10 * DAY)
    return EventCondition(PATTERN, AT_LEAST_ONE, window, days=Compare("gte", 2), zone=zone)


def test_days_end_at_local_midnight_across_a_clock_change() -> None:
    """Vienna's clocks go back on October 25, 2026."""
    leaf = event_leaf(seven_in_ten("Europe/Vienna"))
    kind = leaf.kinds[0]
    logins = [utc("2026-10-20T22:30"), utc("2026-10-21T09:00"), utc("2026-10-22T09:00")]
    state = fold(kind, [event(at, number) for number, at in enumerate(logins)])
    assert len(state) == 2, "half past ten in the evening is another day's morning in Vienna"
    verdict = leaf.verdict({kind.key: state}, utc("2026-10-23"), utc("2026-10-23"))
    assert verdict == Verdict(True, utc("2026-10-30T23:00"))


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("Europe/Vienna", date(2026, 10, 26), "2026-10-25T23:00"),
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00"),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00"),
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00"),
    ],
)
def test_a_day_starts_when_its_date_first_shows(zone: str, day: date, start: str) -> None:
    days = LocalDays(zone)
    at = utc(start)
    assert days.start(day.toordinal()) == at
    assert days.number(at) == day.toordinal()
    assert days.number(at - 1) < day.toordinal()


@pytest.mark.parametrize("zone", ZONES)
def test_days_follow_each_other_without_a_gap(zone: str) -> None:
    days, local = LocalDays(zone), ZoneInfo(zone)
    for number in range(date(2026, 1, 1).toordinal(), date(2027, 1, 2).toordinal()):
        at = days.start(number)
        assert datetime.fromtimestamp(at / 1000, local).date().toordinal() == number
        assert days.number(at - 1) == number - 1


@pytest.mark.parametrize("at", [-NEVER, -(10**15), 10**15, NEVER])
def test_times_beyond_all_dates_have_a_day_all_the_same(at: int) -> None:
    days = LocalDays("Pacific/Kiritimati")
    number = days.number(at)
    assert abs(days.start(number)) >= 10**13
    assert abs(days.start(number - 10)) >= 10**13
    assert abs(days.start(number + 10)) >= 10**13
