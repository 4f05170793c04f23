"""People are forgotten: what the fold asked for by a delete is done, piece by piece, beside it.

It can be begun again at any place: what is erased already is not found any more, and of how far it
is the store knows. The order matters: what is still to be sent is withdrawn first, so that it can't
become a dead letter behind the search.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.audiences.seen import HUB
from junctor.delivery.dispatch import Dispatcher
from junctor.host.folding import Folding
from junctor.model.erasure import Erasure
from junctor.sdk.context import Clock
from junctor.store.erasures import pieces
from junctor.store.port import Store, StoreError

_LOOK: Final = 0.25
"""Seconds between two looks for people to forget."""
_IN_FLIGHT: Final = 0.5
"""Seconds until what was in flight is looked at again."""
_TELLING: Final = 2.0
"""Seconds until it is looked again whether destinations have been told; then twice as many."""
_RETRY: Final = 1.0
"""Seconds until what failed is tried again; then twice as many."""
_LONGEST: Final = 30.0
_WIPING: Final = 1.0
"""Seconds between two tries to overwrite what was removed."""
_IN_THE_WAY: Final = 5.0
"""Seconds of reading after which somebody who reads is worth a warning."""
_TOGETHER: Final = 20
"""Most erasures that are overwritten together: what is before that is done again at a restart."""


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
        self._waits: dict[int, tuple[float, float]] = {}
        """For how long an erasure waits, and until when, in monotonic seconds."""
        self._removed: set[int] = set()
        """Erasures of which what was removed is not overwritten yet."""
        self._wipe_at = 0.0
        self._in_the_way_since: float | None = None
        self._faults: dict[int, str] = {}
        """What is wrong with an erasure, and under 0 with all."""

    @property
    def warning(self) -> str:
        """Why people wait for being forgotten, "" if none does for a fault or for who reads."""
        if self._faults:
            return next(iter(self._faults.values()))
        since = self._in_the_way_since
        if since is None or self._clock.monotonic() < since + _IN_THE_WAY:
            return ""
        return (
            "erasing waits: the store is being read by another process, a backup or a shell; until"
            " that ends what was removed can't be overwritten on the disk"
        )

    async def run(self) -> None:
        """Erase whoever is to be, for ever."""
        while True:
            wait = _LOOK
            try:
                await self.step()
                self._faults.pop(0, None)
            except StoreError as error:
                self._logger.warning("erasing waits for the store", error=str(error))
                wait = _RETRY
            except Exception as error:
                self._broke(0, "erasing", error)
                wait = _RETRY
            await self._clock.sleep(wait)

    async def step(self) -> None:
        """Do what can be done by now for each; one that waits, or fails, holds up no other."""
        under_way = await self._store.erasures.under_way()
        for one in under_way:
            _, until = self._waits.get(one.offset, (0.0, 0.0))
            if one.offset in self._removed or self._clock.monotonic() < until:
                continue
            if await self._tried(one):
                self._removed.add(one.offset)
                if len(self._removed) >= _TOGETHER:
                    await self._wipe()
        await self._wipe()

    async def _tried(self, one: Erasure) -> bool:
        """Remove what can be by now; return whether that is all of its stage."""
        try:
            removed = await (self._tell(one) if one.erased_at else self._erase(one))
        except StoreError as error:
            self._logger.warning("erasing waits for the store", error=str(error))
            self._later(one, _RETRY)
            return False
        except Exception as error:  # a fault of one must not end it for all
            self._broke(one.offset, f"erasure {one.offset}", error)
            self._later(one, _RETRY)
            return False
        self._faults.pop(one.offset, None)
        return removed

    def _broke(self, key: int, what: str, error: Exception) -> None:
        if key not in self._faults:
            self._logger.error("a part of the hub broke", part="erasing", exc_info=error)
        self._faults[key] = (
            f"{what} broke ({type(error).__name__}), the log says why; it is tried again"
        )

    def _later(self, one: Erasure, seconds: float) -> None:
        """Let one wait for `seconds`, and each further time for twice as long."""
        before, _ = self._waits.get(one.offset, (0.0, 0.0))
        wait = min(2 * before or seconds, _LONGEST)
        self._waits[one.offset] = (wait, self._clock.monotonic() + wait)

    async def _wipe(self) -> None:
        """Overwrite what was removed, and store that it is; not now if somebody reads."""
        erasures, at = self._store.erasures, self._clock.monotonic()
        if not self._removed or at < self._wipe_at:
            return
        self._wipe_at = at + _WIPING
        if not await erasures.wipe():
            self._in_the_way_since = (
                at if self._in_the_way_since is None else self._in_the_way_since
            )
            return
        self._wipe_at, self._in_the_way_since = 0.0, None
        now = round(self._clock.now() * 1000)
        for offset in sorted(self._removed):
            one = await erasures.get(offset)
            assert one is not None
            self._waits.pop(offset, None)
            if not one.erased_at:
                await erasures.advance(replace(one, erased_at=now, ids=()))
            else:
                await erasures.advance(replace(one, done_at=now, people=()))
                self._logger.info("a person is erased", erasure=offset)
            self._removed.discard(offset)

    # -- what is here ----------------------------------------------------------------------------

    async def _erase(self, erasure: Erasure) -> bool:
        """Remove all but what destinations are to be told; return False if it is not time yet."""
        if not erasure.until:  # what the hub itself had told of them may still come
            erasure = replace(erasure, until=await self._store.log.head())
            await self._store.erasures.advance(erasure)
        if await self._store.state.position() < erasure.until:
            return False
        while True:
            async with self._dispatcher().putting_back:
                offsets = await self._past(erasure)
                flying = await self._withdraw(offsets)
                if not flying:
                    await self._remove(erasure, offsets)
                    return True
            await self._landed(flying)  # and what was sent again meanwhile is withdrawn, too

    async def _remove(self, erasure: Erasure, offsets: Sequence[int]) -> None:
        erasures = self._store.erasures
        traces = await erasures.traces(erasure, offsets)
        self._dispatcher().hush(traces.destinations)
        erasure = replace(
            erasure,
            dead_letters=erasure.dead_letters + len(traces.letters),
            rejections=erasure.rejections + len(traces.rejections),
        )
        await erasures.remove_traces(erasure, traces)
        for piece in pieces(offsets):
            erasure = replace(erasure, events=erasure.events + len(piece))
            await erasures.remove_events(erasure, piece)

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

    async def _withdraw(self, offsets: Sequence[int]) -> list[tuple[Sequence[int], set[str]]]:
        """Let these events be sent no more; return pieces of them that are in flight, and where."""
        flying = []
        for piece in pieces(offsets):
            async with self._folding.still():
                if destinations := await self._dispatcher().withdraw(piece):
                    flying.append((piece, destinations))
        return flying

    async def _landed(self, flying: Sequence[tuple[Sequence[int], set[str]]]) -> None:
        """Wait until nothing of these events is in flight at these destinations."""
        for piece, destinations in flying:
            left = destinations
            while left:
                await self._clock.sleep(_IN_FLIGHT)
                async with self._folding.still():
                    left = await self._dispatcher().withdraw(piece, left)

    # -- what is told ----------------------------------------------------------------------------

    async def _tell(self, erasure: Erasure) -> bool:
        """Remove the delete, and what else tells of it, if all that are to know do."""
        if await self._is_waited_for([erasure.offset]):  # mostly it is this, and asked at once
            self._later(erasure, _TELLING)
            return False
        erasures, ledger = self._store.erasures, self._store.ledger
        offsets = await erasures.telling(erasure)
        if await self._is_waited_for(offsets):
            self._later(erasure, _TELLING)
            return False
        for state in await ledger.destinations():
            if state.id not in self._configured():
                await ledger.withdraw(state.id, offsets, round(self._clock.now() * 1000))
        traces = await erasures.traces(erasure, offsets)
        self._dispatcher().hush(traces.destinations)
        await erasures.remove_traces(erasure, traces)
        for piece in pieces(offsets):
            await erasures.remove_events(erasure, piece)
        return True

    async def _is_waited_for(self, offsets: Sequence[int]) -> bool:
        for id in self._configured():
            if await self._store.ledger.waiting_for(id, offsets):
                return True
        return False
