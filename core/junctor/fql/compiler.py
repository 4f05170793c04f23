"""From the tree to functions: everything known at load is decided here, not per event.

A reader takes the event and gives a value, a test takes the event and gives True or False. They
are closures over constants; none of them raises, whatever JSON the event holds.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from junctor.fql import syntax
from junctor.fql.functions import FUNCTIONS
from junctor.fql.glob import compile_glob
from junctor.fql.syntax import Call, Comparison, Literal, Membership, Operand, Path, Truth
from junctor.fql.values import double, is_number, literal_text, same
from junctor.sdk.mapping.path import walk
from junctor.sdk.mapping.values import MISSING

Event = Mapping[str, object]
Reader = Callable[[Event], object]
Test = Callable[[Event], bool]
NumberTest = Callable[[float, float], bool]

TEXT_FIELDS: Final = frozenset(
    {"type", "event", "name", "userId", "anonymousId", "messageId", "groupId", "previousId"}
)
"""Top-level fields that are text in every event: a written number is compared as its text."""

NAME_FIELDS: Final = frozenset({"type", "event", "name"})
"""Text fields where a written true or false, too, is compared as its text."""

_ORDERINGS: Final[Mapping[str, NumberTest]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED: Final = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compile_condition(condition: syntax.Condition) -> Test:
    """Return the test of a condition; loops, as a comprehension is one more frame a level."""
    match condition:
        case syntax.All(conditions):
            tests = []
            for part in conditions:
                tests.append(compile_condition(part))
            return _all(tests)
        case syntax.Any(conditions):
            tests = []
            for part in conditions:
                tests.append(compile_condition(part))
            return _any(tests)
        case syntax.Not(inner):
            test = compile_condition(inner)
            return lambda event: not test(event)
        case Truth():
            return _truth(condition)
        case Comparison():
            return _comparison(condition)
        case Membership():
            return _membership(condition)


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda event: first(event) and second(event)

    def every(event: Event) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs twice the time
            if not test(event):
                return False
        return True

    return every


def _any(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda event: first(event) or second(event)

    def some(event: Event) -> bool:
        for test in tests:  # noqa: SIM110 - as above
            if test(event):
                return True
        return False

    return some


# Operands


def _reader(operand: Operand) -> Reader:
    if isinstance(operand, Path):
        return _path(operand.keys)
    if isinstance(operand, Literal):
        value = operand.value
        return lambda event: value
    apply = FUNCTIONS[operand.name].apply
    if apply is None:
        return _predicate(operand, negated=False)
    read = _reader(operand.arguments[0])
    return lambda event: apply(read(event))


def _path(keys: syntax.Keys) -> Reader:
    first, rest = keys[0], keys[1:]
    if not rest:
        return lambda event: event.get(first, MISSING)
    if len(rest) > 1:
        return lambda event: walk(event.get(first, MISSING), rest)
    second = rest[0]

    def read(event: Event) -> object:
        inner = event.get(first, MISSING)
        return inner.get(second, MISSING) if type(inner) is dict else walk(inner, rest)

    return read


def _truth(node: Truth) -> Test:
    operand = node.operand
    if isinstance(operand, Call) and FUNCTIONS[operand.name].apply is None:
        return _predicate(operand, negated=node.negated)
    read = _reader(operand)
    if node.negated:
        return lambda event: read(event) is not True
    return lambda event: read(event) is True


# contains and match


def _predicate(call: Call, *, negated: bool) -> Test:
    subject, argument = call.arguments
    read = _reader(subject)
    if call.name == "contains":
        if isinstance(argument, Literal):
            return _contains(read, argument.value, negated=negated)
        return _contains_read(read, _reader(argument), negated=negated)
    assert isinstance(argument, Literal)
    fits = compile_glob(literal_text(argument.value))
    if negated:
        return lambda event: isinstance(value := read(event), str) and not fits(value)
    return lambda event: isinstance(value := read(event), str) and fits(value)


def _contains(read: Reader, part: str | float | bool | None, *, negated: bool) -> Test:
    text = literal_text(part)
    if negated:
        return lambda event: isinstance(value := read(event), str) and text not in value

    def contains(event: Event) -> bool:
        value = read(event)
        if isinstance(value, str):
            return text in value
        return isinstance(value, list) and _holds(value, part)

    return contains


def _contains_read(read: Reader, read_part: Reader, *, negated: bool) -> Test:
    def contains(event: Event) -> bool:
        value, part = read(event), read_part(event)
        if isinstance(value, str):
            return isinstance(part, str) and (part in value) is not negated
        return not negated and isinstance(value, list) and _holds(value, part)

    return contains


def _holds(items: list[Any], wanted: object) -> bool:
    for item in items:  # noqa: SIM110 - as above
        if same(item, wanted):
            return True
    return False


# Comparisons


def _comparison(node: Comparison) -> Test:
    left, right, sign = node.left, node.right, node.operator
    if isinstance(left, Literal):
        left, right, sign = right, left, _MIRRORED[sign]
    read = _reader(left)
    if sign in _ORDERINGS:
        return _ordering(read, _ORDERINGS[sign], right)
    if not isinstance(right, Literal):
        return _same_value(read, _reader(right), negated=sign == "!=")
    value = _as_compared(left, right.value)
    if sign == "=" and isinstance(value, str) and isinstance(left, Path) and len(left.keys) == 1:
        return _field_is(left.keys[0], value)
    return _differs(read, value) if sign == "!=" else _equals(read, value)


def _field_is(field: str, text: str) -> Test:
    """Test the commonest condition of all, `type = "track"`, in one call."""
    return lambda event: event.get(field) == text


def _as_compared(left: Operand, value: str | float | bool | None) -> str | float | bool | None:
    """Return a written value as the text that the left side's field can equal, if it is one."""
    if isinstance(left, Path) and len(left.keys) == 1 and value is not None:
        field = left.keys[0]
        if field in NAME_FIELDS or (field in TEXT_FIELDS and not isinstance(value, bool)):
            return literal_text(value)
    return value


