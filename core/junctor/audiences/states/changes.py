"""When a value that is told again and again was last another than the time before."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Final

from junctor.audiences.canonical import digest, fingerprint
from junctor.audiences.leaf import State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Reader, Seen

MOST: Final = 64
_LONGEST: Final = 48


@dataclass(frozen=True, slots=True)
class ChangesKind:
    """The newest 64 tellings `[at, rank, value]`; the first of all is a change as well.

    `read` finds the value in an event's body; events without it are not added. The state is
    `[tellings, whether older ones were left out]`.
    """

    path: str
    read: Reader

    @property
    def key(self) -> str:
        """See Kind."""
        return fingerprint("changes", self.path)

    @property
    def size(self) -> int:
        """See Kind."""
        return MOST

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind: none, the engine feeds every event that has the value."""
        return ()

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        value = self.read(seen.body)
        if value is None:
            return state
        state = state or [[], False]
        tellings: list[Any] = state[0]
        place = bisect_left(tellings, (seen.at, seen.rank), key=lambda told: (told[0], told[1]))
        if place < len(tellings) and tellings[place][:2] == [seen.at, seen.rank]:
            return state
        tellings.insert(place, [seen.at, seen.rank, _short(value)])
        return _trimmed(state)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        known = {(told[0], told[1]): told for told in (*one[0], *other[0])}
        return _trimmed([[known[key] for key in sorted(known)], one[1] or other[1]])

    def degraded(self, state: State) -> bool:
        """See Kind: only if all that is kept is one value, so that its beginning was left out."""
        return bool(state[1]) and self.changed_at(state) is None

    def changed_at(self, state: State) -> int | None:
        """Return the time of the newest change; None if it is older than all that is kept."""
        tellings, cut = state
        for place in range(len(tellings) - 1, 0, -1):
            if not _same(tellings[place][2], tellings[place - 1][2]):
                return int(tellings[place][0])
        return None if cut or not tellings else int(tellings[0][0])


def _short(value: Any) -> Any:
    """Return a value, or what stands for it where it is long: only equality matters."""
    if isinstance(value, str) and len(value) <= _LONGEST:
        return value
    return value if isinstance(value, bool | int | float) else [digest(value)]


def _trimmed(state: list[Any]) -> list[Any]:
    if len(state[0]) > MOST:
        del state[0][: len(state[0]) - MOST]
        state[1] = True
    return state


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
