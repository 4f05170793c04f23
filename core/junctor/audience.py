"""Audiences in Python: what a file of `audience_files` says, as the tables of junctor.toml.

    from junctor.audience import audience, event

    pricing = event("page_view", path="/pricing*")
    audience("evaluating", pricing.at_least(3).within("48h"), send=["slack"])

A condition is its table: a dict, of which refinements (`at_least`, `within`, …) and the operators
`&`, `|` and `~` make new ones. Whoever defines something gets its table back. A definition becomes
part of the configuration if it is made while the hub loads the file, and is a mere table elsewhere.
What a table says is checked when it is loaded, together with those of TOML. A value that no table
can hold raises TypeError at once.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from junctor.audiences.building import (
    Condition,
    EventCondition,
    Is,
    MemberCondition,
    SequenceCondition,
    Silence,
    StateCondition,
    Table,
    TraitCondition,
    as_event,
    plain,
)
from junctor.audiences.collecting import collect
from junctor.audiences.functions import Function, Occurrence, Person

__all__ = [
    "Condition",
    "Occurrence",
    "Person",
    "all_of",
    "any_of",
    "attribute",
    "audience",
    "define",
    "event",
    "goal",
    "known",
    "member",
    "none_of",
    "sample",
    "score",
    "seq",
    "signal",
    "silence",
    "state",
    "trait",
]

F = TypeVar("F", bound=Callable[..., object])

# -- conditions ----------------------------------------------------------------------------------


def event(
    *names: str, where: Mapping[str, Is] | str | None = None, **properties: Is
) -> EventCondition:
    """Return that such events occurred: `event("page_view", path="/pricing*")`.

    `where` has what no keyword can be called, such as `context.locale`, or is FQL.
    """
    if not names:
        raise TypeError('name the event; "*" stands for every one')
    table: Table = {"event": names[0] if len(names) == 1 else names}
    if isinstance(where, str):
        if properties:
            raise TypeError("properties stand in `where` itself if it is FQL")
        table["where"] = where
    elif where or properties:
        table["where"] = {**(where or {}), **properties}
    return EventCondition(table)


def seq(*steps: EventCondition | Silence | str) -> SequenceCondition:
    """Return that events happened in this order, the last step perhaps a `silence`."""
    tables = [dict(one) if isinstance(one, Silence) else as_event(one) for one in steps]
    return SequenceCondition({"sequence": tables})


def silence(*events: EventCondition | str, for_: str) -> Silence:
    """Return the end of a sequence: none of these events for so long."""
    if len(events) == 1:
        return Silence({"not": as_event(events[0]), "for": for_})
    names = [one for one in events if isinstance(one, str)]
    if len(names) < len(events):
        raise TypeError("a silence is of names, or of one event with its properties")
    return Silence({"not": event(*names), "for": for_})


def trait(path: str, is_: Is = None) -> TraitCondition:
    """Return that a trait compares: `trait("plan", "pro")`."""
    return TraitCondition({"trait": path, **_given({"is": is_})})


def attribute(name: str, is_: Is) -> Condition:
    """Return that an attribute, or its band, compares."""
    return Condition({"attribute": name, "is": is_})


def score(name: str, is_: Is) -> Condition:
    """Return that a score compares: `score("readiness", ">=12")`."""
    return Condition({"score": name, "is": is_})


def state(name: str, is_: Is) -> StateCondition:
    """Return that a state has a value."""
    return StateCondition({"state": name, "is": is_})


def member(name: str, is_: bool | None = None) -> MemberCondition:
    """Return that one is in another audience; with False: that one is not."""
    return MemberCondition({"audience": name, **_given({"is": is_})})


def known(length: str) -> Condition:
    """Return that the oldest event is so long ago: `known(">=7d")`."""
    return Condition({"known": length})


def sample(share: str, salt: str | None = None) -> Condition:
    """Return that one is in a stable share of all people: `sample("10%")`."""
    return Condition({"sample": share, **_given({"salt": salt})})


def all_of(*conditions: Condition) -> Condition:
    """Return that all of them hold; `&` between them says the same."""
    return Condition({"all": conditions})


def any_of(*conditions: Condition) -> Condition:
    """Return that one of them holds, at least; `|` between them says the same."""
    return Condition({"any": conditions})


def none_of(*conditions: Condition) -> Condition:
    """Return that none of them holds; `~` says it of one."""
    return Condition({"none": conditions})


# -- definitions ---------------------------------------------------------------------------------

Section = Literal["audiences", "signals", "states", "scores", "attributes", "services"]


def define(section: Section, name: str, **table: Any) -> Table:
    """Define anything by the keys that its table has, and return that.

    `define("scores", "readiness", half_life="14d", rules=[event("Demo Replayed").adds(4)])`
    """
    return _defined(section, name, plain(table))


def audience(
    name: str,
    condition: Condition,
    *,
    about: str | None = None,
    lever: str | None = None,
    key: str | None = None,
    settle: str | None = None,
    hold: str | None = None,
    exit: Condition | None = None,
    cooldown: str | None = None,
    once: bool | None = None,
    zone: str | None = None,
    backfill: str | bool | None = None,
    notify_backfill: bool | None = None,
    outcome: Mapping[str, Any] | None = None,
    send: Sequence[str] | None = None,
) -> Table:
    """Define an audience, and return its table. `outcome` is a `goal`, or an event `within`."""
    if isinstance(outcome, EventCondition):
        hoped_for = {key: value for key, value in outcome.items() if key != "within"}
        outcome = {"goal": hoped_for, **_given({"within": outcome.get("within")})}
    keys = _given(
        {
            "about": about, "lever": lever, "key": key, "zone": zone, "settle": settle,
            "hold": hold, "exit": exit, "cooldown": cooldown, "once": once, "backfill": backfill,
            "notify_backfill": notify_backfill, "outcome": outcome, "send": send,
        }
    )  # fmt: skip
    if "hold" in keys and "hold" in condition:
        raise TypeError("`hold` is there twice")
    return _defined("audiences", name, plain({**keys, **condition}))


def goal(event: EventCondition | str, *, within: str, value: str | None = None) -> Table:
    """Return what is hoped for: the event, in which time, and the property that is its value."""
    return {"goal": as_event(event), "within": within, **_given({"value": value})}


@overload
def signal(name: str, pattern: EventCondition | SequenceCondition, /) -> Table: ...
@overload
def signal(
    name: str,
    /,
    *,
    reads: Sequence[EventCondition | str] | EventCondition | str | None = None,
    within: str | None = None,
    version: str | None = None,
) -> Callable[[F], F]: ...
def signal(
    name: str,
    pattern: EventCondition | SequenceCondition | None = None,
    /,
    *,
    reads: Sequence[EventCondition | str] | EventCondition | str | None = None,
    within: str | None = None,
    version: str | None = None,
) -> Table | Callable[[F], F]:
    """Define a signal: by a pattern, whose table is returned, or by the function that follows.

    The function is called as `function(person, event)` with each event that it reads, and says
    whether the signal is made: by something true, or by a dict of properties to add. It must be
    pure: say the same of the same. `reads` are names and events, `within` is how far back the
    person's `recent` events go; both may also be defaults of the function's own keywords. A changed
    function is another `version`: a digest of its text where none is given.
    """
    if pattern is not None:
        return _defined("signals", name, plain(pattern))

    def decorate(function: F) -> F:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError("a signal's function returns at once: no `async` and no `yield`")
        own = getattr(function, "__kwdefaults__", None) or {}
        read = own.get("reads") if reads is None else reads
        time = own.get("within") if within is None else within
        listed = [read] if isinstance(read, str | EventCondition) else list(read or ())
        if not listed or not time:
            raise TypeError('a function says what it reads: reads=["…"], within="10m"')
        named = version or _digest(function)
        table = {"function": named, "reads": [as_event(one) for one in listed], "within": time}
        _defined("signals", name, plain(table), Function(name, named, function))
        return function

    return decorate


def _defined(section: str, name: str, table: Table, function: Function | None = None) -> Table:
    if not isinstance(name, str):
        raise TypeError(f"a name is a text, not {type(name).__name__}")
    collect(section, name, table, function)
    return table


def _given(keys: Table) -> Table:
    """Return the keys that have a value."""
    return {key: value for key, value in keys.items() if value is not None}


def _digest(function: Callable[..., object]) -> str:
    """Return what names a function's text; of one that has none, its compiled form."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        text = repr(code.co_code if code is not None else function)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
