"""What many audiences cost: the same load with none, with 10 and with 1,000.

The events, the destinations and the people are the same; what differs is how many conditions there
are, and so how many of them an event fits.
"""

from benchmarks.figures import Figures, of, ratios
from benchmarks.loading import measured
from benchmarks.receiving import receivers
from benchmarks.rounds import Round
from benchmarks.subjects import new_hub, three
from benchmarks.traffic import behavior
from benchmarks.traffic.load import Traffic

_USERS = 5_000
_BATCH = 50
_CONNECTIONS = 8


def audiences(round: Round) -> Figures:
    """Three destinations, 5,000 people who are known already."""
    found: Figures = {}
    for count in (0, 10, 1_000):
        found |= of(f"{count:,}", _with(count, round))
    for one, base in (("0", "10"), ("1,000", "10")):
        found |= ratios(found, one, base, ["events/s", "CPU µs/event"])
    return found


def _with(count: int, round: Round) -> Figures:
    people = round.size(_USERS, _USERS // 10)
    warm = Traffic(4 * people, _BATCH, _CONNECTIONS, visits=people)
    traffic = Traffic(round.size(40_000, 4_000), _BATCH, _CONNECTIONS, visits=people)
    with receivers() as others:
        config = three(others.urls) + behavior.audiences(count)
        with new_hub(config, round) as hub:
            measured(hub, others, warm, "warm")
            hub.wait_folded()
            before = hub.status()["log"]["head"]
            run = measured(hub, others, traffic, "run")
            hub.wait_folded()
            made = hub.status()["log"]["head"] - before - traffic.events
    figures = run.figures("events/s", "CPU µs/event", "peak MB")
    return figures | {"transitions/1,000 events": made / traffic.events * 1_000}
