"""A million people: memory, reads at decision time beside events, and how soon an event shows.

The store is made first (seed.py). Then the daemon is started on it, and events and reads are about
anybody of the million: most of them are not in memory. Nothing is delivered in this scenario.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.behavior import audiences
from benchmarks.readers import PROBE
from benchmarks.seed import seed
from benchmarks.subjects import READERS, Hub, cpu_seconds, load, machine_load, memory_mb, sent

AUDIENCES = 20
READS = 500
PROBES = 10
BATCH = 50
ACTIVE = 20_000
RATES = (0, 1_000, 2_500, 4_000, 5_000)


def run(console: Console, people: int, seconds: float, keep: Path | None = None) -> None:
    """Make the store (or take the one in `keep`), and print a table: a row for each rate."""
    config = READERS + PROBE + audiences(AUDIENCES, broad=True)
    folder = keep or Path(tempfile.mkdtemp(prefix="junctor-bench-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "data").exists():
            begun = time.monotonic()
            seed(config, folder, people)
            console.print(f"{people:,} people made in {time.monotonic() - begun:.0f} s")
        store = sum(file.stat().st_size for file in (folder / "data").iterdir()) / 2**20
        table = Table(title=f"{people:,} people, {AUDIENCES} audiences, store of {store:,.0f} MB,"
                            f" {READS} reads/s; {machine_load()}")  # fmt: skip
        for column in ("events/s asked", "taken", "read p50 ms", "p99", "p99.9", "shows p50 ms",
                       "p99", "peak MB", "hub CPU", "reader's lag p99"):  # fmt: skip
            table.add_column(column, justify="right")
        for rate in RATES:
            table.add_row(*_row(config, folder, people, rate, seconds))
        console.print(table)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _row(config: str, folder: Path, people: int, rate: float, seconds: float) -> list[str]:
    hub = Hub(config, folder)
    try:
        name = f"{rate}-{time.time_ns()}"
        loads = _events(hub, rate, seconds + 4, people, name)
        time.sleep(2 if rate else 0.2)
        cpu, begun = cpu_seconds(hub.process.pid), time.monotonic()
        found = _read(hub, seconds, people, name)
        busy = (cpu_seconds(hub.process.pid) - cpu) / (time.monotonic() - begun)
        told = [sent(one) for one in loads]
        taken = sum(one["events"] / one["seconds"] for one in told)
        peak = memory_mb(hub.process.pid)
    finally:
        hub.close()
    reads, visible, lags = (sorted(found[name]) for name in ("reads", "visible", "lags"))
    figures = [
        _at(reads, 0.5), _at(reads, 0.99), _at(reads, 0.999), _at(visible, 0.5),
        _at(visible, 0.99), peak, busy * 100, _at(lags, 0.99),
    ]  # fmt: skip
    formats = ("{:.1f}",) * 5 + ("{:,.0f}", "{:.0f} %", "{:.1f}")
    texts = [form.format(figure) for form, figure in zip(formats, figures, strict=True)]
    return [f"{rate:,}", f"{taken:,.0f}", *texts]


def _events(
    hub: Hub, rate: float, seconds: float, people: int, name: str
) -> list[subprocess.Popen[str]]:
    if not rate:
        return []
    events = int(rate * seconds)
    return [
        load(
            hub.port, events, BATCH, 8, rate, name, "--visits", str(people), "--active", str(ACTIVE)
        )
    ]


def _read(hub: Hub, seconds: float, people: int, name: str) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "benchmarks.readers", str(hub.port), str(READS), str(PROBES),
        str(seconds), str(people), name,
    ]  # fmt: skip
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(out)
    if found["refused"]:
        raise SystemExit(f"{found['refused']} reads were refused")
    return found


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]
