"""Reading event conditions: how often, on how many days, with which figures, in which time."""

from typing import Final

from junctor.audiences.comparison import Comparison
from junctor.audiences.language import figures
from junctor.audiences.language.events import read_pattern
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.language.table import Table
from junctor.audiences.language.times import DAY, parse_midnight, parse_time
from junctor.audiences.nodes import EventCondition, Measure, Measured, Window

_MEASURES: Final[tuple[Measured, ...]] = ("distinct", "sum", "avg", "min", "max")
KEYS: Final = (
    "where", "count", "days", *_MEASURES, "within", "between", "since", "until", "same", "first",
    "per",
)  # fmt: skip


def read_occurrences(table: Table, zone: str) -> EventCondition | None:
    """Return the condition that a table with `event` says, None if something is wrong."""
    before = len(table.notes.problems)
    pattern = read_pattern(table)
    count = table.value("count", figures.parse_count) or figures.AT_LEAST_ONE
    days = table.value("days", figures.parse_count)
    measure = _measure(table)
    window = _window(table, zone)
    same = table.texts("same", '["path"]')
    first = table.flag("first")
    per_session = table.choice("per", ["session"]) is not None
    _check_count(table, count)
    _check_first(table, first)
    if days is not None:
        _check_days(table, days, window)
    if pattern is None or len(table.notes.problems) > before:
        return None
    return EventCondition(pattern, count, window, days, measure, same, first, per_session, zone)


def _measure(table: Table) -> Measure | None:
    table.know(*_MEASURES)
    named = [key for key in _MEASURES if table.has(key)]
    for key in named[1:]:
        hint = "put each into a condition of its own, inside of all = [ … ]"
        table.complain(key, "is a second figure in one condition", hint)
    if not named:
        return None
    example = '{ prop = "revenue", is = ">=100" }'
    inner = table.table(named[0], example)
    if inner is None:
        return None
    prop = inner.filled("prop")
    inner.require("is", 'compare the figure: is = ">=100"')
    parse = figures.parse_count if named[0] == "distinct" else figures.parse_figure
    comparison = inner.value("is", parse)
    inner.close()
    return Measure(named[0], prop, comparison) if prop and comparison is not None else None


def _window(table: Table, zone: str) -> Window:
    within = table.duration("within")
    between = table.value("between", _parse_between)
    since = table.value("since", lambda raw: parse_midnight(raw, zone))
    until = table.value("until", lambda raw: parse_midnight(raw, zone))
    if table.has("within") and table.has("between"):
        table.complain("between", "is a second window beside `within`", "keep one of the two")
    if since is not None and until is not None and since >= until:
        table.complain("until", "is not after `since`", "`until` is the first day left out")
    far, near = between or (None, None)
    return Window(within, far, near, since, until)


def _parse_between(raw: object) -> tuple[int, int]:
    hint = 'write the farther end first: ["90d", "30d"]'
    if not isinstance(raw, list) or len(raw) != 2:
        raise Refusal("must be a list of two durations", hint)
    ends = []
    for position, end in enumerate(raw):
        try:
            ends.append(parse_time(end))
        except Refusal as error:
            raise Refusal(error.message, error.hint, (position,)) from None
    far, near = ends
    if near >= far:
        raise Refusal("is an impossible window: it ends before it begins", hint)
    return far, near


def _check_count(table: Table, count: Comparison) -> None:
    absent = figures.holds_at(count, 0)
    if absent:
        message = "does not go with a count that 0 meets"
        table.refuse(
            ("days", *_MEASURES), message, 'leave it out, or count the events: count = ">=1"'
        )
        table.refuse(("per",), message, 'a session has an event: count = ">=1"')
    if table.has("same") and (absent or not figures.is_least(count)):
        message = "does not go with a count of 0 or an upper bound"
        table.complain("same", message, 'count at least so many: count = ">=3"')


def _check_first(table: Table, first: bool) -> None:
    if first:
        table.refuse(
            ("count", "days", *_MEASURES, "same", "per"),
            "does not go with `first`: there is one first event",
            "leave one of the two out",
        )


def _check_days(table: Table, days: Comparison, window: Window) -> None:
    if figures.lowest(days) == 0 and not figures.holds_at(days, 1):
        table.complain("days", "can never be met: an event has a day", "absence is count = 0")
    for key, length in (("within", window.within), ("between", window.far)):
        whole = length is None or length % DAY == 0
        if not whole or (key == "between" and (window.near or 0) % DAY):
            table.complain(key, "must be whole days: `days` counts local days", 'write "10d"')
    span = window.within
    if window.far is not None:
        span = window.far - (window.near or 0)
    if span is not None and figures.lowest(days) > -(-span // DAY):
        hint = "ask for fewer days, or look farther back"
        table.complain("days", "can never be met: the window has fewer days", hint)
