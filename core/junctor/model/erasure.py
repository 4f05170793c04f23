"""A person who is to be forgotten, and how far that is."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b


class Stage(StrEnum):
    """How far an erasure is."""

    ERASING = "erasing"
    TELLING = "telling"
    """Nothing of the person is left here but what destinations are still to be told."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is to be erased, by a delete in the log at `offset`, received at `at` (epoch ms).

    `people` are the ids of the profile and of all that it absorbed; `ids` its identifiers (kind,
    value), which are gone as soon as nothing has to be found by them; `digests` are left of them.
    Events of the person are found up to offset `until`, 0 until that is known. `events`,
    `dead_letters` and `rejections` count what was removed. Times are 0 until they have come.
    """

    offset: int
    at: int
    people: tuple[int, ...]
    ids: tuple[tuple[str, str], ...]
    digests: tuple[str, ...]
    until: int = 0
    events: int = 0
    dead_letters: int = 0
    rejections: int = 0
    erased_at: int = 0
    done_at: int = 0

    @property
    def stage(self) -> Stage:
        """How far it is."""
        if self.done_at:
            return Stage.DONE
        return Stage.TELLING if self.erased_at else Stage.ERASING


def digest_of(kind: str, value: str) -> str:
    """Return what an erasure is recognized by when the identifier itself is gone."""
    return blake2b(f"{kind}:{value}".encode(), digest_size=16).hexdigest()
