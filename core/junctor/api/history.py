"""What a stream missed while it was not open, out of the transitions that the store keeps."""

from collections.abc import Mapping, Sequence

from junctor.api.ids import SESSION_ID, Id
from junctor.api.reads import Transition
from junctor.model.membership import TransitionRow
from junctor.model.profile import public_id
from junctor.store.port import Lookup

Ids = Mapping[str, Sequence[str]]


class History:
    """Transitions of the past."""

    def __init__(self, lookup: Lookup) -> None:
        """Read by `lookup`."""
        self._lookup = lookup

    async def newest(self) -> int:
        """Return the id of the newest transition of all, 0 if there is none.

        Raises:
            StoreError: it can't be read now.
        """
        return await self._lookup.newest_transition()

    async def after(self, id: int, of: Sequence[Id], most: int) -> list[Transition]:
        """Return the transitions behind `id` of whoever has one of these ids, in order.

        Of many the newest `most`. Whose they were before a merge they are of the survivor. An id of
        a session stands for the audiences of that session, as in the stream.

        Raises:
            StoreError: it can't be read now.
        """
        found: dict[int, Transition] = {}
        lookup = self._lookup
        people = await lookup.find([one for one in of if one[0] != SESSION_ID])
        for profile in {profile.id: profile for profile in people.values()}.values():
            rows = await lookup.transitions_of(profile.id, None, id, most)
            found |= _told(rows, profile.identifiers)
        for kind, value in of:
            owners = await lookup.session_owners(value) if kind == SESSION_ID else ()
            for owner in owners:
                rows = await lookup.transitions_of(owner, value, id, most)
                found |= _told(rows, {kind: [value]})
            if kind != SESSION_ID:
                rows = await lookup.transitions_of(f"{kind}:{value}", None, id, most)
                found |= _told(rows, {kind: [value]})
        return [found[number] for number in sorted(found)[-most:]]


def _told(rows: Sequence[TransitionRow], ids: Ids) -> dict[int, Transition]:
    return {
        row.id: Transition(
            public_id(row.profile) if row.profile else row.subject,
            ids, row.audience, row.entered, row.at, row.reason, row.id,
            row.session,
        )
        for row in rows
    }  # fmt: skip
