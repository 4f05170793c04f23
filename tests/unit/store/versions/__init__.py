"""Stores as each version of the schema left them; see README.md."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

_FILES: Final = {int(file.stem.split("_")[1]): file for file in Path(__file__).parent.glob("*.sql")}
VERSIONS: Final = sorted(_FILES)
MADE_AT: Final = 1_790_000_000.0
"""When they were written, epoch seconds."""


def restore(version: int, place: Path) -> None:
    """Make the store of a version in the folder `place`."""
    place.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(place / "junctor.db")) as connection:
        connection.execute("pragma auto_vacuum = incremental")
        connection.executescript(_FILES[version].read_text("utf-8"))
        connection.execute("pragma journal_mode = wal")
