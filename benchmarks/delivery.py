"""The hub against a bare forwarder: what durability, identity, routing and formats cost.

Both subjects take turns in one run, on the same machine, with the same receivers and load, so the
ratio holds where absolute figures drift.
"""

import statistics
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from benchmarks.subjects import (
    Bare,
    Hub,
    Receivers,
    cpu_seconds,
    load,
    memory_mb,
    sent,
    stop,
)


@dataclass
class Scenario:
    name: str
    events: int
    batch: int
    connections: int
    rate: float = 0.0


@dataclass
class Figures:
    events_per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    fsyncs: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def measure(kind: type[Hub] | type[Bare], scenario: Scenario, figures: Figures, run: str) -> None:
    receivers = Receivers()
    subject = Hub(receivers.delivery()) if kind is Hub else Bare(receivers)
    try:
        done = 0
        for part, events in (("warm", min(2_000, scenario.events // 5)), ("run", scenario.events)):
            cpu, commits = cpu_seconds(subject.process.pid), subject.commits()
            rate = scenario.rate if part == "run" else 0
            told = sent(
                load(subject.port, events, scenario.batch, scenario.connections, rate,
                     f"{run}-{part}")
            )  # fmt: skip
            done += told["events"]
            reports = receivers.wait_for(done)
        # the clock of the run stops when the last receiver has the last event
        seconds = max(report["last"] for report in reports) - told["started"]
        figures.events_per_second.append(events / seconds)
        figures.cpu_us.append((cpu_seconds(subject.process.pid) - cpu) / events * 1e6)
        figures.peak_mb.append(memory_mb(subject.process.pid))
        figures.fsyncs.append((subject.commits() - commits) / events * 1000)
        ages = sorted(age for report in reports for age in report["ages"])
        figures.p50.append(ages[len(ages) // 2])
        figures.p99.append(ages[int(len(ages) * 0.99)])
    finally:
        subject.close()
        stop(receivers.process)


SCENARIOS = [
    Scenario("batches of 100", 60_000, 100, 8),
    Scenario("single events", 12_000, 1, 64),
    Scenario("paced, 1,000/s in batches of 10", 5_000, 10, 8, 1_000),
]


def run(console: Console, rounds: int, only: int | None) -> None:
    """Print the table of all scenarios, or of the one that has number `only`, from 1."""
    scenarios = SCENARIOS if only is None else [SCENARIOS[only - 1]]
    table = Table(title=f"medians of {rounds} rounds, each subject in turn")
    columns = ("scenario", "subject", "events/s", "CPU µs/event", "peak MB", "commits/1,000",
               "p50 ms", "p99 ms")  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column in columns[:2] else "right")
    for scenario in scenarios:
        hub, bare = Figures(), Figures()
        for number in range(rounds):
            measure(Bare, scenario, bare, f"b{number}")
            measure(Hub, scenario, hub, f"h{number}")
        ratios = [h / b for h, b in zip(hub.events_per_second, bare.events_per_second, strict=True)]
        for name, figures in (("bare forwarder", bare), ("hub", hub)):
            median = statistics.median
            table.add_row(
                scenario.name, name, f"{median(figures.events_per_second):,.0f}",
                f"{median(figures.cpu_us):,.0f}", f"{median(figures.peak_mb):,.0f}",
                f"{median(figures.fsyncs):,.1f}", f"{median(figures.p50):,.1f}",
                f"{median(figures.p99):,.1f}",
            )  # fmt: skip
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        table.add_row(scenario.name, "hub / bare", f"{statistics.median(ratios):.2f}", spread,
                      end_section=True)  # fmt: skip
    console.print(table)
