"""Reading `[audiences.NAME]`."""

import re
from typing import Any, Final

from junctor.audiences.language.conditions import (
    EXAMPLE,
    KINDS,
    Around,
    close,
    kind_of,
    read_condition,
    read_inner,
)
from junctor.audiences.language.events import read_plain_pattern
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.language.table import Table
from junctor.audiences.language.times import DAY, parse_time, parse_zone
from junctor.audiences.nodes import (
    USER,
    Audience,
    Condition,
    Outcome,
    Pattern,
    SequenceCondition,
)

BACKFILL: Final = 90 * DAY
"""How far back the log is read for a new audience, where nothing is said."""
_KEY: Final = re.compile(r"[A-Za-z0-9_.$-]+")
_ONLY_EVENT: Final = "a goal is an event, with `where` or without"
_EXIT_BY_EVENT: Final = (
    "an exit by event has no counts or windows; what leaves while it is true stands in all = [ … ]"
)
_OUTCOME: Final = '{ goal = { event = "Trial Started" }, within = "14d" }'


def read_audience(name: str, table: Table) -> Audience | None:
    """Return an audience, None if something is wrong."""
    before = len(table.notes.problems)
    about, lever = table.text("about"), table.text("lever")
    key = table.value("key", _key) or USER
    zone = table.value("zone", parse_zone) or "UTC"
    settle = table.duration("settle", least=0) or 0
    hold = table.duration("hold") or 0
    cooldown = table.duration("cooldown", least=0) or 0
    once = table.flag("once")
    backfill = _backfill(table)
    notify_backfill = table.flag("notify_backfill")
    outcome = _outcome(table)
    send = table.texts("send", '["slack"]')
    condition = _root(table, Around(zone, hold or None))
    exit_event, exit_while = _exit(table, Around(zone))
    close(table)
    if condition is None or len(table.notes.problems) > before:
        return None
    if isinstance(condition, SequenceCondition):  # its end is its own
        condition = SequenceCondition(condition.sequence, condition.hold, exit_event)
        hold, exit_event = 0, None
    return Audience(
        name, condition, about, lever, key, settle, hold, exit_event, exit_while, cooldown, once,
        zone, backfill, notify_backfill, outcome, send,
    )  # fmt: skip


def _root(table: Table, around: Around) -> Condition | None:
    if not table.has("when"):
        return read_condition(table, around)
    besides = [kind for kind in KINDS if table.has(kind)]
    table.refuse(besides, "is a second condition beside `when`", "keep one of the two")
    inner = table.table("when", EXAMPLE)
    if inner is None:
        return None
    condition = read_condition(inner, around)
    close(inner)
    return condition


def _exit(table: Table, around: Around) -> tuple[Pattern | None, Condition | None]:
    """Return the event that ends a membership, or the condition that does while it is true."""
    inner = table.table("exit", '{ event = "Order Completed" }')
    if inner is None:
        return None, None
    if kind_of(inner) != "event":
        return None, read_inner(inner, around)
    return read_plain_pattern(inner, _EXIT_BY_EVENT), None


def _outcome(table: Table) -> Outcome | None:
    inner = table.table("outcome", _OUTCOME)
    if inner is None:
        return None
    inner.require("goal", "name the event hoped for")
    goal_table = inner.table("goal", '{ event = "Trial Started" }')
    goal = read_plain_pattern(goal_table, _ONLY_EVENT) if goal_table is not None else None
    inner.require("within", 'say in which time: within = "14d"')
    within = inner.duration("within")
    value = inner.filled("value") if inner.has("value") else None
    inner.know("value")
    inner.close()
    return Outcome(goal, within, value) if goal is not None and within is not None else None


def _backfill(table: Table) -> int | None:
    if not table.has("backfill"):
        table.know("backfill")
        return BACKFILL
    return table.value("backfill", _parse_backfill)


def _parse_backfill(raw: Any) -> int | None:
    if isinstance(raw, bool):
        return BACKFILL if raw else None
    if not isinstance(raw, str):
        raise Refusal("must be a duration or false", 'write backfill = "90d"')
    return parse_time(raw) or None


def _key(raw: Any) -> str:
    if isinstance(raw, str) and _KEY.fullmatch(raw):
        return raw
    hint = 'there is "user", "session", "account" and every kind of identifier'
    raise Refusal("must be whose events are looked at", hint)
