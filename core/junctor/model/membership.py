"""Who is in which audience, as stored; times are epoch milliseconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class TransitionRow:
    """One entry or exit.

    `subject` names who: a profile's number, `NUMBER/SESSION`, or `KIND:VALUE`; `profile` is the
    person, 0 where the subject is none. The store sets `id` when it takes the transition in: above
    that of all before; 0 until then.
    """

    audience: str
    version: str
    subject: str
    profile: int
    at: int
    entered: bool
    reason: str
    id: int = field(default=0, compare=False)

    @property
    def session(self) -> str:
        """The session that it is about, "" if it is none."""
        return self.subject.partition("/")[2] if self.profile else ""


@dataclass(frozen=True, slots=True)
class Member:
    """A subject in an audience, and since when the hub sees it there."""

    subject: str
    since: int


@dataclass(frozen=True, slots=True)
class Goal:
    """An event that is the goal of an audience: who did it, when, and what it was worth."""

    audience: str
    profile: int
    offset: int
    at: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Told:
    """A transition together with all identifiers of its person, for whoever watches."""

    row: TransitionRow
    ids: Mapping[str, Sequence[str]]
