"""What it costs when every other request is refused."""

from benchmarks.figures import Figures, of, ratios
from benchmarks.loading import measured
from benchmarks.receiving import receivers
from benchmarks.rounds import Round
from benchmarks.subjects import new_hub, webhooks
from benchmarks.traffic.load import Traffic
from benchmarks.traffic.receivers import Manner

_RETRIES = """
delivery.retry.initial = "50ms"
delivery.retry.max = "500ms"
delivery.breaker.failures = 1000
"""
"""Tries soon, and no breaker: it would spare the destination what is measured here."""


def storm(round: Round) -> Figures:
    """Three webhooks that take everything, then three that answer half of the requests with 503."""
    traffic = Traffic(round.size(40_000, 5_000), batch=100, connections=8)
    found: Figures = {}
    for name, manner in (("calm", Manner()), ("storm", Manner(refuses=0.5))):
        with (
            receivers([manner] * 3) as others,
            new_hub(webhooks(others.urls, _RETRIES), round) as hub,
        ):
            measured(hub, others, Traffic(traffic.events // 5, 100, 8), "warm")
            run = measured(hub, others, traffic, "run", may_lose=True)
            hub.wait_settled()
            dead = sum(one["dead"] for one in hub.ledger())
        figures = run.figures("events/s", "CPU µs/event", "lost events")
        figures |= {"dead letters": float(dead), "refused requests": float(run.refused)}
        found |= of(name, figures)
    return found | ratios(found, "storm", "calm", ["events/s", "CPU µs/event"])
