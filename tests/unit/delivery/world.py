"""A hub without its two ends: events go in folded, a scripted destination takes them.

The store is a real one, its writer works on the event loop and without syncing, and time stands
still until it is told to move: so everything here is deterministic.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import orjson
from structlog.testing import LogCapture

from junctor.config.model import Delivery
from junctor.config.model import Destination as Section
from junctor.delivery.dispatch import Configured, Dispatcher
from junctor.delivery.worker import DestinationWorker
from junctor.model.delivery import TERMINAL, Attempt, Outcome
from junctor.model.processed import Batch, Decision, Processed
from junctor.model.record import NewRecord, Record
from junctor.sdk import Context, DeliveryError, Destination, Event, Manifest, Settings
from junctor.store.port import Appended, FoldResult, Routed, Tally
from junctor.store.sqlite import SqliteStore
from junctor.telemetry.live import LiveStream
from junctor.telemetry.metrics import Metrics
from junctor.testkit import ManualClock
from junctor.testkit.doubles import capturing_log

Answer = BaseException | None
Script = Callable[[Sequence[Event]], Answer]


class StepClock(ManualClock):
    """A manual clock that tells when the next sleeper is due."""

    spins = 0
    """How often somebody asked to be woken at once."""

    async def sleep(self, seconds: float) -> None:
        self.spins += seconds <= 0
        await super().sleep(seconds)

    def next_due(self) -> float | None:
        """Return the seconds until the next sleeper wakes."""
        due = [at for at, _, woken in self._sleepers if not woken.done()]
        return max(0.0, min(due) - self.monotonic()) if due else None


@dataclass(frozen=True)
class Call:
    """One call that the destination got: when (monotonic seconds) and with which events."""

    at: float
    ids: tuple[str, ...]


class NoSettings(Settings):
    """Nothing to set."""


def manifest(**changes: Any) -> Manifest:
    return Manifest(
        **{
            "type": "scripted", "title": "Scripted", "summary": "Answers as told.",
            "max_batch": 1, "max_batch_bytes": 1_000_000, **changes,
        }
    )  # fmt: skip


class Scripted(Destination[Settings]):
    """Answers as `script` says; `hold` keeps calls in flight until it is cleared."""

    settings_model = NoSettings

    def __init__(self, script: Script | None = None, **limits: Any) -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(_nobody))
        self.clock = StepClock()
        log = capturing_log(LogCapture())
        super().__init__(NoSettings(), Context("scripted", http, log, self.clock))
        self.manifest = manifest(**limits)  # type: ignore[misc]
        self.script: Script = script or (lambda events: None)
        self.calls: list[Call] = []
        self.taken: list[str] = []
        self.running = self.most_running = 0
        self.gate: asyncio.Event | None = None
        self.starts = self.stops = 0
        self.start_error: Exception | None = None

    async def start(self) -> None:
        self.starts += 1
        if self.start_error is not None:
            raise self.start_error

    async def stop(self) -> None:
        self.stops += 1

    async def deliver(self, events: Sequence[Event]) -> None:
        self.calls.append(Call(self.clock.monotonic(), tuple(e.message_id for e in events)))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.gate is not None:
                await self.gate.wait()
            answer = self.script(events)
            if answer is not None:
                raise answer
            self.taken += [event.message_id for event in events]
        finally:
            self.running -= 1

    @property
    def times(self) -> list[float]:
        """When the calls came, seconds."""
        return [round(call.at, 6) for call in self.calls]

    @property
    def tried(self) -> list[tuple[str, ...]]:
        """What the calls carried."""
        return [call.ids for call in self.calls]

    def hold(self) -> None:
        self.gate = asyncio.Event()

    def release(self) -> None:
        if self.gate is not None:
            self.gate.set()
        self.gate = None


def _nobody(request: httpx.Request) -> httpx.Response:
    raise AssertionError("a scripted destination makes no request")


class FixedRandom(Random):
    """Chance that always says the same, so that waits are exact: 1.0 is the longest jitter."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


