"""What Segment's action triggers would have read differently.

Segment has a second, smaller reader of the same notation, the one behind action triggers
(`@segment/destination-subscriptions` 3.37.0 on `@segment/fql-ts` 1.10.1). It silently drops or
regroups what it does not know. People bring expressions from there, so each such place is named.
An expression without differences gives the same answers in both, but for `contains` on a list.
"""

import re
from collections.abc import Iterator
from typing import Final

from lark import Token

from junctor.fql.builder import offset
from junctor.fql.compiler import NAME_FIELDS, TEXT_FIELDS
from junctor.fql.glob import is_prefix_or_suffix
from junctor.fql.syntax import (
    Call,
    Comparison,
    Condition,
    Literal,
    Membership,
    Operand,
    Path,
    Truth,
    leaves,
)
from junctor.fql.values import literal_text

Difference = tuple[int, str]
"""An offset in the expression and a sentence."""

_OBJECTS: Final = frozenset({"properties", "traits", "context"})
_SCALARS: Final = frozenset({"type", "event", "name", "userId"})
_WORDS: Final = frozenset({"PATH", "TRUE", "FALSE"})
_NEED_SPACE: Final = frozenset({"_AND", "_OR", "NULL", "TEXT"})
_ENDS: Final = frozenset(" \t\n,])")
_SAFE_INTEGER: Final = 2**53

_ESCAPED = re.compile(r"\\(.|\n)", re.DOTALL)
_ODD_KEY = re.compile(r"\.\s*(?:[0-9-]|(?:and|or|null)\s*(?:\.|$))")


def differences(text: str, condition: Condition, tokens: tuple[Token, ...]) -> tuple[str, ...]:
    """Return one sentence for each kind of difference, with the place where it first shows."""
    found = [*_in_structure(tokens), *_in_spelling(text, tokens), *_in_meaning(condition)]
    sentences: dict[str, int] = {}
    for at, sentence in sorted(found):
        sentences.setdefault(sentence, at)
    return tuple(f"{_place(text, at)}: {sentence}" for sentence, at in sentences.items())


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"line {line}, column {column}" if line > 1 else f"column {column}"


def _in_structure(tokens: tuple[Token, ...]) -> Iterator[Difference]:
    """Find groupings that the other reader loses: it knows one level and no precedence."""
    joined: list[set[str]] = [set()]
    calls: list[bool] = []
    for before, token, after in zip((None, *tokens[:-1]), tokens, (*tokens[1:], None), strict=True):
        at = offset(token)
        if token.type in ("_AND", "_OR"):
            joined[-1].add(token.type)
            if len(joined[-1]) > 1:
                yield (
                    at,
                    (
                        "`and` and `or` are mixed without parentheses; Segment's action triggers"
                        " let the last one rule all of them (here `and` binds tighter)"
                    ),
                )
        elif token.type == "LPAR":
            calls.append(before is not None and before.type == "FUNCTION")
            joined.append(set())
            if not calls[-1] and False in calls[:-1]:
                yield at, "Segment's action triggers know one level of parentheses only"
        elif token.type == "RPAR":
            joined.pop()
            inside_group = calls.pop() and False in calls
            if inside_group and after is not None and after.type != "RPAR":
                yield (
                    at,
                    (
                        "in Segment's action triggers the `)` of a function ends the parenthesis"
                        " around it; put the function last in the parenthesis"
                    ),
                )


def _in_spelling(text: str, tokens: tuple[Token, ...]) -> Iterator[Difference]:
    """Find what the other reader's lexer stumbles over."""
    end = 0
    for token in tokens:
        at = offset(token)
        if "\r" in text[end:at]:
            yield end, "a carriage return makes Segment's action triggers refuse all events"
        end = at + len(token)
        yield from _in_token(text, token, at, text[end : end + 1])


def _in_token(text: str, token: Token, at: int, following: str) -> Iterator[Difference]:
    kind = token.type
    if kind == "NOT":
        yield at, "Segment's action triggers do not know `not`"
    elif kind == "BANG" and not re.match(r"[A-Za-z(]", following):
        yield at, "Segment's action triggers want no space after `!`"
    elif kind == "BANG" and following == "(":
        yield at, "Segment's action triggers ignore `!` before a parenthesis"
    elif kind == "TEXT" and token.startswith("'"):
        yield at, "Segment's action triggers keep single quotes as part of the text"
    elif kind == "PATH":
        yield from _in_path(token, at)
    spaced = kind in _NEED_SPACE or (kind == "COMPARATOR" and len(token) == 2)
    if following and (
        (spaced and following not in _ENDS)
        or (kind in _WORDS and following not in _ENDS and following not in "(=!")
    ):
        yield at, f"Segment's action triggers want a space after `{token}`"


