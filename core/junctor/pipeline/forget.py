"""A delete asks to forget a person: what is to be found of them. Pure.

Events that the hub made may still be on their way when their person is erased. They name the
person, so that nobody else is taken for them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from junctor.audiences.changes import ERASED
from junctor.audiences.seen import HUB
from junctor.model.erasure import Erasure, digest_of
from junctor.model.profile import Profile, number_of
from junctor.model.record import Record
from junctor.pipeline.derived import PERSON
from junctor.store.port import IdentifierKey


def meant(keys: Sequence[IdentifierKey], source: str) -> list[IdentifierKey]:
    """Return the identifiers by which a delete says who is to be forgotten.

    A delete that a source brings means its `userId` [Segment, user deletion]: what else it carries
    may be somebody else's. The hub's own names one person by all that it knows.
    """
    if source == HUB:
        return list(keys)
    return [key for key in keys if key[0] == "user_id"]


def erasure_of(profile: Profile, keys: Sequence[IdentifierKey], record: Record) -> Erasure:
    """Return what is to be erased by the delete in `record`, which means `profile` by `keys`."""
    ids = dict.fromkeys(keys)
    for kind, values in profile.identifiers.items():
        ids |= dict.fromkeys((kind, value) for value in values)
    digests = tuple(digest_of(kind, value) for kind, value in ids)
    return Erasure(record.offset, record.received_at, (profile.id,), tuple(ids), digests)


def person_told_of(body: Mapping[str, Any]) -> int:
    """Return the profile that an event which the hub made tells of, 0 if it names none."""
    context = body.get("context")
    said = context.get(HUB) if isinstance(context, dict) else None
    return number_of(said.get(PERSON)) if isinstance(said, dict) else 0


def same_person(owner: Profile | None, body: Mapping[str, Any]) -> Profile | None:
    """Return `owner`, who has the ids of an event which the hub made, if it tells of them."""
    return unless_later(owner, person_told_of(body))


def unless_later(owner: Profile | None, named: int) -> Profile | None:
    """Return `owner` unless they came after the person `named`, who had their ids, was erased.

    People who merge become the oldest of them, so that nobody becomes somebody later.
    """
    return None if owner is not None and 0 < named < owner.id else owner


def stranger(offset: int, keys: Sequence[IdentifierKey]) -> Profile:
    """Return whom a delete at `offset` means by `keys` if nobody is known by them."""
    profile = Profile(offset)
    for kind, value in keys:
        profile.identifiers.setdefault(kind, []).append(value)
    return profile


def is_parting(event: Mapping[str, Any]) -> bool:
    """Whether an event that the hub made tells that somebody left an audience by being erased."""
    properties = event.get("properties")
    return isinstance(properties, dict) and properties.get("reason") == ERASED
