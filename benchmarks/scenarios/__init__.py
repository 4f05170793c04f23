"""The scenarios by name. Each is a function of a round that returns what it found."""

from typing import Final

from benchmarks.rounds import Scenario
from benchmarks.scenarios.against_bare import batch, single
from benchmarks.scenarios.audiences import audiences
from benchmarks.scenarios.fanout import fanout
from benchmarks.scenarios.half import half
from benchmarks.scenarios.history import history
from benchmarks.scenarios.million import million
from benchmarks.scenarios.replay import replay
from benchmarks.scenarios.slack import slack
from benchmarks.scenarios.slow import slow
from benchmarks.scenarios.storm import storm
from benchmarks.scenarios.workers import workers

SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.__name__: scenario
    for scenario in (
        batch, single, half, fanout, workers, slow, storm, replay, history, audiences, slack,
        million,
    )
}  # fmt: skip
