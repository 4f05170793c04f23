"""Reading sequences: steps, gaps between them, the silence at the end."""

import re
from collections.abc import Container
from typing import Any, Final

from junctor.audiences.language import figures
from junctor.audiences.language.events import EXAMPLE, read_pattern, read_plain_pattern
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.language.table import Table
from junctor.audiences.nodes import Pattern, Sequence, Silence, Step

KEYS: Final = ("within", "same")
_MOST_EVENTS: Final = 64
"""Events that a sequence can look back on."""
_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_GAPS: Final = ("within", "after", "without")
_STEPS: Final = '{ event = "Product Added" }, { event = "Order Completed", within = "7d" }'
_ONLY_EVENT: Final = "it is an event, with `where` or without"
_SILENCE: Final = '{ not = { event = "Order Completed" }, for = "3d" }'


def read_sequence(table: Table) -> Sequence | None:
    """Return what `sequence`, `within` and `same` of a table say, None if something is wrong."""
    before = len(table.notes.problems)
    whole = table.duration("within")
    same = table.texts("same", '["path"]')
    tables = table.tables("sequence", _STEPS)
    steps: list[Step] = []
    names: list[str] = []
    silence = None
    for place, inner in enumerate(tables):
        if inner.has("not"):
            _check_silence(inner, place, len(tables))
            silence = _silence(inner, names)
            continue
        step = _step(inner, names)
        if place == 0:
            _check_first(inner, table, step)
        else:
            _check_gap(inner, step, bounded=table.has("within"))
        if step is not None:
            steps.append(step)
    _check_whole(table, steps, whole)
    if len(table.notes.problems) > before:
        return None
    return Sequence(tuple(steps), silence, whole, same)


def _step(table: Table, names: list[str]) -> Step | None:
    """Return a step, None if something is wrong; `names` of earlier steps get the new one."""
    before = len(table.notes.problems)
    pattern = read_pattern(table, names)
    count = table.value("count", figures.parse_least) or 1
    within = table.duration("within")
    after = table.duration("after")
    without = _without(table, names)
    name = table.value("as", lambda raw: _name(raw, names))
    hint = "of a silence at the end: " + _SILENCE
    table.close({"for": hint, "where": hint})
    if name is not None:
        names.append(name)
    if pattern is None or len(table.notes.problems) > before:
        return None
    return Step(pattern, count, within, after, without, name)


def _without(table: Table, names: Container[str]) -> tuple[Pattern, ...]:
    if not table.has("without"):
        table.know("without")
        return ()
    read = [
        read_plain_pattern(inner, _ONLY_EVENT, names) for inner in table.tables("without", EXAMPLE)
    ]
    return tuple(pattern for pattern in read if pattern is not None)


def _name(raw: Any, names: Container[str]) -> str:
    if not isinstance(raw, str) or not _NAME.fullmatch(raw):
        raise Refusal("must be a name of letters, digits and _", 'write for example as = "cart"')
    if raw in names:
        raise Refusal("is the name of an earlier step already", "choose another name")
    return raw


def _silence(table: Table, names: Container[str]) -> Silence | None:
    inner = table.table("not", EXAMPLE)
    pattern = read_plain_pattern(inner, _ONLY_EVENT, names) if inner else None
    table.require("for", 'say how long nothing happens: for = "3d"')
    length = table.duration("for")
    hint = "an event of its own, or inside of `not`"
    table.close(dict.fromkeys(("event", "where", "within", "count", "as", "without"), hint))
    return Silence(pattern, length) if pattern is not None and length is not None else None


def _check_silence(table: Table, place: int, steps: int) -> None:
    if place == 0:
        hint = "let an event come first; absence alone is { event = …, count = 0 }"
        table.complain("not", "is a silence after nothing", hint)
    elif place < steps - 1:
        hint = "what must not come between two steps is `without` of the later one"
        table.complain("not", "stands before the last step", hint)


def _check_first(table: Table, around: Table, step: Step | None) -> None:
    table.refuse(_GAPS, "does not go with the first step: nothing came before", "leave it out")
    if step is not None and step.count > 1 and not around.has("within"):
        around.complain(
            "within",
            "is required: the first step counts events, and they may lie any time apart",
            'bound the whole sequence: within = "30m"',
        )


def _check_gap(table: Table, step: Step | None, *, bounded: bool) -> None:
    if not bounded and not table.has("within"):
        hint = 'add within = "7d" to this step, or to the whole sequence'
        table.complain("within", "is required: the sequence is unbounded", hint)
    if step is not None and step.within is not None and (step.after or 0) > step.within:
        table.complain("after", "is longer than `within`: no time fits", "make it shorter")


def _check_whole(table: Table, steps: list[Step], whole: int | None) -> None:
    if whole is not None and sum(step.after or 0 for step in steps) > whole:
        hint = "make it longer than all `after` together"
        table.complain("within", "is shorter than the gaps of the steps", hint)
    if sum(step.count for step in steps) > _MOST_EVENTS:
        hint = "count them in a condition with `event`, `count` and `within`"
        message = f"can never be met: a sequence looks back on {_MOST_EVENTS} events"
        table.complain("sequence", message, hint)
