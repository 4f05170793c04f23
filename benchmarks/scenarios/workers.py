"""What worker processes gain."""

from benchmarks.figures import Figures, of, ratios
from benchmarks.loading import Run, measured
from benchmarks.machine import cpus
from benchmarks.receiving import receivers
from benchmarks.rounds import Round
from benchmarks.subjects import new_hub, three
from benchmarks.traffic.load import Traffic

_COUNTS = {"none": "0", "one": "1", "two": "2"}
_PER_FREE_CPU = "events/s per free CPU"


def workers(round: Round) -> Figures:
    """Three destinations with no worker, with one, and with two."""
    found: Figures = {}
    for name, count in _COUNTS.items():
        traffic = Traffic(round.size(60_000, 6_000), batch=100, connections=8)
        with receivers() as others:
            config = three(others.urls) + f"[runtime]\nworkers = {count}\n"
            with new_hub(config, round) as hub:
                measured(hub, others, Traffic(traffic.events // 5, 100, 8), "warm")
                run = measured(hub, others, traffic, "run")
        figures = run.figures("events/s", "CPU µs/event", "peak MB", "p99 ms")
        found |= of(name, figures | {_PER_FREE_CPU: _per_free_cpu(run)})
    for name in ("one", "two"):
        found |= ratios(found, name, "none", ["events/s", _PER_FREE_CPU])
    return found


def _per_free_cpu(run: Run) -> float:
    """Return what each processor does that load and receivers leave to the hub.

    (events/s) / (CPUs - CPU seconds of load and receivers per second): they run on this machine
    too, and the faster the hub gets, the more they take from it.
    """
    return run.events_per_second / (cpus() - run.others_cpu_seconds / run.seconds)
