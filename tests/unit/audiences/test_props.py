"""What attributes read off an event."""

from typing import Any

import pytest

from junctor.audiences.nodes import Prop
from junctor.audiences.props import prop_reader

from .arrivals import seen

AT = 1_795_600_800_000
"""2026-11-25T10:00:00Z, a Wednesday."""


@pytest.mark.parametrize(
    ("properties", "calculation", "expected"),
    [
        ({"a": "x", "b": "y"}, "concat", "xy"),
        ({"a": 2.0, "b": True}, "concat", "2true"),
        ({"a": "x", "b": [1]}, "concat", "x"),
        ({"a": 2, "b": 0.5}, "sum", 2.5),
        ({"a": 2, "b": "3"}, "sum", 2),
        ({"a": 2, "b": 4}, "product", 8),
        ({"a": 1e200, "b": 1e200}, "product", None),
        ({"a": 2, "b": 4}, "min", 2),
        ({"a": 2, "b": 4}, "max", 4),
        ({"b": [1]}, "coalesce", [1]),
        ({"a": False, "b": 4}, "coalesce", False),
    ],
)
def test_calculated_properties(properties: Any, calculation: Any, expected: Any) -> None:
    found = prop_reader(Prop(("a", "b"), calculation))(seen("e", AT, 1, **properties))
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("calculation", ["concat", "sum", "product", "min", "max", "coalesce"])
def test_a_calculation_of_nothing_is_missing(calculation: Any) -> None:
    assert prop_reader(Prop(("a", "b"), calculation))(seen("e", AT, 1, a=None)) is None


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("hour_of_day", 10), ("day_of_week", 3), ("month_of_year", 11),
        ("active_day", "2026-11-25"), ("active_week", "2026-W48"), ("active_month", "2026-11"),
    ],
)  # fmt: skip
def test_parts_of_the_events_time(part: Any, expected: Any) -> None:
    assert prop_reader(Prop(("$time",), date_part=part))(seen("e", AT, 1)) == expected


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    read = prop_reader(Prop(("day",), date_part="active_week"))
    assert read(seen("e", AT, 1, day="2027-01-01")) == "2026-W53"


@pytest.mark.parametrize(
    ("value", "hour"),
    [
        ("2026-11-25T23:30:00-02:00", 1), ("2026-11-25T08:00:00Z", 8), ("2026-11-25T08:00", 8),
        (AT, 10), ("soon", None), (1e300, None), (float("nan"), None), (True, None), ([1], None),
        ("0001-01-01T00:00:00+10:00", None), (-(10**15), None),
    ],
)  # fmt: skip
def test_parts_of_a_time_in_a_property_are_in_utc(value: Any, hour: int | None) -> None:
    read = prop_reader(Prop(("moment",), date_part="hour_of_day"))
    assert read(seen("e", AT, 1, moment=value)) == hour


def test_the_envelope_is_reached() -> None:
    event = seen("e", AT, 1)._replace(body={"context": {"page": {"path": "/a"}}})
    assert prop_reader(Prop(("context.page.path",)))(event) == "/a"
