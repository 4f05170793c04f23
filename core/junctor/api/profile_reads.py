"""Reads at decision time, answered out of the store and the engine.

A reading is exact at its moment: what is due by then is done to a copy, whether or not the hub has
come to do it for all.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from junctor.api.reads import Reading, Transition, Wanted
from junctor.audiences.behavior import Behavior, Scope
from junctor.audiences.engine import Engine
from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import ACCOUNT, SESSION, USER, Service
from junctor.audiences.program import Program
from junctor.model.membership import Told
from junctor.model.profile import Profile, public_id
from junctor.pipeline.audience import TOLD
from junctor.sdk.context import Clock
from junctor.store.port import IdentifierKey, Lookup

SESSION_ID: Final = "session_id"
_ACCOUNT_IDS: Final = ("account", "account_id", "group_id")
_MOST_TOLD: Final = 1_000
"""Names of audiences of other hubs: whoever sends events can make some up."""
_MOST_WAITING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers: the `engine` that serves, and what is `wanted` once all is built.

    `unfinished` are the names that can't be answered yet; `kinds` the configured kinds of ids.
    """

    engine: Engine
    wanted: Program
    kinds: Collection[str]
    unfinished: Collection[str] = field(default=frozenset())


@dataclass(slots=True)
class _Person:
    """Somebody brought to the moment of a read."""

    profile: Profile
    behavior: Behavior
    session: str | None


