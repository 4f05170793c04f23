"""What an event costs with a long history in the log, and how soon such a hub is ready."""

import time

from benchmarks.figures import Figures, of, ratios
from benchmarks.loading import measured
from benchmarks.past import past
from benchmarks.receiving import receivers
from benchmarks.rounds import Round
from benchmarks.subjects import KEPT, hub, new_hub, webhooks
from benchmarks.traffic.load import Traffic

_SHORT = 10_000


def history(round: Round) -> Figures:
    """The same load after 10,000 events and after 10,000,000."""
    folder = past(round, round.size(10_000_000, 100_000))
    traffic = Traffic(round.size(40_000, 6_000), batch=100, connections=8)
    warm = Traffic(_SHORT, batch=100, connections=8)
    found: Figures = {}
    for name in ("short", "long"):
        with receivers() as others:
            config = webhooks(others.urls) + KEPT
            with new_hub(config, round) if name == "short" else hub(config, folder) as subject:
                run = f"{time.time_ns()}"
                measured(subject, others, warm, f"{run}-warm")
                figures = measured(subject, others, traffic, run).figures(
                    "events/s", "CPU µs/event"
                )
                found |= of(name, figures | {"ready s": subject.ready_seconds})
    return found | ratios(found, "long", "short", ["events/s", "CPU µs/event"])
