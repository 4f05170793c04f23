"""What the grammar lets pass but nobody can have meant; each refusal says what to write."""

import difflib
from typing import Final, TypeGuard

from junctor.fql.errors import Refusal
from junctor.fql.functions import FUNCTIONS, TYPE_NAMES, Kind
from junctor.fql.glob import compile_glob
from junctor.fql.syntax import Call, Comparison, Literal, Membership, Operand, Path

OBJECT_FIELDS: Final = frozenset({"properties", "traits", "context", "profile", "audiences"})
"""Top-level fields whose paths may stand on the right, where other words want quotes."""

_ORDER: Final = frozenset({"<", "<=", ">", ">="})


def kind_of(operand: Operand) -> Kind:
    """Tell what is known of an operand before any event."""
    if isinstance(operand, Path):
        return Kind.ANY
    if isinstance(operand, Call):
        return FUNCTIONS[operand.name].answers
    if operand.value is None:
        return Kind.NULL
    if isinstance(operand.value, bool):
        return Kind.BOOLEAN
    return Kind.TEXT if isinstance(operand.value, str) else Kind.NUMBER


def truth(operand: Operand) -> Operand:
    """Return an operand that may stand alone as a condition."""
    kind = kind_of(operand)
    if kind not in (Kind.ANY, Kind.BOOLEAN):
        what = f"{operand.name}() gives {kind}" if isinstance(operand, Call) else f"this is {kind}"
        raise Refusal(operand.at, f"{what}, which is no condition", "compare it with something")
    return operand


def comparison(node: Comparison, at: int) -> Comparison:
    """Return a comparison that can be true and false; `at` is the place of its operator."""
    _refuse_written(node.left, node.right)
    if isinstance(node.left, Literal) and _is_word(node.right):
        hint = "write the field first, then the operator, then the value"
        raise Refusal(node.right.at, "a word without quotes stands on the right", hint)
    _refuse_word(node.right)
    if node.operator in _ORDER:
        for side in (node.left, node.right):
            if kind_of(side) not in (Kind.ANY, Kind.NUMBER):
                message = f"`{node.operator}` compares numbers, and this is {kind_of(side)}"
                hint = "use a number without quotes; number(path) reads one from text"
                raise Refusal(side.at, message, hint)
    else:
        _refuse_never_equal(node.left, node.right, at)
    return node


def membership(item: Operand, container: Path | tuple[Literal | Path, ...], at: int) -> Membership:
    """Return a membership whose written list holds values only."""
    if isinstance(container, Path):
        return Membership(item, container)
    if not container:
        raise Refusal(at, "the list is empty, so nothing is in it", "write its values")
    literals: list[Literal] = []
    for entry in container:
        if isinstance(entry, Path):
            raise _word(entry)
        _refuse_written(item, entry)
        _refuse_never_equal(item, entry, entry.at)
        literals.append(entry)
    return Membership(item, tuple(literals))


def call(node: Call) -> Call:
    """Return a call of a known function with arguments that fit."""
    function = FUNCTIONS.get(node.name)
    if function is None:
        raise Refusal(node.at, f"there is no function `{node.name}`", _similar(node.name))
    if len(node.arguments) != len(function.takes):
        count = len(function.takes)
        message = f"{node.name}() takes {count} argument{'s' if count > 1 else ''}"
        example = "(path, " + ('"part*")' if node.name == "match" else '"part")')
        hint = node.name + (example if count > 1 else "(path)")
        raise Refusal(node.at, message, f"write {hint}")
    for argument, kind in zip(node.arguments, function.takes, strict=True):
        if kind is Kind.TEXT and kind_of(argument) not in (Kind.TEXT, Kind.NULL, Kind.ANY):
            message = f"{node.name}() takes text, and this is {kind_of(argument)}"
            raise Refusal(argument.at, message, "string(…) makes text of it")
    if node.name == "match":
        _check_pattern(node.arguments[1])
    for argument in node.arguments[1:]:
        _refuse_word(argument)
    return node


def _check_pattern(pattern: Operand) -> None:
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        hint = 'the path comes first: match(path, "start*")'
        raise Refusal(pattern.at, "the pattern of match() is a text in quotes", hint)
    try:
        compile_glob(pattern.value)
    except Refusal as refusal:
        at = pattern.at + 1 + refusal.at
        raise Refusal(at, refusal.message, refusal.hint) from None


def _refuse_written(left: Operand, right: Operand) -> None:
    if isinstance(left, Literal) and isinstance(right, Literal):
        hint = "a field of the event stands without quotes"
        raise Refusal(left.at, "both sides are written values", hint)


def _is_word(operand: Operand) -> TypeGuard[Path]:
    """Tell whether an operand that stands on the right looks like text without its quotes."""
    return isinstance(operand, Path) and (
        len(operand.keys) == 1 or operand.keys[0] not in OBJECT_FIELDS
    )


def _refuse_word(operand: Operand) -> None:
    if _is_word(operand):
        raise _word(operand)


def _word(path: Path) -> Refusal:
    word = ".".join(path.keys)
    return Refusal(path.at, f"`{word}` is a word without quotes", f'quote it: "{word}"')


def _refuse_never_equal(left: Operand, right: Operand, at: int) -> None:
    for function, other in ((left, right), (right, left)):
        if not isinstance(function, Call):
            continue
        gives, wanted = kind_of(function), kind_of(other)
        if wanted not in (gives, Kind.ANY, Kind.NULL):
            message = f"{function.name}() gives {gives} and never equals {wanted}"
            raise Refusal(at, message, "compare values of one kind")
        if function.name == "typeof" and isinstance(other, Literal):
            _check_type_name(other)


def _check_type_name(literal: Literal) -> None:
    if literal.value not in TYPE_NAMES:
        names = ", ".join(TYPE_NAMES)
        raise Refusal(literal.at, "typeof() never answers that", f"it answers {names}")


def _similar(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), FUNCTIONS, n=1)
    return f"did you mean {near[0]}()?" if near else f"functions are {', '.join(FUNCTIONS)}"
