"""Who somebody is, as plain data for operators: a person, or what audiences are keyed by else."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from junctor.audiences.behavior import Behavior
from junctor.audiences.nodes import ACCOUNT
from junctor.model.profile import Figures, Profile, public_id
from junctor.sdk.event import iso_time
from junctor.store.port import Store

_SORTS: Final = {"account_id": ACCOUNT, "group_id": ACCOUNT}
"""Sort of subject by the other names of its ids."""


async def profile_view(
    store: Store,
    kind: str,
    value: str,
    figures: Callable[[Profile], Figures],
    *,
    record: bool = False,
) -> dict[str, Any] | None:
    """Return the person who has an identifier, with the merges that made them; None if nobody has.

    If audiences are keyed by that identifier, `subject` is what is known of it by itself; without a
    person (an account has none) it is returned in the person's form. With `record` only a person is
    returned, and also how they are stored, base64.
    """
    value = value.lower() if kind == "email" else value
    key = f"{_SORTS.get(kind, kind)}:{value}"
    known = (await store.state.subjects([key])).get(key)
    subject = None if known is None else _subject(key, known)
    id = (await store.state.resolve([(kind, value)])).get((kind, value))
    if id is None:
        return None if subject is None or record else _as_person(key, subject)
    profile = (await store.state.profiles([id]))[id]
    told = {
        **profile.view(lambda: figures(profile)).as_dict(),
        "merges": [
            {"absorbed": public_id(m.absorbed), "offset": m.offset, "at": iso_time(m.at)}
            for m in await store.state.merges(id)
        ],
        "subject": subject,
    }
    if record:
        told["record"] = b64encode(profile.encode()).decode()
        told["behavior"] = b64encode(profile.behavior).decode()
    return told


def _subject(key: str, subject: Profile) -> dict[str, Any]:
    """Return what is known of a subject that is no person; it is in those audiences only."""
    memberships = Behavior.decode(subject.behavior).own.memberships
    return {
        "id": key,
        "traits": {name: value for name, (value, _) in subject.traits.items()},
        "audiences": {name: True for name, known in memberships.items() if known.member},
        "first_seen": iso_time(subject.first_seen),
        "last_seen": iso_time(subject.last_seen),
    }


def _as_person(key: str, subject: dict[str, Any]) -> dict[str, Any]:
    sort, _, value = key.partition(":")
    return {
        **subject,
        "identifiers": {sort: [value]},
        "groups": {},
        "attributes": {},
        "scores": {},
        "merges": [],
        "subject": None,
    }
