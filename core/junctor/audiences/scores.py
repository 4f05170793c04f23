"""Scores: what was done, added up, of which old things count less and less."""

import math
from typing import Final

from junctor.audiences.comparison import compile_comparison
from junctor.audiences.leaf import NEVER, Facts, Kind, States, Verdict
from junctor.audiences.nodes import Score, ScoreCondition, ScoreRule
from junctor.audiences.readable import readable
from junctor.audiences.states.score import Amount, DecayedKind, EarliestKind, added, remaining
from junctor.audiences.states.score_sequence import ScoreSequenceKind
from junctor.audiences.turning import crossings, first_change, thresholds, verdict

_FADED: Final = 1_100
"""Half-lives after which nothing is left of any number."""
_MOST_EVIDENCE: Final = 8

ScoreKind = DecayedKind | EarliestKind | ScoreSequenceKind


class ScoreReader:
    """Reads a score off the states of its rules.

    A sum is bounded when it is read, not on the way. Its clock does not run before its newest
    addition, whose time may be a little ahead.
    """

    def __init__(self, score: Score) -> None:
        """Prepare the rules of a score.

        Raises:
            ValueError: a rule has neither pattern nor sequence, or a pattern of a sequence refers
                to a step that is not an earlier one.
        """
        self.half_life = score.half_life
        self._low = -math.inf if score.low is None else score.low
        self._high = math.inf if score.high is None else score.high
        self._rules = [(rule.add, _kind(rule, score.half_life)) for rule in score.rules]
        self._limits: set[float] = set()

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds whose states the score is read from."""
        return tuple(kind for _, kind in self._rules)

    def leaf(self, condition: ScoreCondition) -> "ScoreLeaf":
        """Return the leaf of a condition on this score."""
        self._limits.update(thresholds(condition.comparison))
        return ScoreLeaf(self, condition)

    def value(self, states: States, now: int, quiet: int) -> float:
        """Return the score at `now`, silence being believed up to `quiet`."""
        return self.faded(self.total(states, quiet)[0], now)

    def shown(self, states: States, now: int) -> float:
        """Return the score at `now` as it is shown; conditions compare what it exactly is."""
        return readable(self.value(states, now, now), self._limits)

    def total(self, states: States, quiet: int) -> tuple[Amount, int]:
        """Return the sum of all rules as of its newest addition, without bounds.

        And when the next silence of a rule will be complete, NEVER if none is open.
        """
        total: Amount | None = None
        pending = NEVER
        for add, kind in self._rules:
            if (state := states.get(kind.key)) is None:
                continue
            reading = kind.read(state, quiet)
            pending = min(pending, reading.pending)
            for value, at in reading.amounts:
                more = Amount(add * value, at)
                total = more if total is None else added(total, more, self.half_life)
        return total or Amount(0.0, 0), pending

    def faded(self, total: Amount, now: int) -> float:
        """Return what a sum has come to at `now`, within the score's bounds."""
        left = total.value * remaining(max(0, now - total.at), self.half_life)
        return float(max(self._low, min(self._high, left)))

    def evidence(self, states: States) -> tuple[int, ...]:
        """Return the ranks of the newest event of each rule, newest last."""
        found = {
            rank
            for _, kind in self._rules
            if kind.key in states
            for rank in kind.evidence(states[kind.key])
        }
        return tuple(sorted(found))[-_MOST_EVIDENCE:]


class ScoreLeaf:
    """A score compares."""

    def __init__(self, score: ScoreReader, condition: ScoreCondition) -> None:
        """Prepare a condition on `score`."""
        self._score = score
        self._test = compile_comparison(condition.comparison)
        self._limits = thresholds(condition.comparison)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """See Leaf."""
        return self._score.kinds

    def verdict(self, states: States, now: int, quiet: int) -> Verdict:
        """See Leaf: the sum fades without a turn, so the time of each limit can be found."""
        score, test = self._score, self._test
        total, pending = score.total(states, quiet)
        half_life = score.half_life

        def value(clock: int) -> float:
            return score.faded(total, clock)

        def holds(clock: int) -> bool:
            return test(value(clock))

        def change(clock: int) -> int:
            if half_life is None or not total.value:
                return NEVER
            start, end = max(clock, total.at), min(total.at + _FADED * half_life, NEVER)
            return first_change(holds, clock, crossings(value, self._limits, start, end))

        found = verdict(holds, change, now, quiet)
        return found._replace(quiet_at=min(found.quiet_at, pending))

    def facts(self, states: States, now: int) -> Facts:
        """See Leaf: the score."""
        return Facts(
            self._score.shown(states, now),
            evidence=self._score.evidence(states),
            degraded=any(
                kind.degraded(states[kind.key]) for kind in self.kinds if kind.key in states
            ),
        )


def _kind(rule: ScoreRule, half_life: int | None) -> ScoreKind:
    if rule.sequence is not None:
        return ScoreSequenceKind(rule.sequence, half_life, rule.once)
    if rule.pattern is None:
        raise ValueError("a rule of a score is an event's or a sequence's")
    return EarliestKind(rule.pattern) if rule.once else DecayedKind(rule.pattern, half_life)
