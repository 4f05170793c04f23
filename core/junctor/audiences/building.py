"""Conditions in Python: the tables of the language, and how one is made of another.

Nothing is checked here but what a table can hold: what a table says is read, and complained of,
where those of TOML are.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Self, TypeAlias

Is: TypeAlias = Any
"""A comparison as in TOML: `3`, `">=3"`, `["a", "b"]`, `{"gte": 1, "lt": 5}`."""
Table = dict[str, Any]


def plain(value: Any) -> Any:
    """Return a copy of a value as TOML would give it: tables, lists, texts, numbers, dates.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, Mapping):
        if strange := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"a table's keys are texts, not {type(strange[0]).__name__}")
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str | bool | int | float | date):
        return value
    raise TypeError(f"a table can't hold {type(value).__name__}")


class Condition(dict[str, Any]):
    """A condition: its table. Refinements and operators return new ones."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """Copy `table`; raises TypeError if it can't be one."""
        super().__init__(plain(table))

    def refined(self, **keys: Any) -> Self:
        """Return the condition with more keys; one of Python's own words is written `for_`."""
        return type(self)({**self, **{key.rstrip("_"): value for key, value in keys.items()}})

    def __bool__(self) -> bool:
        """Refuse what `and`, `or`, `not` and `if` ask for: they would drop a condition in silence.

        Raises:
            TypeError: always.
        """
        raise TypeError("write a & b, a | b, ~a: `and`, `or`, `not` make no conditions")

    def __and__(self, other: "Condition") -> "Condition":
        """Return that both hold."""
        return Condition({"all": [*_items(self, "all"), *_items(other, "all")]})

    def __or__(self, other: "Condition") -> "Condition":  # type: ignore[override]
        """Return that one of them holds, at least."""
        return Condition({"any": [*_items(self, "any"), *_items(other, "any")]})

    def __ior__(self, other: "Condition") -> "Condition":  # type: ignore[override]
        """Return the same as `|`: the table itself stays as it is."""
        return self | other

    def __invert__(self) -> "Condition":
        """Return that it does not hold."""
        if self.keys() == {"none"}:
            return Condition({"any": self["none"]})
        return Condition({"none": _items(self, "any")})


def _items(condition: Condition, kind: str) -> list[Any]:
    """Return the conditions of a group of this kind, else the one condition itself."""
    return condition[kind] if condition.keys() == {kind} else [condition]


class EventCondition(Condition):
    """Events occurred: so many, in a time. Also a step of a sequence, and any event as such."""

    def count(self, is_: Is) -> Self:
        """So many of them: `3`, `">=3"`, `"3..5"`."""
        return self.refined(count=is_)

    def at_least(self, number: int) -> Self:
        """So many of them or more."""
        return self.count(f">={number}")

    def at_most(self, number: int) -> Self:
        """So many of them or fewer, perhaps none."""
        return self.count(f"<={number}")

    def never(self) -> Self:
        """None of them."""
        return self.count(0)

    def days(self, is_: Is) -> Self:
        """On so many different local days: `">=7"`."""
        return self.refined(days=is_)

    def distinct(self, prop: str, is_: Is) -> Self:
        """With so many different values of a property."""
        return self.refined(distinct={"prop": prop, "is": is_})

    def sum(self, prop: str, is_: Is) -> Self:
        """With this sum of a property."""
        return self.refined(sum={"prop": prop, "is": is_})

    def avg(self, prop: str, is_: Is) -> Self:
        """With this average of a property."""
        return self.refined(avg={"prop": prop, "is": is_})

    def min(self, prop: str, is_: Is) -> Self:
        """With this least value of a property."""
        return self.refined(min={"prop": prop, "is": is_})

    def max(self, prop: str, is_: Is) -> Self:
        """With this largest value of a property."""
        return self.refined(max={"prop": prop, "is": is_})

    def within(self, time: str) -> Self:
        """In the last so long: `"48h"`. Of a step: at most so long after the one before."""
        return self.refined(within=time)

    def between(self, far: str, near: str) -> Self:
        """At least `near` and less than `far` ago."""
        return self.refined(between=[far, near])

    def since(self, day: str | date) -> Self:
        """From this local day on."""
        return self.refined(since=day)

    def until(self, day: str | date) -> Self:
        """Before this local day."""
        return self.refined(until=day)

    def same(self, *props: str) -> Self:
        """Only events that agree in these properties count together."""
        return self.refined(same=props)

    def first(self) -> Self:
        """The first such event ever lies in the window."""
        return self.refined(first=True)

    def per_session(self) -> Self:
        """Only events of one session count together."""
        return self.refined(per="session")

    def after(self, time: str) -> Self:
        """Of a step: at least so long after the one before."""
        return self.refined(after=time)

    def without(self, *events: "str | EventCondition") -> Self:
        """Of a step: none of these events since the one before."""
        return self.refined(without=[as_event(one) for one in events])

    def as_(self, name: str) -> Self:
        """Of a step: later ones compare with `"$name.property"`."""
        return self.refined(as_=name)

    def adds(self, number: float, *, once: bool = False) -> Table:
        """Return the rule of a score: each event adds `number`, or the first one ever."""
        return {"add": number, **self, **({"once": True} if once else {})}

    def sets(self, to: str | float) -> Table:
        """Return the setting of a state: the event sets it to a value, or to `"$property"`."""
        return {**self, "to": to}


class SequenceCondition(Condition):
    """Events happened in this order."""

    def within(self, time: str) -> Self:
        """From the first to the last in so long."""
        return self.refined(within=time)

    def same(self, *props: str) -> Self:
        """All of them agree in these properties."""
        return self.refined(same=props)

    def hold(self, time: str) -> Self:
        """One is in for so long afterwards."""
        return self.refined(hold=time)

    def adds(self, number: float) -> Table:
        """Return the rule of a score: each time that it happens adds `number`."""
        return {"add": number, **self}


class TraitCondition(Condition):
    """A trait compares, or changed lately."""

    def changed_within(self, time: str) -> Self:
        """It got its value, a new one, in the last so long."""
        return self.refined(changed_within=time)


class StateCondition(Condition):
    """A state has a value."""

    def for_(self, length: str) -> Self:
        """It has had it for so long by now."""
        return self.refined(for_=length)

    def spent(self, length: str, *, within: str) -> Self:
        """It had it for so long in all, in the last `within`."""
        return self.refined(spent=length, within=within)


class MemberCondition(Condition):
    """One is in another audience."""

    def for_(self, length: str) -> Self:
        """One has been for so long."""
        return self.refined(for_=length)

    def left_within(self, time: str) -> Self:
        """One left it in the last so long."""
        return self.refined(left_within=time)


class Silence(dict[str, Any]):
    """The end of a sequence: nothing of the kind for a time."""


def as_event(event: str | EventCondition) -> Table:
    """Return the table of an event, of which the name is enough."""
    return {"event": event} if isinstance(event, str) else dict(event)
