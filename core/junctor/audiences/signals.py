"""Signals: patterns that emit an event each time that they are completed.

What was emitted is not kept: what a signal's completions are before a change and after it tells
what is new. A completion is named by the rank of the event that completed it.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from junctor.audiences.canonical import digest, fingerprint
from junctor.audiences.leaf import NEVER, Kind, State
from junctor.audiences.nodes import Pattern, Signal
from junctor.audiences.seen import Seen, reader
from junctor.audiences.states.sequence import SequenceKind

PREFIX: Final = "signal:"
KEEP_MS: Final = 86_400_000
"""How late an event may come and still complete a sequence of which older parts are kept."""
MOST_TIMES: Final = 64
MOST_GROUPS: Final = 16


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
class CountKind:
    """The newest events of each combination of values: `{digest: [[at, rank], …]}`."""

    pattern: Pattern
    same: tuple[str, ...]
    size: int

    @property
    def key(self) -> str:
        """See Kind."""
        return fingerprint("signal", self.pattern, self.same)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind."""
        return (self.pattern,)

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        values = [reader(path)(seen.body) for path in self.same]
        if any(value is None for value in values):
            return state
        state = {} if state is None else state
        times: list[list[int]] = state.setdefault(digest(values), [])
        place = bisect_left(times, [seen.at, seen.rank])
        if times[place : place + 1] != [[seen.at, seen.rank]]:
            times.insert(place, [seen.at, seen.rank])
            del times[: len(times) - self.size]
        return _bounded(state)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        for group, times in other.items():
            both = {tuple(time) for time in (*one.get(group, ()), *times)}
            one[group] = [list(time) for time in sorted(both)][-self.size :]
        return _bounded(one)

    def degraded(self, state: State) -> bool:
        """See Kind: signals only look at what is new."""
        return False


def _bounded(state: dict[str, Any]) -> dict[str, Any]:
    while len(state) > MOST_GROUPS:
        del state[min(state, key=lambda group: state[group][-1])]
    return state


@dataclass(frozen=True, slots=True)
class CountDetector:
    """So many events, alike in some properties, within a time."""

    signal: Signal
    kind: CountKind

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
    kind = CountKind(signal.pattern, signal.same, max(MOST_TIMES, signal.count))
    return CountDetector(signal, kind)


def new(before: Mapping[int, Completion], after: Mapping[int, Completion]) -> list[Completion]:
    """Return what was completed meanwhile, in order of time."""
    return sorted(found for rank, found in after.items() if rank not in before)
