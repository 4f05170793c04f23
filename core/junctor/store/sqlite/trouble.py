"""What is wrong with the disk, and for how long it is said."""

import sqlite3
from typing import Final

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DISK: Final = _DAMAGE | frozenset(
    {
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    }
)  # fmt: skip


def is_of_the_disk(error: Exception) -> bool:
    """Return whether something is wrong with the disk, and not with what was asked."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK


def is_damage(error: Exception) -> bool:
    """Return whether what was read is not what was written; a failing disk can look so, too."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


class Trouble:
    """Something that only some statements meet: it lasts until nobody has met it for two rounds.

    One that succeeds proves nothing.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.what = ""
        """What is wrong, "" if nothing is."""
        self._met = False

    def meet(self, what: str) -> None:
        """Note that somebody has met it."""
        self.what, self._met = what, True

    def round_passed(self) -> None:
        """Forget it if nobody has met it since the last round; call it now and then."""
        if not self._met:
            self.what = ""
        self._met = False
