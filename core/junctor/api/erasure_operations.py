"""What an operator may ask and do about people who are to be forgotten, as plain data."""

import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final

import orjson

from junctor.api.operations import NotFound
from junctor.audiences.seen import HUB
from junctor.model.erasure import Erasure, digest_of
from junctor.model.profile import Profile, public_id
from junctor.model.record import NewRecord
from junctor.pipeline.derived import ids_of
from junctor.pipeline.identify import Identifiers
from junctor.pipeline.normalize import format_time, identifier_text
from junctor.sdk.context import Clock
from junctor.sdk.event import EventType, iso_time
from junctor.store.dedupe import dedupe_key
from junctor.store.port import IdentifierKey, Store

Suppress = Callable[[Sequence[str]], Awaitable[None]]
_FIELDS: Final = {"user_id": "userId", "anonymous_id": "anonymousId"}


class CanNotErase(Exception):
    """Nobody can be meant by this; the message says why."""


class ErasureOperations:
    """Erasures: asked for, and shown. The log takes them, the fold begins them."""

    def __init__(
        self,
        store: Store,
        identifiers: Callable[[], Identifiers],
        deleting: Callable[[], Sequence[str]],
        configured: Callable[[], Collection[str]],
        suppress: Suppress,
        clock: Clock,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """Work on `store`; of the `configured` destinations those `deleting` take a delete.

        `suppress` keeps these users out from now on; `new_id` names the event.
        """
        self._store = store
        self._identifiers = identifiers
        self._deleting = deleting
        self._configured = configured
        self._suppress = suppress
        self._clock = clock
        self._new_id = new_id

    async def erase(
        self, kind: str, value: str, *, suppress: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        """Forget the person with this identifier, or only say what that would be.

        With `suppress` no more events of their user ids are taken in.

        Raises:
            CanNotErase: nobody is known by identifiers of this kind, or by such a value.
        """
        key = self._key(kind, value)
        profile = await self._profile(key)
        users = list(profile.identifiers.get("user_id", ()))
        if suppress and not users:
            raise CanNotErase(
                "suppress: only a user_id can be suppressed, and this person has none"
            )
        told = {
            "profile": public_id(profile.id) if profile.id else None,
            "suppressed": users if suppress else [],
            "destinations": list(self._deleting()),
            "dry_run": dry_run,
        }
        if dry_run:
            return {**told, **await self._found(profile)}
        if suppress:  # first: what comes between would be left
            await self._suppress(users)
        record = self._delete(key, profile)
        await self._store.log.append([record])
        return {**told, "id": record.offset, "stage": "erasing"}

    async def erasure(self, id: int) -> dict[str, Any]:
        """Return how far an erasure is.

        Raises:
            NotFound: there is none of this id.
        """
        folded = await self._store.state.position()  # first: the fold goes on meanwhile
        found = await self._store.erasures.get(id)
        if found is not None:
            return await self._shown(found)
        if folded < id <= await self._store.log.head():
            return {"id": id, "stage": "erasing"}  # the fold is not there yet
        raise NotFound(f"there is no erasure {id}")

    async def erasures(
        self, limit: int, before: int | None, kind: str | None, value: str | None
    ) -> list[dict[str, Any]]:
        """Return erasures, newest first; those of one identifier if it is given."""
        digest = None
        if kind is not None and value is not None:
            digest = digest_of(*self._key(kind, value))
        found = await self._store.erasures.newest(limit, before=before, digest=digest)
        return [await self._shown(one) for one in found]

    async def _shown(self, erasure: Erasure) -> dict[str, Any]:
        return {
            "id": erasure.offset,
            "stage": erasure.stage.value,
            "asked_at": iso_time(erasure.at),
            "erased_at": iso_time(erasure.erased_at) if erasure.erased_at else None,
            "done_at": iso_time(erasure.done_at) if erasure.done_at else None,
            "events": erasure.events,
            "dead_letters": erasure.dead_letters,
            "rejections": erasure.rejections,
            "waits_for": await self._waits_for(erasure),
        }

    async def _waits_for(self, erasure: Erasure) -> list[str]:
        """Return the destinations that are still to be told, of the delete or of exits."""
        if erasure.done_at:
            return []
        offsets: Sequence[int] = [erasure.offset]
        if erasure.erased_at:
            offsets = await self._store.erasures.telling(erasure)
        waiting_for = self._store.ledger.waiting_for
        return [id for id in self._configured() if await waiting_for(id, offsets)]

    def _key(self, kind: str, value: str) -> IdentifierKey:
        identifiers = self._identifiers()
        if kind not in identifiers.limits:
            known = ", ".join(identifiers.limits)
            raise CanNotErase(f"kind: {kind} identifies nobody; one of {known}")
        keys = identifiers.of(_body({}, [(kind, value)]))
        key = next((one for one in keys if one[0] == kind), None)
        if key is None:
            raise CanNotErase(f"value: nobody is known by such a {kind}")
        return key

    async def _profile(self, key: IdentifierKey) -> Profile:
        """Return whom an identifier is, or a person who has nothing but that."""
        id = (await self._store.state.resolve([key])).get(key, 0)
        known = (await self._store.state.profiles([id])).get(id)
        return known or Profile(0, {key[0]: [key[1]]})

    async def _found(self, profile: Profile) -> dict[str, Any]:
        pairs = [(kind, one) for kind, values in profile.identifiers.items() for one in values]
        people = await self._store.erasures.family(profile.id) if profile.id else ()
        head = await self._store.log.head()
        erasure = Erasure(head + 1, self._now(), people, tuple(pairs), (), until=head)
        offsets = await self._store.erasures.events(erasure, HUB)
        traces = await self._store.erasures.traces(erasure, offsets)
        return {
            "identifiers": len(pairs) if profile.id else 0,
            "known_by": profile.identifiers if profile.id else {},
            "events": len(offsets),
            "dead_letters": len(traces.letters),
            "rejections": len(traces.rejections),
        }

    def _delete(self, key: IdentifierKey, profile: Profile) -> NewRecord:
        """Return the event that asks for it: Segment's, with all identifiers of the person."""
        message_id, now = self._new_id(), self._now()
        ids = ids_of(profile, {_FIELDS[key[0]]: key[1]} if key[0] in _FIELDS else {})
        others = [key] + [
            (kind, value) for kind, values in profile.identifiers.items() for value in values
        ]
        in_fields = {(kind, ids[field]) for kind, field in _FIELDS.items() if field in ids}
        body = _body(ids, [one for one in dict.fromkeys(others) if one not in in_fields])
        body |= {"messageId": message_id, "timestamp": format_time(now)}
        return NewRecord(
            HUB, message_id, now, False, dedupe_key(HUB, message_id), orjson.dumps(body), body,
            EventType.DELETE, identifier_text(ids.get("userId")),
        )  # fmt: skip

    def _now(self) -> int:
        return round(self._clock.now() * 1000)


def _body(ids: dict[str, str], others: Sequence[IdentifierKey]) -> dict[str, Any]:
    external = [
        {"id": value, "type": kind, "collection": "users", "encoding": "none"}
        for kind, value in others
    ]
    return {
        "type": EventType.DELETE.value, **ids,
        **({"context": {"externalIds": external}} if external else {}),
    }  # fmt: skip