@dataclass
class World:
    """A store, a clock, destinations, and a stand-in for the fold."""

    folder: Path
    destinations: dict[str, tuple[Scripted, dict[str, Any]]]
    clock: StepClock = field(default_factory=StepClock)
    log: LogCapture = field(default_factory=LogCapture)
    jitter: float = 1.0
    present: Callable[[Record], Mapping[str, str]] | None = None
    """What the present configuration decides; None: everything goes everywhere."""
    fingerprint: str = "1"
    reread_error: Exception | None = None
    folded: int = 0
    ids: dict[int, str] = field(default_factory=dict)
    rereads: int = 0

    async def start(self) -> "World":
        self.store = SqliteStore.open(self.folder)
        self.store.writer._connection.execute("pragma synchronous = off")
        self.store.log.subscribe(self._appended)
        self._new: list[Record] = []
        await self.start_dispatcher()
        return self

    async def start_dispatcher(self) -> None:
        self.dispatcher = Dispatcher(
            self.store,
            self.reread,
            clock=self.clock,
            random=FixedRandom(self.jitter),
            metrics=Metrics(),
            live=LiveStream(),
            logger=capturing_log(self.log),
        )
        configured = {}
        for id, (destination, options) in self.destinations.items():
            destination.clock = self.clock
            section = {key: options[key] for key in ("start", "enabled") if key in options}
            policy = {key: value for key, value in options.items() if key not in section}
            configured[id] = Configured(
                destination,
                Section(type="scripted", delivery=Delivery(**policy), **section),
                self.fingerprint,
            )
        await self.dispatcher.start(configured, self.folded)

    async def restart(self, *, grace: float = 0) -> None:
        """Stop delivery and start it again, as a restart or a reload does."""
        await self.dispatcher.stop(grace)
        for destination, _ in self.destinations.values():
            destination.running = 0
        await self.start_dispatcher()
        await self.settle()

    async def kill(self) -> None:
        """Take delivery away in the middle of whatever it does; nothing more is stored."""
        tasks = [self.dispatcher._replaying]
        for worker in self.dispatcher.workers.values():
            tasks += [worker._main, *worker._calls]
        for task in tasks:
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self.dispatcher.workers = {}

    async def close(self) -> None:
        await self.dispatcher.stop(0)
        await self.store.close()

    def worker(self, id: str = "d") -> DestinationWorker:
        return self.dispatcher.workers[id]

    # -- events ----------------------------------------------------------------------------------

    async def send(
        self,
        *events: tuple[int, str],
        to: Mapping[str, str] | None = None,
        padding: int = 0,
        publish: bool = True,
    ) -> list[int]:
        """Accept and fold events (key, message id); return their offsets."""
        at = round(self.clock.now() * 1000)
        records = []
        for key, id in events:
            body = {"messageId": id, "type": "track", "userId": str(key), "pad": "x" * padding}
            json = orjson.dumps(body)
            records.append(NewRecord("web", id, at, True, hash(id), json, body))
        self._new.clear()
        await self.store.log.append(records)
        await self.turns(3)
        offsets = [record.offset for record in self._new]
        assert len(offsets) == len(events), "message ids are to differ"
        decision: Decision = tuple((to or dict.fromkeys(self.destinations, "")).items())
        routed = [
            Routed(offset, key, decision) for offset, (key, _) in zip(offsets, events, strict=True)
        ]
        await self.store.state.commit(FoldResult(offsets[-1], routed=routed))
        self.ids.update(zip(offsets, (id for _, id in events), strict=True))
        processed = [
            Processed(_event(record), route.profile, decision)
            for record, route in zip(self._new, routed, strict=True)
        ]
        previous, self.folded = self.folded, offsets[-1]
        if publish:
            self.dispatcher.publish(Batch(previous, processed, self.folded))
        return offsets

    def _appended(self, appended: Appended) -> None:
        self._new += appended.records

    async def reread(self, records: Sequence[Record]) -> list[Processed]:
        self.rereads += 1
        if self.reread_error is not None:
            raise self.reread_error
        routed = await self.store.state.routed([record.offset for record in records])
        everywhere = dict.fromkeys(self.destinations, "")
        return [
            Processed(
                _event(record),
                routed[record.offset].profile,
                tuple((self.present(record) if self.present else everywhere).items()),
            )
            for record in records
            if record.offset in routed
        ]

    # -- time ------------------------------------------------------------------------------------

    async def turns(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Let everything run that needs no time to pass."""
        before: object = None
        spins = 0
        while before != (now := self._progress()):
            before, spins = now, self.clock.spins
            await self.turns(20)
        assert self.clock.spins - spins < 5, "somebody turns round and round without getting on"

    def _progress(self) -> tuple[int, ...]:
        calls = [len(destination.calls) for destination, _ in self.destinations.values()]
        positions = [worker.queue.position for worker in self.dispatcher.workers.values()]
        return (self.store.writer.commits, self.rereads, *calls, *positions)

    async def advance(self, seconds: float) -> None:
        """Let time pass, stopping at every moment when somebody is due."""
        await self.settle()
        end = self.clock.monotonic() + seconds
        while (due := self.clock.next_due()) is not None and self.clock.monotonic() + due <= end:
            self.clock.tick(due)
            await self.settle()
        self.clock.tick(max(0.0, end - self.clock.monotonic()))
        await self.settle()

    async def finish(self, limit: float = 1e6, id: str = "d") -> None:
        """Let time pass until nothing is pending and no replay runs."""
        end = self.clock.monotonic() + limit
        await self.settle()
        while (await self.tally(id)).pending or await self.store.ledger.replays():
            due = self.clock.next_due()
            assert due is not None, "something is pending and nobody will ever wake"
            assert self.clock.monotonic() + due <= end, "something stays pending"
            self.clock.tick(due)
            await self.settle()

    # -- what is stored --------------------------------------------------------------------------

    async def tally(self, id: str = "d") -> Tally:
        """Return the ledger of a destination; it must always balance."""
        t = (await self.store.ledger.tallies())[id]
        assert t.accepted == t.delivered + t.filtered + t.dead + t.pending
        return t

    async def attempts(self, offset: int, id: str = "d") -> list[Attempt]:
        return await self.store.ledger.attempts(id, offset)

    async def fates(self, id: str = "d") -> dict[str, Outcome]:
        """Return each event's terminal outcome; there must be exactly one."""
        found = {}
        for offset, name in self.ids.items():
            rows = [a for a in await self.attempts(offset, id) if a.outcome in TERMINAL]
            assert len(rows) == 1, f"{name} has {len(rows)} terminal outcomes"
            found[name] = rows[0].outcome
        return found

    async def parked(self, id: str = "d") -> list[tuple[tuple[str, ...], int, str]]:
        """Return what is parked: names, tries so far, code."""
        return [
            (tuple(self.ids[offset] for offset in p.offsets), p.attempts, p.code)
            for p in await self.store.ledger.parked(id)
        ]

    def said(self) -> list[str]:
        return [entry["event"] for entry in self.log.entries]


def _event(record: Record) -> Event:
    return Event(
        record.json, type="track", message_id=record.message_id, timestamp=record.received_at,
        received_at=record.received_at, source=record.source, offset=record.offset,
    )  # fmt: skip


def in_turn(*answers: DeliveryError | None) -> Script:
    """Return a script that gives these answers one after the other, then takes everything."""
    rest = list(answers)
    return lambda events: rest.pop(0) if rest else None


def once_each(answers: Mapping[str, Sequence[DeliveryError | None]]) -> Script:
    """Return a script with a list of answers for each message id; calls carry one event."""
    rest = {id: list(some) for id, some in answers.items()}

    def answer(events: Sequence[Event]) -> DeliveryError | None:
        (event,) = events
        mine = rest.get(event.message_id)
        return mine.pop(0) if mine else None

    return answer
