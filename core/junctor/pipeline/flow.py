"""The way of an event.

    LOG ─► normalize ─► identify ─► profile ─► audience ─► route ─► commit ─► delivery
     ▲                                             │              (one transaction)
     └───────── audience transitions, signals ─────┘

The fold is deterministic: log and configuration decide, no clock and no chance. State, routing,
offset, and the events that the fold makes itself commit together, so that a crash repeats nothing
and skips nothing.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson
from structlog.typing import FilteringBoundLogger

from junctor.audiences.seen import HUB
from junctor.model.erasure import Erasure
from junctor.model.membership import Told
from junctor.model.processed import Batch, Decision, Processed
from junctor.model.profile import Profile
from junctor.model.record import Record, Rejection
from junctor.pipeline.audience import AudienceBatch, Audiences
from junctor.pipeline.forget import (
    erasure_of,
    is_parting,
    meant,
    person_told_of,
    same_person,
    stranger,
    unless_later,
)
from junctor.pipeline.identify import Identifiers, People, identify
from junctor.pipeline.normalize import canonical
from junctor.pipeline.profile import is_computed, update_profile
from junctor.pipeline.route import GONE, Router
from junctor.pipeline.seen import uncut
from junctor.pipeline.turns import in_turns
from junctor.sdk.event import NOBODY, Event, EventType, ProfileView
from junctor.store.port import FoldResult, IdentifierKey, Routed, State

UNPROCESSABLE = "could not be processed"
_MOST: Final = 65_536
_FEW: Final = 16
"""Events folded at once after one that raised, so that not many are folded in vain if there are
more of its kind; with each batch that goes well twice as many."""


class _Spoiling(Exception):
    """The event at `place` of a batch raised: what it has changed must not stay."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True, slots=True)
class Folded:
    """A batch of records worked out, and not stored yet."""

    result: FoldResult
    batch: Batch
    audience: AudienceBatch | None


