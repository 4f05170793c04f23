"""From an event to the message in Slack: how long, beside other events."""

import json
import time
from contextlib import ExitStack
from typing import Final

from benchmarks.figures import Figures, of, quantile
from benchmarks.loading import sending, sent
from benchmarks.processes import free_port, running, told
from benchmarks.rounds import Round
from benchmarks.subjects import new_hub
from benchmarks.traffic.behavior import audiences
from benchmarks.traffic.leads import CHANNELS
from benchmarks.traffic.load import Traffic

_RATES: Final = (0, 500, 2_000)
_LEAD_SECONDS: Final = 2
"""How long others send before anybody enters, and after the last."""
_CHANNEL: Final = """
[destinations.slack{n}]
type = "slack"
settings.token = {{ env = "BENCH_KEY" }}
settings.channel = "C{n}"
settings.api_url = "http://127.0.0.1:{port}"
settings.text = "{{{{userId}}}}"
[audiences.vip{n}]
event = "Demo {n}"
within = "1h"
send = ["slack{n}"]
"""


def slack(round: Round) -> Figures:
    """Ten audiences with a channel each, beside events of other people at several rates."""
    found: Figures = {}
    for rate in _RATES:
        delays = _delays(rate, round.size(20, 3), round)
        figures = {"p50 ms": quantile(delays, 0.5), "p90 ms": quantile(delays, 0.9),
                   "p99 ms": quantile(delays, 0.99), "longest ms": max(delays)}  # fmt: skip
        found |= of(f"beside {rate:,}/s", figures)
    return found


def _delays(rate: int, seconds: int, round: Round) -> list[float]:
    port = free_port()
    config = "".join(_CHANNEL.format(n=number, port=port) for number in range(CHANNELS))
    events = rate * (seconds + 2 * _LEAD_SECONDS)
    others = Traffic(events, batch=20, connections=8, rate=rate, visits=5_000)
    with new_hub(config + audiences(20), round) as hub, ExitStack() as stack:
        load = stack.enter_context(sending(hub.port, others, "others")) if rate else None
        time.sleep(_LEAD_SECONDS if rate else 0)
        command = ["benchmarks.traffic.leads", str(hub.port), str(port), str(seconds)]
        with running(command) as leads:
            delays: list[float] = json.loads(told(leads))
        if load is not None:
            sent(load)
    return delays
