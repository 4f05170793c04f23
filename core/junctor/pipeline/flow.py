"""The way of an event, on one screen.

    LOG ─► normalize ─► identify ─► profile ─► route ─► commit (one transaction) ─► delivery

The fold is deterministic: log and configuration decide, no clock and no chance. State, routing and
offset commit together, so that a crash repeats nothing and skips nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from structlog.typing import FilteringBoundLogger

from junctor.model.processed import Batch, Processed
from junctor.model.profile import Profile
from junctor.model.record import Record, Rejection
from junctor.pipeline.identify import Identifiers, People, identify
from junctor.pipeline.normalize import canonical
from junctor.pipeline.profile import update_profile
from junctor.pipeline.route import Router
from junctor.sdk.event import NOBODY, Event, EventType, ProfileView
from junctor.store.port import FoldResult, IdentifierKey, Routed, State

UNPROCESSABLE = "could not be processed"


class Flow:
    """Folds batches of records into state and decisions."""

    def __init__(
        self,
        state: State,
        identifiers: Identifiers,
        router: Router,
        publish: Callable[[Batch], None],
        log: FilteringBoundLogger,
    ) -> None:
        """Fold into `state`; hand committed batches to `publish`."""
        self.identifiers = identifiers
        self.router = router
        self._state = state
        self._publish = publish
        self._log = log

    async def fold(self, records: Sequence[Record], previous: int) -> None:
        """Process records that follow offset `previous`, commit, publish.

        Raises:
            StoreUnavailable: nothing was changed; fold the same records again.
        """
        normalized = [self._normalize(record) for record in records]
        people = await self._people([parts[2] for parts in normalized if parts])
        result = FoldResult(offset=records[-1].offset)
        processed: list[Processed] = []
        routed: list[Routed] = []
        rejections: list[Rejection] = []
        for record, parts in zip(records, normalized, strict=True):
            item = self._process(record, *parts, people) if parts else None
            if item is None:
                item = self._unprocessable(record)
                rejections.append(
                    Rejection(record.source, record.received_at, UNPROCESSABLE, record.json)
                )
            processed.append(item)
            routed.append(Routed(record.offset, item.profile, item.decision))
        result.identifiers, result.profiles = people.identifiers, people.touched
        result.merges, result.conflicts = people.merges, people.conflicts
        result.routed, result.rejections = routed, rejections
        await self._state.commit(result)
        self._publish(Batch(previous, processed, result.offset))

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
            owner = profiles.get(route.profile) or strays.first(keys)
            if owner is None and not keys:  # nobody's: it is not kept, and all is in the event
                owner = Profile(route.profile)
                update_profile(owner, body, at)
            decision = self.router.decide(body, record.source, owner)
            view = owner.view() if owner is not None else NOBODY
            key = route.profile or (owner.id if owner is not None else 0)
            processed.append(Processed(_event(record, body, at, view), key, decision))
        return processed

    def _normalize(self, record: Record) -> tuple[dict[str, Any], int, list[IdentifierKey]] | None:
        try:
            body, at = canonical(record)
            return body, at, self.identifiers.of(body)
        except Exception:  # whatever it is, it must not stop the log
            self._log.exception("event could not be processed", offset=record.offset)
            return None

    async def _people(self, keys: Sequence[list[IdentifierKey]]) -> People:
        wanted = list({key for keys_of_one in keys for key in keys_of_one})
        known = await self._state.resolve(wanted)
        return People(known, await self._state.profiles(list(set(known.values()))))

    def _process(
        self,
        record: Record,
        body: dict[str, Any],
        at: int,
        keys: list[IdentifierKey],
        people: People,
    ) -> Processed | None:
        try:
            profile = identify(body, keys, people, self.identifiers, offset=record.offset, at=at)
            update_profile(profile, body, at)
            decision = self.router.decide(body, record.source, profile)
            event = _event(record, body, at, profile.snapshot())
        except Exception:  # as in _normalize
            self._log.exception("event could not be processed", offset=record.offset)
            return None
        if event.type == EventType.DELETE:
            people.remove(profile)
        return Processed(event, profile.id, decision)

    def _unprocessable(self, record: Record) -> Processed:
        """Return an event that goes nowhere: it is kept among the rejected, where it is seen."""
        nowhere = tuple((target.id, UNPROCESSABLE) for target in self.router.targets)
        event = Event(
            record.json, type="", message_id=record.message_id, timestamp=record.received_at,
            received_at=record.received_at, source=record.source, offset=record.offset,
        )  # fmt: skip
        return Processed(event, 0, nowhere)


def _event(
    record: Record,
    body: dict[str, Any],
    at: int,
    profile: ProfileView | Callable[[], ProfileView],
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
        body=body,
    )
