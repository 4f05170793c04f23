"""Runs the scenarios and prints a table: hub, bare forwarder, and the ratio between them.

Both subjects take turns in one run, on the same machine, with the same receivers and load, so the
ratio holds where absolute figures drift.
"""

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[store]
path = "data"
[egress]
allow = ["127.0.0.0/8"]
[log]
level = "warning"
[sources.web]
type = "segment"
settings.write_key = {{ env = "BENCH_KEY" }}
[destinations.statsig]
type = "statsig"
settings.server_secret = {{ env = "BENCH_KEY" }}
settings.endpoint = "{one}"
[destinations.crm]
type = "webhook"
settings.url = "{two}"
settings.batch = true
[destinations.lake]
type = "webhook"
settings.url = "{three}"
settings.batch = true
[routes.all]
to = ["statsig", "crm", "lake"]
"""


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise SystemExit(f"{command} did not start")
    return process


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Receivers:
    def __init__(self) -> None:
        self.ports = [free_port() for _ in range(3)]
        self.process = start([sys.executable, "-m", "benchmarks.receivers", *map(str, self.ports)])
        self.urls = [f"http://127.0.0.1:{port}/take" for port in self.ports]

    def report(self) -> list[dict[str, Any]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        reports: list[dict[str, Any]] = json.loads(self.process.stdout.readline())
        return reports

    def wait_for(self, events: int, timeout: float = 120) -> list[dict[str, Any]]:
        """Wait until every receiver has had `events` since the start; return the last report."""
        ages: list[list[float]] = [[], [], []]
        deadline = time.monotonic() + timeout
        while True:
            reports = self.report()
            for kept, report in zip(ages, reports, strict=True):
                kept += report["ages"]
            if min(report["events"] for report in reports) >= events:
                for kept, report in zip(ages, reports, strict=True):
                    report["ages"] = kept
                return reports
            if time.monotonic() > deadline:
                counts = [report["events"] for report in reports]
                raise SystemExit(f"events are missing: {counts} of {events}")
            time.sleep(0.05)


class Hub:
    def __init__(self, receivers: Receivers) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="junctor-bench-"))
        self.port, self.admin = free_port(), free_port()
        one, two, three = receivers.urls
        (self.folder / "junctor.toml").write_text(
            CONFIG.format(port=self.port, admin=self.admin, one=one, two=two, three=three)
        )
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "junctor.cli.main", "run", "--config", "junctor.toml"],
            cwd=self.folder, env={**os.environ, "BENCH_KEY": "bench"}, text=True,
        )  # fmt: skip
        self.wait_ready()

    def wait_ready(self) -> None:
        for _ in range(200):
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health/ready").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise SystemExit("the hub did not start")

    def commits(self) -> float:
        return float(httpx.get(f"http://127.0.0.1:{self.admin}/api/status").json()["commits"])

    def close(self) -> None:
        stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


class Bare:
    def __init__(self, receivers: Receivers) -> None:
        self.port = free_port()
        self.process = start(
            [sys.executable, "-m", "benchmarks.forwarder", str(self.port), *receivers.urls]
        )

    def commits(self) -> float:
        return 0.0

    def close(self) -> None:
        stop(self.process)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(kind: type[Hub] | type[Bare], scenario: Scenario, figures: Figures, run: str) -> None:
    receivers = Receivers()
    subject = kind(receivers)
    try:
        done = 0
        for part, events in (("warm", min(2_000, scenario.events // 5)), ("run", scenario.events)):
            cpu, commits = cpu_seconds(subject.process.pid), subject.commits()
            load = subprocess.run(
                [sys.executable, "-m", "benchmarks.load", str(subject.port), str(events),
                 str(scenario.batch), str(scenario.connections),
                 str(scenario.rate if part == "run" else 0), f"{run}-{part}"],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            sent = json.loads(load.stdout)
            if sent["refused"]:
                raise SystemExit(f"{sent['refused']} requests were refused")
            done += sent["events"]
            reports = receivers.wait_for(done)
        # the clock of the run stops when the last receiver has the last event
        seconds = max(report["last"] for report in reports) - sent["started"]
        figures.events_per_second.append(events / seconds)
        figures.cpu_us.append((cpu_seconds(subject.process.pid) - cpu) / events * 1e6)
        figures.peak_mb.append(peak_mb(subject.process.pid))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=int, help="run scenario N only, from 1")
    options = parser.parse_args()
    scenarios = SCENARIOS if options.only is None else [SCENARIOS[options.only - 1]]
    console = Console(width=120)
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs"
    console.print(machine)
    table = Table(title=f"medians of {options.rounds} rounds, each subject in turn")
    columns = ("scenario", "subject", "events/s", "CPU µs/event", "peak MB", "commits/1,000",
               "p50 ms", "p99 ms")  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column in columns[:2] else "right")
    for scenario in scenarios:
        hub, bare = Figures(), Figures()
        for round in range(options.rounds):
            measure(Bare, scenario, bare, f"b{round}")
            measure(Hub, scenario, hub, f"h{round}")
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


if __name__ == "__main__":
    main()
