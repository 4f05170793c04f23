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
        result = FoldResult(offset=records[-1].offset)
        normalized = [self._normalize(record, result) for record in records]
        people = await self._people([keys for _, _, keys in normalized])
        processed: list[Processed] = []
        routed: list[Routed] = []
        for record, (body, at, keys) in zip(records, normalized, strict=True):
            item = self._process(record, body, at, keys, people)
            processed.append(item)
            routed.append(Routed(record.offset, item.profile, item.decision))
        result.identifiers, result.profiles = people.identifiers, people.touched
        result.merges, result.conflicts = people.merges, people.conflicts
        result.routed = routed
        await self._state.commit(result)
        self._publish(Batch(previous, processed, result.offset))

    async def again(self, records: Sequence[Record]) -> list[Processed]:
        """Return folded records once more, for a destination that reads the log.

        Profiles are as they stand now, and the decision is taken by the present configuration, so
        that a filter or a consent rule that came later is kept at send time.
        """
        routed = await self._state.routed([record.offset for record in records])
        owners = await self._state.profiles(list({route.profile for route in routed.values()}))
        processed = []
        for record in records:
            route = routed.get(record.offset)
            if route is None:
                continue
            body, at = canonical(record)
            profile = owners.get(route.profile)
            decision = self.router.decide(body, record.source, profile)
            view = profile.view() if profile is not None else NOBODY
            processed.append(Processed(_event(record, body, at, view), route.profile, decision))
        return processed

    def _normalize(
        self, record: Record, result: FoldResult
    ) -> tuple[dict[str, Any] | None, int, list[IdentifierKey]]:
        try:
            body, at = canonical(record)
            return body, at, self.identifiers.of(body)
        except Exception:  # whatever it is, it must not stop the log: keep it where it is seen
            self._log.exception("event could not be processed", offset=record.offset)
            result.rejections = [
                *result.rejections,
                Rejection(record.source, record.received_at, UNPROCESSABLE, record.json),
            ]
            return None, record.received_at, []

    async def _people(self, keys: Sequence[list[IdentifierKey]]) -> People:
        wanted = list({key for keys_of_one in keys for key in keys_of_one})
        known = await self._state.resolve(wanted)
        return People(known, await self._state.profiles(list(set(known.values()))))

    def _process(
        self,
        record: Record,
        body: dict[str, Any] | None,
        at: int,
        keys: list[IdentifierKey],
        people: People,
    ) -> Processed:
        if body is None:
            nowhere = tuple((target.id, UNPROCESSABLE) for target in self.router.targets)
            lost = Event(
                record.json, type="", message_id=record.message_id, timestamp=at,
                received_at=at, source=record.source, offset=record.offset,
            )  # fmt: skip
            return Processed(lost, 0, nowhere)
        profile = identify(body, keys, people, self.identifiers, offset=record.offset, at=at)
        update_profile(profile, body, at)
        decision = self.router.decide(body, record.source, profile)
        event = _event(record, body, at, profile.snapshot())
        if event.type == EventType.DELETE:
            people.remove(profile)
        return Processed(event, profile.id, decision)


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
