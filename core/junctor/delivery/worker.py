"""One destination at work: reads its part of the log, calls the connector, settles the outcome.

Nothing here is shared with another destination, so that none can slow its neighbors.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeVar

from structlog.typing import FilteringBoundLogger

from junctor.config.model import Delivery
from junctor.delivery.call import ConnectorBug, Deliverer, Mask, Result, deliver
from junctor.delivery.queue import DeliveryQueue, Group, is_loose, pieces
from junctor.delivery.recent import Recent
from junctor.delivery.settle import give_up, message_of, park_again, settlement
from junctor.delivery.standing import LONGEST_HOLD, Standing
from junctor.model.delivery import DestinationState, Parked
from junctor.model.processed import Decision, Processed
from junctor.model.record import Record
from junctor.sdk.context import Clock
from junctor.sdk.errors import (
    DeliveryError,
)
from junctor.store.port import EventLog, Ledger, Routed, Settlement, StoreError
from junctor.telemetry.live import LiveStream
from junctor.telemetry.log import place_of
from junctor.telemetry.metrics import Metrics

_CURSOR_EVERY: Final = 1.0
_STORE_RETRY: Final = 1.0
_SPILL_AFTER: Final = 1.0
"""Seconds without a new call after which what calls hold back is taken out of memory."""
_KEYS_AT_ONCE: Final = 5_000
_CLOCK_SET: Final = 1.0
"""Seconds of difference by which the wall clock counts as set."""

T = TypeVar("T")
Reread = Callable[[Sequence[Record]], Awaitable[list[Processed]]]
RoutedAt = Callable[[Sequence[int]], Awaitable[Mapping[int, Routed]]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What connector and configuration together allow."""

    batch: int
    bytes: int
    ordered: bool
    rate: float | None
    memory: int
    """Most events in memory: ready, held back or in flight."""


