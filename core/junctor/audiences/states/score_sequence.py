"""Completions of a sequence as part of a score: recent ones may be taken back, old ones stay."""

from typing import Final

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import NEVER, State
from junctor.audiences.nodes import Sequence
from junctor.audiences.seen import Seen
from junctor.audiences.states.score import Amount, Reading, added
from junctor.audiences.states.sequence import Completion, SequenceKind
from junctor.audiences.states.sequence_log import MOST_ENTRIES, MOST_LOGS

KEPT_OPEN_MS: Final = 7 * 86_400_000
"""How long after its end a completion can still be taken back, or added, by a late event."""
_STRIDE_MS: Final = 3_600_000
"""Completions are settled an hour's worth at once: to look for them with each event is dear."""


class ScoreSequenceKind:
    """The log of a sequence, and the decaying sum of the completions that left it.

    State `{"log", "upto", "sum"}`: completions whose last event is before `upto` are settled, they
    are in `sum` (`[count, at]`, null for none) and nowhere else; later ones are found in the log.
    `upto` follows the newest event at a distance, so what comes less than a week late (or, of a
    busy subject, while the log reaches back so far) is exact; of two halves, what one has settled
    is taken as it is. With `once` only the earliest completion is kept of those settled.
    """

    def __init__(self, sequence: Sequence, half_life: int | None, once: bool = False) -> None:
        """Add up completions of `sequence`; `half_life` in milliseconds, None for no decay.

        Raises:
            ValueError: a pattern refers to a step that is not an earlier one.
        """
        self._log = SequenceKind(sequence, keep=KEPT_OPEN_MS + _STRIDE_MS)
        self._needed = SequenceKind(sequence)
        silence = sequence.silence.length if sequence.silence is not None else 0
        self._open = silence + KEPT_OPEN_MS
        self._apart = self._needed.size - silence
        self._half_life = half_life
        self._once = once
        self.key = fingerprint("score sequence", sequence, half_life, once)
        self.size = self._log.size
        self.patterns = self._log.patterns

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        if state is None:
            state = {"log": None, "upto": self._upto(seen.at), "sum": None}
        upto = self._upto(seen.at)
        if upto > state["upto"]:
            self._settle(state, self._unsettled(state), upto)
        if state["log"] is not None:
            self._settle_crowded(state, seen.at)
        state["log"] = self._log.add(state["log"], seen, matched)
        return state if state["log"] is not None else None

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        upto = max(one["upto"], other["upto"])
        for half in (one, other):
            self._settle(half, self._unsettled(half), upto)
        if other["sum"] is not None:
            self._count(one, Amount(*other["sum"]))
        one["log"] = self._log.merge(one["log"], other["log"])
        return one

    def degraded(self, state: State) -> bool:
        """See Kind: not if there was no room only for what is kept against late events."""
        return self._needed.degraded(state["log"])

    def read(self, state: State, quiet: int) -> Reading:
        """Return the completions as amounts, those whose silence is believed, and the next end."""
        settled = (Amount(*state["sum"]),) if state["sum"] is not None else ()
        found = self._unsettled(state)
        done = [Amount(1, one.end) for one in found if self._log.is_done(one, quiet)]
        pending = min(
            (one.end for one in found if not self._log.is_done(one, quiet)), default=NEVER
        )
        if self._once:
            return Reading((*settled, *done)[:1], pending)
        return Reading((*settled, *done), pending)

    def evidence(self, state: State) -> tuple[int, ...]:
        """Return the rank of the last event of the newest completion."""
        return tuple(one.rank for one in self._unsettled(state)[-1:])

    def _upto(self, newest: int) -> int:
        return (newest - self._open) // _STRIDE_MS * _STRIDE_MS

    def _unsettled(self, state: State) -> list[Completion]:
        """Return the completions that the log tells of, in order."""
        found = self._log.completions(state["log"])
        return [one for one in found if one.at >= state["upto"]]

    def _settle(self, state: State, completions: list[Completion], upto: int) -> None:
        """Count for good those of the completions that are before `upto`."""
        for one in completions:
            if one.at < upto:
                self._count(state, Amount(1, one.end))
        state["upto"] = max(state["upto"], upto)

    def _settle_crowded(self, state: State, at: int) -> None:
        """Count for good what may rest on an event that has to make room for one at `at`.

        That one can't take back what ended before it. Half a log is settled at once, so as not to
        look for completions with each event of a busy subject.
        """
        logs = state["log"][0].values()
        full = [log for log in logs if len(log) >= MOST_ENTRIES]
        leaving = [log[0][0] + self._apart for log in full]
        settled = [log[MOST_ENTRIES // 2][0] + self._apart for log in full]
        if len(logs) >= MOST_LOGS:
            ends = sorted(log[-1][0] for log in logs)
            leaving.append(ends[0])
            settled.append(ends[MOST_LOGS // 2])
        if max(leaving, default=state["upto"] - 1) >= state["upto"]:
            found = self._unsettled(state)
            still_open = (one.at for one in found if one.end > at)
            self._settle(state, found, min(max(settled) + 1, at, *still_open))

    def _count(self, state: State, more: Amount) -> None:
        known = Amount(*state["sum"]) if state["sum"] is not None else None
        if known is None:
            state["sum"] = list(more)
        elif self._once:
            state["sum"] = [1, min(known.at, more.at)]
        else:
            state["sum"] = list(added(known, more, self._half_life))
