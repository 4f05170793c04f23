"""What happened, line by line; like things within a second become one line."""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

_KEPT: Final = 200
_TOGETHER: Final = 1.0
_LOOK_BACK: Final = 8


class Kind(Enum):
    """How a line is meant."""

    GOOD = "good"
    PLAIN = "plain"
    TROUBLE = "trouble"


@dataclass(slots=True)
class Entry:
    """`count` things that happened at `place` from `at` on, in seconds since the start.

    `text` reads after the count where `counted`, as in "12 delivered".
    """

    at: float
    place: str
    kind: Kind
    text: str
    counted: bool
    count: int

    def __str__(self) -> str:
        """Return the line without time and place."""
        return f"{self.count} {self.text}" if self.counted else self.text


class Journal:
    """The last things that happened."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._printed = 0
        self._written = 0

    def write(
        self, at: float, place: str, text: str, kind: Kind = Kind.PLAIN, *, count: int | None = None
    ) -> None:
        """Note something at `at` seconds; counts of the same within a second are added up."""
        recent = list(self._entries)[-_LOOK_BACK:]
        for entry in recent:
            same = (entry.place, entry.text, entry.kind) == (place, text, kind)
            if same and count is not None and at - entry.at < _TOGETHER:
                entry.count += count
                return
        self._entries.append(Entry(at, place, kind, text, count is not None, count or 0))
        self._written += 1

    def last(self, most: int) -> list[Entry]:
        """Return the newest entries, oldest first."""
        return list(self._entries)[-most:] if most > 0 else []

    def finished(self, now: float) -> list[Entry]:
        """Return, each once, the entries to which nothing can be added any more at `now`."""
        fresh = self.last(min(self._written - self._printed, _KEPT))
        done = []
        for entry in fresh:
            if now - entry.at < _TOGETHER:
                break
            done.append(entry)
        self._printed = self._written - len(fresh) + len(done)
        return done
