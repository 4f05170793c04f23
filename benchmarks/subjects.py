"""What is measured, and what it talks to: the daemon, a bare forwarder, receivers, the load."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx

HEAD: Final = """
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
"""
KEY: Final = "bench"
READERS: Final = """
[readers.app]
key = { env = "BENCH_KEY" }
"""
DELIVERY: Final = """
[destinations.statsig]
type = "statsig"
settings.server_secret = { env = "BENCH_KEY" }
settings.endpoint = "ONE"
[destinations.crm]
type = "webhook"
settings.url = "TWO"
settings.batch = true
[destinations.lake]
type = "webhook"
settings.url = "THREE"
settings.batch = true
[routes.all]
to = ["statsig", "crm", "lake"]
"""


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

    def delivery(self) -> str:
        """Return the configuration of three destinations that receive everything."""
        one, two, three = self.urls
        return DELIVERY.replace("ONE", one).replace("TWO", two).replace("THREE", three)

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
    """The daemon, on a store in `folder` (one of its own if none is given)."""

    def __init__(self, config: str, folder: Path | None = None) -> None:
        self._own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="junctor-bench-"))
        self.port, self.admin = free_port(), free_port()
        head = HEAD.format(port=self.port, admin=self.admin)
        (self.folder / "junctor.toml").write_text(head + config)
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "junctor.cli.main", "run", "--config", "junctor.toml"],
            cwd=self.folder, env={**os.environ, "BENCH_KEY": KEY}, text=True,
        )  # fmt: skip
        self._wait_ready()

    def _wait_ready(self) -> None:
        for _ in range(400):
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health/ready").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise SystemExit("the hub did not start")

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.admin}/api/status").json()
        return found

    def commits(self) -> float:
        return float(self.status()["commits"])

    def wait_folded(self, timeout: float = 300) -> None:
        """Wait until all that was accepted is folded."""
        deadline = time.monotonic() + timeout
        while self.status()["log"]["behind"] > 0:
            if time.monotonic() > deadline:
                raise SystemExit("the fold does not catch up")
            time.sleep(0.05)

    def close(self) -> None:
        stop(self.process)
        if self._own:
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
    """Return the processor time of a process and of those that it runs."""
    return sum(_cpu_seconds(one) for one in _family(pid))


def memory_mb(pid: int, what: str = "VmHWM") -> float:
    """Return the resident memory of a process and of those that it runs.

    Each at its peak (`VmHWM`), or as it is now (`VmRSS`).
    """
    return sum(_memory_mb(one, what) for one in _family(pid))


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    return 0.0


def machine_load() -> str:
    """Return how busy the machine is, to be read beside every figure."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"


def load(
    port: int, events: int, batch: int, connections: int, rate: float, run: str, *extra: str
) -> subprocess.Popen[str]:
    """Start the load; `rate` is events a second, 0 for as fast as answered."""
    command = [
        sys.executable, "-m", "benchmarks.load", str(port), str(events), str(batch),
        str(connections), str(rate), run, *extra,
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def sent(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the load to end and return what it says of itself."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit("the load failed")
    told: dict[str, Any] = json.loads(out)
    if told["refused"]:
        raise SystemExit(f"{told['refused']} requests were refused")
    return told