class DestinationWorker:
    """The life of one destination between start and stop."""

    def __init__(
        self,
        state: DestinationState,
        destination: Deliverer,
        policy: Delivery,
        limits: Limits,
        *,
        log: EventLog,
        ledger: Ledger,
        reread: Reread,
        routed: RoutedAt,
        recent: Recent,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        live: LiveStream,
        logger: FilteringBoundLogger,
        mask: Mask = str,
    ) -> None:
        """Prepare; `start` reads the ledger and begins."""
        self.id = state.id
        self._destination = destination
        self._policy = policy
        self.limits = limits
        self._log = log
        self._ledger = ledger
        self._reread = reread
        self._routed = routed
        self._recent = recent
        self._clock = clock
        self._metrics = metrics
        self._live = live
        self._logger = logger
        self._mask = mask
        self.queue = DeliveryQueue(state.cursor, ordered=limits.ordered)
        self.standing = Standing(
            state, policy, limits.rate, clock=clock, random=random, logger=logger
        )
        self._folded = state.cursor
        self._enough = 2 * limits.batch * policy.concurrency
        self._skip: set[int] = set()
        self._durable_cursor = state.cursor
        self._first_ready_at: float | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._slots: set[asyncio.Task[None]] = set()
        self._cursor_due = 0.0
        self._launched_at = 0.0
        self._wake = asyncio.Event()
        self._stopping = False
        self._store_down = False
        self._retried_last = False
        self._skew = clock.now() - clock.monotonic()
        self._main: asyncio.Task[None] | None = None
        self._bugs_seen: set[str] = set()

    # -- life ------------------------------------------------------------------------------------

    async def start(self, folded: int) -> None:
        """Take up where the ledger says; `folded` is the offset up to which the log is folded."""
        self._folded = max(folded, self.state.cursor)
        cursor = self.state.cursor
        groups = await self._ledger.parked(self.id)
        if loose := [parked.id for parked in groups if is_loose(parked, cursor)]:
            await self._ledger.settle(Settlement(self.id, unpark=loose))
        self._skip = await self._ledger.settled_beyond(self.id, cursor)
        kept = [parked for parked in groups if not is_loose(parked, cursor)]
        for parked in kept:
            parked.retry_at = min(parked.retry_at, self._latest_due())
        self.queue.park(await self._groups(kept))
        await self._start_connector()
        self._main = asyncio.create_task(self._run(), name=f"destination {self.id}")

    async def stop(self, grace: float) -> None:
        """Start no more calls, give those in flight `grace` seconds, store the cursor."""
        self._stopping = True
        self._wake.set()
        if self._main is not None:
            await asyncio.wait([self._main])
            if self._calls:
                _, late = await asyncio.wait(self._calls, timeout=grace)
                for task in late:
                    task.cancel()
                if late:
                    await asyncio.wait(late)
            with suppress(StoreError):
                await self._store_cursor()
        try:
            await self._destination.stop()
        except Exception as error:
            self._log_bug(error)

    async def _start_connector(self) -> None:
        """Start the connector; one that can't is paused until the next start, its events kept."""
        try:
            await self._destination.start()
        except Exception as error:
            self._log_bug(error)
            self.standing.pause(f"the connector could not start: {self._said(error)}", "start")

    @property
    def state(self) -> DestinationState:
        """Its pause and hold, as they are to be stored."""
        return self.standing.state

    @property
    def in_flight(self) -> int:
        """How many calls run now."""
        return len(self._slots)

    # -- the live end ----------------------------------------------------------------------------

    def more(self, folded: int) -> None:
        """Be told that the log is folded up to an offset."""
        self._folded = folded
        self._wake.set()

    def _take_in(self, read: Sequence[Processed], position: int) -> None:
        events, _ = self._sort_out(read)
        if self._skip:
            events = [item for item in events if item.event.offset not in self._skip]
        if events and self._first_ready_at is None:
            self._first_ready_at = self._clock.monotonic()
        self.queue.add(events, position)

    def _sort_out(self, items: Sequence[Processed]) -> tuple[list[Processed], list[Processed]]:
        """Return the items that are for this destination, and the others."""
        mine: list[Processed] = []
        others: list[Processed] = []
        decision: Decision | None = None
        into = others
        for item in items:
            if item.decision is not decision:  # mostly they share one
                decision = item.decision
                into = mine if (self.id, "") in decision else others
            into.append(item)
        return mine, others

    # -- control ---------------------------------------------------------------------------------

    async def pause(self, reason: str) -> None:
        """Stop calling, by the operator's wish; events are kept."""
        self.standing.pause(reason, "operator")
        await self._ledger.pause(self.state)

    async def resume(self) -> None:
        """Go on, at once with what waited."""
        failed_start = self.state.paused_by == "start"
        self.standing.resume(self._now())
        await self._ledger.pause(self.state)
        if failed_start:
            await self._start_connector()
        self.queue.hasten(self._now(), ("destination_unavailable", "authentication_failed",
                                        "misconfigured", "rate_limited"))  # fmt: skip
        self._wake.set()

    async def take_parked(self, groups: Sequence[Parked]) -> None:
        """Take in groups that somebody else parked: replays."""
        self.queue.park(await self._groups(groups))
        self._wake.set()

    async def withdraw(self, offsets: Collection[int]) -> bool:
        """Let what waits of these events count as filtered, and not be sent.

        Return whether that is all: what is in flight has to end first, to be asked for again.

        Raises:
            StoreError: it can't be stored, and the worker is stopping.
        """
        wanted = frozenset(offsets)
        self._skip.update(offset for offset in wanted if offset > self.queue.position)
        out, flying = self.queue.take_out(wanted)
        free = wanted - flying
        groups = self.queue.hold(free)
        ids = [group.parked.id for group in groups]
        count = await self._until_stored(
            lambda: self._ledger.withdraw(self.id, sorted(free), self._now(), ids)
        )
        self.queue.settle(out)
        for group in groups:
            self.queue.cut(group, free)
        self._metrics.settled(self.id, "filtered", count)
        self._wake.set()
        return not flying

    def hush(self) -> None:
        """Forget what the destination said last, but for its code."""
        self.standing.hush()
        self.queue.hush()

    # -- the loop --------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self._follow_wall_clock()
            try:
                await self._refill()
                while self._may_call() and self._start_call():
                    pass
                await self._spill()
                if self._cursor_is_due():
                    await self._store_cursor()
            except StoreError as error:
                self._logger.warning("store not available", error=str(error))
                await self._clock.sleep(_STORE_RETRY)
                continue
            except Exception as error:  # whatever it is, the destination must not stand still
                self._logger.error("delivery broke", exc_info=error)
                await self._clock.sleep(_STORE_RETRY)
                continue
            await self._pause_until(self._next_wake())

    def _latest_due(self) -> int:
        """Return when anything parked is due at the latest: the clock may have been ahead."""
        return self._now() + round(max(self._policy.retry.max, LONGEST_HOLD) * 1000)

    def _follow_wall_clock(self) -> None:
        """Keep waits as long as they were meant when somebody sets the wall clock."""
        skew = self._clock.now() - self._clock.monotonic()
        if abs(skew - self._skew) > _CLOCK_SET:
            milliseconds = round((skew - self._skew) * 1000)
            self.queue.shift(milliseconds)
            self.standing.shift(milliseconds)
            self._skew = skew

    async def _pause_until(self, seconds: float | None) -> None:
        if self._stopping:
            return
        waiting = asyncio.ensure_future(self._wake.wait())
        if seconds is None:
            await waiting
            return
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({waiting, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            alarm.cancel()

    def _next_wake(self) -> float | None:
        """Return in how many seconds something is due by itself; None: only when woken."""
        queue, waits = self.queue, []
        if self._store_down:
            return None  # who waits for the store wakes
        if queue.cursor != self._durable_cursor and not self.in_flight:
            waits.append(max(0.0, self._cursor_due - self._clock.monotonic()))
        if (spill := self._spill_wait()) is not None:
            waits.append(spill)
        standing = self.standing
        if self.in_flight >= standing.most_calls(self._policy.concurrency):
            return min(waits, default=None)  # the end of a call wakes
        if self.state.paused:
            probe = standing.probe_wait()
            if probe is not None and self._has_work():
                waits.append(probe)
            return min(waits, default=None)
        gate = standing.gate()
        if queue.ready:
            waits.append(max(gate, self._flush_wait()))
        due = queue.next_due()
        if due is not None:
            waits.append(gate if standing.probing else max(gate, due / 1000 - self._clock.now()))
        if standing.breaker.state == "half_open" and self.in_flight:
            return None
        return max(0.0, min(waits)) if waits else None

    def _flush_wait(self) -> float:
        """Return how long the ready events may still wait for company, in seconds."""
        queue = self.queue
        if queue.ready >= self.limits.batch or queue.ready_bytes >= self.limits.bytes:
            return 0.0
        if self._first_ready_at is None:
            return 0.0
        return self._first_ready_at + self._policy.flush_interval - self._clock.monotonic()

    def _has_work(self) -> bool:
        return self.queue.ready > 0 or self.queue.next_due() is not None

    def _may_call(self) -> bool:
        if self._stopping or self._store_down:
            return False
        return self.standing.may_call(self.in_flight, self._policy.concurrency)

    def _start_call(self) -> bool:
        probing = self.standing.probing
        if probing or not self._retried_last:
            return self._start_retry(probing) or self._start_first_try(probing)
        return self._start_first_try(probing) or self._start_retry(probing)  # in turn: no starving

    def _start_retry(self, probing: bool) -> bool:
        group = self.queue.take_group(None if probing else self._now())
        if group is None:
            return False
        self._retried_last = True
        self._launch(self._retry(group))
        return True

    def _start_first_try(self, probing: bool) -> bool:
        if not self.queue.ready or (self._flush_wait() > 0 and not probing):
            return False
        batch = self.queue.take(self.limits.batch, self.limits.bytes)
        self._first_ready_at = self._clock.monotonic() if self.queue.ready else None
        if not batch:
            return False
        self._retried_last = False
        self._launch(self._first_try(batch))
        return True

    def _launch(self, work: Coroutine[Any, Any, None]) -> None:
        self.standing.called()
        self._launched_at = self._clock.monotonic()
        task = asyncio.create_task(work)
        self._calls.add(task)
        self._slots.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._slots.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._logger.error("delivery broke", exc_info=error)

    async def _refill(self) -> None:
        """Read on, from memory or from the log, while there is room."""
        queue = self.queue
        while queue.position < self._folded and self._may_read():
            room = self.limits.memory - queue.unsettled
            if room <= 0 or queue.ready >= self._enough:
                return
            recent = self._recent.after(queue.position, room)
            if recent is not None:
                self._take_in(*recent)
            else:
                await self._read_log(min(room, max(self.limits.batch, 500)))

    def _may_read(self) -> bool:
        """A paused destination reads no further than it needs for a probe."""
        probes = self.standing.probes_pause and not self.in_flight
        return not self.state.paused or (probes and not self._has_work())

    async def _read_log(self, limit: int) -> None:
        """Take in a piece of the backlog; what the present configuration filters is kept as such.

        Such events stay in the queue until they are settled as filtered at send time.
        """
        records, position = await self._ledger.backlog(self.id, self.queue.position, limit)
        events = [
            item for item in await self._reread(records) if item.event.offset not in self._skip
        ]
        if events and self._first_ready_at is None:
            self._first_ready_at = self._clock.monotonic()
        self.queue.add(events, position)
        self._folded = max(self._folded, position)

    def _spill_wait(self) -> float | None:
        """Return in how many seconds to spill, None if there is no need to.

        Calls mostly end soon and free what they hold back. What is spilled goes by itself, a call
        for each person, and holds back what comes of them: it must not happen to a mere backlog.
        """
        if not self.queue.held or self.queue.unsettled < self.limits.memory:
            return None
        if not self._calls:
            return 0.0
        return max(0.0, self._launched_at + _SPILL_AFTER - self._clock.monotonic())

    async def _spill(self) -> None:
        """Park held-back events when they fill the memory, so that others can pass."""
        if self._spill_wait() != 0:
            return
        groups = [
            Group(
                Parked(tuple(item.event.offset for item in piece), 0, behind=True), frozenset({key})
            )
            for key, items in self.queue.spill()
            for piece in pieces(items, self.limits.batch, self.limits.bytes)
        ]
        park = [group.parked for group in groups]
        ids = await self._settle(Settlement(self.id, park=park, cursor=self.queue.cursor))
        for parked, id in zip(park, ids, strict=True):
            parked.id = id
            self.queue.settle(parked.offsets)
        self.queue.park(groups)

    def _cursor_is_due(self) -> bool:
        """Whether an idle destination should store how far it has read past others' events."""
        idle = self.queue.cursor != self._durable_cursor and not self.in_flight
        return idle and self._clock.monotonic() >= self._cursor_due

    async def _store_cursor(self) -> None:
        cursor = self.queue.cursor
        if cursor != self._durable_cursor:
            await self._settle(Settlement(self.id, cursor=cursor))

    async def _settle(self, settlement: Settlement) -> list[int]:
        """Store a settlement, however long the store is not available."""
        ids = await self._until_stored(lambda: self._ledger.settle(settlement))
        self._durable_cursor = settlement.cursor or self._durable_cursor
        self._cursor_due = self._clock.monotonic() + _CURSOR_EVERY
        return ids

    async def _until_stored(self, store: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                stored = await store()
            except StoreError as error:
                if self._stopping:
                    raise
                self._store_down = True  # what can't be recorded must not be sent
                self._logger.warning("outcome can't be stored yet", error=str(error))
                await self._clock.sleep(_STORE_RETRY)
            else:
                self._store_down = False
                return stored

    # -- one delivery ----------------------------------------------------------------------------

    async def _first_try(self, batch: list[Processed]) -> None:
        await self._try(*self._sort_out(batch), (), None)

    async def _retry(self, group: Group) -> None:
        items = await self._fetch(group.parked.offsets)
        live, filtered = self._sort_out(items)
        gone = set(group.parked.offsets).difference(item.event.offset for item in items)
        await self._try(live, filtered, tuple(gone), group)

    async def _fetch(self, offsets: Sequence[int]) -> list[Processed]:
        """Read events back, however long the store is not available."""
        while True:
            try:
                return await self._reread(await self._log.fetch(offsets))
            except Exception as error:
                if self._stopping:
                    raise
                self._logger.warning("events can't be read yet", error=type(error).__name__)
                await self._clock.sleep(_STORE_RETRY)

    async def _try(
        self,
        live: list[Processed],
        filtered: list[Processed],
        gone: tuple[int, ...],
        group: Group | None,
    ) -> None:
        before = group.parked if group is not None else Parked((), 0)
        number = before.attempts + 1
        result = Result()
        if live:
            result = await deliver(
                self._destination, live, time_limit=self._policy.timeout, clock=self._clock,
                mask=self._mask,
                most=None if group is None else (self.limits.batch, self.limits.bytes),
                before_call=self._before_next_call,
            )  # fmt: skip
        self._follow_wall_clock()
        now, skew = self._now(), self._skew
        started_at = before.started_at or (result.calls[0].at if result.calls else now)
        give_up(
            result, attempts=number, now=now,
            started_at=now if self.state.paused else max(started_at, self.standing.running_since),
            give_up_after=self._policy.retry.give_up_after,
        )  # fmt: skip
        lesson = self.standing.learn(result, now)
        self.queue.hasten(now, lesson.hasten)
        if isinstance(result.error, ConnectorBug):
            self._log_bug(result.error)
        if (task := asyncio.current_task()) is not None:
            self._slots.discard(task)  # the next call need not wait for the disk
        self._wake.set()
        park = self._park_again(result, before, number, started_at, now)
        settled = settlement(
            self.id, result, number=number, filtered=filtered, gone=gone,
            park=[waiting.parked for waiting in park],
            unpark=[before.id] if group is not None else [], cursor=self.queue.cursor, now=now,
        )  # fmt: skip
        ids = await self._settle(settled)
        keys = {item.profile for item in (*live, *filtered)}
        if group is not None:
            self.queue.unpark(group)  # before the next line: a store may use its id again
            keys |= group.keys
        else:
            self.queue.settle(item.event.offset for item in (*live, *filtered))
        if park:
            set_by = round((self._skew - skew) * 1000)  # while it was on its way to the disk
            for waiting, id in zip(park, ids, strict=True):
                waiting.parked.id = id
                waiting.shift(set_by)
            self.queue.park(park, first=True)
        self.queue.release(keys)
        self._count(result, filtered)
        if lesson.changed:
            await self._store_state()

    def _before_next_call(self) -> float | None:
        if self._stopping:
            return None
        return self.standing.called_again()

    def _park_again(
        self, result: Result, before: Parked, number: int, started_at: int, now: int
    ) -> list[Group]:
        if not result.again:
            return []
        retry_at = self.standing.retry_at(result.error, number, now)
        return park_again(
            result, before, number=number, started_at=started_at, retry_at=retry_at, now=now,
            ordered=self.limits.ordered,
        )  # fmt: skip

    def _log_bug(self, error: Exception) -> None:
        """Log where a connector breaks, once a place; the exception's text may hold event data."""
        place = error.place if isinstance(error, ConnectorBug) else place_of(error)
        if place not in self._bugs_seen and len(self._bugs_seen) < 100:
            self._bugs_seen.add(place)
            self._logger.error("connector bug", error=self._said(error), place=place)

    def _said(self, error: Exception) -> str:
        """Return what is told of an error: of one that is no DeliveryError never its text."""
        if isinstance(error, DeliveryError):
            return self._mask(message_of(error))
        return type(error).__name__

    def _count(self, result: Result, filtered: Sequence[Processed]) -> None:
        metrics = self._metrics
        for call in result.calls:
            code = call.error.code if call.error is not None else ""
            metrics.attempt(self.id, code, call.duration / 1000)
        if self._live.watched:
            self._tell(result, filtered)
        metrics.settled(self.id, "delivered", len(result.delivered))
        metrics.settled(self.id, "dead_letter", len(result.dead))
        metrics.settled(self.id, "discarded", len(result.discarded))
        metrics.settled(self.id, "filtered", len(filtered))
        metrics.settled(self.id, "retry", len(result.again))
        if result.delivered:
            metrics.lag(self.id, self._clock.now() - result.delivered[-1].event.received_at / 1000)

    def _tell(self, result: Result, filtered: Sequence[Processed]) -> None:
        error = result.error or next((error for _, error in result.dead), None)
        self._live.publish(
            "delivery",
            {
                "destination": self.id,
                "delivered": len(result.delivered),
                "retry": len(result.again),
                "dead": len(result.dead),
                "filtered": len(filtered) + len(result.discarded),
                "code": error.code if error is not None else "",
                "error": error.message if error is not None else "",
                "breaker": self.standing.breaker.state,
                "paused": bool(self.state.paused),
            },
        )

    # -- helpers ---------------------------------------------------------------------------------

    def _now(self) -> int:
        return round(self._clock.now() * 1000)

    async def _store_state(self) -> None:
        """Store the state as it is by now: an operator may have changed it meanwhile."""
        while not self._stopping:
            try:
                return await self._ledger.pause(self.state)
            except StoreError as error:
                self._logger.warning("pause or hold can't be stored yet", error=str(error))
                await self._clock.sleep(_STORE_RETRY)

    async def _groups(self, parked: Sequence[Parked]) -> list[Group]:
        """Return parked events with the keys that they hold back; there may be very many."""
        if not self.limits.ordered:
            return [Group(one, frozenset()) for one in parked]
        keys: dict[int, int] = {}
        offsets = [offset for one in parked for offset in one.offsets]
        for start in range(0, len(offsets), _KEYS_AT_ONCE):
            keys |= await self._keys_of(offsets[start : start + _KEYS_AT_ONCE])
        return [
            Group(one, frozenset(keys[offset] for offset in one.offsets if offset in keys))
            for one in parked
        ]

    async def _keys_of(self, offsets: Sequence[int]) -> dict[int, int]:
        """Return whose events they are, however long the store is not available.

        Their rows are stored already: they must not be lost here.
        """
        while True:
            try:
                routed = await self._routed(offsets)
            except StoreError as error:
                if self._stopping:
                    raise
                self._logger.warning("events can't be read yet", error=str(error))
                await self._clock.sleep(_STORE_RETRY)
            else:
                return {offset: route.profile for offset, route in routed.items()}
