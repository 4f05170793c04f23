"""The fold at work, and what takes turns with it: time that passes, and definitions being built.

While one batch is being stored the next is worked out already, on top of it. A batch that could not
be stored takes with it what was worked out since, and all of it is folded again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from junctor.pipeline.backfill import Backfill
from junctor.pipeline.flow import Flow
from junctor.pipeline.tail import Tail
from junctor.sdk.context import Clock
from junctor.store.port import State, StoreError, StoreUnavailable

_FOLD_LIMIT: Final = 1_000
_STORE_RETRY: Final = 1.0
_DUE_LIMIT: Final = 256
"""Subjects whose time is due that are looked at together."""
_LONGEST_WAIT: Final = 0.25
_SHORTEST_WAIT: Final = 0.01
_ARRIVING: Final = 20
"""Milliseconds that what is being received may take into the log."""


class Folding:
    """Runs the fold, one piece of work after another."""

    def __init__(
        self,
        flow: Flow,
        backfill: Backfill,
        tail: Tail,
        state: State,
        position: int,
        clock: Clock,
        logger: FilteringBoundLogger,
        switched: Callable[[], None],
        *,
        most: int = _FOLD_LIMIT,
    ) -> None:
        """Fold what `tail` gives after `position`, about `most` events at a time.

        `switched` is told when other definitions serve. `flow` and `backfill` may be changed while
        everything is `still`.
        """
        self.flow = flow
        self.backfill = backfill
        self.position = position
        """Offset of the last event that is folded, stored or about to be."""
        self.caught_up = asyncio.Event()
        """Set while all there is has been folded and stored."""
        self.broken = ""
        """What is wrong with the fold, "" if nothing is."""
        self.build_error = ""
        """What is wrong with the building of definitions."""
        self._tail = tail
        self._state = state
        self._clock = clock
        self._logger = logger
        self._switched = switched
        self._most = most
        self._stored = position
        self._storing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._folded_at = 0

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Let nothing be folded meanwhile, and all that was be stored.

        Raises:
            StoreError: it could not be stored. It will be folded again.
        """
        async with self._lock:
            await self.settle()
            yield

    async def settle(self) -> None:
        """Wait until what is folded is stored.

        Raises:
            StoreError: it could not be; it will be folded again.
        """
        if self._storing is not None:
            await asyncio.shield(self._storing)

    # -- events ----------------------------------------------------------------------------------

    async def fold_all(self) -> None:
        """Fold events as they come, for ever."""
        while True:
            try:
                if self.position >= self._tail.head:
                    await self.settle()
                if self.position >= self._tail.head:
                    self.caught_up.set()
                previous = self.position
                records = await self._tail.next(previous, self._most)
                self.caught_up.clear()
                async with self._lock:
                    if self.position == previous:
                        folded = await self.flow.work_out(records, previous)
                        await self.settle()
                    if self.position != previous:
                        raise StoreUnavailable("what was folded before could not be stored")
                    self._store(self.flow.store(folded), folded.batch.last)
                    self._folded_at = folded.batch.events[-1].event.received_at
            except StoreError as error:
                self._logger.error("the fold waits for the store", error=str(error))
                await self._again_later()
            except Exception as error:  # an event's own faults end in the flow: this is a bug
                if not self.broken:
                    self._logger.error("a part of the hub broke", part="fold", exc_info=error)
                self.broken = f"the fold broke ({type(error).__name__}); it is tried again"
                await self._again_later()
            else:
                self.broken = ""

    def _store(self, storing: Coroutine[Any, Any, None], offset: int) -> None:
        self.position = offset
        self._storing = asyncio.create_task(self._stored_at(storing, offset))
        self._storing.add_done_callback(_heard)

    async def _stored_at(self, storing: Coroutine[Any, Any, None], offset: int) -> None:
        try:
            await storing
            self._stored = offset
        except BaseException:
            self.position = self._stored
            raise
        finally:
            self._storing = None

    async def _again_later(self) -> None:
        await self._clock.sleep(_STORE_RETRY)
        with suppress(StoreError):  # the batch before may still be on its way
            await self.settle()
        self._state.forget()
        self._tail.forget()

    # -- time ------------------------------------------------------------------------------------

    async def pass_time(self) -> None:
        """Do what becomes due by time alone, for ever: absences, ends of windows and holds."""
        while True:
            wait = _LONGEST_WAIT
            try:
                if not self.flow.audiences.idle:
                    async with self.still():
                        wait = await self._do_what_is_due()
            except StoreError as error:
                self._logger.error("what is due waits for the store", error=str(error))
                self._state.forget()
                wait = _STORE_RETRY
            except Exception as error:  # as in fold_all
                if not self.broken:
                    self._logger.error("a part of the hub broke", part="time", exc_info=error)
                self.broken = f"what is due broke ({type(error).__name__}); it is tried again"
                self._state.forget()
                wait = _STORE_RETRY
            await self._clock.sleep(wait)

    async def _do_what_is_due(self) -> float:
        """Return in how many seconds to look again.

        Time does not run ahead of the fold: what came before a due moment is folded before it.
        """
        now = round(self._clock.now() * 1000) - _ARRIVING
        if self.position < self._tail.head:
            now = min(now, self._folded_at)
        count = await self.flow.pass_time(now, self.position, _DUE_LIMIT)
        if count == _DUE_LIMIT:
            return 0.0  # live events go between
        due = await self._state.next_due()
        if due is None:
            return _LONGEST_WAIT
        return min(_LONGEST_WAIT, max(_SHORTEST_WAIT, (due - now) / 1000))

    # -- definitions -----------------------------------------------------------------------------

    async def build(self) -> None:
        """Bring new definitions into service, a piece at a time, between live events."""
        while True:
            wait = _LONGEST_WAIT
            try:
                if not self.backfill.done:
                    async with self.still():
                        await self._build_a_piece()
                        wait = 0.0
                self.build_error = ""
            except StoreError as error:
                self.build_error = str(error)
                self._logger.error("the backfill waits for the store", error=str(error))
                self._state.forget()
                wait = _STORE_RETRY
            except Exception as error:  # as in fold_all
                self.build_error = f"the backfill broke ({type(error).__name__})"
                self._logger.error("the backfill broke", exc_info=error)
                self._state.forget()
                wait = _STORE_RETRY
            await self._clock.sleep(wait)

    async def _build_a_piece(self) -> None:
        serving = self.flow.audiences
        await self.backfill.step(self.flow, self.position, round(self._clock.now() * 1000))
        if self.flow.audiences is not serving:
            self._switched()


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how a task ended: who works on top of it sees it by the position."""
    if not task.cancelled():
        task.exception()
