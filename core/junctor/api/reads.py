"""What a read at decision time asks of the engine, and what it gets: no HTTP, no wire."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from junctor.audiences.nodes import Service


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names of what is asked for; each is defined."""

    audiences: Sequence[str] = ()
    attributes: Sequence[str] = ()
    scores: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One profile at one moment: exactly what was wanted.

    `profile` is None when nobody has such an id. `as_of` is the moment and `next_change` the
    earliest one at which time alone may change an answer, None if it changes nothing (epoch ms).
    `ready` is false while something of it is still being built from the log. `degraded` names what
    exceeded a cap and may be less than exact; `errors` maps a name to how exact its figure is.
    """

    profile: str | None
    attributes: Mapping[str, Any]
    audiences: Mapping[str, bool]
    scores: Mapping[str, float]
    as_of: int
    ready: bool = True
    next_change: int | None = None
    degraded: Sequence[str] = ()
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transition:
    """A profile entered or left an audience.

    `ids` are all identifiers of the profile then, kind to values: after a merge those of both
    halves, and `session_id` with the session that an audience of sessions is about, which is
    `session`, else "". `at` in epoch ms; `reason` as in docs/audiences.md.
    `id` rises from one to the next, 0 if it is not known.
    """

    profile: str
    ids: Mapping[str, Sequence[str]]
    audience: str
    entered: bool
    at: int
    reason: str
    id: int = 0
    session: str = ""


class Reads(Protocol):
    """The engine, as readers see it."""

    @property
    def kinds(self) -> Collection[str]:
        """Return the kinds of ids by which somebody can be asked for."""
        ...

    @property
    def audiences(self) -> Collection[str]:
        """Return the names of all audiences."""
        ...

    @property
    def attributes(self) -> Collection[str]:
        """Return the names of all attributes."""
        ...

    @property
    def scores(self) -> Collection[str]:
        """Return the names of all scores."""
        ...

    @property
    def services(self) -> Mapping[str, Service]:
        """Return all services by name."""
        ...

    async def read(self, ids: Sequence[Mapping[str, str]], wanted: Wanted) -> Sequence[Reading]:
        """Return one reading for each element of `ids`, in its order.

        An element maps kinds of identifiers (and `session_id`) to values, all of one person; the
        first that is known decides.

        Raises:
            StoreError: it can't be read now.
        """
        ...

    def watch(self) -> AsyncIterator[Transition]:
        """Yield every transition from now on, as it happens."""
        ...