def _in_path(token: Token, at: int) -> Iterator[Difference]:
    plain = _ESCAPED.sub("_", token)
    if "[" in plain:
        yield at, "Segment's action triggers do not know list items in brackets"
    if _ODD_KEY.search(plain) or not plain.isascii():
        yield (
            at,
            (
                f"Segment's action triggers cannot read `{token}`: names there are ASCII,"
                " start with a letter or `_` and are none of and, or, null"
            ),
        )
    if re.search(r"\\[.\[\]]", token):
        yield at, "Segment's action triggers take an escaped `.`, `[` or `]` for a separator"


def _in_meaning(condition: Condition) -> Iterator[Difference]:
    """Find conditions that the other reader drops or decides by other rules."""
    for leaf in leaves(condition):
        if isinstance(leaf, Comparison):
            yield from _in_comparison(leaf)
        elif isinstance(leaf, Truth):
            yield from _in_truth(leaf)
        else:
            yield from _in_membership(leaf)


def _in_comparison(node: Comparison) -> Iterator[Difference]:
    left, right = node.left, node.right
    if not isinstance(left, Path) or not isinstance(right, Literal):
        yield left.at, "Segment's action triggers compare only a field with a written value"
        return
    yield from _in_field(left, _SCALARS)
    field = left.keys[0] if len(left.keys) == 1 else ""
    if isinstance(right.value, bool) and node.operator == "!=" and field not in NAME_FIELDS:
        yield left.at, 'Segment\'s action triggers compare with the text "true" or "false" here'
    if right.value is None and field in ("event", "type"):
        yield left.at, f'Segment\'s action triggers compare {field} with the text "null"'
    if node.operator in ("=", "!="):
        yield from _in_text_number(left, right)


def _in_text_number(path: Path, literal: Literal) -> Iterator[Difference]:
    value = literal.value
    if (
        len(path.keys) == 1
        and path.keys[0] in TEXT_FIELDS
        and isinstance(value, float)
        and abs(value) > _SAFE_INTEGER
    ):
        yield (
            literal.at,
            (
                f"{path.keys[0]} is compared with the text {literal_text(value)}, all that a double"
                " keeps of this number; quote the digits"
            ),
        )


def _in_membership(node: Membership) -> Iterator[Difference]:
    yield node.item.at, "Segment's action triggers do not know `in`"
    if isinstance(node.item, Path) and isinstance(node.container, tuple):
        for literal in node.container:
            yield from _in_text_number(node.item, literal)


def _in_truth(node: Truth) -> Iterator[Difference]:
    operand: Operand = node.operand
    if isinstance(operand, Literal):
        yield operand.at, "Segment's action triggers drop a lone true or false"
    elif isinstance(operand, Path):
        yield operand.at, "Segment's action triggers want `= true` after a boolean field"
    else:
        yield from _in_call(operand)


def _in_call(call: Call) -> Iterator[Difference]:
    if call.name not in ("contains", "match"):
        yield call.at, f"Segment's action triggers do not know {call.name}()"
        return
    subject, argument = call.arguments
    if not isinstance(subject, Path) or not isinstance(argument, Literal):
        yield (
            call.at,
            (f"Segment's action triggers want a field and a written text in {call.name}()"),
        )
        return
    yield from _in_field(subject, _SCALARS - {"type"}, f" in {call.name}()")
    if call.name == "match" and not is_prefix_or_suffix(str(argument.value)):
        yield argument.at, ('Segment\'s action triggers know the patterns "start*" and "*end" only')


def _in_field(path: Path, scalars: frozenset[str], place: str = "") -> Iterator[Difference]:
    known = path.keys[0] in _OBJECTS if len(path.keys) > 1 else path.keys[0] in scalars
    if not known:
        shown = ".".join(path.keys)
        yield path.at, f"Segment's action triggers drop a condition on `{shown}`{place}"
