"""All destinations: starting and stopping them, handing them batches, replays."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.config.model import Destination as DestinationSection
from junctor.delivery.call import Deliverer, Mask
from junctor.delivery.recent import Recent
from junctor.delivery.worker import DestinationWorker, Limits, Reread
from junctor.model.delivery import DestinationState, Parked, in_order
from junctor.model.processed import Batch
from junctor.model.units import parse_rate
from junctor.sdk.context import Clock
from junctor.sdk.destination import Destination
from junctor.sdk.settings import Settings
from junctor.store.port import Replay, Routed, Settlement, Store
from junctor.telemetry.live import LiveStream
from junctor.telemetry.metrics import Metrics

_REPLAY_CHUNKS: Final = (100, 500)
_REPLAY_WAIT: Final = 0.1


@dataclass(frozen=True, slots=True)
class Configured:
    """A destination of the configuration: the connector, its section, a digest of its settings.

    `mask` hides the settings' secrets in a text; `deliverer` is what is called, None for the
    connector itself.
    """

    connector: Destination[Settings]
    section: DestinationSection
    fingerprint: str
    mask: Mask = str
    deliverer: Deliverer | None = None


class Dispatcher:
    """Owns the workers of one configuration."""

    def __init__(
        self,
        store: Store,
        reread: Reread,
        *,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        live: LiveStream,
        logger: FilteringBoundLogger,
        putting_back: asyncio.Lock | None = None,
    ) -> None:
        """Prepare; `start` begins.

        `putting_back` is shared by all that follow each other in a hub.
        """
        self._store = store
        self._reread = reread
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._live = live
        self._logger = logger
        self.workers: dict[str, DestinationWorker] = {}
        self._replaying: asyncio.Task[None] | None = None
        self._more_replays = asyncio.Event()
        self.putting_back = putting_back or asyncio.Lock()
        """Held while events are read that are to be sent again, until workers have them."""

    async def start(self, destinations: Mapping[str, Configured], folded: int) -> None:
        """Start a worker for each destination; `folded` is the offset folded so far."""
        self._recent = Recent(folded)
        known = {state.id for state in await self._store.ledger.destinations()}
        for id, configured in destinations.items():
            if id not in known and configured.section.start == "beginning":
                await self._store.ledger.open_replay(id, 0, folded)
            state = await self._store.ledger.open(id, folded)
            state = await self._after_restart(state, configured)
            worker = DestinationWorker(
                state,
                configured.deliverer or configured.connector,
                configured.section.delivery,
                limits(configured),
                log=self._store.log,
                ledger=self._store.ledger,
                reread=self._reread,
                routed=self._store.state.routed,
                recent=self._recent,
                clock=self._clock,
                random=self._random,
                metrics=self._metrics,
                live=self._live,
                logger=self._logger.bind(destination=id),
                mask=configured.mask,
            )
            await worker.start(folded)
            self.workers[id] = worker
            worker.more(self._recent.position)  # what was folded while it started
        self._replaying = asyncio.create_task(self._run_replays(), name="replays")

    async def _after_restart(
        self, state: DestinationState, configured: Configured
    ) -> DestinationState:
        """Let a new configuration lift a pause that the old one caused; keep the operator's."""
        new = state
        if state.paused_by in ("error", "gone") and state.fingerprint != configured.fingerprint:
            new = replace(new, paused="", paused_by="", paused_code="", hold_until=0)
        if not configured.section.enabled:
            new = replace(new, paused="disabled in the configuration", paused_by="configuration")
        elif state.paused_by == "configuration":
            new = replace(new, paused="", paused_by="")
        new = replace(new, fingerprint=configured.fingerprint)
        if new != state:
            await self._store.ledger.pause(new)
        return new

    def publish(self, batch: Batch) -> None:
        """Tell every destination of a folded batch."""
        self._recent.add(batch)
        for worker in self.workers.values():
            worker.more(batch.last)

    async def withdraw(
        self, offsets: Sequence[int], only: Collection[str] | None = None
    ) -> set[str]:
        """Let what waits of these events anywhere count as filtered; see DestinationWorker.

        Return the destinations that have some in flight: they are to be asked again, as `only`. No
        destination may be starting meanwhile, and who wants it to stay so is `putting_back`.
        """
        self._recent.forget(offsets)
        now, flying = round(self._clock.now() * 1000), set()
        for state in await self._store.ledger.destinations():
            if only is not None and state.id not in only:
                continue
            if (worker := self.workers.get(state.id)) is None:
                await self._store.ledger.withdraw(state.id, offsets, now)
            elif not await worker.withdraw(offsets):
                flying.add(state.id)
        return flying

    def hush(self, destinations: Collection[str]) -> None:
        """Forget what these destinations said last, but for its code; the store has to as well."""
        for id in destinations:
            if (worker := self.workers.get(id)) is not None:
                worker.hush()

    async def stop(self, grace: float) -> None:
        """Stop all workers; calls in flight get `grace` seconds."""
        if self._replaying is not None:
            self._replaying.cancel()
            await asyncio.wait([self._replaying])
        await asyncio.gather(*(worker.stop(grace) for worker in self.workers.values()))
        self.workers = {}

    # -- replays ---------------------------------------------------------------------------------

    async def count_replay(self, destination: str, after: int, until: int) -> int:
        """Return how many events a replay would send."""
        total = 0
        until = self._reached(destination, until)
        while after < until:
            routes, after = await self._replay_chunk(destination, after, until, _REPLAY_CHUNKS[1])
            total += len(routes)
        return total

    async def open_replay(self, destination: str, after: int, until: int) -> Replay:
        """Start sending again what the destination got between two offsets."""
        until = self._reached(destination, until)
        replay = await self._store.ledger.open_replay(destination, after, until)
        self._more_replays.set()
        return replay

    def _reached(self, destination: str, until: int) -> int:
        """Leave out what the destination has not got yet: it will get that anyway."""
        worker = self.workers.get(destination)
        return until if worker is None else min(until, worker.queue.cursor)

    async def replay_dead(self, ids: Sequence[int]) -> int:
        """Try dead letters again; return how many. They keep their order."""
        async with self.putting_back:  # a letter goes out once, however often it is asked for
            return await self._replay_dead(ids)

    async def _replay_dead(self, ids: Sequence[int]) -> int:
        letters = await self._store.ledger.dead_letters(ids=ids)
        by_destination: dict[str, list[tuple[int, int]]] = {}
        for letter in letters:
            if letter.destination in self.workers:
                by_destination.setdefault(letter.destination, []).append((letter.offset, letter.id))
        now = round(self._clock.now() * 1000)
        count = 0
        for destination, found in by_destination.items():
            found.sort()
            park = [Parked((offset,), now) for offset, _ in found]
            ids_parked = await self._store.ledger.settle(
                Settlement(destination, park=park, dead_replayed=[id for _, id in found])
            )
            await self._hand_over(destination, park, ids_parked)
            count += len(found)
        return count

    async def _run_replays(self) -> None:
        while True:
            self._more_replays.clear()
            moved = False
            try:
                replays = await self._store.ledger.replays()
                for replay in replays:
                    worker = self.workers.get(replay.destination)
                    if worker is not None and not self._is_full(worker):
                        async with self.putting_back:
                            await self._advance(replay, worker)
                        moved = True
            except Exception as error:  # the next round may do better
                self._logger.error("replay broke", exc_info=error)
                await self._clock.sleep(_REPLAY_WAIT)
                continue
            if not replays:
                await self._more_replays.wait()
            elif not moved:
                await self._clock.sleep(_REPLAY_WAIT)

    def _is_full(self, worker: DestinationWorker) -> bool:
        """Leave room for live events: a replay has only so many parked at a time."""
        queue = worker.queue
        crowded = queue.replayed >= _chunk(worker) or queue.live_behind_replay()
        return crowded or bool(worker.state.paused)

    async def _advance(self, replay: Replay, worker: DestinationWorker) -> None:
        routes, position = await self._replay_chunk(
            replay.destination, replay.position, replay.until, _chunk(worker)
        )
        now = round(self._clock.now() * 1000)
        free = worker.queue.reserve({route.profile for route in routes})
        try:
            pieces = _by_key(routes, free, worker.limits.batch)
            park = [Parked(piece, now) for piece in pieces]
            moved = replace(replay, position=position, count=replay.count + len(routes))
            settlement = Settlement(replay.destination, park=park, accepted=len(routes))
            ids = await self._store.ledger.advance_replay(moved, settlement)
            if len(ids) < len(park):
                return  # it was stopped meanwhile
            await self._hand_over(replay.destination, park, ids)
        finally:
            worker.queue.release(free)
        if position >= replay.until:
            self._logger.info("replay done", destination=replay.destination, events=moved.count)

    async def _replay_chunk(
        self, destination: str, after: int, until: int, most: int
    ) -> tuple[list[Routed], int]:
        """Return the events to send again and the position reached.

        An event that was routed to the destination then, or, where the destination did not exist
        then, that the present routes would send.
        """
        records = [r for r in await self._store.log.read(after, most) if r.offset <= until]
        if not records:
            return [], until
        original = await self._store.state.routed([record.offset for record in records])
        known = [r for r in original.values() if any(id == destination for id, _ in r.decision)]
        unknown = original.keys() - {route.offset for route in known}
        reread = await self._reread([record for record in records if record.offset in unknown])
        present = {item.event.offset: item.decision for item in reread}
        routes = []
        for record in records:
            route = original.get(record.offset)
            if route is None:
                continue
            decision = present.get(record.offset, route.decision)
            if (destination, "") in decision:
                routes.append(route)
        return routes, records[-1].offset

    async def _hand_over(
        self, destination: str, park: Sequence[Parked], ids: Sequence[int]
    ) -> None:
        for parked, id in zip(park, ids, strict=True):
            parked.id = id
        if destination in self.workers:
            await self.workers[destination].take_parked(park)


