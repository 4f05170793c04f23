"""The embedded store passes the law book."""

from pathlib import Path
from typing import Any

from junctor.store.port import Store
from junctor.store.sqlite import SqliteStore

from .laws import StoreLaws


class TestSqliteStore(StoreLaws):
    """The law book on one SQLite file."""

    def open(self, place: Path, **options: Any) -> Store:
        return SqliteStore.open(place, **options)
