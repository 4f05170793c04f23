r"""The patterns of `match`: `*`, `?`, `[a-z]`, `[^a-z]` and `\x`, over the whole text.

A pattern is cut at its stars into pieces of fixed length. Each piece is looked for once, leftmost
first, so a test takes time proportional to text times pattern whatever a client sends.
"""

import re
from collections.abc import Callable

from junctor.fql.errors import Refusal

TextTest = Callable[[str], bool]

_ANY_CHARACTER = "."


class _Piece:
    """What stands between two stars: `literal` text, or a regular expression of fixed length."""

    def __init__(self) -> None:
        self.length = 0
        self.literal: str | None = ""
        self.regex = ""

    def add(self, literal: str) -> None:
        self.length += 1
        self.regex += re.escape(literal)
        if self.literal is not None:
            self.literal += literal

    def add_wildcard(self, regex: str) -> None:
        self.length += 1
        self.regex += regex
        self.literal = None


def compile_glob(pattern: str) -> TextTest:
    """Return the test of a pattern.

    Raises:
        Refusal: at an offset of the pattern: a class without an end, an empty or reversed range,
            a lone backslash.
    """
    pieces = _split(pattern)
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return _whole(first)
    if len(pieces) == 2:
        if first.literal is not None and not last.length:
            return _starts_with(first.literal)
        if last.literal is not None and not first.length:
            return _ends_with(last.literal)
    return _with_stars(first, pieces[1:-1], last)


def is_prefix_or_suffix(pattern: str) -> bool:
    """Tell whether a pattern is plain text with one star, at its end or its start."""
    return (
        pattern.count("*") == 1
        and (pattern.startswith("*") or pattern.endswith("*"))
        and not set(pattern) & set("?[\\")
    )


def _whole(piece: _Piece) -> TextTest:
    if piece.literal is not None:
        return piece.literal.__eq__
    full = re.compile(piece.regex, re.DOTALL).fullmatch
    return lambda text: full(text) is not None


def _starts_with(prefix: str) -> TextTest:
    return lambda text: text.startswith(prefix)


def _ends_with(suffix: str) -> TextTest:
    return lambda text: text.endswith(suffix)


def _with_stars(first: _Piece, middle: list[_Piece], last: _Piece) -> TextTest:
    starts = re.compile(first.regex, re.DOTALL).match
    ends = re.compile(last.regex, re.DOTALL).match
    searches = [re.compile(piece.regex, re.DOTALL).search for piece in middle if piece.length]
    shortest = first.length + last.length

    def test(text: str) -> bool:
        end = len(text) - last.length
        if len(text) < shortest or not starts(text) or not ends(text, end):
            return False
        position = first.length
        for search in searches:
            found = search(text, position, end)
            if found is None:
                return False
            position = found.end()
        return True

    return test


def _split(pattern: str) -> list[_Piece]:
    pieces = [_Piece()]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        piece = pieces[-1]
        if char == "*":
            pieces.append(_Piece())
            at += 1
        elif char == "?":
            piece.add_wildcard(_ANY_CHARACTER)
            at += 1
        elif char == "[":
            regex, at = _read_class(pattern, at)
            piece.add_wildcard(regex)
        else:
            literal, at = _read_character(pattern, at)
            piece.add(literal)
    return pieces


def _read_character(pattern: str, at: int) -> tuple[str, int]:
    """Read one character, escaped or not; answer it and the offset after it."""
    if pattern[at] != "\\":
        return pattern[at], at + 1
    if at + 1 == len(pattern):
        raise Refusal(at, "the pattern ends in a backslash", r"write `\\` for a backslash")
    return pattern[at + 1], at + 2


def _read_class(pattern: str, start: int) -> tuple[str, int]:
    """Read `[…]` into a regular expression; answer it and the offset after the bracket."""
    at = start + 1
    if pattern[at : at + 1] == "!":
        raise Refusal(at, "a class is negated with `^`", r"write `[^…]`, or `[\!…]` for a `!`")
    negation = "^" if pattern[at : at + 1] == "^" else ""
    at += len(negation)
    ranges: list[str] = []
    while pattern[at : at + 1] != "]" or not ranges:
        low, at = _read_bound(pattern, at, start)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _read_bound(pattern, at + 1, start)
        if low > high:
            raise Refusal(start, f"the range {low}-{high} is empty", f"write {high}-{low}")
        ranges.append(f"{_class_character(low)}-{_class_character(high)}")
    return f"[{negation}{''.join(ranges)}]", at + 1


def _read_bound(pattern: str, at: int, start: int) -> tuple[str, int]:
    if at == len(pattern):
        raise Refusal(start, "the class has no `]`", r"write `\[` for a plain bracket")
    if pattern[at] in "-]":
        char = pattern[at]
        raise Refusal(at, f"`{char}` stands where a character is due", f"write `\\{char}`")
    return _read_character(pattern, at)


def _class_character(char: str) -> str:
    return f"\\{char}" if char in "\\]^-[&~|" else char
