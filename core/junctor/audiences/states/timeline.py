"""Timelines: a value that lasts until it is set again, in each session by itself or not.

What is kept are the settings themselves, so late events and the merge of two halves are exact as
long as there is room for them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from junctor.audiences.canonical import fingerprint
from junctor.audiences.leaf import NEVER
from junctor.audiences.leaf import State as Kept
from junctor.audiences.nodes import Setting, State
from junctor.audiences.seen import Seen, reader
from junctor.audiences.states.scalars import Plain, same, scalar

MOST_ENTRIES: Final = 64
"""Settings kept of a subject, the newest."""

Entry = list[Any]
"""`[at, rank, value, session]`, and a fifth, `since`: the value's beginning, when that was longer
ago and the setting that began it was left out."""


class Run(NamedTuple):
    """A value from `start` to `end` (epoch ms); of a run that goes on `end` is NEVER."""

    start: int
    end: int
    value: Plain


class TimelineKind:
    """The newest settings of a state, in the order of events.

    State `{"log": entries, "from": time}`. The value "" is none. Of an event that fits several
    settings the first listed decides that has a value: one without the property sets nothing. When
    there are too many, the oldest makes room: `from` is when what is left begins to be complete.
    `horizon` (ms) is how far back runs are needed.
    """

    def __init__(self, state: State, horizon: int = 0) -> None:
        """Keep the settings of `state`."""
        self._settings = [_value_of(setting) for setting in state.settings]
        self._per_session = state.per_session
        self.horizon = horizon
        self.key = fingerprint("timeline", state.settings, state.per_session)
        self.size = MOST_ENTRIES
        self.patterns = tuple(setting.pattern for setting in state.settings)

    def add(self, state: Kept | None, seen: Seen, matched: int) -> Kept:
        """See Kind. In a state of sessions an event of none sets nothing."""
        if self._per_session and not seen.session:
            return state
        value = self._value(seen, matched)
        if value is None:
            return state
        entry = [seen.at, seen.rank, value, seen.session if self._per_session else ""]
        if state is None:
            return {"log": [entry]}
        log: list[Entry] = state["log"]
        place = bisect_left(log, entry[:2])
        if place == len(log) or log[place][:2] != entry[:2]:
            log.insert(place, entry)
        return _bounded(state)

    def merge(self, one: Kept, other: Kept) -> Kept:
        """See Kind."""
        both = {(entry[0], entry[1]): entry for entry in (*one["log"], *other["log"])}
        merged: dict[str, Any] = {"log": [both[moment] for moment in sorted(both)]}
        if "from" in one or "from" in other:
            merged["from"] = max(one.get("from", 0), other.get("from", 0))
        return _bounded(merged)

    def degraded(self, state: Kept) -> bool:
        """See Kind: whether what made room reached into the horizon."""
        return "from" in state and bool(state["from"] >= state["log"][-1][0] - self.horizon)

    def _value(self, seen: Seen, matched: int) -> Plain | None:
        for bit, value_of in enumerate(self._settings):
            if matched >> bit & 1 and (value := value_of(seen.body)) is not None:
                return value
        return None


def runs(state: Kept | None) -> dict[str, list[Run]]:
    """Return the runs of each session ("" where sessions do not matter), oldest first.

    A value that is set again keeps running. Times without a value are no runs, but for the last of
    a session: it tells since when there is none.
    """
    found: dict[str, list[Run]] = {}
    for session, entries in _by_session(state["log"] if state is not None else ()).items():
        found[session] = [run for run in _runs(entries) if run.value != "" or run.end == NEVER]
    return found


def newest(state: Kept | None) -> tuple[int, ...]:
    """Return the ranks of the newest settings, newest last, a few at most."""
    return tuple(entry[1] for entry in state["log"][-4:]) if state is not None else ()


def newest_session(state: Kept | None) -> str:
    """Return the session of the newest setting."""
    return str(state["log"][-1][3]) if state is not None else ""


def _runs(entries: list[Entry]) -> list[Run]:
    starts: list[tuple[int, Plain]] = []
    before = None
    for at, _, value, _, *since in entries:
        if not starts or not same(starts[-1][1], value):
            reaches_back = since and (before is None or before <= since[0])
            starts.append((since[0] if reaches_back else at, value))
        before = at
    ends = [start for start, _ in starts[1:]] + [NEVER]
    return [Run(start, end, value) for (start, value), end in zip(starts, ends, strict=True)]


def _by_session(log: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in log:
        found.setdefault(entry[3], []).append(entry)
    return found


def _bounded(state: Kept) -> Kept:
    log: list[Entry] = state["log"]
    while len(log) > MOST_ENTRIES:
        at, _, value, session, *since = log.pop(0)
        follower = next((entry for entry in log if entry[3] == session), None)
        if follower is not None and not same(follower[2], value):
            del follower[4:]
        elif follower is not None and len(follower) == 4:
            follower.append(since[0] if since else at)
        if value != "":
            lost = log[-1][0] if follower is None else follower[0]
            state["from"] = max(state.get("from", lost), lost)
    return state


def _value_of(setting: Setting) -> Callable[[Mapping[str, Any]], Plain | None]:
    if setting.prop is None:
        constant = scalar(setting.to)
        return lambda body: constant
    read = reader(setting.prop)
    return lambda body: scalar(read(body))
