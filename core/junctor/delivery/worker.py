"""One destination at work: reads its part of the log, calls the connector, settles the outcome.

Nothing here is shared with another destination, so that none can slow its neighbors.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from junctor.config.model import Delivery
from junctor.delivery.backoff import Backoff
from junctor.delivery.breaker import Breaker
from junctor.delivery.call import ConnectorBug, Result, deliver
from junctor.delivery.queue import DeliveryQueue, Group
from junctor.delivery.rate import RateLimit
from junctor.delivery.settle import give_up, settlement
from junctor.model.delivery import DestinationState, Parked
from junctor.model.processed import Batch, Decision, Processed
from junctor.model.record import Record
from junctor.sdk.context import Clock
from junctor.sdk.destination import Destination
from junctor.sdk.errors import (
    Disposition,
    Misconfigured,
    RateLimited,
)
from junctor.sdk.settings import Settings
from junctor.store.port import EventLog, Ledger, Settlement, StoreError
from junctor.telemetry.live import LiveStream
from junctor.telemetry.metrics import Metrics

LONGEST_HOLD: Final = 3600.0
"""Longest wait that a Retry-After is believed, in seconds."""
_CURSOR_EVERY: Final = 1.0
_STORE_RETRY: Final = 1.0

Reread = Callable[[Sequence[Record]], Awaitable[list[Processed]]]


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
        destination: Destination[Settings],
        policy: Delivery,
        limits: Limits,
        *,
        log: EventLog,
        ledger: Ledger,
        reread: Reread,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        live: LiveStream,
        logger: FilteringBoundLogger,
    ) -> None:
        """Prepare; `start` reads the ledger and begins."""
        self.id = state.id
        self.state = state
        self._destination = destination
        self._policy = policy
        self.limits = limits
        self._log = log
        self._ledger = ledger
        self._reread = reread
        self._clock = clock
        self._metrics = metrics
        self._live = live
        self._logger = logger
        self.queue = DeliveryQueue(state.cursor, ordered=limits.ordered)
        self._backoff = Backoff(policy.retry.initial, policy.retry.max, random)
        self.breaker = Breaker(
            policy.breaker.failures, policy.breaker.cooldown, policy.retry.max, clock.monotonic
        )
        self._rate = RateLimit(limits.rate, clock.monotonic)
        self._folded = state.cursor
        self._skip: set[int] = set()
        self._wanted: dict[Decision, bool] = {}
        self._durable_cursor = state.cursor
        self._first_ready_at: float | None = None
        self._probe_at: float | None = None
        self._throttled = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._slots: set[asyncio.Task[None]] = set()
        self._cursor_due = 0.0
        self._wake = asyncio.Event()
        self._stopping = False
        self._main: asyncio.Task[None] | None = None
        self._bugs_seen: set[str] = set()

    # -- life ------------------------------------------------------------------------------------

    async def start(self, folded: int) -> None:
        """Take up where the ledger says; `folded` is the offset up to which the log is folded."""
        self._folded = max(folded, self.state.cursor)
        self._skip = await self._ledger.settled_beyond(self.id, self.state.cursor)
        for parked in await self._ledger.parked(self.id):
            self.queue.park([await self._group(parked)])
        if self.state.paused:
            self._schedule_probe()
        await self._destination.start()
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
        await self._destination.stop()

    @property
    def in_flight(self) -> int:
        """How many calls run now."""
        return len(self._slots)

    # -- the live end ----------------------------------------------------------------------------

    def offer(self, batch: Batch) -> None:
        """Be handed a batch that was just folded; one that does not fit is read back later."""
        queue = self.queue
        if (
            queue.position == batch.previous
            and queue.unsettled + len(batch.events) <= self.limits.memory
        ):
            wanted = self._wanted
            events = []
            for item in batch.events:
                wants = wanted.get(item.decision)
                if wants is None:
                    wants = wanted[item.decision] = (self.id, "") in item.decision
                if wants:
                    events.append(item)
            self._take_in(events, batch.last)
        self._folded = batch.last
        self._wake.set()

    def _take_in(self, events: list[Processed], position: int) -> None:
        if self._skip:
            events = [item for item in events if item.event.offset not in self._skip]
        if events and self._first_ready_at is None:
            self._first_ready_at = self._clock.monotonic()
        self.queue.add(events, position)

    # -- control ---------------------------------------------------------------------------------

    async def pause(self, reason: str) -> None:
        """Stop calling, by the operator's wish; events are kept."""
        await self._set_state(
            replace(self.state, paused=reason, paused_by="operator", paused_code="")
        )
        self._probe_at = None

    async def resume(self) -> None:
        """Go on, at once with what waited."""
        await self._set_state(
            replace(self.state, paused="", paused_by="", paused_code="", hold_until=0)
        )
        self._probe_at = None
        self.breaker.succeeded()
        self.queue.hasten(self._now(), ("destination_unavailable", "authentication_failed",
                                        "misconfigured", "rate_limited"))  # fmt: skip
        self._wake.set()

    async def take_parked(self, groups: Sequence[Parked]) -> None:
        """Take in groups that somebody else parked: replays."""
        for parked in groups:
            self.queue.park([await self._group(parked)])
        self._wake.set()

    # -- the loop --------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
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
            await self._pause_until(self._next_wake())

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
        if queue.cursor != self._durable_cursor and not self.in_flight:
            waits.append(max(0.0, self._cursor_due - self._clock.monotonic()))
        if self.state.paused:
            if self._probe_at is not None and not self.in_flight:
                waits.append(max(0.0, self._probe_at - self._clock.monotonic()))
            return min(waits, default=None)
        if self.in_flight >= self._policy.concurrency:
            return min(waits, default=None)  # the end of a call wakes
        gate = max(
            self.breaker.wait(), self._rate.wait(), self.state.hold_until / 1000 - self._clock.now()
        )
        if queue.ready:
            waits.append(max(gate, self._flush_wait()))
        due = queue.next_due()
        if due is not None:
            probe = self.breaker.state != "closed"
            waits.append(gate if probe else max(gate, due / 1000 - self._clock.now()))
        if self.breaker.state == "half_open" and self.in_flight:
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

    def _may_call(self) -> bool:
        if self.in_flight >= self._policy.concurrency or self._stopping:
            return False
        if self.state.paused:
            probing = self._probe_at is not None and self._clock.monotonic() >= self._probe_at
            return probing and not self.in_flight
        return (
            self.breaker.may_call()
            and self._rate.wait() == 0
            and self.state.hold_until <= self._now()
        )

    def _start_call(self) -> bool:
        probing = bool(self.state.paused) or self.breaker.state != "closed"
        group = self.queue.take_group(None if probing else self._now())
        if group is not None:
            self._launch(self._retry(group))
            return True
        if not self.queue.ready or (self._flush_wait() > 0 and not probing):
            return False
        batch = self.queue.take(self.limits.batch, self.limits.bytes)
        self._first_ready_at = self._clock.monotonic() if self.queue.ready else None
        if not batch:
            return False
        self._launch(self._first_try(batch))
        return True

    def _launch(self, work: Coroutine[Any, Any, None]) -> None:
        self._rate.started()
        self.breaker.started()
        if self.state.paused:
            self._schedule_probe()
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
        """Read from the log what was not taken live, while there is room."""
        queue = self.queue
        while queue.position < self._folded and not self.state.paused:
            room = self.limits.memory - queue.unsettled
            if room <= 0 or queue.ready >= 2 * self.limits.batch * self._policy.concurrency:
                return
            limit = min(room, max(self.limits.batch, 500))
            records, position = await self._ledger.backlog(self.id, queue.position, limit)
            self._take_in(await self._reread(records), position)
            self._folded = max(self._folded, position)

    async def _spill(self) -> None:
        """Park held-back events when they fill the memory, so that others can pass."""
        if not self.queue.held or self.queue.unsettled < self.limits.memory:
            return
        spilled = self.queue.spill()
        park = [
            Parked(tuple(item.event.offset for item in items), 0, behind=True)
            for _, items in spilled
        ]
        ids = await self._settle(Settlement(self.id, park=park, cursor=self.queue.cursor))
        for (key, _), parked, id in zip(spilled, park, ids, strict=True):
            parked.id = id
            self.queue.park([Group(parked, frozenset({key}))])
            self.queue.settle(parked.offsets)

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
        while True:
            try:
                ids = await self._ledger.settle(settlement)
            except StoreError as error:
                if self._stopping:
                    raise
                self._logger.warning("outcome can't be stored yet", error=str(error))
                await self._clock.sleep(_STORE_RETRY)
            else:
                self._durable_cursor = settlement.cursor or self._durable_cursor
                self._cursor_due = self._clock.monotonic() + _CURSOR_EVERY
                return ids

    # -- one delivery ----------------------------------------------------------------------------

    async def _first_try(self, batch: list[Processed]) -> None:
        live = [item for item in batch if (self.id, "") in item.decision]
        filtered = [item for item in batch if (self.id, "") not in item.decision]
        await self._try(live, filtered, (), None)

    async def _retry(self, group: Group) -> None:
        items = await self._reread(await self._log.fetch(group.parked.offsets))
        live = [item for item in items if (self.id, "") in item.decision]
        filtered = [item for item in items if (self.id, "") not in item.decision]
        gone = set(group.parked.offsets).difference(item.event.offset for item in items)
        await self._try(live, filtered, tuple(gone), group)

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
                before_call=self._before_next_call,
            )  # fmt: skip
        now = self._now()
        started_at = before.started_at or (result.calls[0].at if result.calls else now)
        give_up(
            result, attempts=number, started_at=started_at, now=now,
            give_up_after=self._policy.retry.give_up_after,
        )  # fmt: skip
        pause = self._judge(result, now)
        if (task := asyncio.current_task()) is not None:
            self._slots.discard(task)  # the next call need not wait for the disk
        self._wake.set()
        park = self._park_again(result, before, number, started_at, now)
        settled = settlement(
            self.id, result, number=number, filtered=filtered, gone=gone, park=park,
            unpark=[before.id] if group is not None else [], cursor=self.queue.cursor, now=now,
        )  # fmt: skip
        ids = await self._settle(settled)
        if pause is not None:
            await self._set_state(pause)
        keys = {item.profile for item in (*live, *filtered)}
        if park is not None:
            park.id = ids[0]
            blocking = frozenset(item.profile for item in result.again)
            self.queue.park([Group(park, blocking)], first=True)
        if group is not None:
            self.queue.unpark(group)
            keys |= group.keys
        else:
            self.queue.settle(item.event.offset for item in (*live, *filtered))
        self.queue.release(keys)
        self._count(result, filtered)

    def _before_next_call(self) -> float:
        wait = self._rate.wait()
        self._rate.started()
        return wait

    def _park_again(
        self, result: Result, before: Parked, number: int, started_at: int, now: int
    ) -> Parked | None:
        error = result.error
        if not result.again or error is None:
            return None
        attempts = number if error.costs_attempt else number - 1
        if isinstance(error, RateLimited):
            retry_at = self.state.hold_until
        elif error.disposition is Disposition.PAUSE:
            retry_at = now
        else:
            retry_at = now + round(self._backoff.seconds(number) * 1000)
        offsets = tuple(sorted(item.event.offset for item in result.again))
        return Parked(
            offsets, retry_at, attempts, started_at if attempts else 0, error.code, error.message
        )

    def _judge(self, result: Result, now: int) -> DestinationState | None:
        """Let breaker, hold and pause learn from a result; return the state to store, if any."""
        if not result.calls:
            self.breaker.inconclusive()
            return None
        error = result.error
        if isinstance(error, RateLimited):
            self.breaker.inconclusive()
            self._throttled += 1
            asked = error.retry_after
            wait = self._backoff.seconds(self._throttled) if asked is None else asked
            until = now + round(min(wait, LONGEST_HOLD) * 1000)
            self.state = replace(self.state, hold_until=max(self.state.hold_until, until))
            self._logger.info("rate limited", seconds=round(wait, 3))
            return self.state if wait > 5 else None
        if error is not None and error.disposition is Disposition.PAUSE:
            self.breaker.inconclusive()
            if self.state.paused:
                return None
            permanent = isinstance(error, Misconfigured) and error.permanent
            self._logger.error("destination paused", code=error.code, reason=error.message)
            by = "gone" if permanent else "error"
            paused = replace(
                self.state, paused=error.message, paused_by=by, paused_code=error.code
            )
            self.state = paused
            self._probe_at = None
            self._schedule_probe()
            return paused
        if isinstance(error, ConnectorBug):
            self.breaker.inconclusive()
            self._log_bug(error)
            return None
        if error is not None and not result.delivered:
            if self.breaker.failed():
                self._logger.warning("breaker opened", reason=error.message)
            return None
        self._throttled = 0
        if self.breaker.succeeded():
            self._logger.info("breaker closed")
            self.queue.hasten(now, ("destination_unavailable",))
        if self.state.paused_by == "error":
            self._logger.info("destination resumed by itself")
            self.queue.hasten(now, (self.state.paused_code,))
            self.state = replace(self.state, paused="", paused_by="", paused_code="")
            self._probe_at = None
            return self.state
        return None

    def _log_bug(self, error: ConnectorBug) -> None:
        """Log where a connector breaks, once a place; the exception's text may hold event data."""
        cause = error.__cause__
        frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
        place = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames[-4:]))
        if place not in self._bugs_seen and len(self._bugs_seen) < 100:
            self._bugs_seen.add(place)
            self._logger.error("connector bug", error=error.message, place=place)

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
                "breaker": self.breaker.state,
                "paused": bool(self.state.paused),
            },
        )

    # -- helpers ---------------------------------------------------------------------------------

    def _now(self) -> int:
        return round(self._clock.now() * 1000)

    def _schedule_probe(self) -> None:
        if self.state.paused_by == "error":
            self._probe_at = self._clock.monotonic() + self._policy.pause_probe

    async def _set_state(self, state: DestinationState) -> None:
        self.state = state
        await self._ledger.pause(state)

    async def _group(self, parked: Parked) -> Group:
        if not self.limits.ordered:
            return Group(parked, frozenset())
        items = await self._reread(await self._log.fetch(parked.offsets))
        return Group(parked, frozenset(item.profile for item in items))
