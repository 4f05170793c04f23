"""What many audiences cost: the same hub and load, with 10 audiences and with 1,000.

Both take turns in one run. The events, the destinations and the people are the same; what differs
is how many conditions there are, and so how many of them an event fits.
"""

import statistics
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from benchmarks.behavior import audiences
from benchmarks.subjects import (
    Hub,
    Receivers,
    cpu_seconds,
    load,
    machine_load,
    memory_mb,
    sent,
    stop,
)

EVENTS = 40_000
USERS = 5_000
BATCH = 50
CONNECTIONS = 8
COUNTS = (0, 10, 1_000)


@dataclass
class Figures:
    events_per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    transitions: list[float] = field(default_factory=list)


def measure(count: int, figures: Figures, run: str) -> None:
    """Run one hub: first everybody becomes known, then it is measured."""
    receivers = Receivers()
    hub = Hub(receivers.delivery() + audiences(count))
    try:
        done = 0
        for part, events in (("warm", 4 * USERS), ("run", EVENTS)):
            cpu, head = cpu_seconds(hub.process.pid), hub.status()["log"]["head"]
            told = sent(
                load(hub.port, events, BATCH, CONNECTIONS, 0, f"{run}-{part}",
                     "--visits", str(USERS))
            )  # fmt: skip
            done += told["events"]
            reports = receivers.wait_for(done)
            hub.wait_folded()
        seconds = max(report["last"] for report in reports) - told["started"]
        figures.events_per_second.append(EVENTS / seconds)
        figures.cpu_us.append((cpu_seconds(hub.process.pid) - cpu) / EVENTS * 1e6)
        figures.peak_mb.append(memory_mb(hub.process.pid))
        made = hub.status()["log"]["head"] - head - EVENTS
        figures.transitions.append(made / EVENTS * 1_000)
    finally:
        hub.close()
        stop(receivers.process)


def run(console: Console, rounds: int) -> None:
    """Print the table."""
    table = Table(title=f"many audiences, medians of {rounds} rounds, in turn; {machine_load()}")
    for column in ("audiences", "events/s", "of 10's", "CPU µs/event", "of 10's", "peak MB",
                   "transitions/1,000 events"):  # fmt: skip
        table.add_column(column, justify="right")
    found = {count: Figures() for count in COUNTS}
    for number in range(rounds):
        for count, figures in found.items():
            measure(count, figures, f"{count}-{number}")
    base = found[10]
    for count, figures in found.items():
        median = statistics.median
        table.add_row(
            f"{count:,}", f"{median(figures.events_per_second):,.0f}",
            _ratio(figures.events_per_second, base.events_per_second),
            f"{median(figures.cpu_us):,.0f}", _ratio(figures.cpu_us, base.cpu_us),
            f"{median(figures.peak_mb):,.0f}", f"{median(figures.transitions):,.1f}",
        )  # fmt: skip
    console.print(table)


def _ratio(values: list[float], base: list[float]) -> str:
    ratios = [value / of for value, of in zip(values, base, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
