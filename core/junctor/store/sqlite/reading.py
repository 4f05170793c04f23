"""Connections that only read: what goes wrong is told as one error, and remembered for a while."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from junctor.store.port import StoreUnavailable
from junctor.store.sqlite.trouble import Trouble, is_of_the_disk


class Reading(sqlite3.Connection):
    """Tells of a disk that can't be read as of one that can't be written: it may heal.

    SQLite reads as rows are asked for, so that each of them can fail.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """As sqlite3.Connection."""
        super().__init__(*args, **options)
        self.trouble = Trouble()

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
        """Return the rows of a statement; asking for them may fail, too.

        Raises:
            StoreUnavailable: it can't be read now.
        """
        try:
            return _Cursor(self).execute(sql, values)
        except sqlite3.Error as error:
            raise self.failure(error) from None

    def failure(self, error: sqlite3.Error) -> StoreUnavailable:
        """Take note of an error; return what to raise."""
        failure = StoreUnavailable(f"the store can't read: {error}")
        if is_of_the_disk(error):
            self.trouble.meet(str(failure))
        return failure


class _Cursor(sqlite3.Cursor):
    def __init__(self, connection: Reading) -> None:
        super().__init__(connection)
        self._reading = connection

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # nobody asks it for `next`
        return iter(self.fetchall())  # a look at each row would cost as much as the row

    def fetchone(self) -> Any:
        try:
            return super().fetchone()
        except sqlite3.Error as error:
            raise self._reading.failure(error) from None

    def fetchall(self) -> list[Any]:
        try:
            return super().fetchall()
        except sqlite3.Error as error:
            raise self._reading.failure(error) from None
