"""Reads of people from another thread: a connection of its own, and nothing remembered."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from junctor.model.membership import TransitionRow
from junctor.model.profile import Profile
from junctor.store.port import IdentifierKey
from junctor.store.sqlite.memberships import load_subjects, session_owners
from junctor.store.sqlite.state import load_profiles, stored_profile
from junctor.store.sqlite.transitions import newest_transition, transitions_of
from junctor.store.sqlite.writer import select_in

_FIND: Final = (
    "select value, id, record, behavior, due from identifiers"
    " join profiles on profiles.id = identifiers.profile where kind = ? and value"
)


class SqliteLookup:
    """Lookup on SQLite. It sees what is committed; use it on one thread, the one that closes it."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Connect by `connect`, on the first read."""
        self._connect = connect
        self._connection: sqlite3.Connection | None = None

    @property
    def _reader(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    async def find(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, Profile]:
        """See Lookup. One statement a kind: each lets other threads have the interpreter."""
        by_kind: dict[str, list[str]] = {}
        for kind, value in keys:
            by_kind.setdefault(kind, []).append(value)
        found = {}
        for kind, values in by_kind.items():
            for value, *row in select_in(self._reader, _FIND, values, (kind,)):
                found[kind, value] = stored_profile(*row)
        return found

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """See Lookup."""
        return load_profiles(self._reader, ids)

    async def subjects(self, keys: Sequence[str]) -> dict[str, Profile]:
        """See Lookup."""
        return load_subjects(self._reader, keys)

    async def session_owners(self, session: str) -> list[int]:
        """See Lookup."""
        return session_owners(self._reader, session)

    async def newest_transition(self) -> int:
        """See Lookup."""
        return newest_transition(self._reader)

    async def transitions_of(
        self, who: int | str, session: str | None, after: int, limit: int
    ) -> list[TransitionRow]:
        """See Lookup."""
        return transitions_of(self._reader, who, session, after, limit)

    async def close(self) -> None:
        """See Lookup."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