def _equals(read: Reader, wanted: str | float | bool | None) -> Test:
    if isinstance(wanted, str):
        return lambda event: read(event) == wanted
    if wanted is None:
        return lambda event: (value := read(event)) is None or value is MISSING
    if isinstance(wanted, bool):
        return lambda event: read(event) is wanted
    return _number_test(read, operator.eq, wanted)


def _differs(read: Reader, wanted: str | float | bool | None) -> Test:
    if isinstance(wanted, str):
        return lambda event: read(event) != wanted
    if wanted is None:
        return lambda event: (value := read(event)) is not None and value is not MISSING
    if isinstance(wanted, bool):
        return lambda event: read(event) is not wanted
    return _number_test(read, operator.ne, wanted)


def _number_test(read: Reader, holds: NumberTest, bound: float) -> Test:
    def compare(event: Event) -> bool:
        value = read(event)
        if type(value) is float:
            return holds(value, bound)
        return type(value) is int and holds(double(value), bound)

    return compare


def _ordering(read: Reader, holds: NumberTest, right: Operand) -> Test:
    if isinstance(right, Literal):
        assert isinstance(right.value, float)
        return _number_test(read, holds, right.value)
    read_right = _reader(right)

    def compare(event: Event) -> bool:
        value, other = read(event), read_right(event)
        return is_number(value) and is_number(other) and holds(double(value), double(other))

    return compare


def _same_value(read: Reader, read_other: Reader, *, negated: bool) -> Test:
    return lambda event: same(read(event), read_other(event)) is not negated


def _membership(node: Membership) -> Test:
    read = _reader(node.item)
    container = node.container
    if isinstance(container, Path):
        read_list = _path(container.keys)
        return lambda event: (
            isinstance(items := read_list(event), list) and _holds(items, read(event))
        )
    values = [_as_compared(node.item, literal.value) for literal in container]
    texts = frozenset(value for value in values if isinstance(value, str))
    tests = [_equals(read, value) for value in values if not isinstance(value, str)]
    if texts:
        tests.insert(0, lambda event: isinstance(value := read(event), str) and value in texts)
    return tests[0] if len(tests) == 1 else _any(tests)
