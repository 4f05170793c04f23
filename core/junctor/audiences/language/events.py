"""Reading patterns of events: `event` and `where`."""

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any, Final

from junctor import fql
from junctor.audiences.comparison import Comparison
from junctor.audiences.language.comparisons import OPERATORS, parse_comparison
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.language.table import Table
from junctor.audiences.nodes import Pattern
from junctor.audiences.patterns import SIGNAL

EXAMPLE: Final = '{ event = "Order Completed" }'
_OUTSIDE: Final = frozenset({"profile", "audiences"})
_DEEPEST: Final = 20
_HALF: Final = object()
"""Stands for a table of which some keys compare and others are properties."""
Pairs = tuple[tuple[str, Comparison], ...]


def read_pattern(table: Table, steps: Container[str] = ()) -> Pattern | None:
    """Return the pattern that `event` and `where` of a table say, None if something is wrong.

    `steps` are the names of earlier steps, which `where` may refer to.
    """
    if not table.require("event", "name the event, or several in a list"):
        table.know("event", "where")
        return None
    names = table.value("event", _names)
    for name in names or ():
        if name.startswith(SIGNAL):
            table.notes.mention("signals", name.removeprefix(SIGNAL), table.at("event"))
    where: Pairs | str | None = ()
    if isinstance(table.raw.get("where"), str):
        where = table.value("where", _fql)
    elif table.has("where"):
        where = _where(table, steps)
    table.know("where")
    if names is None or where is None:
        return None
    return Pattern(names, fql=where) if isinstance(where, str) else Pattern(names, where)


def read_plain_pattern(table: Table, why: str, steps: Container[str] = ()) -> Pattern | None:
    """Return the pattern of a table that may say nothing else; `why` is told of other keys."""
    pattern = read_pattern(table, steps)
    table.close(dict.fromkeys(table.raw, why))
    return pattern


def _names(raw: Any) -> tuple[str, ...]:
    listed = raw if isinstance(raw, list) else [raw]
    if not listed:
        raise Refusal("must not be empty", '"*" stands for every event')
    for position, name in enumerate(listed):
        place = (position,) if isinstance(raw, list) else ()
        if not isinstance(name, str):
            raise Refusal("must be the name of an event, as text", None, place)
        if not name:
            raise Refusal("must not be empty", '"*" stands for every event', place)
    return tuple(sorted({re.sub(r"\*+", "*", name) for name in listed}))


def _fql(text: str) -> str:
    try:
        predicate = fql.compile(text)
    except fql.FqlError as error:
        place = f"column {error.column}"
        if error.line > 1:
            place = f"line {error.line} of the condition, {place}"
        raise Refusal(f"{error.message} ({place})", error.hint or None) from None
    if predicate.reads & _OUTSIDE:
        message = "reads the profile, not only the event"
        raise Refusal(message, "a condition of its own does: { trait = … } or { audience = … }")
    return text


def _where(table: Table, steps: Container[str]) -> Pairs | None:
    raw = table.raw["where"]
    if not isinstance(raw, dict):
        hint = 'write { path = "/pricing*" }, or a text in FQL'
        table.complain("where", "must be a table", hint)
        return None
    pairs = []
    faulty = False
    for keys, value in _flat(raw, ()):
        try:
            if value is _HALF:
                hint = "a property of that name is written with its path, in quotes"
                raise Refusal("mixes comparisons and properties", hint)
            pairs.append((".".join(keys), parse_comparison(value, steps)))
        except Refusal as error:
            place = table.at("where", *keys, *error.place)
            table.notes.complain(place, error.message, error.hint)
            faulty = True
    return None if faulty else tuple(sorted(pairs, key=lambda pair: pair[0]))


def _flat(raw: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the keys to each comparison, and it."""
    for key, value in raw.items():
        keys = (*above, key)
        if not isinstance(value, dict) or not value:
            yield keys, value
            continue
        operators = [name in OPERATORS for name in value]
        if all(operators) or len(keys) > _DEEPEST:
            yield keys, value
        elif any(operators):
            yield keys, _HALF
        else:
            yield from _flat(value, keys)
