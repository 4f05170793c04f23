"""The hub against a bare forwarder: what durability, identity, routing and formats cost."""

from benchmarks.figures import Figures, of, ratios
from benchmarks.loading import measured
from benchmarks.receiving import receivers
from benchmarks.rounds import Round
from benchmarks.subjects import bare, new_hub, three
from benchmarks.traffic.load import Traffic


def batch(round: Round) -> Figures:
    """Batches of 100 to three destinations."""
    return _against_bare(Traffic(round.size(60_000, 8_000), batch=100, connections=8), round)


def single(round: Round) -> Figures:
    """Events one by one to three destinations."""
    return _against_bare(Traffic(round.size(20_000, 3_000), batch=1, connections=64), round)


def _against_bare(traffic: Traffic, round: Round) -> Figures:
    warm = Traffic(traffic.events // 5, traffic.batch, traffic.connections)
    with receivers() as others, bare(others.urls) as forwarder:
        measured(forwarder, others, warm, "warm")
        yardstick = measured(forwarder, others, traffic, "run")
    with receivers() as others, new_hub(three(others.urls), round) as hub:
        measured(hub, others, warm, "warm")
        run = measured(hub, others, traffic, "run")
    measures = ("events/s", "CPU µs/event", "peak MB", "p50 ms", "p99 ms")
    found = of("bare", yardstick.figures(*measures))
    found |= of("hub", run.figures(*measures, "fsyncs/1,000 events"))
    return found | ratios(found, "hub", "bare", ["events/s"])
