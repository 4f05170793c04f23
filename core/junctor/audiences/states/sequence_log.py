"""The log of a sequence: the events that it asks for, those of them that can still matter.

State `[logs, lost]`: logs by the values that all events of a match share ("" where nothing need be
shared), and the time of the newest event that had to make room though it still mattered, or null.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Final

from junctor.audiences.leaf import State
from junctor.audiences.states.sequence_plan import Entry, Log

MOST_ENTRIES: Final = 64
"""Events kept in one log: when there are more, needless ones make room, then the oldest."""
MOST_LOGS: Final = 16
"""Logs kept, those with the newest events."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept: events not older than `horizon` (ms) before the newest one.

    Where the events of a first step with a count may lie any time apart, the newest `before` events
    older than that with the bit `first` in their mask are kept, too.

    `steps` are the bits of all steps. `latest` is how many of the first step's events suffice when
    nothing lies between them, 0 if any of them may be needed.
    """

    horizon: int
    first: int
    steps: int
    before: int = 0
    latest: int = 0

    def add(self, state: State | None, key: str, entry: Entry) -> State:
        """Return the state with one more event; one that is there already changes nothing."""
        if state is None:
            state = [{}, None]
        log: Log = state[0].setdefault(key, [])
        place = bisect_left(log, entry[:2])
        if place == len(log) or log[place][:2] != entry[:2]:
            log.insert(place, entry)
        return self._bounded(state)

    def merge(self, one: State, other: State) -> State:
        """Return the state of the events of both."""
        for key, log in other[0].items():
            both = {(entry[0], entry[1]): entry for entry in (*one[0].get(key, ()), *log)}
            one[0][key] = [both[moment] for moment in sorted(both)]
        one[1] = _newest(one[1], other[1])
        return self._bounded(one)

    def lacks(self, state: State) -> bool:
        """Return whether an event had to make room that could still matter."""
        return state[1] is not None and self._matters(state[0], state[1])

    def _bounded(self, state: State) -> State:
        logs: dict[str, Log] = state[0]
        cutoff = self._cutoff(logs)
        for key in [key for key, log in logs.items() if log[0][0] < cutoff]:
            self._forget(logs, key, cutoff)
        for log in logs.values():
            while len(log) > MOST_ENTRIES:
                state[1] = _newest(state[1], log.pop(self._needless(log))[0])
        while len(logs) > MOST_LOGS:
            oldest = min(logs, key=lambda key: logs[key][-1][:2])
            state[1] = _newest(state[1], logs.pop(oldest)[-1][0])
        if state[1] is not None and not self._matters(logs, state[1]):
            state[1] = None
        return state

    def _cutoff(self, logs: dict[str, Log]) -> int:
        newest: int = max(log[-1][0] for log in logs.values())
        return newest - self.horizon

    def _forget(self, logs: dict[str, Log], key: str, cutoff: int) -> None:
        """Drop from a log what is too old to matter."""
        log = logs[key]
        recent = bisect_left(log, [cutoff])
        old = [entry for entry in log[:recent] if entry[2] & self.first]
        log[:recent] = old[len(old) - self.before :] if len(old) > self.before else old
        if not log:
            del logs[key]

    def _needless(self, log: Log) -> int:
        """Return the place of the oldest event without which all matches are the same, or else 0.

        That holds for the events of the log and for later ones. An event that comes late, between
        needless ones, might have needed them: that is why making room makes the state inexact.
        """
        run = 0
        for place, entry in enumerate(log):
            mask, before = entry[2], log[place - 1]
            alike = place > 0 and repr(entry[3:]) == repr(before[3:])
            if alike and not (mask | before[2]) & self.steps and not mask & ~before[2]:
                # Between steps, or in a silence, it forbids what the one before forbids already.
                return place
            run = 0 if mask != self.first else run + 1 if alike else 1
            if self.latest and run > self.latest:
                return place - self.latest
        return 0

    def _matters(self, logs: dict[str, Log], lost: int) -> bool:
        """Return whether what made room, up to the time `lost`, could still be part of a match."""
        cutoff = self._cutoff(logs)
        if lost >= cutoff or not self.before:
            return lost >= cutoff
        # A log that has all the older events that it may keep lacks none; of logs nobody knows.
        return len([entry for entry in logs.get("", ()) if entry[0] < cutoff]) < self.before


def _newest(one: int | None, other: int | None) -> int | None:
    times: list[Any] = [time for time in (one, other) if time is not None]
    return max(times, default=None)
