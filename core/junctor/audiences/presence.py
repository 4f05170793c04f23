"""When a visitor left without a word: `$exit` by silence.

Events of a session form runs without a long silence between them. A run that is followed by a
silence, or by another run, ended with its last event: that is the exit's time. A run that ended
with an explicit leave event needs no other exit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from junctor.audiences.leaf import NEVER, State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Seen
from junctor.audiences.signals import Completion, Completions

EXIT: Final = "$exit"
IDLE: Final = "$idle"
"""What conditions call the exit of a source that sends no heartbeats: no gap is measured to it."""
LEAVE_EVENTS: Final = frozenset(
    {"page_hide", "app_background", "session_end", "$pageleave", "Application Backgrounded"}
)
DEFAULT_IDLE_MS: Final = 1_800_000
MOST_SESSIONS: Final = 8
MOST_RUNS: Final = 4


@dataclass(frozen=True, slots=True)
class PresenceKind:
    """State: `{session: [[first, last, rank of last, idle, left], …]}`, runs in order.

    `idles` are milliseconds of silence by source, of those that send heartbeats; `idle` is that of
    the source of the run's last event, `left` whether that was an explicit leave event.
    """

    idles: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        """See Kind."""
        return "presence"

    @property
    def size(self) -> int:
        """See Kind."""
        return MOST_RUNS

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind: none, the engine feeds every event."""
        return ()

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        state = {} if state is None else state
        idle = self.idles.get(seen.source, 0)
        run = [seen.at, seen.at, seen.rank, idle, seen.name in LEAVE_EVENTS]
        state[seen.session] = _joined([*state.get(seen.session, ()), run])
        return _bounded(state)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        for session, runs in other.items():
            one[session] = _joined([*one.get(session, ()), *runs])
        return _bounded(one)

    def degraded(self, state: State) -> bool:
        """See Kind: exits are told once; what is left out is told already."""
        return False


def _joined(runs: list[list[Any]]) -> list[list[Any]]:
    """Return the runs in order, those without a long silence between them as one."""
    joined: list[list[Any]] = []
    for run in sorted(runs):
        before = joined[-1] if joined else None
        if before is None or (run[0] > before[1] and _is_over(before, run[0])):
            joined.append(run)
        elif (run[1], run[2]) > (before[1], before[2]):
            joined[-1] = [before[0], *run[1:]]
    return joined[-MOST_RUNS:]


def _is_over(run: list[Any], at: int) -> bool:
    """Whether a run is over by the time of a later event."""
    return bool(run[4] or at - run[1] > (run[3] or DEFAULT_IDLE_MS))


def _bounded(state: dict[str, Any]) -> dict[str, Any]:
    while len(state) > MOST_SESSIONS:
        del state[min(state, key=lambda session: state[session][-1][1])]
    return state


@dataclass(frozen=True, slots=True)
class ExitDetector:
    """Finds the exits by silence, of sources with or without heartbeats."""

    kind: PresenceKind
    heartbeats: bool

    @property
    def name(self) -> str:
        """See Detector."""
        return EXIT if self.heartbeats else IDLE

    def completed(self, state: State | None, quiet: int) -> Completions:
        """See Detector."""
        found: Completions = {}
        for runs in (state or {}).values():
            for last, rank, ends in self._silences(runs):
                if ends <= quiet:
                    found[rank] = Completion(last, rank, ends)
        return found

    def pending(self, state: State | None, quiet: int) -> int:
        """See Detector."""
        due = NEVER
        for runs in (state or {}).values():
            for _, _, ends in self._silences(runs):
                if ends > quiet:
                    due = min(due, ends)
        return due

    def _silences(self, runs: list[list[Any]]) -> Iterator[tuple[int, int, int]]:
        """Yield time and rank of the last event of a run, and when the silence after it is over."""
        for _, last, rank, idle, left in runs:
            if not left and bool(idle) is self.heartbeats:
                yield last, rank, last + (idle or DEFAULT_IDLE_MS)
