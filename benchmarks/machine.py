"""The machine, in a line to be read beside every figure."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

_PAGE = b"x" * 4096
_SYNCS = 50


Machine = dict[str, str | int | float]


def machine(folder: Path) -> Machine:
    """Return what figures depend on; `folder` is on the disk that is measured."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpus": cpus(),
        "sqlite": sqlite3.sqlite_version,
        "fsync_ms": round(fsync_ms(folder), 3),
        "load": round(os.getloadavg()[0], 1),
    }


def machine_line(found: Machine) -> str:
    """Return the same as a line of text."""
    return (
        f"{found['platform']}, Python {found['python']}, {found['cpus']} CPUs,"
        f" SQLite {found['sqlite']}, fsync {found['fsync_ms']} ms, load average {found['load']}"
    )


def cpus() -> int:
    """Return how many processors the benchmark may use."""
    return len(os.sched_getaffinity(0))


def fsync_ms(folder: Path) -> float:
    """Return how long it takes to make a page that was appended to a file durable, the median."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        return statistics.median(_synced_ms(file.fileno()) for _ in range(_SYNCS))


def _synced_ms(file: int) -> float:
    os.write(file, _PAGE)
    begun = time.perf_counter()
    os.fsync(file)
    return (time.perf_counter() - begun) * 1e3
