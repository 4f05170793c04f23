"""What an audience would be if it were saved now: a build without a trace.

It takes the way of a build (pipeline/backfill.py): states that are kept already are used, what is
missing is read from the log, and memberships are looked at by the new definitions. All of it
happens to copies.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import orjson

from junctor.api.audience_source import PIECE, AudienceSource, Pace, everybody
from junctor.audiences.behavior import Behavior, Scope
from junctor.audiences.changes import Changes
from junctor.audiences.engine import Engine
from junctor.audiences.explained import moment_of, stand
from junctor.audiences.nodes import SESSION, USER, Audience, Definitions
from junctor.audiences.preview import Tally, looks_back, only, place
from junctor.audiences.scope_program import Compiled
from junctor.audiences.shares import wilson
from junctor.model.profile import Profile, public_id
from junctor.model.record import Record
from junctor.pipeline.audience import Audiences
from junctor.pipeline.backfill import KINDS, STALE, starts
from junctor.pipeline.normalize import canonical
from junctor.pipeline.seen import ranks, seen_of, uncut
from junctor.sdk.event import iso_time

MOST_PEOPLE: Final = 100_000
"""People whose events are kept at once; of more, a smaller sample is taken."""
_SHOWN: Final = 10


Subject = TypeVar("Subject", int, str)


class _Held(dict[Subject, bytes]):
    """Behaviors made of the log, by subject, encoded: many objects would slow the whole process."""

    def take(self, subject: Subject) -> Behavior | None:
        """Return what the log gave of a subject, and forget it."""
        text = self.pop(subject, None)
        return Behavior.decode(text) if text is not None else None


class _Open(Generic[Subject]):
    """Behaviors that a piece of the log adds to."""

    def __init__(self, held: _Held[Subject]) -> None:
        self._held: _Held[Subject] = held
        self._behaviors: dict[Subject, Behavior] = {}

    def of(self, subject: Subject) -> Behavior:
        found = self._behaviors.get(subject)
        if found is None:
            found = self._behaviors[subject] = Behavior.decode(self._held.get(subject, b""))
        return found

    def close(self) -> None:
        self._held.update({id: found.encode() for id, found in self._behaviors.items()})


@dataclass(slots=True)
class _Found:
    """What was counted so far; `shown` are members as (place, subject), a few."""

    members: int = 0
    later: int = 0
    overlap: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def show(self, at: float, subject: dict[str, Any]) -> None:
        self.shown.append((at, subject))
        if len(self.shown) > 10 * _SHOWN:
            self._cut()

    def _cut(self) -> None:
        self.shown.sort(key=lambda one: one[0])
        del self.shown[_SHOWN:]

    def users(self) -> list[dict[str, Any]]:
        self._cut()
        return [subject for _, subject in self.shown]


class Preview:
    """One look at an audience that may not be saved yet."""

    def __init__(
        self, source: AudienceSource, definitions: Definitions, name: str, fraction: float = 1.0
    ) -> None:
        """Look at the audience `name` of `definitions`, by a sample of `fraction` of people."""
        self._source = source
        self._name = name
        self._definitions = only(definitions, name)
        self._program = program = source.compile(self._definitions)
        self._compiled: Compiled = program.audiences[name]
        self._audience: Audience = self._compiled.audience
        self._engine = Engine(program)
        self._stage = Audiences(self._engine, source.store.log.fetch, source.clock)
        self._fraction = fraction
        self._now = source.now()
        self._pace = Pace(source.clock)
        self._people: _Held[int] = _Held()
        self._subjects: _Held[str] = _Held()
        self._first_seen: dict[str, int] = {}
        self._tally = Tally(self._compiled)
        self._found = _Found()
        self._missing: dict[str, int] = {}
        self._stale: set[str] = set()
        self._events = 0
        self._oldest: int | None = None

    async def run(self) -> dict[str, Any]:
        """Return what it would be, as plain data."""
        await self._what_is_missing()
        if self._missing:
            await self._read_log()
        everyone, sampled = await self._look_at_people()
        if self._audience.key not in (USER, SESSION):
            await self._look_at_subjects()
            everyone = sampled = 1
        people = everyone if self._audience.key == USER else None
        return self._told(everyone / sampled if sampled else 1.0, people)

    # -- states ----------------------------------------------------------------------------------

    async def _what_is_missing(self) -> None:
        """Find the kinds that no kept state serves, and from when on events count for them.

        A state that keeps too little is added to, as in a build; only stale ones are dropped.
        """
        notes = await self._source.store.state.notes([KINDS, STALE])
        complete: Mapping[str, int] = orjson.loads(notes.get(KINDS, "{}"))
        needs = self._program.needs()
        missing = {kind for kind, size in needs.items() if complete.get(kind, -1) < size}
        found = starts(self._program, needs, self._now)
        self._missing = {kind: found[kind] for kind in missing & found.keys()}
        self._stale = missing & set(orjson.loads(notes.get(STALE, "[]")))

    async def _read_log(self) -> None:
        store = self._source.store
        position, until = 0, await store.state.position()
        while position < until:
            read = uncut(await store.log.read(position, PIECE), PIECE)
            records = [record for record in read if record.offset <= until]
            if not records:
                break
            if not position and records[0].offset > 1:
                self._oldest = records[0].received_at
            position = records[-1].offset
            await self._fill(records)
            await self._pace.rest()

    async def _fill(self, records: list[Record]) -> None:
        state = self._source.store.state
        routed = await state.routed([record.offset for record in records])
        owners = {offset: route.profile for offset, route in routed.items()}
        survivors = await state.survivors(list(set(owners.values())))
        events = [
            (record, survivors.get(owners[record.offset], owners[record.offset]))
            for record in records
            if owners.get(record.offset)
        ]
        if self._audience.key in (USER, SESSION):
            events = [(record, owner) for record, owner in events if self._sampled(owner)]
        parsed = [(record, *canonical(record), owner) for record, owner in events]
        order = ranks([(record, body, at) for record, body, at, _ in parsed])
        people, subjects = _Open(self._people), _Open(self._subjects)
        for record, body, at, owner in parsed:
            seen = seen_of(record, body, at, order[record.offset])
            wanted = {kind for kind, since in self._missing.items() if at >= since}
            mine = _of_sort(wanted, USER, SESSION)
            if mine:
                self._engine.fill(people.of(owner), seen, mine)
            keys = self._source.identifiers().of(body)
            for sort, key in self._stage.subject_keys(body, keys):
                self._engine.fill(subjects.of(key), seen, _of_sort(wanted, sort), key=sort)
                self._first_seen[key] = min(at, self._first_seen.get(key, at))
        people.close()
        subjects.close()
        self._events += len(parsed)
        while len(self._people) > MOST_PEOPLE:
            self._fraction /= 2
            for id in [id for id in self._people if not self._sampled(id)]:
                del self._people[id]

    def _sampled(self, profile: int) -> bool:
        return self._fraction >= 1 or place(public_id(profile)) < self._fraction

    # -- memberships -----------------------------------------------------------------------------

    async def _look_at_people(self) -> tuple[int, int]:
        """Return how many people there are, and how many were looked at."""
        everyone = sampled = 0
        if self._audience.key not in (USER, SESSION):
            return 0, 0
        async for people in everybody(self._source, self._pace):
            everyone += len(people)
            for profile in people:
                if self._sampled(profile.id):
                    sampled += 1
                    self._look_at(profile)
        return everyone, sampled

    def _look_at(self, profile: Profile) -> None:
        behavior = self._revised(profile, self._people.take(profile.id), USER)
        subject = {"profile": public_id(profile.id), "ids": newest_ids(profile)}
        sessions = [None] if self._audience.key == USER else list(behavior.sessions)
        inside = [
            self._count(profile, behavior, session, {**subject, "session": session})
            for session in sessions
        ]
        if any(inside):
            known = [name for name, member in profile.audiences.items() if member]
            self._found.overlap.update(name for name in known if name != self._name)

    async def _look_at_subjects(self) -> None:
        sort, after = self._audience.key, ""
        store = self._source.store
        while keys := await store.memberships.subject_keys(sort, after, PIECE):
            for key, subject in (await store.state.subjects(keys)).items():
                behavior = self._revised(subject, self._subjects.take(key), sort)
                self._count(subject, behavior, None, {"subject": key})
            after = keys[-1]
            await self._pace.rest()
        for key in [key for key in self._subjects if key.partition(":")[0] == sort]:
            subject = Profile(0, first_seen=self._first_seen[key], subject=key)
            behavior = self._revised(subject, self._subjects.take(key), sort)
            self._count(subject, behavior, None, {"subject": key})

    def _revised(self, profile: Profile, filled: Behavior | None, sort: str) -> Behavior:
        """Return a subject's behavior as the new definitions find it now."""
        behavior = Behavior.decode(profile.behavior)
        self._complete(behavior.own, filled.own if filled is not None else None, sort)
        for id, scope in behavior.sessions.items():
            of_log = filled.sessions.get(id) if filled is not None else None
            self._complete(scope, of_log, SESSION)
        for id, scope in (filled.sessions if filled is not None else {}).items():
            behavior.sessions.setdefault(id, scope)
        behavior.revision, behavior.late = "", 0
        self._engine.advance(profile, behavior, self._now, {}, Changes(), key=sort, lag=0)
        return behavior

    def _complete(self, scope: Scope, of_log: Scope | None, sort: str) -> None:
        """Drop what is stale, and add what the log gave."""
        for key in _of_sort(self._stale, sort):
            scope.states.pop(key, None)
        if of_log is not None:
            scope.merge(of_log, self._program.scope(sort).kinds)

    def _count(
        self, profile: Profile, behavior: Behavior, session: str | None, subject: dict[str, Any]
    ) -> bool:
        """Count a subject; return whether it would be in, at once or once it has settled."""
        moment = moment_of(profile, behavior, self._now, session)
        self._tally.take(moment)
        compiled = self._compiled
        kept_out = compiled.exit_node is not None and compiled.exit_node.verdict(moment).holds
        known = moment.scope.memberships.get(self._name)
        found = stand(self._audience, known, self._now, kept_out)
        later = found.standing in ("settling", "cooling")
        if not (found.member or later):
            return False
        self._found.members += 1
        self._found.later += later
        shown = {name: value for name, value in subject.items() if value is not None}
        self._found.show(place(str(subject)), shown)
        return True

    # -- the answer ------------------------------------------------------------------------------

    def _told(self, scale: float, people: int | None) -> dict[str, Any]:
        """Return what was counted, `scale` times: of as many `people`, if it is of people."""
        found, looked_at = self._found, self._tally.total

        def scaled(count: int) -> int:
            return round(count * scale)

        population = scaled(looked_at) if people is None else people
        interval = None
        if self._fraction < 1:
            share = found.members / looked_at if looked_at else 0.0
            interval = [round(end * population) for end in wilson(share, looked_at)]
        counts_from = self._counts_from()
        return {
            "audience": self._name,
            "version": self._compiled.version,
            "key": self._audience.key,
            "as_of": iso_time(self._now),
            "looked_at": looked_at,
            "sample": self._fraction,
            "population": population,
            "count": scaled(found.members),
            "interval": interval,
            "later": scaled(found.later),
            "criteria": [
                {
                    "words": one.words,
                    "kept": scaled(one.kept),
                    "so_far": None if one.so_far is None else scaled(one.so_far),
                }
                for one in self._tally.criteria
            ],
            "overlap": [
                {
                    "audience": name,
                    "count": scaled(count),
                    "share": round(count / found.members, 4),
                }
                for name, count in found.overlap.most_common()
            ],
            "users": found.users(),
            "events_read": self._events,
            "counts_from": iso_time(counts_from) if counts_from is not None else None,
        }

    def _counts_from(self) -> int | None:
        """Return since when events count, where the conditions look back further than that."""
        if self._oldest is None:
            return None
        reach = looks_back(self._audience, self._definitions)
        return self._oldest if self._now - reach < self._oldest else None


def newest_ids(profile: Profile) -> dict[str, str]:
    """Return the newest identifier of each kind."""
    return {kind: values[-1] for kind, values in profile.identifiers.items() if values}


def _of_sort(kinds: set[str], *sorts: str) -> set[str]:
    """Return the keys of those of `kinds` (`SORT KEY`) that are of one of the sorts."""
    parted = (kind.partition(" ") for kind in kinds)
    return {key for sort, _, key in parted if sort in sorts}
