"""The load as a scenario sees it, and what a subject did under it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from subprocess import Popen

from benchmarks.figures import Figures, quantile
from benchmarks.processes import cpu_seconds, peak_mb, running, told
from benchmarks.receiving import Receivers
from benchmarks.rounds import Failed
from benchmarks.subjects import Subject
from benchmarks.traffic.load import Sent, Traffic


@contextmanager
def sending(port: int, traffic: Traffic, run: str) -> Iterator[Popen[str]]:
    """Send while the block runs; `run` makes message ids differ from those of other runs."""
    command = ["benchmarks.traffic.load", str(port), run, json.dumps(asdict(traffic))]
    with running(command) as process:
        yield process


def sent(process: Popen[str]) -> Sent:
    """Wait until all is sent.

    Raises:
        Failed: something was refused.
    """
    found = Sent(**json.loads(told(process)))
    if found.refused:
        raise Failed(f"{found.refused} requests were refused")
    return found


def send(port: int, traffic: Traffic, run: str) -> Sent:
    """Send, and wait until all is sent; see `sent`."""
    with sending(port, traffic, run) as process:
        return sent(process)


@dataclass(frozen=True)
class Run:
    """What a subject did under load."""

    events: int
    seconds: float
    """From the first request to the receipt of the last event by the last receiver."""
    cpu_seconds: float
    """Processor time of the subject with its processes."""
    others_cpu_seconds: float
    """Processor time of load and receivers."""
    peak_mb: float
    commits: float
    lost: int
    """Events that a receiver never had."""
    refused: int
    """Requests that receivers refused."""
    ages: Sequence[float]
    """Milliseconds from the making of an event to its receipt, of a sample."""

    @property
    def events_per_second(self) -> float:
        """How fast it was."""
        return self.events / self.seconds

    def figures(self, *measures: str) -> Figures:
        """Return the figures of these measures, by themselves all."""
        found = {
            "events/s": self.events_per_second,
            "CPU µs/event": self.cpu_seconds / self.events * 1e6,
            "peak MB": self.peak_mb,
            "fsyncs/1,000 events": self.commits / self.events * 1_000,
            "p50 ms": quantile(self.ages, 0.5),
            "p99 ms": quantile(self.ages, 0.99),
            "lost events": float(self.lost),
        }
        return {measure: found[measure] for measure in measures or found}


def measured(
    subject: Subject,
    receivers: Receivers,
    traffic: Traffic,
    run: str,
    *,
    which: Sequence[int] = (),
    may_lose: bool = False,
) -> Run:
    """Return what a subject does under load; only the receivers `which` are waited for.

    Raises:
        Failed: events were refused or, unless it `may_lose` some, have not come.
    """
    receivers.begin()
    cpu, receiving = cpu_seconds(subject.pid), cpu_seconds(receivers.pid)
    commits = subject.commits()
    load = send(subject.port, traffic, run)
    counts = receivers.wait_for(traffic.events, which)
    receiving = cpu_seconds(receivers.pid) - receiving
    lost = traffic.events - min(count["events"] for count in counts)
    if lost > 0 and not may_lose:
        raise Failed(f"{lost} events have not come")
    return Run(
        events=traffic.events,
        seconds=max(count["last"] for count in counts) - load.started,
        cpu_seconds=cpu_seconds(subject.pid) - cpu,
        others_cpu_seconds=load.cpu_seconds + receiving,
        peak_mb=peak_mb(subject.pid),
        commits=subject.commits() - commits,
        lost=max(0, lost),
        refused=sum(count["refused"] for count in counts),
        ages=receivers.ages(which),
    )
