"""How soon an event arrives while the hub has as much to do again as it does."""

from benchmarks.figures import Figures
from benchmarks.loading import measured
from benchmarks.receiving import receivers
from benchmarks.rounds import Round
from benchmarks.subjects import new_hub, three
from benchmarks.traffic.load import Traffic

_BATCH = 10
_CONNECTIONS = 32


def half(round: Round) -> Figures:
    """Three destinations at half of the rate of which this hub was capable just before."""
    with receivers() as others, new_hub(three(others.urls), round) as hub:
        measured(hub, others, Traffic(round.size(10_000, 2_000), 100, 8), "warm")
        capable = measured(hub, others, Traffic(round.size(40_000, 6_000), 100, 8), "capable")
        rate = capable.events_per_second / 2
        paced = Traffic(int(rate * round.size(20, 3)), _BATCH, _CONNECTIONS, rate)
        run = measured(hub, others, paced, "paced", may_lose=True)
    found = {"capacity events/s": capable.events_per_second}
    return found | run.figures("events/s", "p50 ms", "p99 ms", "lost events")
