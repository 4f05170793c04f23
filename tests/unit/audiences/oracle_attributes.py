"""What attributes mean, straight from their definition; and random ones to try it on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from random import Random
from typing import Any

from junctor.audiences.nodes import Attribute, Prop
from junctor.audiences.seen import Seen

from .arrivals import named, order, seen

Sorted = list[tuple[Seen, Any]]
AGGREGATIONS = (
    "counter", "sum", "min", "max", "mean", "first", "last", "unique_list", "most_frequent",
    "least_frequent", "category_count", "approx_count_distinct", "time_since_last",
    "time_since_first",
)  # fmt: skip
NUMERIC = ("sum", "min", "max", "mean")


@dataclass(frozen=True)
class Case:
    attribute: Attribute
    events: list[Seen]


def known(value: Any) -> tuple[bool, Any]:
    """Return what tells a value from others: 2 is 2.0, true is not 1."""
    return isinstance(value, bool), value


def is_numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_of(prop: Prop, event: Seen) -> Any:
    def read(path: str) -> Any:
        return event.at if path == "$time" else event.body["properties"].get(path)

    values = [value for value in map(read, prop.paths) if value is not None]
    numbers = [value for value in values if is_numeric(value)]
    value: Any
    match prop.calculation:
        case None | "coalesce":
            value = values[0] if values else None
        case "concat":
            texts = [str(one).lower() if isinstance(one, bool) else f"{one}" for one in values]
            value = "".join(text.removesuffix(".0") for text in texts) if texts else None
        case "product":
            value = 1
            for number in numbers:
                value *= number
            value = value if numbers else None
        case "sum" | "min" | "max" as name:
            calculations: dict[str, Callable[[list[Any]], Any]]
            calculations = {"sum": sum, "min": min, "max": max}
            value = calculations[name](numbers) if numbers else None
    if prop.date_part is None or value is None:
        return value
    if not is_numeric(value):
        return None
    moment = datetime.fromtimestamp(value / 1000, UTC)
    formats = {
        "hour_of_day": "%H", "day_of_week": "%u", "month_of_year": "%m", "active_day": "%Y-%m-%d",
        "active_week": "%G-W%V", "active_month": "%Y-%m",
    }  # fmt: skip
    text = moment.strftime(formats[prop.date_part])
    return text if "active" in prop.date_part else int(text)


def standing(case: Case, now: int) -> Sorted:
    """Return the events that count at `now`, in order, with their values."""
    attribute, found = case.attribute, []
    of_events = attribute.agg in ("counter", "time_since_last", "time_since_first")
    for event in sorted(case.events, key=order):
        if event.name not in attribute.pattern.names:
            continue
        value = None
        if not of_events:
            assert attribute.prop is not None
            value = value_of(attribute.prop, event)
            if value is None or (attribute.agg in NUMERIC and not is_numeric(value)):
                continue
        if attribute.period is None or now - event.at < attribute.period:
            found.append((event, value))
    if attribute.period is None and attribute.ttl is not None:
        stretch: Sorted = []
        for event, value in found:
            if stretch and event.at - stretch[-1][0].at >= attribute.ttl:
                stretch = []
            stretch.append((event, value))
        found = stretch if stretch and now - stretch[-1][0].at < attribute.ttl else []
    return found


def figure(agg: str, found: Sorted, now: int, unit: int) -> Any:
    values = [value for _, value in found]
    latest = {known(value): (order(event), value) for event, value in found}
    counts = {key: sum(known(value) == key for value in values) for key in latest}
    match agg:
        case "counter":
            return len(found)
        case "sum":
            return float(sum(map(Fraction, values)))
        case "mean":
            return float(sum(map(Fraction, values))) / len(values)
        case "min" | "max":
            return min(values) if agg == "min" else max(values)
        case "first" | "last":
            return values[0 if agg == "first" else -1]
        case "unique_list":
            return [value for _, value in sorted(latest.values(), reverse=True, key=lambda v: v[0])]
        case "most_frequent" | "least_frequent":
            sign = 1 if agg == "most_frequent" else -1
            return latest[max(latest, key=lambda key: (sign * counts[key], latest[key][0]))][1]
        case "category_count":
            found_counts: dict[str, int] = {}
            for key, count in counts.items():
                name = str(key[1]).lower() if key[0] else f"{key[1]}".removesuffix(".0")
                found_counts[name] = found_counts.get(name, 0) + count
            return found_counts
        case "approx_count_distinct":
            return len(latest)
    moment = found[-1][0].at if agg == "time_since_last" else found[0][0].at
    return max(0, now - moment) / unit


def raw(case: Case, now: int) -> Any:
    attribute, found = case.attribute, standing(case, now)
    if found:
        return figure(attribute.agg, found, now, attribute.unit)
    if attribute.default is None and attribute.agg == "counter":
        return 0
    return attribute.default


def value(case: Case, now: int) -> Any:
    told = raw(case, now)
    if not case.attribute.bands:
        return told
    reached = [name for name, low in case.attribute.bands if is_numeric(told) and low <= told]
    return reached[-1] if reached else None


VALUES = ["a", "a", "b", "c", "2", 2, 2.0, 3.5, -1, 0.1, 0.2, 7, True, False, "true", None, None]


def random_prop(random: Random) -> Prop:
    return random.choice(
        [
            Prop(("v",)), Prop(("v",)), Prop(("v",)), Prop(("$time",)),
            Prop(("$time",), date_part=random.choice(
                ["hour_of_day", "day_of_week", "month_of_year", "active_day", "active_week",
                 "active_month"]
            )),
            Prop(("v", "w"), random.choice(["concat", "sum", "product", "min", "max", "coalesce"])),
        ]
    )  # fmt: skip


def random_case(random: Random, *, most: int = 12) -> Case:
    agg: Any = random.choice(AGGREGATIONS)
    period = random.choice([None, 1, 7, 30, 200])
    attribute = Attribute(
        "a",
        agg,
        named(*random.sample("AB", random.choice([1, 2]))),
        random_prop(random),
        period,
        ttl=random.choice([None, 5, 40]) if period is None else None,
        unit=random.choice([1, 10, 7]),
        default=random.choice([None, None, 0, 5, "none"]),
        bands=random.choice([(), (), (("low", 0), ("mid", 2.5), ("high", 6))]),
    )
    start, span = random.choice([0, 1_763_942_390_000]), random.choice([0, 6, 100])
    scale = random.choice([1, 1, 1, 3_600_000]) if start else 1
    events = [
        seen(
            random.choice("AABC"),
            start + scale * random.randint(100, 100 + span),
            rank,
            v=random.choice(VALUES),
            w=random.choice(VALUES),
        )
        for rank in range(random.randint(0, most))
    ]
    return Case(attribute, events)