class ProfileReads:
    """See Reads."""

    def __init__(self, lookup: Lookup, serving: Callable[[], Serving], clock: Clock) -> None:
        """Read by `lookup`; `serving` is what answers now."""
        self._lookup = lookup
        self._serving = serving
        self._clock = clock
        self.told_by_others: set[str] = set()
        self._watchers: set[asyncio.Queue[Transition]] = set()

    @property
    def kinds(self) -> Collection[str]:
        """See Reads."""
        serving = self._serving()
        sorts = serving.wanted.scopes.keys()
        return {*serving.kinds, *sorts, SESSION_ID, *_ACCOUNT_IDS} - {USER, SESSION}

    def learn(self, told_by_others: Collection[str]) -> None:
        """Learn which audiences other hubs have told of."""
        for name in told_by_others:
            if len(self.told_by_others) < _MOST_TOLD:
                self.told_by_others.add(name)

    @property
    def _program(self) -> Program:
        return self._serving().engine.program

    @property
    def audiences(self) -> Collection[str]:
        """See Reads."""
        return self._serving().wanted.audiences.keys() | self.told_by_others

    @property
    def attributes(self) -> Collection[str]:
        """See Reads."""
        return self._serving().wanted.attributes.keys()

    @property
    def scores(self) -> Collection[str]:
        """See Reads."""
        return self._serving().wanted.scores.keys()

    @property
    def services(self) -> Mapping[str, Service]:
        """See Reads."""
        return self._serving().wanted.services

    # -- reading ---------------------------------------------------------------------------------

    async def read(self, ids: Sequence[Mapping[str, str]], wanted: Wanted) -> Sequence[Reading]:
        """See Reads."""
        keys = [_keys(one) for one in ids]
        known = await self._lookup.find(list({key for some in keys for key in some}))
        now = round(self._clock.now() * 1000)
        readings = []
        for one, some in zip(ids, keys, strict=True):
            profile = next((known[key] for key in some if key in known), None)
            if profile is None and SESSION_ID in one:
                profile = await self._owner(one[SESSION_ID])
            person = self._person(profile, one, now) if profile is not None else None
            subjects = await self._subjects(one, wanted, now)
            readings.append(self._reading(person, subjects, wanted, now))
        return readings

    async def _owner(self, session: str) -> Profile | None:
        for id in await self._lookup.session_owners(session):
            return (await self._lookup.profiles([id])).get(id)
        return None

    def _person(self, profile: Profile, ids: Mapping[str, str], now: int) -> _Person:
        behavior = Behavior.decode(profile.behavior)
        self._serving().engine.look_ahead(profile, behavior, now)
        session = ids.get(SESSION_ID) or behavior.newest_session()
        return _Person(profile, behavior, session)

    async def _subjects(
        self, ids: Mapping[str, str], wanted: Wanted, now: int
    ) -> dict[str, Behavior]:
        """Return the behavior of accounts and the like that audiences are keyed by, by sort."""
        program, found = self._program, {}
        compiled = (program.audiences.get(name) for name in wanted.audiences)
        sorts = {one.audience.key for one in compiled if one is not None} - {USER, SESSION}
        for sort in sorted(sorts):
            names = _ACCOUNT_IDS if sort == ACCOUNT else (sort,)
            value = next((ids[name] for name in names if name in ids), None)
            if value is None:
                continue
            key = f"{sort}:{value}"
            subject = (await self._lookup.subjects([key])).get(key)
            if subject is not None:
                behavior = Behavior.decode(subject.behavior)
                self._serving().engine.look_ahead(subject, behavior, now, key=sort)
                found[sort] = behavior
        return found

    def _reading(
        self, person: _Person | None, subjects: Mapping[str, Behavior], wanted: Wanted, now: int
    ) -> Reading:
        program = self._program
        own = person.behavior.own if person is not None else Scope()
        attributes: dict[str, Any] = {}
        errors: dict[str, str] = {}
        changes = [behavior.due(0) for behavior in subjects.values()]
        if person is not None:
            changes.append(person.behavior.due(0))
        for name in wanted.attributes:
            reading = program.attributes.get(name)
            if reading is None:  # it is being built
                attributes[name] = None
                continue
            attributes[name] = reading.value(own.states, now)
            if not reading.never_rests:  # who asks for such a figure knows that it moves
                changes.append(reading.next_change(own.states, now))
            if error := reading.error(own.states):
                errors[name] = error
        next_change = min(changes, default=NEVER)
        building = self._serving().unfinished
        return Reading(
            profile=public_id(person.profile.id) if person is not None else None,
            attributes=attributes,
            audiences={name: self._is_member(name, person, subjects) for name in wanted.audiences},
            scores={name: self._score(name, own, now) for name in wanted.scores},
            as_of=now,
            ready=not any(
                name in building for name in (*wanted.audiences, *wanted.attributes, *wanted.scores)
            ),
            next_change=None if next_change == NEVER else next_change,
            degraded=self._degraded(person, subjects, wanted),
            errors=errors,
        )

    def _score(self, name: str, own: Scope, now: int) -> float:
        score = self._program.scores.get(name)
        return 0.0 if score is None else score.shown(own.states, now)

    def _is_member(
        self, name: str, person: _Person | None, subjects: Mapping[str, Behavior]
    ) -> bool:
        compiled = self._program.audiences.get(name)
        if compiled is None:
            return person is not None and person.profile.audiences.get(name, False)
        scope = _scope(compiled.audience.key, person, subjects)
        known = scope.memberships.get(name) if scope is not None else None
        return known is not None and known.member

    def _degraded(
        self, person: _Person | None, subjects: Mapping[str, Behavior], wanted: Wanted
    ) -> list[str]:
        """Return the names of what exceeded a cap, so that it may be less than exact."""
        program = self._program
        if person is not None and person.behavior.over:
            return [*wanted.audiences, *wanted.attributes, *wanted.scores]
        found = []
        for name in wanted.audiences:
            compiled = program.audiences.get(name)
            if compiled is None:
                continue
            scope = _scope(compiled.audience.key, person, subjects)
            if scope is not None and program.is_degraded(program.kinds_of[name], scope.states):
                found.append(name)
        own = person.behavior.own.states if person is not None else {}
        for names, readers in (
            (wanted.attributes, program.attributes), (wanted.scores, program.scores),
        ):  # fmt: skip
            found += [
                name
                for name in names
                if name in readers and program.is_degraded(readers[name].kinds, own)
            ]
        return found

    # -- watching --------------------------------------------------------------------------------

    def publish(self, told: Sequence[Told]) -> None:
        """Tell whoever watches of committed transitions."""
        for one in told:
            if one.row.version == TOLD:
                self.learn([one.row.audience])
        if not self._watchers:
            return
        for one in told:
            row = one.row
            transition = Transition(
                public_id(row.profile) if row.profile else row.subject,
                one.ids, row.audience, row.entered, row.at, row.reason,
                row.id, row.session,
            )  # fmt: skip
            for watcher in self._watchers:
                if not watcher.full():
                    watcher.put_nowait(transition)

    async def watch(self) -> AsyncIterator[Transition]:
        """See Reads."""
        queue: asyncio.Queue[Transition] = asyncio.Queue(_MOST_WAITING)
        self._watchers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)


def _scope(key: str, person: _Person | None, subjects: Mapping[str, Behavior]) -> Scope | None:
    """Return the scope that an audience of this key has for what was asked about."""
    if key not in (USER, SESSION):
        return subjects[key].own if key in subjects else None
    if person is None:
        return None
    if key == USER:
        return person.behavior.own
    return person.behavior.sessions.get(person.session or "")


def _keys(ids: Mapping[str, str]) -> list[IdentifierKey]:
    """Return the identifiers of one who is asked about, as they are stored."""
    return [
        (kind, value.lower() if kind == "email" else value)
        for kind, value in ids.items()
        if kind != SESSION_ID
    ]
