"""From text to syntax tree, or to a refusal that says what to write instead."""

import re
from typing import Final, NoReturn, cast

from lark import Lark, Token, UnexpectedCharacters, UnexpectedToken

from junctor.fql import syntax
from junctor.fql.builder import TreeBuilder, offset
from junctor.fql.errors import FqlError, Refusal

MAX_CHARACTERS: Final = 50_000
"""Longest expression, in characters."""

MAX_NESTING: Final = 100
"""Most parentheses open at once; bounds the depth of the tree and of its evaluation."""

_OPENING: Final = frozenset({"LPAR", "LSQB"})
_CLOSING: Final = frozenset({"RPAR", "RSQB"})
_WORDS: Final = frozenset({"and", "or", "not", "in", "true", "false", "null"})

_LARK: Final = Lark.open(
    "grammar.lark",
    rel_to=__file__,
    parser="lalr",
    lexer="basic",
    maybe_placeholders=False,
    # Nodes are built as the parser goes, so that no depth of text costs depth of stack.
    transformer=TreeBuilder(),
)


def parse(text: str) -> tuple[syntax.Condition, tuple[Token, ...]]:
    """Parse an expression into its tree and the tokens it was read from.

    Raises:
        FqlError: the text is no expression, or says something that could never be meant.
    """
    if len(text) > MAX_CHARACTERS:
        raise FqlError(text, 0, f"the expression is longer than {MAX_CHARACTERS:,} characters")
    if not text.strip():
        raise FqlError(text, 0, "the expression is empty", 'write a condition: type = "track"')
    try:
        tokens = tuple(_LARK.lex(text))
        _check_words(text, tokens)
        _check_nesting(text, tokens)
        condition = cast(syntax.Condition, _LARK.parse(text))
    except UnexpectedCharacters as error:
        _refuse_characters(text, error.pos_in_stream or 0)
    except UnexpectedToken as error:
        _refuse_token(text, error.token, tokens)
    except Refusal as error:
        raise FqlError(text, error.at, error.message, error.hint) from None
    return condition, tokens


def _check_words(text: str, tokens: tuple[Token, ...]) -> None:
    for token in tokens:
        word = token.lower()
        if token.type in ("PATH", "FUNCTION") and word in _WORDS:
            hint = f"write `{word}` in lower case"
            raise FqlError(text, offset(token), f"`{token}` is no word of the language", hint)


def _check_nesting(text: str, tokens: tuple[Token, ...]) -> None:
    depth = 0
    for token in tokens:
        depth += (token.type in _OPENING) - (token.type in _CLOSING)
        if depth > MAX_NESTING:
            message = f"more than {MAX_NESTING} parentheses are open here"
            raise FqlError(text, offset(token), message, "split the expression")


_MISTAKES: Final = tuple(
    (re.compile(pattern), message, hint)
    for pattern, message, hint in (
        (r"&&?", "`{}` is no word of the language", "write `and`"),
        (r"\|\|?", "`{}` is no word of the language", "write `or`"),
        (r"===?", "`{}` is no operator", "write `=`"),
        (r"!==|<>", "`{}` is no operator", "write `!=`"),
        (r"=<", "`{}` is no operator", "write `<=`"),
        (r"=>", "`{}` is no operator", "write `>=`"),
        (r"[=<>!]{2,}", "`{}` is no operator", "operators are = != < <= > >="),
        (r"[\"']", "the text that starts here never ends", "a text ends at the next {0}"),
        (r"[“”„‘’«»]", "`{}` is a typographic quote", "write \" or '"),
        (
            r"[+-]?[0-9][\w.\\:/+-]*",
            "`{}` is neither a number nor text",
            "numbers are digits with a sign and a fraction; quote anything else",
        ),
        (r"\.", "a name must stand on both sides of the dot", ""),
        (r"\\", "a backslash must be followed by a character of the name", ""),
    )
)


def _refuse_characters(text: str, at: int) -> NoReturn:
    for pattern, message, hint in _MISTAKES:
        if found := pattern.match(text, at):
            raise FqlError(text, at, message.format(found[0]), hint.format(found[0])) from None
    char = text[at]
    shown = f"`{char}`" if char.isprintable() else f"the character U+{ord(char):04X}"
    hint = "outside names and quotes only the language's own signs may stand"
    raise FqlError(text, at, f"{shown} has no meaning here", hint) from None


def _refuse_token(text: str, token: Token, tokens: tuple[Token, ...]) -> NoReturn:
    if token.type == "$END":
        end = len(text.rstrip())
        raise FqlError(text, end, "the expression ends too early", _missing(tokens)) from None
    at = offset(token)
    before = next((other for other in reversed(tokens) if offset(other) < at), None)
    hint = _hint(token, before, [other for other in tokens if offset(other) < at])
    raise FqlError(text, at, f"`{token}` cannot stand here", hint) from None


def _missing(tokens: tuple[Token, ...]) -> str:
    """Say what an expression lacks that ends too early."""
    if tokens[-1].type in ("COMPARATOR", "IN", "COMMA"):
        return "a value is missing"
    if tokens[-1].type in ("_AND", "_OR", "BANG", "NOT", "LPAR"):
        return "a condition is missing"
    return "a `)` or `]` is missing"


def _hint(token: Token, before: Token | None, earlier: list[Token]) -> str:
    """Guess what was meant by a token that does not fit after `before`."""
    kind = before.type if before else ""
    if token.type == "NOT" and kind == "PATH":
        return 'write !(path in ["a", "b"])'
    if token.type == "LSQB":
        return 'lists follow `in`: path in ["a", "b"]; items of a list are items[0] or items.0'
    if token.type == "LPAR" and kind == "IN":
        return 'a list stands in brackets: path in ["a", "b"]'
    if token.type == "RPAR" and kind in ("", "LPAR", "COMPARATOR", "_AND", "_OR"):
        return "a condition is missing before it"
    if token.type == "RPAR":
        return "there is no `(` for it"
    if token.type in ("BANG", "NOT") and kind in ("BANG", "NOT"):
        return "write !( … ) to negate a negation"
    if token.type in ("COMPARATOR", "IN") and _follows_negation(earlier):
        return "to negate a comparison write !( … )"
    if token.type in ("COMPARATOR", "IN") and kind == "RPAR":
        return "a parenthesis is true or false; it cannot be compared"
    if token.type in ("COMPARATOR", "IN", "_AND", "_OR") and kind in ("", "_AND", "_OR", "LPAR"):
        return "a field must stand before it"
    if token.type in ("TRUE", "FALSE", "TEXT", "NUMBER", "NULL") and kind in ("BANG", "NOT"):
        return "`!` negates a parenthesis, a function or a field"
    if kind in ("PATH", "TEXT", "NUMBER") and token.type in ("PATH", "TEXT", "NUMBER"):
        return "an operator (= != < <= > >= in and or) must stand between, and text in quotes"
    return "join conditions by `and` or `or`"


def _follows_negation(earlier: list[Token]) -> bool:
    return len(earlier) > 1 and earlier[-2].type in ("BANG", "NOT")
