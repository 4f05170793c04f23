"""Patterns compiled: does an event fit?

Names are exact or have `*`. What the hub itself makes of events is met by its exact name only, so
that "*" means what came in: `signal:…` (by a pattern that begins so, too), `$exit`, and the
entering and leaving of audiences.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from junctor import fql
from junctor.audiences.comparison import (
    AnyOf,
    Compare,
    Glob,
    Reference,
    Scalar,
    Test,
    compile_comparison,
    compile_glob,
)
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Reader, Seen, reader

Fits = Callable[[Seen], bool]

SIGNAL: Final = "signal:"
_EXITS: Final = frozenset({"$exit", "$idle"})


def compile_pattern(pattern: Pattern, *, static: bool = False, named: bool = False) -> Fits:
    """Return the test of a pattern.

    With `static` on, comparisons with earlier steps are left out: a sequence tests these. With
    `named` on, it is for events only of which the name is known to fit.

    Raises:
        ValueError: it compares with an earlier step, and `static` is off.
        FqlError: its FQL is none; never for a pattern that was loaded.
    """
    if not static and references(pattern):
        raise ValueError("a reference can't be tested on one event")
    tests = [
        _value_test(reader(path), compile_comparison(comparison))
        for path, comparison in pattern.where
        if not isinstance(comparison, Reference)
    ]
    if pattern.fql is not None:
        tests.append(_fql_test(pattern.fql))
    return _all(tuple(tests) if named else (_name_test(pattern.names), *tests))


def fits_name(written: str, name: str) -> bool:
    """Return whether events of this name may fit the one of a pattern's names that is `written`."""
    return compile_name(written)(name)


def compile_name(written: str) -> Callable[[str], bool]:
    """Return the test of one of a pattern's names, as it is written."""
    if "*" not in written:
        return written.__eq__
    if written.startswith(SIGNAL):
        return compile_glob(written)
    if written == "*":
        return _came_in
    fits = compile_glob(written)
    return lambda name: fits(name) and _came_in(name)


def equalities(pattern: Pattern) -> Mapping[str, tuple[Scalar, ...]]:
    """Return, by path, the values of which an event must have one to fit; each value once."""
    found = {}
    for path, comparison in pattern.where:
        items = comparison.items if isinstance(comparison, AnyOf) else (comparison,)
        equal = [item for item in items if isinstance(item, Compare) and item.op == "eq"]
        if len(equal) == len(items):
            found[path] = tuple(item.operand for item in dict.fromkeys(equal))
    return MappingProxyType(found)


def beginnings(pattern: Pattern) -> Mapping[str, str]:
    """Return, by path, how a text has to begin to fit; only where a glob says so."""
    found = {}
    for path, comparison in pattern.where:
        if isinstance(comparison, Glob) and (prefix := comparison.pattern.partition("*")[0]):
            found[path] = prefix
    return MappingProxyType(found)


def references(pattern: Pattern) -> tuple[tuple[str, Reference], ...]:
    """Return the paths that are compared with a property of an earlier step."""
    return tuple(
        (path, comparison)
        for path, comparison in pattern.where
        if isinstance(comparison, Reference)
    )


def _came_in(name: str) -> bool:
    """Whether it is the name of an event that came in; those without a name have none."""
    return bool(name) and not name.startswith(SIGNAL) and name not in _EXITS


def _name_test(names: tuple[str, ...]) -> Fits:
    exact = frozenset(name for name in names if "*" not in name)
    globs = tuple(compile_name(name) for name in names if "*" in name)
    if not globs:
        if len(names) == 1:
            [only] = names
            return lambda seen: seen.name == only
        return lambda seen: seen.name in exact

    def fits(seen: Seen) -> bool:
        name = seen.name
        if name in exact:
            return True
        for glob in globs:
            if glob(name):
                return not is_transition(seen.body)
        return False

    return fits


def is_transition(body: Mapping[str, Any]) -> bool:
    """Whether it says that somebody entered or left an audience, as Segment Engage tells it."""
    if body.get("type") != "track":
        return False
    context = body.get("context")
    personas = context.get("personas") if isinstance(context, dict) else None
    return isinstance(personas, dict) and personas.get("computation_class") is not None


def _value_test(read: Reader, test: Test) -> Fits:
    return lambda seen: test(read(seen.body))


def _fql_test(text: str) -> Fits:
    predicate = fql.compile(text)
    return lambda seen: predicate(seen.body)


def _all(tests: tuple[Fits, ...]) -> Fits:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda seen: first(seen) and second(seen)

    def every(seen: Seen) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs twice the time
            if not test(seen):
                return False
        return True

    return every
