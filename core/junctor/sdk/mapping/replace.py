"""Replacing literal text as JavaScript's `String.prototype.replace` does (`@replace`)."""

import re

from junctor.sdk.mapping.errors import check_growth

_SPECIAL = re.compile(r"\$([$&`'])")


def replace_text(
    text: str, pattern: str, replacement: str, *, ignore_case: bool, everywhere: bool
) -> str:
    """Replace `pattern` (literal, not empty) in `text`, once or everywhere.

    In the replacement `$$` is a dollar sign, `$&` the match, `` $` `` what is before it and `$'`
    what is after it (ECMA-262, 22.1.3.19.1); `$1` means itself, as there are no groups.
    """
    searched = _canonical(text) if ignore_case else text
    sought = _canonical(pattern) if ignore_case else pattern
    pieces: list[str] = []
    start = grown = 0
    while (found := searched.find(sought, start)) >= 0:
        end = found + len(pattern)
        inserted = _expand(replacement, text, found, end)
        grown += len(inserted)
        check_growth(grown)
        pieces += [text[start:found], inserted]
        start = end
        if not everywhere:
            break
    return "".join(pieces) + text[start:]


def _expand(replacement: str, text: str, start: int, end: int) -> str:
    if "$" not in replacement:
        return replacement
    meaning = {"$": "$", "&": text[start:end], "`": text[:start], "'": text[end:]}
    return _SPECIAL.sub(lambda special: meaning[special[1]], replacement)


def _canonical(text: str) -> str:
    """Fold case, one character to one, as a RegExp without the `u` flag does (22.2.2.7.3)."""
    return "".join(map(_canonical_char, text))


def _canonical_char(char: str) -> str:
    upper = char.upper()
    if len(upper) != 1 or char > "\uffff" or (upper < "\x80" <= char):
        return char
    return upper
