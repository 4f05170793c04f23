"""Events by their place in the order of all, which states know them by."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from junctor.audiences.seen import HUB
from junctor.model.record import Record
from junctor.pipeline.normalize import canonical_if_readable
from junctor.pipeline.seen import together

_NEAR: Final = 100
"""How far from its offset the place of an event may be in the order of events."""
Fetch = Callable[[Sequence[int]], Awaitable[Sequence[Record]]]
"""Returns the records at these offsets that still exist."""


class Places:
    """Finds events in the log by their places, as far as the log still has them."""

    def __init__(self, fetch: Fetch) -> None:
        """Read the log by `fetch`."""
        self._fetch = fetch

    async def bodies(self, places: Sequence[int]) -> dict[int, tuple[str, Mapping[str, Any]]]:
        """Return message id and body of the events at these places, by place."""
        records = await self.events_at(places)
        return {
            place: (record.message_id, orjson.loads(record.json))
            for place, record in records.items()
        }

    async def events_at(self, places: Sequence[int]) -> dict[int, Record]:
        """Return the events that have these places in the order of all, as far as the log has them.

        A place is the offset, but for those of one request that have the same time: see `ranks`.
        """
        near = {
            offset for place in places for offset in range(max(1, place - _NEAR), place + _NEAR + 1)
        }
        by_offset = {}
        alike: dict[tuple[int, int, str], list[Record]] = {}
        common = {}
        for record in await self._fetch(sorted(near)):
            if record.source != HUB:
                if (read := canonical_if_readable(record)) is None:
                    continue
                common[record.offset] = key = together(record, *read)
                alike.setdefault(key, []).append(record)
            by_offset[record.offset] = record
        found = {}
        for place in places:
            if (here := by_offset.get(place)) is None:
                continue
            near_it = [
                record
                for record in alike.get(common.get(place, (0, 0, "")), [here])
                if abs(record.offset - place) <= _NEAR
            ]
            number = near_it.index(here)
            found[place] = sorted(near_it, key=lambda record: record.message_id)[number]
        return found
