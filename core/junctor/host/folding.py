"""The fold at work, and what takes turns with it: time that passes, and definitions being built.

While one batch is being stored the next is worked out already, on top of it. A batch that could not
be stored takes with it what was worked out since, and all of it is folded again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.pipeline.backfill import Backfill
from junctor.pipeline.flow import Flow, Folded
from junctor.pipeline.tail import Tail
from junctor.sdk.context import Clock
from junctor.store.port import State, StoreError, StoreUnavailable

_FOLD_LIMIT: Final = 500
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
        self._faults: dict[str, str] = {}
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

    @property
    def broken(self) -> str:
        """What is wrong with the fold or with what is due, "" if nothing is."""
        return next(iter(self._faults.values()), "")

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
                    self._store(folded)
            except StoreError as error:
                self._logger.error("the fold waits for the store", error=str(error))
                self._faults["fold"] = f"the fold waits for the store: {error}"
                await self._again_later()
            except Exception as error:  # an event's own faults end in the flow: this is a bug
                self._broke("fold", "the fold", error)
                await self._again_later()
            else:
                self._faults.pop("fold", None)

    def _broke(self, part: str, what: str, error: Exception) -> None:
        """Say once, in the log, that a part broke, and in the status as long as it lasts."""
        if part not in self._faults:
            self._logger.error("a part of the hub broke", part=part, exc_info=error)
        self._faults[part] = f"{what} broke ({type(error).__name__}); it is tried again"

    def _store(self, folded: Folded) -> None:
        durable = self.flow.store(folded)
        self.position = folded.batch.last
        self._storing = asyncio.create_task(self._stored_and_told(durable, folded))
        self._storing.add_done_callback(_heard)

    async def _stored_and_told(self, durable: Awaitable[None], folded: Folded) -> None:
        try:
            await durable
        except BaseException:
            self.position = self._stored
            raise
        else:
            self._stored = folded.batch.last
            self._folded_at = folded.batch.events[-1].event.received_at
            self._tell(folded)
        finally:
            self._storing = None

    def _tell(self, folded: Folded) -> None:
        """Tell of what is durable. Whatever goes wrong with that, it is not folded again."""
        try:
            self.flow.tell(folded)
        except Exception as error:
            self._logger.error("a part of the hub broke", part="publish", exc_info=error)

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
                self._broke("time", "what is due", error)
                self._state.forget()
                wait = _STORE_RETRY
            else:
                self._faults.pop("time", None)
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
