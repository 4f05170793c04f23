"""Conditions on events: so many in a window, on so many days, with such figures."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from junctor.audiences.event_figures import Figure, figures_of
from junctor.audiences.leaf import EVIDENCE, NEVER, Facts, Kind, Leaf, States, Verdict
from junctor.audiences.nodes import EventCondition
from junctor.audiences.reach import Reach
from junctor.audiences.states.buckets import Buckets
from junctor.audiences.states.groups import MOST_GROUPS
from junctor.audiences.states.times import Entries, Entry

MOST_LOOKS: Final = 32
"""Coming times at which a change is looked for. If none of them changes anything, the last one is
told all the same: the verdict is given anew then, and its cost stays bounded."""

_Kept = Sequence[Entries]
"""What is kept for each figure."""


def event_leaf(condition: EventCondition) -> Leaf:
    """Return the leaf of a condition."""
    reach = Reach.of(condition)
    grouped = bool(condition.same) or condition.per_session
    figures = figures_of(condition, reach)
    leaf = EventLeaf
    if not reach.near:
        if all(figure.least is not None for figure in figures):
            leaf = _LeastLeaf
        elif len(figures) == 1 and figures[0].most is not None and not grouped:
            leaf = _MostLeaf
    return leaf(figures, reach, grouped and not condition.first)


class _Look(NamedTuple):
    """Whether figures hold at a time, and when events next leave the window, or age into it."""

    holds: bool
    leaving: int
    entering: int


class _Flip(NamedTuple):
    """A time from which on figures hold or don't; whether they hold since events left."""

    at: int
    holds: bool
    by_silence: bool


