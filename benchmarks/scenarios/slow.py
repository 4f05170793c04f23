"""What a slow destination does to its neighbors."""

from benchmarks.figures import Figures, of, ratios
from benchmarks.loading import measured
from benchmarks.receiving import receivers
from benchmarks.rounds import Round
from benchmarks.subjects import new_hub, webhooks
from benchmarks.traffic.load import Traffic
from benchmarks.traffic.receivers import Manner

_SLOW = Manner(delay=2.0)
_RATE = 1_000.0
_NEIGHBORS = (0, 1)


def slow(round: Round) -> Figures:
    """Two webhooks, beside a third as quick as they are and beside one that takes 2 s to answer.

    The flood leaves the slow one far behind, and so it is while the neighbors' delays are measured.
    """
    flood = Traffic(round.size(40_000, 6_000), batch=100, connections=8)
    paced = Traffic(int(_RATE * round.size(20, 3)), batch=10, connections=16, rate=_RATE)
    found: Figures = {}
    for name, third in (("without", Manner()), ("with", _SLOW)):
        with (
            receivers([Manner(), Manner(), third]) as others,
            new_hub(webhooks(others.urls), round) as hub,
        ):
            warm = Traffic(flood.events // 5, 100, 8)
            measured(hub, others, warm, "warm", which=_NEIGHBORS)
            fast = measured(hub, others, flood, "flood", which=_NEIGHBORS)
            run = measured(hub, others, paced, "paced", which=_NEIGHBORS)
        found |= of(name, fast.figures("events/s") | run.figures("p50 ms", "p99 ms"))
    return found | ratios(found, "with", "without", ["events/s", "p99 ms"])
