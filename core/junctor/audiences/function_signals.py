"""Which events let a signal's function speak: a log of what it reads, and the calls over it.

As with other signals what was emitted is not kept. The function is pure: what it says of an event
before something changes, and afterwards, tells what is new. Only events can be concerned that the
new one is `within` the time before.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from junctor.audiences.canonical import fingerprint
from junctor.audiences.changes import Emission
from junctor.audiences.functions import Function, Occurrence, Person
from junctor.audiences.leaf import State, States
from junctor.audiences.nodes import Pattern
from junctor.audiences.presence import EXIT, IDLE
from junctor.audiences.seen import Seen
from junctor.audiences.signals import KEEP_MS, PREFIX, Completion
from junctor.model.profile import Profile

MOST_EVENTS: Final = 64
MOST_BYTES: Final = 8_192
"""Length of all kept properties together, as JSON text."""
MOST_BYTES_EACH: Final = 2_048
Fired = dict[tuple[str, int], Emission]
"""By name of the signal and rank of the event."""


@dataclass(frozen=True, slots=True)
class LogKind:
    """The newest events of some patterns: `[[at, rank, name, properties as JSON text], …]`.

    `size` is for how long they are kept, in milliseconds. Of those that do not fit any more only
    the length of the text stays: what is older does not fit either, whenever it comes.
    """

    patterns: tuple[Pattern, ...]
    size: int

    @property
    def key(self) -> str:
        """See Kind."""
        return fingerprint("function", self.patterns)

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        name = EXIT if seen.name == IDLE else seen.name
        entry = [seen.at, seen.rank, name, _text(seen.body.get("properties"))]
        return self._bounded([entry] if state is None else [*state, entry])

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        return self._bounded([*one, *other])

    def degraded(self, state: State) -> bool:
        """See Kind: signals only look at what is new."""
        return False

    def _bounded(self, entries: list[list[Any]]) -> list[list[Any]]:
        """Return the newest entries, each once, in order: what lies within the time and fits."""
        by_place: dict[tuple[int, int], list[Any]] = {}
        for entry in entries:
            known = by_place.setdefault((entry[0], entry[1]), entry)
            if _is_told(known) and not _is_told(entry):
                by_place[entry[0], entry[1]] = entry
        ordered = [by_place[place] for place in sorted(by_place)]
        since, room = ordered[-1][0] - self.size, MOST_BYTES
        kept: list[list[Any]] = []
        for entry in reversed(ordered[-MOST_EVENTS:]):
            if entry[0] < since:
                break
            length = len(entry[3]) if _is_told(entry) else entry[3]
            room -= length
            kept.append(entry if room >= 0 else [*entry[:3], length])
        return kept[::-1]


def _is_told(entry: list[Any]) -> bool:
    """Whether an entry has its properties, and not only their length."""
    return isinstance(entry[3], str)


def _text(properties: Any) -> str:
    """Return properties as JSON text; of many only those that are no lists and tables."""
    if not isinstance(properties, dict):
        return "{}"
    text = orjson.dumps(properties)
    if len(text) > MOST_BYTES_EACH:
        flat = {key: one for key, one in properties.items() if not isinstance(one, dict | list)}
        text = orjson.dumps(flat)
    return text.decode() if len(text) <= MOST_BYTES_EACH else "{}"


@dataclass(frozen=True, slots=True)
class FunctionSignal:
    """A signal whose function, if it is at hand, decides on each event that it reads.

    Of earlier events it sees those that are younger than `within` (ms).
    """

    signal: str
    kind: LogKind
    within: int
    function: Function | None

    def fired(
        self, state: State | None, profile: Profile, since: tuple[int, int] | None = None
    ) -> Fired:
        """Return what the function says of the events in a state.

        With `since`, a time and a rank, only of that event and of those that have it in view.
        """
        if not state or self.function is None:
            return {}
        state = [entry for entry in state if _is_told(entry)]
        start = 0 if since is None else bisect_left(state, [*since])
        if start == len(state):
            return {}
        name, found = PREFIX + self.signal, {}
        traits = _traits(profile)
        oldest = bisect_left(state, [state[start][0] - self.within + 1])
        past = [_occurrence(entry) for entry in state[oldest:]]
        for place in range(start, len(state)):
            at, rank, *_ = state[place]
            if since is not None and at - since[0] >= self.within:
                break
            first = bisect_left(state, [at - self.within + 1])
            person = Person(traits, tuple(past[first - oldest : place - oldest]))
            properties = self.function.properties(person, past[place - oldest])
            if properties is not None:
                found[name, rank] = Emission(name, Completion(at, rank, at), properties)
        return found


def function_signal(
    signal: str, patterns: tuple[Pattern, ...], within: int, function: Function | None
) -> FunctionSignal:
    """Return the signal of a function that reads these patterns."""
    return FunctionSignal(signal, LogKind(patterns, within + KEEP_MS), within, function)


def fired_of(
    functions: Mapping[str, Iterable[FunctionSignal]], states: States, profile: Profile
) -> Fired:
    """Return what all functions, by the key of their kind, say of a subject's events."""
    found: Fired = {}
    for key, signals in functions.items():
        for one in signals:
            found |= one.fired(states.get(key), profile)
    return found


def _traits(profile: Profile) -> Mapping[str, Any]:
    """Return a copy of the traits, which is the function's own."""
    text = orjson.dumps({name: value for name, (value, _) in profile.traits.items()})
    traits: Mapping[str, Any] = orjson.loads(text)
    return traits


def _occurrence(entry: list[Any]) -> Occurrence:
    at, _, name, text = entry
    return Occurrence(name, datetime.fromtimestamp(at / 1000, UTC), orjson.loads(text))
