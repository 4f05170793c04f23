"""Finding a sequence in a log of events.

Step by step: for each event that can be the step's, of all ways that lead there, the one that began
latest. Nothing else of a way matters for what follows but where it stands and the values it has
bound; so ways are kept apart by these values, and a step is one pass over the log for each.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from junctor.audiences.leaf import NEVER
from junctor.audiences.states.sequence_plan import Bound, Log, Plan, PlannedStep

MOST_BINDINGS: Final = 64
"""Combinations of bound values that are followed at a time; the newest, if there are more."""

Way = tuple[int, int, "Way | None"]
"""The step's event (place in the log), when the sequence began (ms), and the way before."""
_Branch = tuple[Bound, list[Way]]


@dataclass(frozen=True, slots=True)
class Matches:
    """Ways that complete a sequence, in order of their last event, one for each such event.

    `cut` says that there were more combinations of bound values than are followed.
    """

    ways: list[Way]
    cut: bool


def match(plan: Plan, log: Log) -> Matches:
    """Return the matches in `log` whose silence, if there is one, nothing in `log` breaks."""
    first, *others = plan.steps
    branches, cut = _branched(first, [((), _begun(first, plan.within, log))], log)
    for step in others:
        reached = [
            (bound, _reached(step, plan.within, bound, ways, log)) for bound, ways in branches
        ]
        branches, more = _branched(step, reached, log)
        cut = cut or more
    found: dict[int, Way] = {}
    for bound, ways in branches:
        _keep_best(found, _undisturbed(plan, bound, ways, log))
    return Matches(_in_order(found), cut)


def trace(way: Way | None) -> Iterator[int]:
    """Yield the places in the log of the steps' events, last one first."""
    while way is not None:
        yield way[0]
        way = way[2]


def _begun(step: PlannedStep, whole: int, log: Log) -> list[Way]:
    """Return the ways to the first step: it began at the first of its `count` events."""
    times: deque[int] = deque(maxlen=step.count)
    ways: list[Way] = []
    for place, entry in enumerate(log):
        if step.wanted.fits(entry, ()):
            times.append(entry[0])
            if len(times) == step.count and entry[0] - times[0] <= whole:
                ways.append((place, times[0], None))
    return ways


def _reached(step: PlannedStep, whole: int, bound: Bound, ways: list[Way], log: Log) -> list[Way]:
    """Return the ways to `step`, coming from `ways` to the step before.

    Which of `ways` may come before an event are those from some place on (gap, `without`) and up to
    some place (`count`, `after`), and both places only move on from event to event. So `window`
    holds the ways between them, without those that a later one makes needless, having begun no
    earlier: the first one has begun latest.
    """
    if not ways:
        return []
    window: deque[Way] = deque()
    others: deque[int] = deque(maxlen=step.count - 1)
    wanted, without, within, after = step.wanted, step.without, step.within, step.after
    barrier = fed = 0
    found: list[Way] = []
    for place in range(ways[0][0] + 1, len(log)):
        entry = log[place]
        if wanted.fits(entry, bound):
            if len(others) == step.count - 1:
                limit = others[0] if others else place
                latest = entry[0] - after
                while fed < len(ways) and ways[fed][0] < limit and log[ways[fed][0]][0] <= latest:
                    while window and window[-1][1] <= ways[fed][1]:
                        window.pop()
                    window.append(ways[fed])
                    fed += 1
                earliest = entry[0] - within
                while window and (window[0][0] < barrier or log[window[0][0]][0] < earliest):
                    window.popleft()
                if window and entry[0] - window[0][1] <= whole:
                    found.append((place, window[0][1], window[0]))
            others.append(place)
        for one in without:
            if one.fits(entry, bound):
                barrier = place
                break
    return found


def _branched(step: PlannedStep, branches: list[_Branch], log: Log) -> tuple[list[_Branch], bool]:
    """Return the ways by the values bound after `step`, and whether some were left out."""
    if not step.binds:
        return [branch for branch in branches if branch[1]], False
    apart: dict[Any, tuple[Bound, dict[int, Way]]] = {}
    for before, ways in branches:
        for way in ways:
            bound = step.bound(log[way[0]], before)
            # true is not 1
            key = (bound, tuple(isinstance(value, bool) for value in bound))
            _keep_best(apart.setdefault(key, (bound, {}))[1], [way])
    made = [(bound, _in_order(best)) for bound, best in apart.values()]
    if len(made) <= MOST_BINDINGS:
        return made, False
    made.sort(key=lambda branch: branch[1][-1][0])
    return made[-MOST_BINDINGS:], True


def _keep_best(best: dict[int, Way], ways: list[Way]) -> None:
    """Put `ways` into `best`, by place, where none is that began later."""
    for way in ways:
        if way[0] not in best or best[way[0]][1] < way[1]:
            best[way[0]] = way


def _in_order(best: dict[int, Way]) -> list[Way]:
    return [best[place] for place in sorted(best)]


def _undisturbed(plan: Plan, bound: Bound, ways: list[Way], log: Log) -> list[Way]:
    """Return the ways after whose last event there is silence, as far as the log goes."""
    if plan.silence is None or not ways:
        return ways
    left, kept = list(ways), []
    disturbed_at = NEVER
    for place in range(len(log) - 1, ways[0][0] - 1, -1):
        entry = log[place]
        if place == left[-1][0]:
            way = left.pop()
            if disturbed_at >= entry[0] + plan.silent_for:
                kept.append(way)
            if not left:
                break
        if plan.silence.fits(entry, bound):
            disturbed_at = entry[0]
    return kept