class Flow:
    """Folds batches of records into state and decisions."""

    def __init__(
        self,
        state: State,
        identifiers: Identifiers,
        audiences: Audiences,
        router: Router,
        publish: Callable[[Batch], None],
        log: FilteringBoundLogger,
        announce: Callable[[Sequence[Told]], None] = lambda told: None,
        *,
        parsed: bool = True,
    ) -> None:
        """Fold into `state`; hand committed batches to `publish`, transitions to `announce`.

        `parsed` says whether events are published with their parsed bodies, for destinations in
        this process.
        """
        self._parsed = parsed
        self.identifiers = identifiers
        self.audiences = audiences
        self.router = router
        self._state = state
        self._publish = publish
        self._announce_to = announce
        self._log = log
        self._most = _MOST

    async def fold(self, records: Sequence[Record], previous: int) -> int:
        """Work out records behind offset `previous`, commit, publish; return the offset reached.

        Raises:
            StoreUnavailable: nothing was changed; fold the same records again.
        """
        folded = await self.work_out(records, previous)
        await self._state.commit(folded.result)
        self.tell(folded)
        return folded.batch.last

    def store(self, folded: Folded) -> Awaitable[None]:
        """Hand a batch to the store; return what waits until it is durable, to be told then.

        From now on reads of the state show it. If it can't be stored, fold the same records again.

        Raises:
            StoreUnavailable: nothing was changed; also what is returned raises it.
        """
        return self._state.submit(folded.result)

    def tell(self, folded: Folded) -> None:
        """Tell of a batch that is durable."""
        self._publish(folded.batch)
        self.announce(folded.audience)

    async def work_out(self, records: Sequence[Record], previous: int) -> Folded:
        """Process records that follow offset `previous`; what comes of it is still to be stored.

        That is all of them, unless one raises. That one leaves nothing behind: those before it are
        worked out without it, and it is the first of the next batch and kept as a rejection there.
        So it may part what was received together.

        Raises:
            StoreUnavailable: the state can't be read.
        """
        records = uncut(list(records[: self._most]), self._most)
        spoiling = 0
        while True:
            try:
                folded = await self._work_out(records, previous, spoiling)
            except _Spoiling as found:
                self._most = max(_FEW, found.place)
                if found.place:
                    records = records[: found.place]
                else:
                    spoiling, cause = records[0].offset, found.__cause__
                    self._log.error("event could not be processed", offset=spoiling, exc_info=cause)
            else:
                self._most = min(2 * self._most, _MOST)
                return folded

    async def _work_out(self, records: Sequence[Record], previous: int, spoiling: int) -> Folded:
        """Process all of the records but the one at offset `spoiling`, which is to be rejected.

        Raises:
            _Spoiling: another one raised.
        """
        normalized = []
        async for some in in_turns(records):
            normalized += [self._normalize(record) for record in some]
        people = People({}, {})
        audience = await self._audience_batch(records, normalized)
        result = FoldResult(offset=records[-1].offset)
        processed: list[Processed] = []
        routed: list[Routed] = []
        rejections: list[Rejection] = []
        async for pairs in in_turns(list(zip(records, normalized, strict=True))):
            await self._meet(people, [parts[2] for _, parts in pairs if parts])
            for record, parts in pairs:
                if parts and record.offset != spoiling:
                    try:
                        item = self._process(record, *parts, people, audience)
                    except Exception as error:  # whatever it is, it must not stop the log
                        raise _Spoiling(len(processed)) from error
                else:
                    item = self._unprocessable(record)
                    rejections.append(
                        Rejection(record.source, record.received_at, UNPROCESSABLE, record.json)
                    )
                processed.append(item)
                routed.append(Routed(record.offset, item.profile, item.decision))
        result.identifiers, result.profiles = people.identifiers, people.touched
        result.merges, result.conflicts = people.merges, people.conflicts
        result.routed, result.rejections = routed, rejections
        result.erasures = people.erasures
        await self._finish(audience, result)
        result.subjects = {**_subjects_of(people.erasures), **result.subjects}
        return Folded(result, Batch(previous, processed, result.offset), audience)

    async def pass_time(self, now: int, position: int, limit: int) -> int:
        """Do what is due up to `now` (epoch ms) with nothing happening; return for how many.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        ids, keys = await self._state.due(now, limit)
        if not ids and not keys:
            return 0
        profiles = await self._state.profiles(ids)
        subjects = await self._state.subjects(keys)
        audience = await self.audiences.batch(self._state, [])
        async for some in in_turns(list(profiles.values())):
            for profile in some:
                audience.pass_time(profile, now)
        for key, subject in subjects.items():
            audience.pass_time_of_subject(key, subject, now)
        await audience.finish()
        await self._state.commit(audience.result(position))
        self.announce(audience)
        return len(ids) + len(keys)

    async def _audience_batch(
        self,
        records: Sequence[Record],
        normalized: Sequence[tuple[dict[str, Any], int, list[IdentifierKey]] | None],
    ) -> AudienceBatch | None:
        if self.audiences.idle:
            return None
        good = [(r, parts) for r, parts in zip(records, normalized, strict=True) if parts]
        events = [(record, body, at) for record, (body, at, _) in good]
        keys = [keys for _, (_, _, keys) in good]
        deleted = [keys for _, (body, _, keys) in good if body["type"] == EventType.DELETE]
        others = await self._identifiers_of(deleted) if deleted else []
        return await self.audiences.batch(self._state, events, keys, others)

    async def _identifiers_of(self, keys: Sequence[list[IdentifierKey]]) -> list[IdentifierKey]:
        """Return all identifiers, known so far, of the people who have these."""
        people = await self._people(keys)
        return [
            (kind, value)
            for known in people.profiles.values()
            for kind, values in known.identifiers.items()
            for value in values
        ]

    async def _finish(self, audience: AudienceBatch | None, result: FoldResult) -> None:
        if audience is None:
            return
        await audience.finish()
        made = audience.result(result.offset)
        result.transitions, result.goals, result.derived = (
            made.transitions,
            made.goals,
            made.derived,
        )
        result.sessions, result.subjects = made.sessions, made.subjects

    def announce(self, audience: AudienceBatch | None) -> None:
        """Tell whoever watches of the transitions of a batch that is committed."""
        if audience is not None and audience.told:
            self._announce_to(audience.told)

    async def again(self, records: Sequence[Record]) -> list[Processed]:
        """Return folded records once more, for a destination that reads the log.

        Profiles are as they stand now, and the decision is taken by the present configuration, so
        that a filter or a consent rule that came later is kept at send time.
        """
        routed = await self._state.routed([record.offset for record in records])
        found = [
            (record, routed[record.offset], parts)
            for record in records
            if record.offset in routed and (parts := self._normalize(record)) is not None
        ]
        profiles = await self._state.profiles(list({route.profile for _, route, _ in found}))
        strays = await self._people(
            [keys for _, route, (_, _, keys) in found if route.profile not in profiles]
        )
        processed = []
        for record, route, (body, at, keys) in found:
            owner = profiles.get(route.profile) or unless_later(strays.first(keys), route.profile)
            if owner is None and not keys:  # nobody's: it is not kept, and all is in the event
                owner = Profile(route.profile)
                update_profile(owner, body, at)
            decision = self._decide(body, record.source, owner, gone=bool(keys and not owner))
            view = NOBODY
            if owner is not None:
                view = owner.view(partial(self.audiences.figures, owner, at))
            key = route.profile or (owner.id if owner is not None else 0)
            processed.append(
                Processed(_event(record, body, at, view, parsed=self._parsed), key, decision)
            )
        return processed

    def _normalize(self, record: Record) -> tuple[dict[str, Any], int, list[IdentifierKey]] | None:
        try:
            body, at = canonical(record)
            return body, at, self.identifiers.of(body)
        except Exception:  # as in _work_out
            self._log.exception("event could not be processed", offset=record.offset)
            return None

    async def _people(self, keys: Sequence[list[IdentifierKey]]) -> People:
        people = People({}, {})
        await self._meet(people, keys)
        return people

    async def _meet(self, people: People, keys: Sequence[list[IdentifierKey]]) -> None:
        """Read who has these identifiers, but for those that were met before.

        What earlier events of the batch did to somebody is not in the store yet.
        """
        wanted = {
            key
            for keys_of_one in keys
            for key in keys_of_one
            if key not in people.known and key not in people.identifiers
        }
        found = await self._state.resolve(list(wanted))
        missing = set(found.values()) - people.profiles.keys()
        people.profiles |= await self._state.profiles(list(missing))
        people.known |= found

    def _process(
        self,
        record: Record,
        body: dict[str, Any],
        at: int,
        keys: list[IdentifierKey],
        people: People,
        audience: AudienceBatch | None,
    ) -> Processed:
        learned: Collection[str] = ()
        erases = body["type"] == EventType.DELETE
        if audience is not None:  # what is due is looked at before the event teaches anything
            for one in people.of(keys):
                audience.pass_time(one, record.received_at)
                people.touched[one.id] = one
        if erases:
            keys = meant(keys, record.source)
            known = people.first(keys)
            profile = known or stranger(record.offset, keys)
        elif record.source == HUB:  # it tells of people, and teaches nothing about them
            known = same_person(people.first(keys), body)
            profile = known or Profile(person_told_of(body) or record.offset)
        else:
            profile = identify(body, keys, people, self.identifiers, offset=record.offset, at=at)
            known = people.profiles.get(profile.id)
            before = dict(profile.audiences) if is_computed(body) else None
            learned = update_profile(profile, body, at)
            if before is not None and audience is not None and known:
                audience.learn_told(profile, before, at)
        if audience is not None:
            for survivor, absorbed in people.take_absorbed():  # both are as of now
                audience.merge(survivor, absorbed, record.received_at)
            if known:
                audience.observe(profile, record, body, at, keys, learned)
                people.touched[profile.id] = profile
        decision = self._decide(body, record.source, profile, gone=bool(keys and not known))
        figures = partial(self.audiences.figures, profile, at)
        event = _event(record, body, at, profile.snapshot(figures), parsed=self._parsed)
        if erases:
            people.erasures.append(erasure_of(profile, keys, record))
            if audience is not None and known:
                audience.forget(profile, record.received_at)
            people.remove(profile)
        return Processed(event, profile.id, decision)

    def _decide(
        self, body: dict[str, Any], source: str, owner: Profile | None, *, gone: bool
    ) -> Decision:
        """Return where an event goes.

        What the hub still tells of somebody who is `gone` goes nowhere, but for that.
        """
        if gone and source == HUB and person_told_of(body) and not is_parting(body):
            return self.router.nowhere(GONE)
        return self.router.decide(body, source, owner)

    def _unprocessable(self, record: Record) -> Processed:
        """Return an event that goes nowhere: it is kept among the rejected, where it is seen."""
        event = Event(
            record.json, type="", message_id=record.message_id, timestamp=record.received_at,
            received_at=record.received_at, source=record.source, offset=record.offset,
        )  # fmt: skip
        return Processed(event, 0, self.router.nowhere(UNPROCESSABLE))


def _subjects_of(erasures: Sequence[Erasure]) -> dict[str, Profile | None]:
    """Return what audiences may be keyed by of people who are forgotten, to be removed."""
    keys = (f"{kind}:{value}" for erasure in erasures for kind, value in erasure.ids)
    return dict.fromkeys(keys)


def _event(
    record: Record,
    body: dict[str, Any],
    at: int,
    profile: ProfileView | Callable[[], ProfileView],
    *,
    parsed: bool,
) -> Event:
    return Event(
        orjson.dumps(body),
        type=body["type"],
        message_id=record.message_id,
        timestamp=at,
        received_at=record.received_at,
        source=record.source,
        offset=record.offset,
        profile=profile,
        body=body if parsed else None,
    )
