"""All destinations: starting and stopping them, handing them batches, replays."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.config.model import Destination as DestinationSection
from junctor.config.units import parse_rate
from junctor.delivery.worker import DestinationWorker, Limits, Reread
from junctor.model.delivery import DestinationState, Parked
from junctor.model.processed import Batch
from junctor.sdk.context import Clock
from junctor.sdk.destination import Destination
from junctor.sdk.settings import Settings
from junctor.store.port import Replay, Settlement, Store
from junctor.telemetry.live import LiveStream
from junctor.telemetry.metrics import Metrics

_REPLAY_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Configured:
    """A destination of the configuration: the connector, its section, a digest of its settings."""

    connector: Destination[Settings]
    section: DestinationSection
    fingerprint: str


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
    ) -> None:
        """Prepare; `start` begins."""
        self._store = store
        self._reread = reread
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._live = live
        self._logger = logger
        self.workers: dict[str, DestinationWorker] = {}
        self._replaying: asyncio.Task[None] | None = None

    async def start(self, destinations: Mapping[str, Configured], folded: int) -> None:
        """Start a worker for each destination; `folded` is the offset folded so far."""
        for id, configured in destinations.items():
            start = 0 if configured.section.start == "beginning" else folded
            state = await self._store.ledger.open(id, start)
            state = await self._after_restart(state, configured)
            worker = DestinationWorker(
                state,
                configured.connector,
                configured.section.delivery,
                limits(configured),
                log=self._store.log,
                ledger=self._store.ledger,
                reread=self._reread,
                clock=self._clock,
                random=self._random,
                metrics=self._metrics,
                live=self._live,
                logger=self._logger.bind(destination=id),
            )
            await worker.start(folded)
            self.workers[id] = worker
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
        """Hand a folded batch to every destination."""
        for worker in self.workers.values():
            worker.offer(batch)

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
        while after < until:
            offsets, after = await self._replay_chunk(destination, after, until)
            total += len(offsets)
        return total

    async def open_replay(self, destination: str, after: int, until: int) -> Replay:
        """Start sending again what the destination got between two offsets."""
        replay = await self._store.ledger.open_replay(destination, after, until)
        if self._replaying is not None and self._replaying.done():
            self._replaying = asyncio.create_task(self._run_replays(), name="replays")
        return replay

    async def replay_dead(self, ids: Sequence[int]) -> int:
        """Try dead letters again; return how many. They keep their order."""
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
        while replays := await self._store.ledger.replays():
            moved = False
            for replay in replays:
                worker = self.workers.get(replay.destination)
                if worker is not None and not self._is_full(worker):
                    await self._advance(replay)
                    moved = True
            if not moved:
                await self._clock.sleep(0.5)

    def _is_full(self, worker: DestinationWorker) -> bool:
        """Leave room for live events: a replay has only so many parked at a time."""
        return worker.queue.parked >= 2 * _REPLAY_CHUNK or bool(worker.state.paused)

    async def _advance(self, replay: Replay) -> None:
        worker = self.workers[replay.destination]
        offsets, position = await self._replay_chunk(
            replay.destination, replay.position, replay.until
        )
        now = round(self._clock.now() * 1000)
        size = worker.limits.batch
        pieces = [offsets[i : i + size] for i in range(0, len(offsets), size)]
        park = [Parked(tuple(piece), now) for piece in pieces]
        moved = replace(replay, position=position, count=replay.count + len(offsets))
        settlement = Settlement(replay.destination, park=park, accepted=len(offsets))
        ids = await self._store.ledger.advance_replay(moved, settlement)
        await self._hand_over(replay.destination, park, ids)
        if position >= replay.until:
            self._logger.info("replay done", destination=replay.destination, events=moved.count)

    async def _replay_chunk(
        self, destination: str, after: int, until: int
    ) -> tuple[list[int], int]:
        """Return the offsets to send again and the position reached.

        An event that was routed to the destination then, or, where the destination did not exist
        then, that the present routes would send.
        """
        records = [r for r in await self._store.log.read(after, _REPLAY_CHUNK) if r.offset <= until]
        if not records:
            return [], until
        original = await self._store.state.routed([record.offset for record in records])
        present = {item.event.offset: item.decision for item in await self._reread(records)}
        offsets = []
        for record in records:
            route = original.get(record.offset)
            if route is None:
                continue
            knew = any(id == destination for id, _ in route.decision)
            decision = route.decision if knew else present.get(record.offset, ())
            if (destination, "") in decision:
                offsets.append(record.offset)
        return offsets, records[-1].offset

    async def _hand_over(
        self, destination: str, park: Sequence[Parked], ids: Sequence[int]
    ) -> None:
        for parked, id in zip(park, ids, strict=True):
            parked.id = id
        await self.workers[destination].take_parked(park)


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
