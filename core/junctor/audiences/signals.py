"""Signals: patterns that emit an event each time that they are completed.

What was emitted is not kept: what a signal's completions are before a change and after it tells
what is new. A completion is named by the rank of the event that completed it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from junctor.audiences.leaf import NEVER, Kind, State
from junctor.audiences.nodes import Signal
from junctor.audiences.states.groups import Groups
from junctor.audiences.states.sequence import SequenceKind
from junctor.audiences.states.times import Times

PREFIX: Final = "signal:"
KEEP_MS: Final = 86_400_000
"""How late an event may come and still complete a sequence of which older parts are kept."""
MOST_TIMES: Final = 64
"""Events kept of each combination of values, at least."""


class Completion(NamedTuple):
    """A signal's event: `at` is its time, `rank` that of the event that completed it.

    `known_at` is when it is certain: for a silence, its end.
    """

    at: int
    rank: int
    known_at: int


Completions = dict[int, Completion]
"""By rank."""


class Detector(Protocol):
    """Finds the completions of one signal in the state of a kind."""

    @property
    def name(self) -> str:
        """Return the name of the event that is emitted."""
        ...

    @property
    def kind(self) -> Kind:
        """Return the kind whose state it reads."""
        ...

    def completed(self, state: State | None, quiet: int) -> Completions:
        """Return the completions, silences up to `quiet` only."""
        ...

    def pending(self, state: State | None, quiet: int) -> int:
        """Return when the next silence will be complete, NEVER if none is open."""
        ...


@dataclass(frozen=True, slots=True)
class CountDetector:
    """So many events, alike in some properties, within a time."""

    signal: Signal
    kind: Groups

    @property
    def name(self) -> str:
        """See Detector."""
        return PREFIX + self.signal.name

    def completed(self, state: State | None, quiet: int) -> Completions:
        """See Detector: each event before which, close enough, are the others."""
        found: Completions = {}
        count, within = self.signal.count, self.signal.within
        for times in (state or {}).values():
            for place in range(count - 1, len(times)):
                at, rank = times[place]
                if within is None or at - times[place - count + 1][0] < within:
                    found[rank] = Completion(at, rank, at)
        return found

    def pending(self, state: State | None, quiet: int) -> int:
        """See Detector."""
        return NEVER


@dataclass(frozen=True, slots=True)
class SequenceDetector:
    """A sequence, perhaps with a silence at its end."""

    signal: Signal
    kind: SequenceKind

    @property
    def name(self) -> str:
        """See Detector."""
        return PREFIX + self.signal.name

    def completed(self, state: State | None, quiet: int) -> Completions:
        """See Detector."""
        if state is None:
            return {}
        silent = self.signal.sequence is not None and self.signal.sequence.silence is not None
        return {
            found.rank: Completion(found.end, found.rank, found.end)
            for found in self.kind.completions(state)
            if not silent or found.end <= quiet
        }

    def pending(self, state: State | None, quiet: int) -> int:
        """See Detector."""
        end = self.kind.pending(state, quiet) if state is not None else None
        return NEVER if end is None else end


def detector(signal: Signal) -> Detector:
    """Return the detector of a signal."""
    if signal.sequence is not None:
        return SequenceDetector(signal, SequenceKind(signal.sequence, keep=KEEP_MS))
    assert signal.pattern is not None
    newest = Times(signal.pattern, max(MOST_TIMES, signal.count))
    return CountDetector(signal, Groups(newest, signal.same))


def new(before: Mapping[int, Completion], after: Mapping[int, Completion]) -> list[Completion]:
    """Return what was completed meanwhile, in order of time."""
    return sorted(found for rank, found in after.items() if rank not in before)
