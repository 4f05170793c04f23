"""One segment at Statsig, and what this process knows of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.sdk import DeliveryError, Misconfigured
from junctor_connectors.statsig_segment.console import PAGE, Console, SegmentBusy, SegmentInfo

LARGE: Final = 1000
"""Ids above which Statsig's SDKs no longer load a list at their start but poll it, about once a
minute [Statsig, ID list segments]."""

_MOST_PAGES: Final = 10_000_000 // PAGE
"""Pages of the longest list: no project may hold more than 10 million ids."""


class IdList:
    """The segment of one audience. Updates take turns: Statsig refuses two at once with 409."""

    def __init__(
        self,
        id: str,
        console: Console,
        log: FilteringBoundLogger,
        *,
        id_type: str,
        description: str | None,
    ) -> None:
        """Know nothing yet; without a `description` the segment is never created."""
        self.id = id
        self._console = console
        self._log = log
        self._id_type = id_type
        self._description = description
        self._turn = asyncio.Lock()
        self._seen = False
        self._most = 0
        self._called_large = False

    async def add(self, ids: Sequence[str]) -> None:
        """Add ids; the segment is created first if it is missing.

        Raises:
            Misconfigured: it is no list, one of other ids, or missing and not to be created.
            SegmentBusy: another update runs, or the new segment is not there yet.
            DeliveryError: as the answer says.
        """
        async with self._turn:
            if not self._seen:
                await self._prepare()
            if not await self._console.add(self.id, ids):
                self._lose()
                await self._prepare()
                if not await self._console.add(self.id, ids):
                    raise SegmentBusy("the new segment is not there yet", status=404)
            self._most += len(ids)
            await self._warn_when_large()

    async def remove(self, ids: Sequence[str]) -> None:
        """Remove ids; nobody needs to be removed from a segment that does not exist.

        Raises:
            DeliveryError: as for `add`.
        """
        async with self._turn:
            if not await self._console.remove(self.id, ids) and self._seen:
                self._lose()

    async def members(self) -> AsyncIterator[str]:
        """Yield all ids in the list, page by page; none where the segment does not exist.

        What is added or removed meanwhile may be met twice or missed.

        Raises:
            DeliveryError: as for `add`.
        """
        info = await self._console.segment(self.id)
        if info is None:
            return
        self._expect(info)
        for number in range(1, _MOST_PAGES + 1):
            page = await self._console.page(self.id, number)
            ids, more = page or ([], False)
            for id in ids:
                yield id
            if not ids or not more:
                return

    async def _prepare(self) -> None:
        """See that the segment exists and takes such ids."""
        info = await self._console.segment(self.id)
        if info is None:
            info = await self._create()
        self._expect(info)
        self._most = info.count
        self._seen = True

    def _lose(self) -> None:
        self._seen = False
        self._log.warning(
            "segment was deleted at Statsig; its members are missing until the audience is synced"
            " anew",
            segment=self.id,
        )

    async def _create(self) -> SegmentInfo:
        if self._description is None:
            raise Misconfigured(
                f"there is no segment {self.id!r}; create it or set settings.create", status=404
            )
        refusal = await self._console.create(
            self.id, id_type=self._id_type, description=self._description
        )
        if refusal is None:
            self._log.info("segment created", segment=self.id)
            return SegmentInfo("id_list", self._id_type, 0)
        info = await self._console.segment(self.id)
        if info is None:
            raise refusal
        return info  # somebody was faster

    def _expect(self, info: SegmentInfo) -> None:
        """Refuse a segment that is of another kind; what is not said is taken to be right."""
        if info.type not in ("", "id_list"):
            raise Misconfigured(
                f"segment {self.id!r} is of type {info.type!r}, not 'id_list'; name another one in"
                " settings.segments"
            )
        if info.id_type not in ("", self._id_type):
            raise Misconfigured(
                f"segment {self.id!r} lists {info.id_type!r}, not {self._id_type!r}; name another"
                " one in settings.segments, or change settings.id_type"
            )

    async def _warn_when_large(self) -> None:
        """Say once that the list is long. `_most` counts ids that were there before, too."""
        if self._called_large or self._most <= LARGE:
            return
        try:
            info = await self._console.segment(self.id)
        except DeliveryError:  # the ids were added; the next time will do
            return
        self._most = info.count if info else 0
        if self._most > LARGE:
            self._called_large = True
            self._log.warning(
                "segment has over 1,000 ids; Statsig serves it later, by polling about once a"
                " minute",
                segment=self.id,
                count=self._most,
            )