@dataclass(frozen=True, slots=True)
class EventLeaf:
    """All figures compare. If `grouped`, in one combination that has events in the window."""

    figures: tuple[Figure, ...]
    reach: Reach
    grouped: bool

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """See Leaf."""
        return tuple(figure.kind for figure in self.figures)

    def verdict(self, states: States, now: int, quiet: int) -> Verdict:
        """See Leaf. Holding since events left the window is believed once `quiet` is there."""
        holds, silent_since, quiet_at = False, NEVER, NEVER
        for flip in self._flips(self._kept(states), min(quiet, now), now):
            if flip.at <= now:
                holds = flip.holds
                silent_since = flip.at if flip.by_silence and flip.at > quiet else NEVER
            elif holds and silent_since == NEVER:
                return Verdict(True, flip.at)
            elif flip.by_silence:
                quiet_at = min(quiet_at, flip.at)
                if not self.reach.near:
                    break
            elif flip.holds:
                return Verdict(False, flip.at, min(silent_since, quiet_at))
        if holds and silent_since == NEVER:
            return Verdict(True)
        return Verdict(False, NEVER, min(silent_since, quiet_at))

    def facts(self, states: States, now: int) -> Facts:
        """See Leaf."""
        kept = max(self._kept(states), key=lambda one: self._standing(one, now))
        shown, entries = self.figures[-1], self._in_window(kept[-1], now)
        value = shown.measure(entries)
        if shown.enough is not None and len(entries) >= shown.enough:
            value = f"at least {value}"
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        evidence = [entry[1] for entry in entries[-EVIDENCE:]]
        blurred = [
            figure
            for figure, all_kept in zip(self.figures, kept, strict=True)
            if (until := figure.blurred_until(all_kept)) is not None
            and until >= self.reach.first(now)
        ]
        error = next(filter(None, map(self._error, blurred)), "")
        return Facts(value, evidence, error, bool(blurred) or self._lost_groups(states, now))

    def _kept(self, states: States) -> list[_Kept]:
        found: list[Any] = [states.get(figure.key) or () for figure in self.figures]
        if not self.grouped:
            return [found]
        groups = set().union(*found)
        return [[of and of.get(group, ()) for of in found] for group in groups] or [found]

    def _flips(self, kept: list[_Kept], start: int, now: int) -> Iterator[_Flip]:
        """Yield what holds at `start`, as if it had happened then, and what time changes."""
        look = self._look(kept, start, start)
        yield _Flip(start, look.holds, False)
        at, looks = start, 0
        while (then := min(look.leaving, look.entering)) < NEVER:
            looks += then > now
            if looks > MOST_LOOKS:
                yield _Flip(then, True, False)
                return
            at, before, held = max(then, at + 1), at, look.holds
            left, entered = look.leaving == then, look.entering == then
            look = self._look(kept, at, at)
            if look.holds and not held:
                alone = left and (not entered or self._look(kept, at, before).holds)
                yield _Flip(at, True, alone)
            elif held and not look.holds:
                yield _Flip(at, False, False)

    def _look(self, kept: list[_Kept], now: int, entered_until: int) -> _Look:
        """Return what is so at `now`, without what entered the window after `entered_until`."""
        reach = self.reach
        first, end = [reach.first(now)], [reach.end(entered_until)]
        holds, leaving, entering = False, NEVER, NEVER
        for one in kept:
            met, empty = True, True
            for figure, entries in zip(self.figures, one, strict=True):
                low, high = bisect_left(entries, first), bisect_left(entries, end)
                inside = entries[low:high]
                if inside:
                    empty = False
                if met and not figure.test(figure.measure(inside)):
                    met = False
                if low < len(entries):
                    leaving = min(leaving, reach.closes(entries[low][0]))
                if high < len(entries):
                    entering = min(entering, reach.opens(entries[high][0]))
            if met and not (empty and self.grouped):
                holds = True
        return _Look(holds, leaving, entering)

    def _in_window(self, entries: Entries, now: int) -> Entries:
        low = bisect_left(entries, [self.reach.first(now)])
        return entries[low : bisect_left(entries, [self.reach.end(now)])]

    def _standing(self, one: _Kept, now: int) -> tuple[bool, list[int]]:
        """Return what makes one combination tell more than another: it holds, it is newer."""
        newest = max((entries[-1][:2] for entries in one if entries), default=[])
        return self._look([one], now, now).holds, newest

    def _error(self, figure: Figure) -> str:
        """Return how far from the window's edges the figure may begin and end, "" if unknown.

        Slots count as a whole, by their newest event.
        """
        if not isinstance(figure.kind, Buckets):
            return ""
        parts = (self.reach.far or 0) // figure.kind.width
        if self.reach.near:
            return f"±1/{parts} of the time back to the far edge, at both edges"
        return f"±1/{parts} of the window at the far edge"

    def _lost_groups(self, states: States, now: int) -> bool:
        """Whether a combination was forgotten that may have had events in the window."""
        if not self.grouped:
            return False
        found = [states.get(figure.key) or {} for figure in self.figures]
        return any(
            min(entries[-1][0] for entries in groups.values()) >= self.reach.first(now)
            for groups in found
            if len(groups) > MOST_GROUPS
        )


class _LeastLeaf(EventLeaf):
    """So many at least, in a window that ends now: until the last one needed leaves it."""

    def verdict(self, states: States, now: int, quiet: int) -> Verdict:
        """See Leaf."""
        until = max(map(self._until, self._kept(states)))
        return Verdict(True, until) if until > now else Verdict(False)

    def _until(self, kept: _Kept) -> int:
        return min(
            _closing(self.reach, entries, figure.least or 1)
            for figure, entries in zip(self.figures, kept, strict=True)
        )


class _MostLeaf(EventLeaf):
    """So many at most, in a window that ends now: from when the last one too many left it."""

    def verdict(self, states: States, now: int, quiet: int) -> Verdict:
        """See Leaf."""
        (figure,) = self.figures
        since = _closing(self.reach, states.get(figure.key) or (), (figure.most or 0) + 1)
        return Verdict(True) if since <= min(quiet, now) else Verdict(False, NEVER, since)


def _closing(reach: Reach, entries: Sequence[Entry], number: int) -> int:
    """Return when the entry that is so many from the newest leaves the window."""
    if len(entries) < number:
        return -NEVER
    at = entries[-number][0]
    return reach.closes(at) if reach.since <= at < reach.until else -NEVER
