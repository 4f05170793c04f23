"""People are forgotten: what the fold asked for by a delete is done, piece by piece, beside it.

It can be begun again at any place: what is erased already is not found any more, and of how far it
is the store knows. The order matters: what is still to be sent is withdrawn first, so that it can't
become a dead letter behind the search.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.audiences.seen import HUB
from junctor.delivery.dispatch import Dispatcher
from junctor.host.folding import Folding
from junctor.model.erasure import Erasure
from junctor.sdk.context import Clock
from junctor.store.port import Store, StoreError

_LOOK: Final = 0.25
"""Seconds between two looks for people to forget."""
_IN_FLIGHT: Final = 0.05
"""Seconds until what was in flight is looked at again."""
_TELLING: Final = 2.0
"""Seconds between two looks whether destinations have been told."""
_RETRY: Final = 1.0
_PIECE: Final = 500


class Erasing:
    """Erases people for whom a delete was folded."""

    def __init__(
        self,
        store: Store,
        dispatcher: Callable[[], Dispatcher],
        configured: Callable[[], Collection[str]],
        folding: Folding,
        clock: Clock,
        logger: FilteringBoundLogger,
    ) -> None:
        """Erase in `store`.

        `configured` are the destinations that there are: who is no more is not waited for. While
        `folding` is still none is started, so that none has in mind what is withdrawn.
        """
        self._store = store
        self._dispatcher = dispatcher
        self._configured = configured
        self._folding = folding
        self._clock = clock
        self._logger = logger
        self._told_at = 0.0
        self.broken = ""
        """Why people wait for being forgotten, "" if none does for a fault."""

    async def run(self) -> None:
        """Erase whoever is to be, for ever."""
        while True:
            wait = _LOOK
            try:
                await self.step()
                self.broken = ""
            except StoreError as error:
                self._logger.warning("erasing waits for the store", error=str(error))
                wait = _RETRY
            except Exception as error:  # a fault of one must not end it for all
                if not self.broken:
                    self._logger.error("a part of the hub broke", part="erasing", exc_info=error)
                self.broken = f"erasing broke ({type(error).__name__}); it is tried again"
                wait = _RETRY
            await self._clock.sleep(wait)

    async def step(self) -> None:
        """Do what can be done by now for all."""
        under_way = await self._store.erasures.under_way()
        erased = [one for one in under_way if not one.erased_at and await self._erase(one)]
        telling = [one for one in under_way if one.erased_at]
        told = (
            [one for one in telling if await self._is_told(one)] if self._look_at(telling) else []
        )
        if not erased and not told:
            return
        while not await self._store.erasures.wipe():
            await self._clock.sleep(_IN_FLIGHT)  # somebody reads
        now = round(self._clock.now() * 1000)
        for one in [*erased, *told]:
            current = await self._store.erasures.get(one.offset)
            assert current is not None
            if not current.erased_at:
                await self._store.erasures.advance(replace(current, erased_at=now, ids=()))
                self._told_at = 0.0
            else:
                await self._store.erasures.advance(replace(current, done_at=now, people=()))
                self._logger.info("a person is erased", erasure=one.offset)

    def _look_at(self, telling: Sequence[Erasure]) -> bool:
        if not telling or self._clock.monotonic() < self._told_at:
            return False
        self._told_at = self._clock.monotonic() + _TELLING
        return True

    # -- what is here ----------------------------------------------------------------------------

    async def _erase(self, erasure: Erasure) -> bool:
        """Remove all but what destinations are to be told; return False if it is not time yet."""
        if not erasure.until:  # what the hub itself had told of them may still come
            erasure = replace(erasure, until=await self._store.log.head())
            await self._store.erasures.advance(erasure)
        if await self._store.state.position() < erasure.until:
            return False
        offsets = await self._past(erasure)
        for piece in _pieces(offsets):
            await self._withdraw(piece)
        erasures = self._store.erasures
        traces = await erasures.traces(erasure, offsets)
        erasure = replace(
            erasure,
            dead_letters=erasure.dead_letters + len(traces.letters),
            rejections=erasure.rejections + len(traces.rejections),
        )
        await erasures.remove_traces(erasure, traces)
        for piece in _pieces(offsets):
            erasure = replace(erasure, events=erasure.events + len(piece))
            await erasures.remove_events(erasure, piece)
        return True

    async def _past(self, erasure: Erasure) -> Sequence[int]:
        """Return the events that go at once: not the delete, and what tells of it elsewhere."""
        offsets = await self._store.erasures.events(erasure, HUB)
        later = [offset for offset in offsets if offset >= erasure.offset]
        routed = await self._store.state.routed(later)
        told = {
            offset
            for offset, one in routed.items()
            if one.profile in erasure.people and any(not why for _, why in one.decision)
        }
        return [offset for offset in offsets if offset != erasure.offset and offset not in told]

    async def _withdraw(self, offsets: Sequence[int]) -> None:
        """Let these events be sent no more; wait for what is in flight."""
        while True:
            async with self._folding.still():
                if await self._dispatcher().withdraw(offsets):
                    return
            await self._clock.sleep(_IN_FLIGHT)

    # -- what is told ----------------------------------------------------------------------------

    async def _is_told(self, erasure: Erasure) -> bool:
        """Remove the delete, and what else tells of it, if all that are to know do."""
        offsets = await self._store.erasures.events(erasure, HUB)
        ledger, configured = self._store.ledger, self._configured()
        for state in await ledger.destinations():
            if await ledger.waiting_for(state.id, offsets):
                if state.id in configured:
                    return False
                await ledger.withdraw(state.id, offsets, round(self._clock.now() * 1000))
        erasures = self._store.erasures
        await erasures.remove_traces(erasure, await erasures.traces(erasure, offsets))
        await erasures.remove_events(erasure, offsets)
        return True


def _pieces(offsets: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(offsets), _PIECE):
        yield offsets[start : start + _PIECE]
