"""Reading comparisons: what `is`, `count` and the values of `where` say, as written in TOML."""

import math
import re
from collections.abc import Container, Mapping
from datetime import date, time
from types import MappingProxyType
from typing import Any, Final, cast

from junctor.audiences.comparison import (
    AllOf,
    AnyOf,
    Between,
    Compare,
    Comparison,
    Exists,
    Glob,
    Has,
    Operator,
    Reference,
    Regex,
    Scalar,
)
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.regex import RegexError, compile_regex
from junctor.fql.values import is_number
from junctor.model.problems import suggest

OPERATORS: Final = ("eq", "ne", "gt", "gte", "lt", "lte", "re", "has", "exists")
"""Keys of a table that compares."""

_COMPARISON: Final[Mapping[str, Operator]] = MappingProxyType(
    {"!=": "ne", ">=": "gte", "<=": "lte", "==": "eq", ">": "gt", "<": "lt", "=": "eq"}
)
_NUMBER: Final = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_IS_NUMBER: Final = re.compile(_NUMBER)
_RANGE: Final = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_HALF_RANGE: Final = re.compile(rf"{_NUMBER}\.\.|\.\.{_NUMBER}")
_REFERENCE: Final = re.compile(r"\$([A-Za-z_]\w*)\.(\S+)")
_CONSTANTS: Final = MappingProxyType({"true": True, "false": False})
_LARGEST: Final = 2**63
"""Whole numbers beyond are not stored."""


def parse_comparison(raw: Any, steps: Container[str] = ()) -> Comparison:
    """Return the comparison that `raw`, a value of TOML, says.

    `steps` are the names of the steps that a reference may name.

    Raises:
        Refusal: it says none, or one that could never be meant.
    """
    if isinstance(raw, list):
        return _any_of(raw, steps)
    if isinstance(raw, dict):
        return _all_of(raw)
    if isinstance(raw, str):
        return _text(raw, steps)
    return Compare("eq", _scalar(raw))


def _any_of(raw: list[Any], steps: Container[str]) -> AnyOf:
    if not raw:
        raise Refusal("is empty: no value would fit", "list the values that fit")
    items: list[Comparison] = []
    for position, item in enumerate(raw):
        if isinstance(item, list):
            raise Refusal("is a list inside a list", "put all into one", (position,))
        try:
            comparison = parse_comparison(item, steps)
        except Refusal as error:
            place = (position, *error.place)
            raise Refusal(error.message, error.hint, place) from None
        if isinstance(comparison, Reference):
            hint = "let it stand alone, without brackets"
            raise Refusal("a list can't refer to a step", hint, (position,))
        if comparison not in items:
            items.append(comparison)
    if sum(isinstance(item, Compare) and item.op == "ne" for item in items) > 1:
        raise Refusal(
            "a list is any-of: with several `!=` every value fits",
            "to leave several out write none = [ … ] around the condition",
        )
    return AnyOf(tuple(items))


def _all_of(raw: Mapping[str, Any]) -> Comparison:
    if not raw:
        raise Refusal("is empty", "write for example { gte = 1, lt = 5 }")
    for key in raw:
        if key not in OPERATORS:
            hint = suggest(key, OPERATORS)
            raise Refusal("is no comparison", hint, (key,))
    items = []
    for key in OPERATORS:
        if key not in raw:
            continue
        try:
            items.append(_operator(key, raw[key]))
        except Refusal as error:
            raise Refusal(error.message, error.hint, (key, *error.place)) from None
    if _contradict(items):
        raise Refusal("can never be met", "the lower bound must be below the upper one")
    return items[0] if len(items) == 1 else AllOf(tuple(items))


def _operator(key: str, operand: Any) -> Comparison:
    if key == "re":
        return _regex(operand)
    if key == "exists":
        if not isinstance(operand, bool):
            raise Refusal("must be true or false")
        return Exists(operand)
    if key == "has":
        return Has(_scalar(operand))
    value = _scalar(operand)
    if key not in ("eq", "ne") and isinstance(value, bool):
        raise Refusal("true and false have no order", "write a number or a text")
    return Compare(cast(Operator, key), value)


def _regex(pattern: Any) -> Regex:
    if not isinstance(pattern, str):
        raise Refusal("must be a regular expression, as text")
    try:
        compile_regex(pattern)
    except RegexError as error:
        where = "" if error.position is None else f" (at character {error.position})"
        message = f"is no regular expression{where}: {error.reason}"
        raise Refusal(message, error.mend) from None
    return Regex(pattern)


def _contradict(items: list[Comparison]) -> bool:
    """Whether bounds that are numbers leave nothing between them."""
    low, high, strict = -math.inf, math.inf, False
    for item in items:
        if isinstance(item, Compare) and is_number(item.operand):
            if item.op in ("gt", "gte", "eq"):
                low = max(low, item.operand)
            if item.op in ("lt", "lte", "eq"):
                high = min(high, item.operand)
            strict = strict or item.op in ("gt", "lt")
    return low > high or (low == high and strict)


def _text(raw: str, steps: Container[str]) -> Comparison:
    op: Operator = "eq"
    written = raw
    sign = next((sign for sign in _COMPARISON if raw.startswith(sign)), "")
    if sign:
        op, written = _COMPARISON[sign], raw.removeprefix(sign).strip()
        if not written:
            hint = 'write it before the value: ">=3"; { eq = "…" } is the text itself'
            raise Refusal("has nothing to compare with", hint)
    if reference := _REFERENCE.fullmatch(written):
        if reference[1] not in steps:
            hint = 'give the earlier step as = "…"; { eq = "…" } is the text itself'
            raise Refusal("refers to no earlier step", hint)
        return Reference(op, reference[1], reference[2])
    if not sign:
        return _plain(raw)
    if "*" in written and op in ("eq", "ne"):
        hint = f'{{ {op} = "…" }} compares with the `*` itself; a pattern stands without `{sign}`'
        raise Refusal(f"`*` is no pattern behind `{sign}`", hint)
    if op in ("eq", "ne") and written in _CONSTANTS:
        return Compare(op, _CONSTANTS[written])
    return Compare(op, _number(written) if _IS_NUMBER.fullmatch(written) else written)


def _plain(raw: str) -> Comparison:
    if match := _RANGE.fullmatch(raw):
        low, high = _number(match[1]), _number(match[2])
        if low > high:
            raise Refusal("is an empty range", "write the lower end first")
        return Between(low, high)
    if _HALF_RANGE.fullmatch(raw):
        raise Refusal("is a range with one end", 'write ">=3" or "<=5"')
    return Glob(re.sub(r"\*+", "*", raw)) if "*" in raw else Compare("eq", raw)


def _number(text: str) -> int | float:
    try:
        number: int | float = int(text)
    except ValueError:
        number = float(text)
    return _finite(number)


def _finite(number: int | float) -> int | float:
    """Return the number, one that is whole without a point: 3.0 is 3."""
    if not -_LARGEST < number < _LARGEST:  # not a number is refused here, too
        raise Refusal("is no number that can be compared", "use a smaller one")
    return int(number) if number == int(number) else number


def _scalar(raw: Any) -> Scalar:
    if isinstance(raw, str | bool):
        return raw
    if is_number(raw):
        return _finite(raw)
    hint = 'write "2026-11-25"' if isinstance(raw, date | time) else None
    raise Refusal("must be a text, a number, true or false", hint)
