"""What is probably meant where a text is no TOML."""

import re
from typing import Final

POSITION: Final = re.compile(r" \(at line (\d+), column (\d+)\)$")
"""How tomllib ends the message of an error."""
_BROKEN_TABLE: Final = (
    "a table in braces stands on one line; break lines between such tables of a list,"
    " or write each as [[audiences.NAME.all]] with a key a line"
)
_TOKENS: Final = re.compile(
    r'"""(?:\\.|.)*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}]',
    re.DOTALL,
)


def hint_for(text: str, error: ValueError) -> str | None:
    """Return what tomllib's error on `text` probably comes from, None if that is not known.

    That is a table in braces whose lines were broken: the line ends inside of it.
    """
    if (found := POSITION.search(str(error))) is None:
        return None
    lines = text.replace("\r\n", "\n").split("\n")
    line, column = int(found[1]), int(found[2])
    rest = lines[line - 1][column - 1 :].lstrip()
    if rest and not rest.startswith("#"):
        return None
    before = "\n".join([*lines[: line - 1], lines[line - 1][: column - 1]])
    return _BROKEN_TABLE if _innermost(before) == "{" else None


def told(text: str, error: ValueError) -> str:
    """Return tomllib's error with the hint there is."""
    hint = hint_for(text, error)
    return f"{error}; {hint}" if hint else str(error)


def _innermost(text: str) -> str:
    """Return the bracket that is open at the end of `text` and was opened last, "" if none is."""
    opened = [""]
    for token in _TOKENS.findall(text):
        if token in "[{":
            opened.append(token)
        elif token in "]}" and len(opened) > 1:
            opened.pop()
    return opened[-1]
