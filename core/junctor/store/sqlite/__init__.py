"""The embedded store: one SQLite file in WAL mode with synchronous=FULL, one owner."""

from junctor.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
