"""What every kind of state and every leaf of a condition offers; the engine knows no more of them.

State is plain JSON: lists, objects, texts, numbers. It does not depend on the order in which events
arrive, and the states of two halves of the events merge into the state of all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Seen

NEVER: Final = 2**62
EVIDENCE: Final = 5
"""Events named at most for a verdict."""
State = Any
States = Mapping[str, State]
"""Key of a kind to its state; a kind that has seen nothing is absent."""


class Verdict(NamedTuple):
    """Whether a condition holds, and when time alone changes that (epoch ms, NEVER if it does not).

    `at` is the next change that rests on what happened. `quiet_at` is the next one that rests on
    something not having happened (a silence, a count that falls), which may be acted upon a little
    later, to let stragglers arrive.
    """

    holds: bool
    at: int = NEVER
    quiet_at: int = NEVER


@dataclass(frozen=True, slots=True)
class Facts:
    """What a leaf's verdict rests on, for people.

    `value` is the figure compared (a count, a sum); `evidence` the ranks of events behind it,
    newest last, a few at most; `error` how exact the figure is, "" for exact; `degraded` whether a
    cap was exceeded.
    """

    value: Any
    evidence: Sequence[int] = ()
    error: str = ""
    degraded: bool = False


class Kind(Protocol):
    """How matching events become state. Kinds of equal `key` share their state.

    `size` is how much it keeps; of several kinds with the same key the one of greatest size serves
    all. `patterns` are those whose events it wants.
    """

    @property
    def key(self) -> str:
        """Return its name in a record: short, the same from run to run."""
        ...

    @property
    def size(self) -> int:
        """Return how much it keeps."""
        ...

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """Return the patterns of events that it wants."""
        ...

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """Return the state with one more event; `matched` has bit N set for `patterns[N]`.

        The state given may be changed and returned.
        """
        ...

    def merge(self, one: State, other: State) -> State:
        """Return the state of the events of both; both may be changed."""
        ...

    def degraded(self, state: State) -> bool:
        """Return whether a cap was exceeded, so that the state may be less than exact."""
        ...


class Leaf(Protocol):
    """A condition over states of events."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds whose states it reads."""
        ...

    def verdict(self, states: States, now: int, quiet: int) -> Verdict:
        """Return whether it holds at `now`.

        `quiet` <= `now` is the time up to which it is believed that nothing else has happened: what
        becomes true by nothing happening does so only when `quiet` reaches its time.
        """
        ...

    def facts(self, states: States, now: int) -> Facts:
        """Return what the verdict rests on."""
        ...
