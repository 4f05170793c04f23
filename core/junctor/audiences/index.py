"""The reverse index: from an event to the few patterns that it may fit, however many there are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from junctor.audiences.globs import Globs
from junctor.audiences.nodes import Pattern
from junctor.audiences.patterns import (
    Fits,
    beginnings,
    compile_name,
    compile_pattern,
    equalities,
    is_transition,
)
from junctor.audiences.seen import Reader, Seen, reader

_WORTH_A_TABLE: Final = 4
"""Patterns that must ask for the same property before a table pays."""

Candidate = tuple[int, Fits]


@dataclass(frozen=True, slots=True)
class _Table:
    """Patterns by the value of one property that each of them wants to equal something."""

    read: Reader
    by_value: dict[Any, list[Candidate]]

    def candidates(self, value: Any) -> Sequence[Candidate]:
        """Return the patterns that want this value."""
        return self.by_value.get(_key(value), ())


@dataclass(frozen=True, slots=True)
class _Prefixes:
    """Patterns by how one property that each of them wants to fit a glob has to begin."""

    read: Reader
    lengths: tuple[int, ...]
    by_prefix: dict[str, list[Candidate]]

    def candidates(self, value: Any) -> Sequence[Candidate]:
        """Return the patterns that want a value that begins like this one."""
        if not isinstance(value, str):
            return ()
        found: list[Candidate] = []
        for length in self.lengths:
            if length > len(value):
                break
            found += self.by_prefix.get(value[:length], ())
        return found


@dataclass(frozen=True, slots=True)
class _List:
    """The patterns that have one name, as it is written."""

    tables: tuple[_Table | _Prefixes, ...]
    others: tuple[Candidate, ...]

    def matches(self, seen: Seen) -> list[int]:
        """Return the patterns that an event fits which has the name."""
        matched = [number for number, fits in self.others if fits(seen)]
        for table in self.tables:
            candidates = table.candidates(table.read(seen.body))
            if candidates:
                matched += [number for number, fits in candidates if fits(seen)]
        return matched


class PatternIndex:
    """Finds the patterns that an event fits; an event costs what its own patterns cost.

    Each name that is written has its list, made when it is first needed, whatever names senders
    choose. A pattern is in the lists of all of its names, and found by the first that fits.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Index `patterns`; a pattern is named by its place in the sequence."""
        self._patterns = patterns
        self._numbers: dict[str, list[int]] = {}
        for number, pattern in enumerate(patterns):
            for name in pattern.names:
                self._numbers.setdefault(name, []).append(number)
        self._exact = {name for name in self._numbers if "*" not in name}
        self._globs = Globs(name for name in self._numbers if name not in self._exact)
        self._lists: dict[str, _List] = {}

    def matches(self, seen: Seen) -> list[int]:
        """Return the patterns that fit, by number."""
        name = seen.name
        matched = self._list(name).matches(seen) if name in self._exact else []
        globs = self._globs.fitting(name)
        if globs and not is_transition(seen.body):
            for written in globs:
                matched += self._list(written).matches(seen)
        return matched

    def knows(self, name: str) -> bool:
        """Whether a pattern asks for events of exactly this name."""
        return name in self._exact

    def _list(self, written: str) -> _List:
        found = self._lists.get(written)
        if found is None:
            found = self._lists[written] = self._arranged(self._numbers[written], written)
        return found

    def _arranged(self, numbers: list[int], written: str) -> _List:
        wanted = {number: equalities(self._patterns[number]) for number in numbers}
        tables: list[_Table | _Prefixes] = []
        while path := _worth_a_table(numbers, wanted):
            by_value: dict[Any, list[Candidate]] = {}
            for number in numbers:
                if path in wanted[number]:
                    candidate = self._candidate(number, written, path)
                    for value in wanted[number][path]:
                        by_value.setdefault(_key(value), []).append(candidate)
            tables.append(_Table(reader(path), by_value))
            numbers = [number for number in numbers if path not in wanted[number]]
        begin = {number: beginnings(self._patterns[number]) for number in numbers}
        while path := _worth_a_table(numbers, begin):
            by_prefix: dict[str, list[Candidate]] = {}
            for number in numbers:
                if path in begin[number]:
                    prefix = begin[number][path]
                    by_prefix.setdefault(prefix, []).append(self._candidate(number, written))
            lengths = tuple(sorted({len(prefix) for prefix in by_prefix}))
            tables.append(_Prefixes(reader(path), lengths, by_prefix))
            numbers = [number for number in numbers if path not in begin[number]]
        return _List(tuple(tables), tuple(self._candidate(number, written) for number in numbers))

    def _candidate(self, number: int, written: str, found_by: str = "") -> Candidate:
        """Return a pattern with the test that is left for events of a name.

        Those found by the value at a path need not be asked for it again.
        """
        pattern = self._patterns[number]
        where = tuple(one for one in pattern.where if one[0] != found_by)
        fits = compile_pattern(replace(pattern, where=where), static=True, named=True)
        before = tuple(map(compile_name, _before(pattern.names, written)))
        if not before:
            return number, fits
        return number, lambda seen: fits(seen) and not any(name(seen.name) for name in before)


def _worth_a_table(numbers: Sequence[int], wanted: Mapping[int, Mapping[str, object]]) -> str:
    """Return the path that most of the patterns ask for, "" if they are too few."""
    uses = Counter(path for number in numbers for path in wanted[number])
    path, count = uses.most_common(1)[0] if uses else ("", 0)
    return path if count >= _WORTH_A_TABLE else ""


def _before(names: Sequence[str], written: str) -> list[str]:
    """Return those of a pattern's names by which it is found before this one: exact ones first."""
    ordered = sorted(names, key=lambda name: "*" in name)
    return ordered[: ordered.index(written)] if "*" in written else []


def _key(value: Any) -> Any:
    """Return a value as a key: true is not 1, and what is no scalar equals nothing."""
    if isinstance(value, bool):
        return (value,)
    return value if isinstance(value, str | int | float) else None
