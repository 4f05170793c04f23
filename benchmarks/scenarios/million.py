"""A million people: memory, reads at decision time beside events, and how soon an event shows.

The store is made first (people.py). Then the daemon is started on it, and events and reads are
about anybody of the million: most of them are not in memory. Nothing is delivered.
"""

import json
import time
from contextlib import ExitStack
from typing import Any, Final

from benchmarks.figures import Figures, of, quantile
from benchmarks.loading import sending, sent
from benchmarks.people import make_people
from benchmarks.processes import cpu_seconds, peak_mb, running, told
from benchmarks.rounds import Failed, Round
from benchmarks.subjects import KEPT, READERS, Hub, hub
from benchmarks.traffic.behavior import audiences
from benchmarks.traffic.load import Traffic
from benchmarks.traffic.readers import PROBE

_AUDIENCES: Final = 20
_READS: Final = 500
_PROBES: Final = 10
_ACTIVE: Final = 20_000
_RATES: Final = (0, 1_000, 2_500, 4_000, 5_000)
_LEAD_SECONDS: Final = 2
"""How long events are sent before anybody reads, and after the last."""


def million(round: Round) -> Figures:
    """500 reads a second, beside events at several rates."""
    people = round.size(1_000_000, 20_000)
    config = READERS + PROBE + KEPT + audiences(_AUDIENCES, broad=True)
    folder = round.kept(f"people-{people}", lambda new: make_people(config, new, people))
    found: Figures = {}
    for rate in _RATES if not round.quick else _RATES[::2]:
        with hub(config, folder) as subject:
            figures = _beside(rate, subject, people, round.size(20, 3))
        found |= of(f"beside {rate:,}/s", figures)
    return found


def _beside(rate: int, subject: Hub, people: int, seconds: int) -> Figures:
    run = f"{rate}-{time.time_ns()}"
    traffic = Traffic(rate * (seconds + 2 * _LEAD_SECONDS), 50, 8, rate, visits=people,
                      active=_ACTIVE)  # fmt: skip
    with ExitStack() as stack:
        load = stack.enter_context(sending(subject.port, traffic, run)) if rate else None
        time.sleep(_LEAD_SECONDS if rate else 0.2)
        cpu, begun = cpu_seconds(subject.pid), time.monotonic()
        found = _read(subject.port, seconds, people, run)
        busy = (cpu_seconds(subject.pid) - cpu) / (time.monotonic() - begun)
        load_sent = sent(load) if load is not None else None
    taken = load_sent.events / load_sent.seconds if load_sent is not None else 0.0
    return {
        "taken events/s": taken,
        "read p50 ms": quantile(found["reads"], 0.5),
        "read p99 ms": quantile(found["reads"], 0.99),
        "read p99.9 ms": quantile(found["reads"], 0.999),
        "shows p50 ms": quantile(found["visible"], 0.5),
        "shows p99 ms": quantile(found["visible"], 0.99),
        "reader's lag p99 ms": quantile(found["lags"], 0.99),
        "peak MB": peak_mb(subject.pid),
        "CPU %": busy * 100,
    }


def _read(port: int, seconds: int, people: int, run: str) -> dict[str, Any]:
    numbers = (port, _READS, _PROBES, seconds, people)
    with running(["benchmarks.traffic.readers", *map(str, numbers), run]) as readers:
        found: dict[str, Any] = json.loads(told(readers))
    if found["refused"]:
        raise Failed(f"{found['refused']} reads were refused")
    return found
