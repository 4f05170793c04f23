"""How fast the log is sent again."""

import time

from benchmarks.figures import Figures, of, ratios
from benchmarks.loading import measured
from benchmarks.past import past
from benchmarks.processes import cpu_seconds
from benchmarks.receiving import receivers
from benchmarks.rounds import Failed, Round
from benchmarks.subjects import KEPT, hub, webhooks
from benchmarks.traffic.load import Traffic
from benchmarks.traffic.receivers import Manner


def replay(round: Round) -> Figures:
    """A million events, replayed to one destination, beside its speed with live events."""
    folder = past(round, round.size(1_000_000, 30_000), destinations=1)
    # small events, as they are in the past
    warm = Traffic(round.size(10_000, 2_000), batch=100, connections=8, small=True)
    traffic = Traffic(round.size(60_000, 6_000), batch=100, connections=8, small=True)
    with receivers([Manner()]) as others, hub(webhooks(others.urls) + KEPT, folder) as subject:
        run = f"{time.time_ns()}"
        measured(subject, others, warm, f"{run}-warm")
        live = measured(subject, others, traffic, run)
        events = subject.status()["log"]["head"]
        others.begin()
        begun, cpu = time.monotonic(), cpu_seconds(subject.pid)
        subject.replay("w0")
        (counts,) = others.wait_for(events)
        cpu = cpu_seconds(subject.pid) - cpu
    if counts["events"] < events:
        raise Failed(f"{events - counts['events']} events were not replayed")
    found = of("live", live.figures("events/s", "CPU µs/event"))
    found |= of("replay", {"events/s": events / (counts["last"] - begun),
                           "CPU µs/event": cpu / events * 1e6})  # fmt: skip
    return found | ratios(found, "replay", "live", ["events/s"])
