"""What a daemon and its children take of the machine, as /proc shows it."""

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

from tests.support.client import HubClient
from tests.support.daemon import Daemon

T = TypeVar("T")
_TASKS: Final = re.compile(r"^junctor_tasks (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """One look at a daemon."""

    at: float
    """Monotonic seconds."""
    memory: int
    """Bytes resident, of the daemon and its children together."""
    files: int
    """Open files of all of them."""
    threads: int
    tasks: int
    """Of the hub's own event loop."""
    wal: int
    """Bytes of the store's write-ahead log."""
    behind: int
    """Events that are stored and not yet folded."""
    pending: int
    """Events that are routed and not yet settled, over all destinations."""
    processes: int


async def usage_of(daemon: Daemon, client: HubClient, store: Path) -> Usage:
    """Look at a daemon whose store is in the folder `store`."""
    status = await client.get("/api/status")
    async with client.session.get(client.admin + "/metrics") as response:
        tasks = _TASKS.search(await response.text())
    assert tasks is not None
    pids = [daemon.pid, *daemon.children()]
    wal = store / "junctor.db-wal"
    return Usage(
        at=time.monotonic(),
        memory=sum(memory_of(pid) for pid in pids),
        files=sum(_entries(pid, "fd") for pid in pids),
        threads=sum(_entries(pid, "task") for pid in pids),
        tasks=round(float(tasks[1])),
        wal=wal.stat().st_size if wal.exists() else 0,
        behind=status["log"]["behind"],
        pending=sum(one["pending"] for one in status["destinations"].values()),
        processes=len(pids),
    )


def memory_of(pid: int) -> int:
    """Return the bytes that a process has resident; 0 if it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def module_of(pid: int) -> str:
    """Return which of junctor's modules a child of the daemon runs, "" if it is gone."""
    with suppress(OSError):
        for word in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
            if word.endswith("_process") or word.endswith("_process.py"):
                return word.removesuffix(".py").rpartition("/")[2].rpartition(".")[2]
    return ""


def _entries(pid: int, folder: str) -> int:
    with suppress(OSError):
        return len(list(Path(f"/proc/{pid}/{folder}").iterdir()))
    return 0


def quarter(looks: Sequence[T], number: int) -> Sequence[T]:
    """Return one quarter of what was seen in time, 1 to 4."""
    size = len(looks) / 4
    return looks[round(size * (number - 1)) : round(size * number)]


def middle(values: Iterable[float]) -> float:
    """Return the median, which a moment without a child does not move."""
    return float(median(values))
