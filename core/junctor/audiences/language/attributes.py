"""Reading `[attributes.NAME]`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

from junctor.audiences.comparison import Scalar
from junctor.audiences.language.events import read_pattern
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.language.table import Table, number
from junctor.audiences.nodes import Aggregation, Attribute, DatePart, Prop

Calculation = Literal["concat", "sum", "product", "min", "max", "coalesce"]
_AGGREGATIONS: Final = get_args(Aggregation)
_DATE_PARTS: Final = get_args(DatePart)
_CALCULATIONS: Final[tuple[Calculation, ...]] = get_args(Calculation)
_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {"s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
)
_WITHOUT_PROP: Final = frozenset({"counter", "time_since_last", "time_since_first"})
_NEVER_A_NUMBER: Final = frozenset({"unique_list", "category_count"})
_TIME: Final = "$time"


def read_attribute(name: str, table: Table) -> Attribute | None:
    """Return an attribute, None if something is wrong."""
    before = len(table.notes.problems)
    table.require("agg", 'say how the events are put together: agg = "counter"')
    agg = cast(Aggregation | None, table.choice("agg", _AGGREGATIONS))
    pattern = read_pattern(table)
    prop = _prop(table)
    period = table.duration("period")
    ttl = table.duration("ttl")
    unit = table.choice("unit", _UNITS)
    default = table.value("default", _default)
    bands = table.value("bands", _bands) or ()
    if table.has("period"):
        hint = "`period` forgets each event by itself"
        table.refuse(("ttl",), "does not go with `period`", hint)
    if agg is not None:
        _check(table, agg)
    table.close()
    if agg is None or pattern is None or len(table.notes.problems) > before:
        return None
    return Attribute(name, agg, pattern, prop, period, ttl, _UNITS[unit or "s"], default, bands)


def _check(table: Table, agg: Aggregation) -> None:
    if agg in _WITHOUT_PROP:
        table.refuse(("prop", "date_part"), f"does not go with `{agg}`", "it counts the events")
    else:
        table.require("prop", 'say which property: prop = "revenue"')
    if not agg.startswith("time_since"):
        table.refuse(("unit",), "goes with `time_since_last` and `time_since_first` only")
    if agg in _NEVER_A_NUMBER:
        table.refuse(("bands",), f"does not go with `{agg}`", "bands are of a number")


def _prop(table: Table) -> Prop | None:
    prop = table.value("prop", _parse_prop)
    date_part = cast(DatePart | None, table.choice("date_part", _DATE_PARTS))
    if date_part is None:
        return prop
    if not table.has("prop"):
        return None
    if prop is not None and prop.calculation not in (None, "coalesce"):
        table.complain("date_part", "does not go with a calculated number or text")
    return Prop(prop.paths, prop.calculation, date_part) if prop is not None else None


def _parse_prop(raw: Any) -> Prop:
    if isinstance(raw, str) and raw:
        return Prop((raw,))
    example = 'write "revenue", or { sum = ["net", "tax"] }'
    if not isinstance(raw, dict) or len(raw) != 1:
        raise Refusal("must be a property, or one calculation", example)
    [(key, paths)] = raw.items()
    if key not in _CALCULATIONS:
        listed = ", ".join(_CALCULATIONS)
        raise Refusal("is no calculation", f"there is {listed}", (key,))
    if not isinstance(paths, list) or not paths:
        raise Refusal("must be a list of properties", example, (key,))
    for position, path in enumerate(paths):
        if not isinstance(path, str) or not path:
            raise Refusal("must be a property, as text", None, (key, position))
    return Prop(tuple(paths), key)


def _default(raw: Any) -> Scalar:
    return raw if isinstance(raw, str | bool) else number(raw)


def _bands(raw: Any) -> tuple[tuple[str, float], ...]:
    example = "write { low = 0, high = 500 }: each with its lowest value"
    if not isinstance(raw, dict) or not raw:
        raise Refusal("must be a table", example)
    bands: dict[float, str] = {}
    for name, lowest in raw.items():
        try:
            bound = number(lowest)
        except Refusal as error:
            raise Refusal(error.message, example, (name,)) from None
        if bound in bands:
            raise Refusal("begins where another band does", example, (name,))
        bands[bound] = name
    return tuple((name, bound) for bound, name in sorted(bands.items()))
