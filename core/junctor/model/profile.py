"""A person as the hub knows them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from junctor.sdk.event import EMPTY, ProfileView

Traits = dict[str, tuple[Any, int]]
"""Trait name to (value, epoch milliseconds of the event that set it)."""


@dataclass(slots=True)
class Profile:
    """State of one person. `id` is the log offset of the event that first spoke of them.

    `identifiers` maps kind to values in the order they were learned; `groups` maps group id to its
    traits; `first_seen` and `last_seen` are epoch milliseconds of event time; `merges` counts
    profiles absorbed, ever.
    """

    id: int
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    traits: Traits = field(default_factory=dict)
    groups: dict[str, Traits] = field(default_factory=dict)
    first_seen: int = 0
    last_seen: int = 0
    merges: int = 0
    audiences: dict[str, bool] = field(default_factory=dict)
    """Audiences the person is in, or was told to be in or not by others."""
    behavior: bytes = b""
    """States and memberships over time, encoded; see audiences/behavior.py."""
    due: int | None = None
    """When time alone changes something of it, epoch milliseconds."""
    subject: str = ""
    """`KIND:VALUE` of a subject that is no person (`id` 0): an account or the like."""
    size: int = 0
    """About how many bytes it takes encoded: as last measured, plus what was learned since."""
    _plain: tuple[Any, Any, Any, Any] | None = None

    def changed(self) -> None:
        """Forget the cached plain view after identifiers, traits or groups changed."""
        self._plain = None

    def view(self, figures: "Callable[[], Figures] | None" = None) -> ProfileView:
        """Return the profile as connectors see it; later changes do not reach it."""
        return self.snapshot(figures)()

    def snapshot(self, figures: "Callable[[], Figures] | None" = None) -> "Snapshot":
        """Return what gives the view as it is now, whenever somebody asks: most never do.

        `figures` returns attributes and scores; it is called when somebody asks for the view.
        """
        plain = self._plain
        if plain is None:
            plain = self._plain = (
                {name: value for name, (value, _) in self.traits.items()},
                {kind: tuple(values) for kind, values in self.identifiers.items()},
                {
                    group: {name: value for name, (value, _) in traits.items()}
                    for group, traits in self.groups.items()
                },
                dict(self.audiences),
            )
        return Snapshot(self.id, plain, self.first_seen, self.last_seen, figures)

    def encode(self) -> bytes:
        """Return the profile as JSON text, without its id."""
        return orjson.dumps(
            (
                self.identifiers,
                self.traits,
                self.groups,
                self.first_seen,
                self.last_seen,
                self.merges,
                self.audiences,
            )
        )

    @classmethod
    def decode(cls, id: int, text: bytes) -> "Profile":
        """Return the profile that `encode` wrote."""
        identifiers, traits, groups, first_seen, last_seen, merges, *more = orjson.loads(text)
        audiences = more[0] if more else {}  # stores of version 1 have none
        return cls(
            id, identifiers, traits, groups, first_seen, last_seen, merges, audiences,
            size=len(text),
        )  # fmt: skip


Figures = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Attributes and scores by name."""


class Snapshot:
    """A profile as it was at an event."""

    __slots__ = ("_figures", "_first_seen", "_id", "_last_seen", "_plain")

    def __init__(
        self,
        id: int,
        plain: tuple[Any, Any, Any, Any],
        first_seen: int,
        last_seen: int,
        figures: Callable[[], Figures] | None,
    ) -> None:
        """Keep traits, identifiers, groups and audiences as `plain`; see Profile.snapshot."""
        self._id = id
        self._plain = plain
        self._first_seen = first_seen
        self._last_seen = last_seen
        self._figures = figures

    def __call__(self) -> ProfileView:
        """Return it as connectors see it."""
        return ProfileView(*self.plain())

    def plain(self) -> tuple[Any, ...]:
        """Return the fields of a ProfileView, in its order."""
        attributes, scores = self._figures() if self._figures is not None else (EMPTY, EMPTY)
        return (
            public_id(self._id), *self._plain, attributes, scores, self._first_seen,
            self._last_seen,
        )  # fmt: skip


def public_id(id: int) -> str:
    """Return a profile's id as users see it."""
    return f"p-{id}"


def number_of(public: object) -> int:
    """Return the id that `public_id` showed, 0 for anything else."""
    text = public[2:] if isinstance(public, str) and public.startswith("p-") else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


@dataclass(frozen=True, slots=True)
class Merge:
    """One profile absorbed into another at a log offset, with what would undo it.

    `absorbed_record` and `survivor_record` are both profiles as encoded just before.
    """

    offset: int
    at: int
    survivor: int
    absorbed: int
    survivor_record: bytes
    absorbed_record: bytes


@dataclass(frozen=True, slots=True)
class IdentityConflict:
    """An event that would have joined people whom the rules keep apart."""

    offset: int
    at: int
    profile: int
    reason: str
