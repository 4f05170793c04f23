"""Definitions in plain English, a line for each condition."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from junctor.audiences.comparison import (
    AllOf,
    AnyOf,
    Between,
    Compare,
    Comparison,
    Exists,
    Glob,
    Has,
    Reference,
    Regex,
    Scalar,
)
from junctor.audiences.language.figures import AT_LEAST_ONE
from junctor.audiences.language.times import zone
from junctor.audiences.nodes import (
    USER,
    AttributeCondition,
    Audience,
    AudienceCondition,
    Condition,
    EventCondition,
    Group,
    KnownCondition,
    Length,
    Pattern,
    SampleCondition,
    ScoreCondition,
    Sequence,
    SequenceCondition,
    StateCondition,
    Step,
    TraitCondition,
    Window,
)

_INDENT: Final = "  "
_IS: Final = "is "
_VOWELS: Final = "aeio"
"""First letters of words that take "an"; of names with "u" most sound as "user" does."""
_UNITS: Final = (
    (86_400_000, 3, "day"), (3_600_000, 1, "hour"), (60_000, 1, "minute"), (1000, 1, "second"),
)  # fmt: skip
"""Milliseconds, from how many on it is used, and the word: two days are 48 hours."""
_SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {"eq": "is", "ne": "is not", "gt": "is over", "gte": "is at least", "lt": "is under",
     "lte": "is at most"}
)  # fmt: skip
_NUMBERS: Final[Mapping[str, str]] = MappingProxyType(
    {"eq": "exactly", "gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most"}
)
_GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {"all": "all of these:", "any": "at least one of these:", "none": "none of these:"}
)
_MEASURES: Final[Mapping[str, str]] = MappingProxyType(
    {"distinct": "the number of different values of {}", "sum": "the sum of {}",
     "avg": "the mean of {}", "min": "the least {}", "max": "the greatest {}"}
)  # fmt: skip


def in_words(definition: Audience | Condition) -> str:
    """Return an audience or a condition in words; what is in a group is indented below it."""
    if isinstance(definition, Audience):
        return "\n".join(_audience(definition))
    return "\n".join(condition_lines(definition))


def condition_lines(condition: Condition) -> list[str]:
    """Return the lines of a condition."""
    match condition:
        case Group(kind, items):
            return [_GROUPS[kind], *_indented(items)]
        case SequenceCondition():
            return _sequence_condition(condition)
        case EventCondition():
            return [_event(condition)]
        case ScoreCondition(name, comparison):
            return [f"score {name} {comparison_words(comparison)}"]
        case AttributeCondition(name, comparison):
            return [f"attribute {name} {comparison_words(comparison)}"]
        case TraitCondition():
            return [_trait(condition)]
        case StateCondition():
            return [_state(condition)]
        case AudienceCondition():
            return [_member(condition)]
        case KnownCondition(age):
            return [f"known for {length_words(age)}"]
        case SampleCondition(fraction, salt):
            salted = f" (salt {_value(salt)})" if salt else ""
            return [f"in a stable sample of {round(fraction * 100, 6):g} %{salted}"]


def duration_words(milliseconds: int) -> str:
    """Return a duration as people say it: "48 hours", "7 days", "1 minute"."""
    for unit, least, word in _UNITS:
        if milliseconds >= unit * least and milliseconds % unit == 0:
            return _times(milliseconds // unit, word)
    if milliseconds > 1000:
        return f"{milliseconds / 1000:.15g} seconds"
    return _times(milliseconds, "millisecond")


def length_words(length: Length) -> str:
    """Return how long something lasts: "at least 7 days"."""
    bounds = []
    if length.low is not None:
        exact = length.low % 1000 != 1
        bounds.append(
            f"{'at least' if exact else 'over'} {duration_words(length.low - (not exact))}"
        )
    if length.high is not None:
        exact = length.high % 1000 != 1
        bounds.append(
            f"{'under' if exact else 'at most'} {duration_words(length.high - (not exact))}"
        )
    return " and ".join(bounds)


def pattern_words(pattern: Pattern) -> str:
    """Return a pattern: "page_view" where path is like "/pricing*"."""
    names = ["any event" if name == "*" else _value(name) for name in pattern.names]
    wheres = [f"{path} {comparison_words(comparison)}" for path, comparison in pattern.where]
    if pattern.fql is not None:
        wheres.append(f"({pattern.fql})")
    return _either(names) + (f" where {' and '.join(wheres)}" if wheres else "")


def comparison_words(comparison: Comparison) -> str:
    """Return what is said of a value: "is at least 3"."""
    match comparison:
        case Compare(op, operand):
            return f"{_SIGNS[op]} {_value(operand)}"
        case Reference(op, step, path):
            return f"{_SIGNS[op]} the {path} of {_value(step)}"
        case Between(low, high):
            return f"is from {low} to {high}"
        case Glob(pattern):
            return f"is like {_value(pattern)}"
        case Regex(pattern):
            return f"matches /{pattern}/"
        case Has(item):
            return f"has {_value(item)}"
        case Exists(expected):
            return "is there" if expected else "is missing"
        case AllOf(items):
            return _together(map(comparison_words, items), "and")
        case AnyOf(items):
            return _together(map(comparison_words, items), "or")


def _audience(audience: Audience) -> list[str]:
    lines = [audience.about] if audience.about else []
    who = "somebody" if audience.key == USER else _a(audience.key)
    lines += [f"{who} is in while this is so:", *_indented([audience.condition])]
    if audience.settle:
        lines.append(f"enters when it has been so for {duration_words(audience.settle)}")
    if audience.hold:
        lines.append(f"stays for {duration_words(audience.hold)} after it was last so")
    if audience.exit_event is not None:
        lines.append(f"leaves early at {pattern_words(audience.exit_event)}")
    if audience.exit_while is not None:
        lines += ["is kept out while this is so:", *_indented([audience.exit_while])]
    if audience.once:
        lines.append("enters once only")
    if audience.cooldown:
        again = duration_words(audience.cooldown)
        lines.append(f"enters again {again} after leaving at the earliest")
    if audience.outcome is not None:
        goal, within = audience.outcome.goal, audience.outcome.within
        lines.append(f"hoped for: {pattern_words(goal)} within {duration_words(within)}")
    if audience.send:
        lines.append(f"sent to {', '.join(audience.send)}")
    return lines


def _event(condition: EventCondition) -> str:
    said = pattern_words(condition.pattern)
    if condition.first:
        said += " happened for the first time ever"
    elif condition.count == Compare("eq", 0):
        absent = " did not happen" if condition.window != Window() else " never happened"
        return said + absent + _window(condition.window, condition.zone)
    elif condition.days is None:
        said += f" happened {_often(condition.count)}"
    else:
        often = f" {_often(condition.count)}," if condition.count != AT_LEAST_ONE else ""
        said += f" happened{often} on {_number(condition.days, 'local day')} ({condition.zone})"
    if condition.per_session:
        said += " in one session"
    said += _window(condition.window, condition.zone)
    if condition.same:
        said += f", {_same(condition.same)}"
    if condition.measure is not None:
        figure = _MEASURES[condition.measure.kind].format(condition.measure.prop)
        said += f", and {figure} {comparison_words(condition.measure.comparison)}"
    return said


def _often(comparison: Comparison) -> str:
    """Return how often something happens: "at least once", "3 to 5 times"."""
    once = f"{_number(comparison, 'time')} ".replace(" 1 time ", " once ")
    return once.rstrip()


def _number(comparison: Comparison, word: str) -> str:
    """Return a number of things that compares: "at least 3 times", "fewer than 2 local days"."""
    match comparison:
        case Compare(op, int(number)) if op in _NUMBERS:
            return f"{_NUMBERS[op]} {_times(number, word)}"
        case Between(low, high):
            return f"{low} to {high} {word}s"
    return f"a number of {word}s that {comparison_words(comparison)}"


def _window(window: Window, zone_name: str) -> str:
    said = ""
    if window.within is not None:
        said += f" {_last(window.within)}"
    if window.far is not None:
        near = duration_words(window.near or 0)
        said += f" between {duration_words(window.far)} and {near} ago"
    if window.since is not None:
        said += f" since {_day(window.since, zone_name)}"
    if window.until is not None:
        said += (
            f"{' and' if window.since is not None else ''} before {_day(window.until, zone_name)}"
        )
    return said


def _day(at: int, zone_name: str) -> str:
    return f"{datetime.fromtimestamp(at / 1000, zone(zone_name)):%Y-%m-%d}"


def _sequence_condition(condition: SequenceCondition) -> list[str]:
    until = f", or until {pattern_words(condition.exit)}" if condition.exit is not None else ""
    return [
        *sequence_lines(condition.sequence),
        f"for {duration_words(condition.hold)} from then on{until}",
    ]


def sequence_lines(sequence: Sequence) -> list[str]:
    """Return the lines of a sequence."""
    first = "in this order"
    if sequence.within is not None:
        first += f", all within {duration_words(sequence.within)}"
    if sequence.same:
        first += f", {_same(sequence.same)}"
    lines = [f"{first}:"]
    for number, step in enumerate(sequence.steps):
        lines.append(_INDENT + ("then " if number else "") + _step(step))
    if sequence.silence is not None:
        silent = duration_words(sequence.silence.length)
        lines.append(f"{_INDENT}then {_no(sequence.silence.pattern)} for {silent}")
    return lines


def _step(step: Step) -> str:
    said = pattern_words(step.pattern)
    pause = "," if _has_where(step.pattern) else ""
    if step.count > 1:
        said += f"{pause} {step.count} times"
    if step.after is not None and step.within is not None:
        said += f"{pause} {duration_words(step.after)} to {duration_words(step.within)} later"
    elif step.within is not None:
        said += f"{pause} within {duration_words(step.within)}"
    elif step.after is not None:
        said += f"{pause} at least {duration_words(step.after)} later"
    if step.without:
        said += f", without {_either(map(pattern_words, step.without))} in between"
    if step.name is not None:
        said += f" (called {_value(step.name)})"
    return said


def _trait(condition: TraitCondition) -> str:
    said = []
    if condition.comparison is not None:
        said.append(comparison_words(condition.comparison))
    if condition.changed_within is not None:
        said.append(f"changed {_last(condition.changed_within)}")
    return f"trait {condition.path} {' and '.join(said)}"


def _state(condition: StateCondition) -> str:
    said = comparison_words(condition.comparison)
    if condition.lasting is not None:
        said += f", for {length_words(condition.lasting)} now"
    if condition.spent is not None:
        said += f", for {length_words(condition.spent)} in total"
    if condition.within is not None:
        said += f", {_last(condition.within)}"
    return f"state {condition.name} {said}"


def _member(condition: AudienceCondition) -> str:
    if condition.left_within is not None:
        return f"left audience {condition.name} {_last(condition.left_within)}"
    said = "in" if condition.member else "not in"
    lasting = f" for {length_words(condition.lasting)}" if condition.lasting is not None else ""
    return f"{said} audience {condition.name}{lasting}"


def _no(pattern: Pattern) -> str:
    """Return what does not happen: "no "a" or "b"", "nothing at all"."""
    if pattern == Pattern(("*",)):
        return "nothing at all"
    said = pattern_words(pattern).replace("any event", "event", 1)
    return f"no {said}{',' if _has_where(pattern) else ''}"


def _has_where(pattern: Pattern) -> bool:
    return bool(pattern.where) or pattern.fql is not None


def _same(names: Iterable[str]) -> str:
    return f"with the same {' and '.join(names)}"


def _last(milliseconds: int) -> str:
    """Return a window that ends now: "in the last 7 days", "in the last hour"."""
    return f"in the last {duration_words(milliseconds).removeprefix('1 ')}"


def _a(word: str) -> str:
    return f"{'an' if word[:1] in _VOWELS else 'a'} {word}"


def _indented(conditions: Iterable[Condition]) -> list[str]:
    return [_INDENT + line for one in conditions for line in condition_lines(one)]


def _together(words: Iterable[str], joint: str) -> str:
    """Join what is said of one value; "is" is said once: "is 1, at least 5 or like "x*""."""
    first, *others = words
    if first.startswith(_IS) and all(one.startswith(_IS) for one in others):
        others = [one.removeprefix(_IS) for one in others]
    if joint == "or":
        return _either([first, *others])
    return " and ".join([first, *others])


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _times(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _value(value: Scalar) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
