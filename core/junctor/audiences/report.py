"""What became of those who entered an audience, beside others who were first seen in their week.

Times are epoch milliseconds. All sums are over people: somebody who enters twice counts once, from
the first time on.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median_low

from junctor.audiences.shares import Interval, Share, Stratum, difference, weighted

Reached = Mapping[int, Sequence[tuple[int, float | None]]]
"""Profile to (time, value) of its goals."""


@dataclass(slots=True)
class Group:
    """Some people, how many of them reached the goal in time, and the sum of its values."""

    people: int = 0
    reached: int = 0
    value: float = 0.0

    @property
    def share(self) -> float:
        """The share that reached it."""
        return self.reached / self.people if self.people else 0.0

    def take(self, goals: Sequence[tuple[int, float | None]], start: int, within: int) -> None:
        """Count somebody whose time runs from `start` for `within`, both ends included."""
        in_time = [value for at, value in goals if start <= at <= start + within]
        self.people += 1
        self.reached += bool(in_time)
        self.value += sum(value for value in in_time if value is not None)


@dataclass(slots=True)
class Week:
    """Those first seen in one ISO week (UTC); the time of the others runs from `starts`."""

    name: str
    starts: int
    members: Group = field(default_factory=Group)
    others: Group = field(default_factory=Group)


@dataclass(slots=True)
class StillOpen:
    """Those who entered and whose time is not over.

    `reached` of the `people` have the goal already. `first` and `last` are when the time of the
    first and of the last of them is over, None if there is nobody.
    """

    people: int = 0
    reached: int = 0
    first: int | None = None
    last: int | None = None

    def take(self, goals: Sequence[tuple[int, float | None]], start: int, ends: int) -> None:
        """Count somebody whose time runs from `start` and `ends` later than now."""
        self.people += 1
        self.reached += any(start <= at <= ends for at, _ in goals)
        self.first = ends if self.first is None else min(self.first, ends)
        self.last = ends if self.last is None else max(self.last, ends)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audience's members reached, beside others.

    Those who are `still_open` count nowhere else. The
    share of the others is that of their weeks, each counting as much as it has members; `unmatched`
    are members of weeks that have no others. The difference is over matched weeks only.
    """

    members: Group
    others: Group
    others_share: float
    still_open: StillOpen
    unmatched: int
    difference: float | None
    interval: Interval | None
    weeks: Sequence[Week]


def compare(
    entries: Mapping[int, tuple[int, int]],
    others: Iterable[tuple[int, int]],
    goals: Reached,
    within: int,
    now: int,
) -> Outcome:
    """Return what became of people.

    `entries` gives by profile (first seen, entered); `others` are (profile, first seen) of those
    who were never in. A member's time runs from entering; that of the others of a week from the
    median time at which its members entered, or from when they were first seen, if that is later.
    """
    entered: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for profile, (first_seen, at) in entries.items():
        entered[week(first_seen)].append((at, profile))
    weeks = {name: Week(name, median_low(at for at, _ in some)) for name, some in entered.items()}
    still_open = StillOpen()
    for name, some in entered.items():
        for at, profile in some:
            if at + within > now:
                still_open.take(goals.get(profile, ()), at, at + within)
            else:
                weeks[name].members.take(goals.get(profile, ()), at, within)
    for profile, first_seen in others:
        of_week = weeks.get(week(first_seen))
        if of_week is None:
            continue
        start = max(of_week.starts, first_seen)
        if start + within <= now:
            of_week.others.take(goals.get(profile, ()), start, within)
    return _outcome([weeks[name] for name in sorted(weeks)], still_open)


def week(at: int) -> str:
    """Return the ISO week of a time, in UTC: 2026-W07."""
    year, number, _ = datetime.fromtimestamp(at / 1000, UTC).isocalendar()
    return f"{year}-W{number:02}"


def _outcome(weeks: Sequence[Week], still_open: StillOpen) -> Outcome:
    matched = [one for one in weeks if one.members.people and one.others.people]
    theirs = weighted(
        [Stratum(one.members.people, one.others.people, one.others.reached) for one in matched]
    )
    ours = _sum([one.members for one in matched])
    found, interval = None, None
    if ours.people:
        found, interval = difference(Share(ours.share, ours.people), theirs)
    members = _sum([one.members for one in weeks])
    return Outcome(
        members,
        _sum([one.others for one in weeks]),
        theirs.share,
        still_open,
        members.people - ours.people,
        found,
        interval,
        weeks,
    )


def _sum(groups: Iterable[Group]) -> Group:
    total = Group()
    for group in groups:
        total.people += group.people
        total.reached += group.reached
        total.value += group.value
    return total
