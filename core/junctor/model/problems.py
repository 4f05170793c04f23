"""What is wrong with a configuration, said for the person who wrote it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

TomlPath = tuple[str | int, ...]
"""Keys and list positions from the top of the file: ("routes", "big", "to", 0)."""

TELLING: Final = 4
"""Texts of the file from this length on are kept out of messages; any sentence has shorter ones."""
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to repair: where, what, and how.

    `path` is written as in TOML ("destinations.crm.settings.url", "routes.big.to[0]"), empty for
    the file as a whole; `line` counts from 1, in `file` if that is another one than the
    configuration itself. A value of the file is never repeated: it may be a secret in the wrong
    place.
    """

    path: str
    message: str
    hint: str | None = None
    line: int | None = None
    file: str | None = None

    @property
    def place(self) -> str:
        """File and line as far as they are known: "audiences.py line 3", "line 3", ""."""
        line = f"line {self.line}" if self.line else ""
        return f"{self.file} {line}".rstrip() if self.file else line

    def __str__(self) -> str:
        """Return the problem in one line."""
        line = self.place
        place = f"{self.path} ({line})" if self.path and line else self.path or line
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}; {self.hint}" if self.hint else text


class ConfigError(Exception):
    """The configuration can't be used; `problems` holds everything wrong with it.

    `warnings` are what was noticed besides.
    """

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        """Keep all `problems` and `warnings`, each in the order of the file."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)


class PluginError(Exception):
    """A plug-in can't be used; the message names plug-in, file and cause."""


def written(path: TomlPath) -> str:
    """Return `path` as TOML writes it: dots between keys, quotes where needed, [0] for items."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else '"' + part.replace('"', '\\"') + '"'
            text += f".{key}" if text else key
    return text


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` was probably meant to be, or None."""
    by_folded = {name.casefold().replace("-", "_"): name for name in known}
    folded = word.casefold().replace("-", "_")
    matches = get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def suggest(word: str, known: Iterable[str]) -> str | None:
    """Return 'did you mean "…"?' for a mistyped `word`; else what there is, when that is short."""
    names = sorted(known)
    if match := closest(word, names):
        return f'did you mean "{match}"?'
    if names and len(names) <= 12:
        return "there is " + ", ".join(f'"{name}"' for name in names)
    return None
