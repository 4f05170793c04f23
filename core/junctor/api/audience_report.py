"""The report of an audience, read from the store: what became of who entered, and its size."""

import asyncio
from array import array
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from junctor.api.audience_source import AudienceSource, Pace, everybody
from junctor.audiences.changes import BACKFILL
from junctor.audiences.nodes import Audience
from junctor.audiences.report import Group, Outcome, Reached, compare
from junctor.audiences.words import duration_words, pattern_words
from junctor.model.membership import Goal, TransitionRow
from junctor.pipeline.backfill import OUTCOMES
from junctor.sdk.event import iso_time

DAY: Final = 86_400_000
_ROWS: Final = 1_000


@dataclass(slots=True)
class _Moves:
    """Who came and went; people by the profile that stands for them now."""

    entered: dict[int, int] = field(default_factory=dict)
    """Profile to the first time in the period."""
    backfilled: set[int] = field(default_factory=set)
    ever: set[int] = field(default_factory=set)
    sizes: list[dict[str, Any]] = field(default_factory=list)


class Report:
    """One report; `since` is included, `until` is not, both epoch milliseconds."""

    def __init__(self, source: AudienceSource, audience: Audience, since: int, until: int) -> None:
        """Report on an audience that serves."""
        self._source = source
        self._audience = audience
        self._now = source.now()
        self._since = since
        self._until = min(until, self._now + 1)
        self._pace = Pace(source.clock)

    async def run(self) -> dict[str, Any]:
        """Return the report as plain data."""
        recorded = await self._recorded_since()
        since = max(self._since, recorded or 0)
        moves = await self._moves(since)
        audience = self._audience
        outcome: dict[str, Any] | None = None
        if audience.outcome is not None and recorded is not None:
            goal = audience.outcome
            found = await self._outcome(moves, goal.within)
            outcome = {
                "goal": pattern_words(goal.goal),
                "within": duration_words(goal.within),
                "value": goal.value,
                "recorded_since": iso_time(recorded),
                "entered": len(moves.entered),
                "backfilled": len(moves.backfilled - moves.entered.keys()),
                "judged_until": iso_time(self._now - goal.within),
                **_told(found),
            }
        return {
            "audience": audience.name,
            "as_of": iso_time(self._now),
            "since": iso_time(since),
            "until": iso_time(self._until),
            "outcome": outcome,
            "sizes": moves.sizes,
        }

    async def _recorded_since(self) -> int | None:
        """Return since when the audience's goals are recorded, None if they are not."""
        notes = await self._source.store.state.notes([OUTCOMES])
        known = orjson.loads(notes.get(OUTCOMES, "{}")).get(self._audience.name)
        return int(known[1]) if known else None

    # -- who came and went -----------------------------------------------------------------------

    async def _moves(self, since: int) -> _Moves:
        moves = _Moves()
        members: set[str] = set()
        day = _Day(since, self._until)
        async for rows in self._transitions():
            profiles = list({row.profile for row in rows if row.profile})
            survivors = await self._source.store.state.survivors(profiles)
            for row in rows:
                for sizes in day.reached(row.at, len(members)):
                    moves.sizes.append(sizes)
                person = survivors.get(row.profile, row.profile)
                subject = row.subject
                if person != row.profile:
                    _, slash, session = subject.partition("/")
                    subject = f"{person}{slash}{session}"
                (members.add if row.entered else members.discard)(subject)
                day.count(row)
                if row.entered and person:
                    moves.ever.add(person)
                    if row.at >= since and row.reason == BACKFILL:
                        moves.backfilled.add(person)
                    elif row.at >= since:
                        moves.entered.setdefault(person, row.at)
        moves.sizes += day.reached(self._until, len(members), last=True)
        return moves

    async def _transitions(self) -> AsyncIterator[list[TransitionRow]]:
        last: TransitionRow | None = None
        memberships = self._source.store.memberships
        name = self._audience.name
        while rows := await memberships.transitions(name, 0, self._until, after=last, limit=_ROWS):
            yield rows
            last = rows[-1]
            await self._pace.rest()

    # -- what they reached -----------------------------------------------------------------------

    async def _outcome(self, moves: _Moves, within: int) -> Outcome:
        entries: dict[int, tuple[int, int]] = {}
        others, seen = array("q"), array("q")
        async for people in everybody(self._source, self._pace):
            for profile in people:
                if profile.id in moves.entered:
                    entries[profile.id] = (profile.first_seen, moves.entered[profile.id])
                elif profile.id not in moves.ever:
                    others.append(profile.id)
                    seen.append(profile.first_seen)
        goals = await self._goals()
        never = zip(others, seen, strict=True)
        return await asyncio.to_thread(compare, entries, never, goals, within, self._now)

    async def _goals(self) -> Reached:
        found: dict[int, list[tuple[int, float | None]]] = defaultdict(list)
        memberships, last = self._source.store.memberships, None
        rows: Sequence[Goal]
        while rows := await memberships.goals(self._audience.name, last, _ROWS):
            for goal in rows:
                found[goal.profile].append((goal.at, goal.value))
            last = rows[-1]
            await self._pace.rest()
        return found


class _Day:
    """Counts day by day (UTC), those of the period only."""

    def __init__(self, since: int, until: int) -> None:
        self._since = since
        self._until = until
        self._start = since // DAY * DAY
        self._entered = self._exited = 0

    def count(self, row: TransitionRow) -> None:
        if row.at >= self._start:
            self._entered += row.entered
            self._exited += not row.entered

    def reached(self, at: int, size: int, *, last: bool = False) -> list[dict[str, Any]]:
        """Return the days that ended before `at`, and with `last` the one that it lies in."""
        days = []
        while self._start + DAY <= at or (last and self._start < at):
            days.append(
                {
                    "day": iso_time(self._start)[:10],
                    "members": size,
                    "entered": self._entered,
                    "exited": self._exited,
                }
            )
            self._start += DAY
            self._entered = self._exited = 0
        return days


def _told(outcome: Outcome) -> dict[str, Any]:
    low_high, still_open = outcome.interval, outcome.still_open
    return {
        "still_open": {
            "people": still_open.people,
            "reached": still_open.reached,
            "first": None if still_open.first is None else iso_time(still_open.first),
            "last": None if still_open.last is None else iso_time(still_open.last),
        },
        "members": _group(outcome.members),
        "others": {**_group(outcome.others), "share": round(outcome.others_share, 6)},
        "unmatched": outcome.unmatched,
        "difference": None if outcome.difference is None else round(outcome.difference, 6),
        "interval": None if low_high is None else [round(one, 6) for one in low_high],
        "weeks": [
            {
                "week": week.name,
                "starts": iso_time(week.starts),
                "members": _group(week.members),
                "others": _group(week.others),
            }
            for week in outcome.weeks
        ],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "people": group.people,
        "reached": group.reached,
        "share": round(group.share, 6),
        "value": group.value,
    }
