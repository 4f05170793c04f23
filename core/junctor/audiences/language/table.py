"""A table of the file while it is read: its keys are taken one by one, what is wrong is noted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from junctor.audiences.comparison import Comparison
from junctor.audiences.language.comparisons import parse_comparison
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.language.times import parse_length, parse_time
from junctor.audiences.nodes import Length
from junctor.fql.values import is_number
from junctor.model.problems import Problem, TomlPath, closest, suggest, written

UNKNOWN_KEY: Final = "unknown key"
_DEEPEST: Final = 200
"""Longest path of a table; TOML can hardly be deeper."""
Value = TypeVar("Value")


class Mention(NamedTuple):
    """A definition (`owner`, a section and a name) names another one at `path`.

    `values` are the texts that the other one's value is compared with.
    """

    owner: tuple[str, str]
    section: str
    name: str
    path: TomlPath
    values: tuple[str, ...] = ()


@dataclass(slots=True)
class Notes:
    """What comes to light while a file is read; `owner` is the definition being read."""

    problems: list[Problem] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    owner: tuple[str, str] = ("", "")

    def complain(self, path: TomlPath, message: str, hint: str | None = None) -> None:
        """Note a problem."""
        self.problems.append(Problem(written(path), message, hint))

    def mention(self, section: str, name: str, path: TomlPath, values: Iterable[str] = ()) -> None:
        """Note that the definition being read names another one."""
        self.mentions.append(Mention(self.owner, section, name, path, tuple(values)))


class Table:
    """One table. What its methods return in place of something faulty is of no use: see `notes`."""

    def __init__(self, raw: Mapping[str, Any], path: TomlPath, notes: Notes) -> None:
        """Read `raw`, which stands at `path`."""
        self.raw = raw
        self.path = path
        self.notes = notes
        self._known: dict[str, None] = {}

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self.raw

    def at(self, *below: str | int) -> TomlPath:
        """Return the path of something in this table."""
        return (*self.path, *below)

    def complain(self, key: str | None, message: str, hint: str | None = None) -> None:
        """Note a problem of a key, None for the table itself."""
        self.notes.complain(self.path if key is None else self.at(key), message, hint)

    def know(self, *keys: str) -> None:
        """Say that keys may be here."""
        self._known.update(dict.fromkeys(keys))

    def close(self, elsewhere: Mapping[str, str] | None = None) -> None:
        """Complain of keys that nobody asked for; `elsewhere` says of a key where it belongs."""
        for key in self.raw:
            if key in self._known:
                continue
            hint = (elsewhere or {}).get(key) or suggest(key, self._known)
            self.complain(key, UNKNOWN_KEY, hint)

    def value(self, key: str, parse: Callable[[Any], Value]) -> Value | None:
        """Return what `parse` makes of a key; None if it is not there or refused."""
        self.know(key)
        if key not in self.raw:
            return None
        try:
            return parse(self.raw[key])
        except Refusal as error:
            self.notes.complain(self.at(key, *error.place), error.message, error.hint)
            return None

    def require(self, key: str, hint: str) -> bool:
        """Whether the key is there; complain if it is not."""
        if key not in self.raw:
            self.complain(key, "is required", hint)
        return key in self.raw

    def refuse(self, keys: Iterable[str], message: str, hint: str | None = None) -> None:
        """Complain of each of these keys that is there."""
        for key in keys:
            if key in self.raw:
                self._known[key] = None
                self.complain(key, message, hint)

    def text(self, key: str, default: str = "") -> str:
        """Return a text."""
        found = self.value(key, _text)
        return default if found is None else found

    def filled(self, key: str) -> str:
        """Return a text that must be there, and not empty; "" if it is faulty."""
        if not self.require(key, "give it a name"):
            self.know(key)
            return ""
        found = self.text(key)
        if not found and isinstance(self.raw[key], str):
            self.complain(key, "must not be empty")
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        """Return true or false."""
        found = self.value(key, _flag)
        return default if found is None else found

    def number(self, key: str) -> float | None:
        """Return a number."""
        return self.value(key, number)

    def choice(self, key: str, choices: Iterable[str]) -> str | None:
        """Return one of `choices`."""
        names = tuple(choices)
        return self.value(key, lambda raw: _choice(raw, names))

    def texts(self, key: str, example: str) -> tuple[str, ...]:
        """Return a list of texts that are not empty; `example` is one as written."""
        return self.value(key, lambda raw: _texts(raw, example)) or ()

    def duration(self, key: str, *, least: int = 1) -> int | None:
        """Return a duration of at least so many milliseconds."""
        found = self.value(key, parse_time)
        if found is not None and found < least:
            self.complain(key, "must be longer than nothing", "leave it out")
            return None
        return found

    def length(self, key: str) -> Length | None:
        """Return how long something lasts."""
        return self.value(key, parse_length)

    def comparison(self, key: str) -> Comparison | None:
        """Return a comparison."""
        return self.value(key, parse_comparison)

    def table(self, key: str, example: str) -> "Table | None":
        """Return the table of a key; `example` is one as written."""
        self.know(key)
        if key not in self.raw:
            return None
        return self._inner(self.raw[key], self.at(key), example)

    def tables(self, key: str, example: str) -> "list[Table]":
        """Return a list of tables, of which there must be one; `example` is one as written."""
        self.know(key)
        raw = self.raw.get(key)
        if not isinstance(raw, list):
            self.complain(key, "must be a list of tables", f"write [{example}]")
            return []
        if not raw:
            self.complain(key, "must not be empty", f"write [{example}]")
        inner = [self._inner(one, self.at(key, place), example) for place, one in enumerate(raw)]
        return [table for table in inner if table is not None]

    def _inner(self, raw: Any, path: TomlPath, example: str) -> "Table | None":
        if not isinstance(raw, dict):
            self.notes.complain(path, "must be a table", f"write {example}")
        elif len(path) > _DEEPEST:
            self.notes.complain(path, "is nested too deeply", "put it into an audience of its own")
        else:
            return Table(raw, path, self.notes)
        return None


def number(raw: Any) -> float:
    """Return a number.

    Raises:
        Refusal: it is none, or too large.
    """
    if not is_number(raw):
        raise Refusal("must be a number")
    if not -(2**63) < raw < 2**63:  # not a number is refused here, too
        raise Refusal("is no number that can be used", "use a smaller one")
    return raw


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise Refusal("must be text")
    return raw


def _flag(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise Refusal("must be true or false")
    return raw


def _choice(raw: Any, choices: tuple[str, ...]) -> str:
    if isinstance(raw, str) and raw in choices:
        return raw
    listed = "there is " + ", ".join(f'"{choice}"' for choice in choices)
    match = closest(raw, choices) if isinstance(raw, str) else None
    raise Refusal("is none of these", f'did you mean "{match}"?' if match else listed)


def _texts(raw: Any, example: str) -> tuple[str, ...]:
    if isinstance(raw, str):
        raise Refusal("must be a list", "write it in brackets, also a single one")
    if not isinstance(raw, list):
        raise Refusal("must be a list of texts", f"write {example}")
    if not raw:
        raise Refusal("must not be empty", f"write {example}, or leave it out")
    for position, item in enumerate(raw):
        if not isinstance(item, str) or not item:
            raise Refusal("must be text" if item != "" else "must not be empty", None, (position,))
    return tuple(dict.fromkeys(raw))