def _chunk(worker: DestinationWorker) -> int:
    """Return how many events of a replay go together: live events of a person wait for them."""
    low, high = _REPLAY_CHUNKS
    return min(max(4 * worker.limits.batch, low), high)


def _by_key(routes: Sequence[Routed], free: set[int], most: int) -> list[tuple[int, ...]]:
    """Cut a replay's chunk into pieces that can't hold up each other's keys.

    A key's events are together in one piece, or, where they are too many or something holds the
    key back already, in pieces of their own.
    """
    by_key: dict[int, list[int]] = {}
    for route in routes:
        by_key.setdefault(route.profile, []).append(route.offset)
    pieces: list[tuple[int, ...]] = []
    shared: list[int] = []
    for key, offsets in by_key.items():
        if key not in free or len(offsets) > most:
            pieces += [tuple(offsets[i : i + most]) for i in range(0, len(offsets), most)]
        elif len(shared) + len(offsets) > most:
            pieces.append(tuple(shared))
            shared = list(offsets)
        else:
            shared += offsets
    return [in_order(piece) for piece in (*pieces, shared) if piece]


def limits(configured: Configured) -> Limits:
    """Return what the connector's manifest and the configuration together allow."""
    manifest, policy = configured.connector.manifest, configured.section.delivery
    most = configured.connector.batch_limit()
    batch = min(policy.max_batch or most, most)
    rates = [rate for rate in (policy.rate, _rate(manifest.rate)) if rate is not None]
    return Limits(
        batch=batch,
        bytes=min(policy.max_batch_bytes or manifest.max_batch_bytes, manifest.max_batch_bytes),
        ordered=(policy.ordering or manifest.ordering) == "per_profile",
        rate=min(rates, default=None),
        memory=max(2_000, 4 * batch * policy.concurrency),
    )


def _rate(text: str | None) -> float | None:
    rate = parse_rate(text)
    return rate if isinstance(rate, float) else None
