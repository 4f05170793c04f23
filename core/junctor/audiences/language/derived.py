"""Reading `[signals.NAME]`, `[states.NAME]`, `[scores.NAME]` and `[services.NAME]`."""

from typing import Any, Final

from junctor.audiences.comparison import Scalar
from junctor.audiences.language import figures
from junctor.audiences.language.events import EXAMPLE, read_pattern, read_plain_pattern
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.language.sequences import read_sequence
from junctor.audiences.language.table import Table, number
from junctor.audiences.nodes import (
    Score,
    ScoreRule,
    Service,
    Setting,
    Signal,
    State,
)

_MOST_COUNTED: Final = 256
_SET: Final = '{ event = "Checkout Step Viewed", to = "$step" }'
_RULE: Final = '{ add = 5, event = "Demo Replayed" }'
_ONLY_READ: Final = "an event that a function reads has a name and `where`"
_NO_WINDOWS: Final = "a rule has no windows and counts: each event adds by itself"


def read_signal(name: str, table: Table) -> Signal | None:
    """Return a signal, None if something is wrong."""
    before = len(table.notes.problems)
    if table.has("function"):
        signal = _function(name, table)
    elif _is_sequence(table):
        sequence = read_sequence(table)
        hint = "it goes with `event`"
        table.close({"hold": "a signal is momentary", "count": hint, "where": hint})
        signal = Signal(name, sequence=sequence)
    else:
        pattern = read_pattern(table)
        count = table.value("count", figures.parse_least)
        within = table.duration("within")
        same = table.texts("same", '["path"]')
        if count is not None or not table.has("count"):
            _check_counted(table, count or 1)
        table.close({"hold": "a signal is momentary"})
        signal = Signal(name, pattern, count or 1, within, same)
    return signal if len(table.notes.problems) == before else None


def _function(name: str, table: Table) -> Signal:
    """Return a signal that is a function in Python, as `junctor.audience.signal` writes it."""
    version = table.filled("function")
    reads = [read_plain_pattern(inner, _ONLY_READ) for inner in table.tables("reads", EXAMPLE)]
    table.require("within", 'say how far back it looks: within = "10m"')
    within = table.duration("within")
    table.close()
    patterns = tuple(pattern for pattern in reads if pattern is not None)
    return Signal(name, within=within, function=version, reads=patterns)


def _is_sequence(table: Table) -> bool:
    """Whether a table has a sequence for an event; with both the event is complained of."""
    if table.has("sequence"):
        table.refuse(("event",), "is beside a `sequence`", "keep one of the two")
    return table.has("sequence")


def _check_counted(table: Table, count: int) -> None:
    if count == 1:
        hint = 'say how many: count = ">=3"'
        table.refuse(("within", "same"), "does not go with a single event", hint)
    elif not table.has("within"):
        table.complain("within", "is required: the count is unbounded", 'add within = "5m"')
    if count > _MOST_COUNTED:
        table.complain("count", f"can never be met: at most {_MOST_COUNTED} are looked at")


def read_state(name: str, table: Table) -> State | None:
    """Return a state, None if something is wrong."""
    before = len(table.notes.problems)
    settings = []
    for inner in table.tables("set", _SET):
        pattern = read_pattern(inner)
        inner.require("to", 'a text, or "$step" for a property; "" ends the state')
        to = inner.value("to", _to)
        inner.close()
        if pattern is not None and to is not None:
            value, prop = to
            settings.append(Setting(pattern, value, prop))
    per_session = table.choice("per", ["session"]) is not None
    table.close()
    if len(table.notes.problems) > before:
        return None
    return State(name, tuple(settings), per_session)


def _to(raw: Any) -> tuple[Scalar, str | None]:
    """Return the value that a state is set to, or the property that has it."""
    if isinstance(raw, str):
        if raw == "$":
            raise Refusal("names no property", 'write for example to = "$step"')
        return ("", raw[1:]) if raw.startswith("$") else (raw, None)
    return (raw if isinstance(raw, bool) else number(raw)), None


def read_score(name: str, table: Table) -> Score | None:
    """Return a score, None if something is wrong."""
    before = len(table.notes.problems)
    half_life = table.duration("half_life")
    low, high = table.value("range", _range) or (None, None)
    rules = [_rule(inner) for inner in table.tables("rules", _RULE)]
    table.close()
    if len(table.notes.problems) > before:
        return None
    return Score(name, tuple(rule for rule in rules if rule is not None), half_life, low, high)


def _rule(table: Table) -> ScoreRule | None:
    before = len(table.notes.problems)
    table.require("add", "say how much: add = 5")
    add = table.number("add")
    if add == 0:
        table.complain("add", "adds nothing", "leave the rule out")
    if _is_sequence(table):
        sequence = read_sequence(table)
        table.refuse(("once",), "goes with `event`, not with `sequence`", "leave it out")
        table.refuse(("hold",), "does not go with a score", "`half_life` says how long it counts")
        rule = ScoreRule(add or 0, sequence=sequence)
    else:
        pattern = read_pattern(table)
        once = table.flag("once")
        refused = ("count", "days", "within", "between", "since", "until", "first", "same", "per")
        table.refuse(refused, "does not go with a score", _NO_WINDOWS)
        rule = ScoreRule(add or 0, pattern, once)
    table.close()
    return rule if len(table.notes.problems) == before else None


def _range(raw: Any) -> tuple[float, float]:
    hint = "write [-20, 100]"
    if not isinstance(raw, list) or len(raw) != 2:
        raise Refusal("must be a list of two numbers", hint)
    bounds = []
    for position, bound in enumerate(raw):
        try:
            bounds.append(number(bound))
        except Refusal as error:
            raise Refusal(error.message, error.hint, (position,)) from None
    low, high = bounds
    if low >= high:
        raise Refusal("is an empty range: the lower end comes first", hint)
    return low, high


def read_service(name: str, table: Table) -> Service | None:
    """Return a service, None if something is wrong."""
    before = len(table.notes.problems)
    found = {}
    for section in ("attributes", "audiences", "scores"):
        found[section] = table.texts(section, '["NAME"]')
        for place, one in enumerate(found[section]):
            table.notes.mention(section, one, table.at(section, place))
    table.close()
    return Service(name, **found) if len(table.notes.problems) == before else None
