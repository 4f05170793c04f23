"""The newest part of the log, in memory, so that live events need not be read back."""

import asyncio
from collections import deque
from typing import Final

from junctor.model.record import Record
from junctor.pipeline.seen import uncut
from junctor.store.port import Appended, EventLog

MOST_BYTES: Final = 8 * 2**20
"""JSON kept for a fold that lags, parsed as well, which takes several times that; beyond it the
fold reads the log."""

ENOUGH_BYTES: Final = 2**20
"""JSON that may wait for the fold before who brings more waits as well. More would help nobody, and
what is worked on while it is still in the processor's caches costs a tenth less."""


class Tail:
    """Gives the log's records in order after a position: live ones from memory, else from disk."""

    def __init__(
        self, log: EventLog, most_bytes: int = MOST_BYTES, enough_bytes: int = ENOUGH_BYTES
    ) -> None:
        """Listen to `log`."""
        self._log = log
        self._most_bytes = most_bytes
        self._enough_bytes = enough_bytes
        self._commits: deque[Appended] = deque()
        self.bytes = 0
        self._more = asyncio.Event()
        self._behind = False
        self._coming = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.head = 0
        log.subscribe(self._appended)

    def _appended(self, appended: Appended) -> None:
        self.head = appended.records[-1].offset
        self._commits.append(appended)
        self.bytes += _size(appended)
        if self.bytes > self._most_bytes:
            self._commits.clear()
            self.bytes = 0
            self._behind = True
        self._more.set()

    def is_free(self) -> bool:
        """Whether more may come at once."""
        return self._may_come() and not self._waiting

    def _may_come(self) -> bool:
        return not self._behind and self.bytes + self._coming <= self._enough_bytes

    async def room(self, size: int, patience: float) -> bool:
        """Wait until `size` bytes may come, at most `patience` seconds; return whether they may.

        Who brings events waits here, in the order of coming, and has room from then on until it
        has `come`: what is accepted and not folded is delivered late, and a fold that lags far
        reads the log, which makes it slower still.
        """
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, waiting))
        self._let_in()
        try:
            await asyncio.wait([waiting], timeout=patience)
        except asyncio.CancelledError:
            if not waiting.cancel():
                self.come(size)
            raise
        return not waiting.cancel()

    def come(self, size: int) -> None:
        """Be told that what had room is in the log, or will never be."""
        self._coming -= size
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            size, waiting = self._waiting[0]
            if not waiting.done():
                if not self._may_come():
                    return
                self._coming += size
                waiting.set_result(None)
            self._waiting.popleft()

    def forget(self) -> None:
        """Drop what is in memory: records that were taken must be read again."""
        self._commits.clear()
        self.bytes = 0
        self._behind = True

    async def next(self, position: int, limit: int) -> list[Record]:
        """Return at least one record after `position`, about `limit` at most; wait for it."""
        while True:
            self._more.clear()
            records = self._from_memory(position, limit)
            if not records and self.head > position:
                records = uncut(await self._log.read(position, limit), limit)
            in_memory_from = self._commits[0].previous if self._commits else self.head
            self._behind = bool(records) and records[-1].offset < in_memory_from
            self._let_in()
            if records:
                return records
            await self._more.wait()

    def _from_memory(self, position: int, limit: int) -> list[Record]:
        commits = self._commits
        while commits and commits[0].records[-1].offset <= position:
            self.bytes -= _size(commits.popleft())
        records: list[Record] = []
        while commits and commits[0].previous <= position:
            if records and len(records) + len(commits[0].records) > limit:
                break
            appended = commits.popleft()
            self.bytes -= _size(appended)
            records += [r for r in appended.records if r.offset > position]
            position = records[-1].offset
        return records


def _size(appended: Appended) -> int:
    return sum(len(record.json) for record in appended.records)
