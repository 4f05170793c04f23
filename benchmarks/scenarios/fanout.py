"""What one more destination costs."""

from benchmarks.figures import Figures, of
from benchmarks.loading import measured
from benchmarks.receiving import receivers
from benchmarks.rounds import Round
from benchmarks.subjects import new_hub, webhooks
from benchmarks.traffic.load import Traffic
from benchmarks.traffic.receivers import Manner


def fanout(round: Round) -> Figures:
    """Send the same load to 1, 3 and 10 webhooks."""
    found: Figures = {}
    for count in (1, 3, 10):
        traffic = Traffic(round.size(40_000, 4_000), batch=100, connections=8)
        with receivers([Manner()] * count) as others, new_hub(webhooks(others.urls), round) as hub:
            measured(hub, others, Traffic(traffic.events // 5, 100, 8), "warm")
            run = measured(hub, others, traffic, "run")
        figures = run.figures("events/s", "CPU µs/event")
        figures["deliveries/s"] = figures["events/s"] * count
        found |= of(f"to {count}", figures)
    return found
