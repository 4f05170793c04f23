"""The embedded store: one SQLite file in WAL mode with synchronous=FULL, one owner."""

from junctor.store.sqlite.store import SqliteStore, open_lookup

__all__ = ["SqliteStore", "open_lookup"]
