"""What an event or the time brings about: audiences entered and left, and signals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from junctor.audiences.nodes import Audience
from junctor.audiences.signals import Completion

EVENT: Final = "event"
TIME: Final = "time"
MERGE: Final = "merge"
BACKFILL: Final = "backfill"
LATE_EVENT: Final = "late_event"
ERASED: Final = "erased"

Ids = dict[str, str]


@dataclass(frozen=True, slots=True)
class Transition:
    """A subject entered or left an audience at `at` (epoch ms), the `number`-th time of its kind.

    `ids` are the ids that a leaving is to be told with, those of the entry; empty: the present
    ones. `session` is set for an audience that is keyed by session.
    """

    audience: Audience
    version: str
    entered: bool
    at: int
    reason: str
    number: int
    ids: Ids
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Emission:
    """A signal (or `$exit`) of a subject: its event is to be made of the event of that rank.

    `properties` are added to that event's.
    """

    name: str
    completion: Completion
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What an event or the time brought about, in order.

    `gone` are audiences (with their session) that the subject was in, and that are defined no more.
    """

    transitions: list[Transition] = field(default_factory=list)
    emissions: list[Emission] = field(default_factory=list)
    gone: list[tuple[str, str | None]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.transitions or self.emissions or self.gone)
