"""The public face: an expression in, a predicate over events out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from junctor.fql.action_triggers import differences
from junctor.fql.compiler import compile_condition
from junctor.fql.parser import parse
from junctor.fql.syntax import paths


@dataclass(frozen=True, slots=True)
class Predicate:
    """A compiled expression: call it with an event, get True or False.

    Immutable and safe to share between tasks. Two predicates of the same text are equal.

    Attributes:
        text: the expression as written.
        reads: top-level fields of the event it looks at. `profile` and `audiences` are no fields
            of an event: the caller adds them when they are named here.
        warnings: sentences on what Segment's action triggers would have read differently.
    """

    text: str
    reads: frozenset[str] = field(compare=False)
    warnings: tuple[str, ...] = field(compare=False)
    _test: Callable[[Mapping[str, Any]], bool] = field(compare=False, repr=False)

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Tell whether the event fits. `event` is parsed JSON; nothing in it raises."""
        return self._test(event)


def compile(text: str) -> Predicate:
    """Compile an expression.

    Raises:
        FqlError: it is not FQL or could never mean what is written; names line and column.
    """
    condition, tokens = parse(text)
    reads = frozenset(path.keys[0] for path in paths(condition))
    warnings = differences(text, condition, tokens)
    return Predicate(text, reads, warnings, compile_condition(condition))
