"""The worker processes as the hub sees them: kept running, handed connections, asked to deliver.

What has state stays in the hub: the log, people, queues, the ledger. A worker that ends costs no
event: connections that it had are sent again by who got no answer, calls by the queue.
"""

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from structlog.typing import FilteringBoundLogger

from junctor.api.keep import Keeper
from junctor.config.load import LoadedConfig
from junctor.delivery.call import CallLost, ConnectorBug
from junctor.host.child import MOST_MISSED, PULSE_SECONDS, keep_running, start_process
from junctor.host.link import AnswerFailed, Link, LinkLost
from junctor.host.plain import SentEvents, brought_of, error_of, plain_error, plain_refusal
from junctor.sdk.context import Clock
from junctor.sdk.errors import DestinationUnavailable, SourceError
from junctor.sdk.event import Event
from junctor.store.port import StoreError

_MODULE: Final = "junctor.host.work_process"
_OF_THE_HUB: Final = 2
"""Processors that the hub has work for: its loop, and the store's thread."""
_MOST_BY_ITSELF: Final = 4
_START_SECONDS: Final = 20.0
"""Longest that the start of a destination may take, or wait for a worker."""
_CONFIGURE_SECONDS: Final = 60.0
_END_SECONDS: Final = 2.0
"""What a worker gets to end beyond the time that its connections get."""


def worker_count(wanted: int | Literal["auto"]) -> int:
    """Return how many workers there are to be on this machine."""
    if wanted != "auto":
        return wanted
    affinity = getattr(os, "sched_getaffinity", None)  # not everywhere
    cpus = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(0, min(cpus - _OF_THE_HUB, _MOST_BY_ITSELF))


class Workers:
    """All worker processes of a hub; without any, the hub does their work itself."""

    def __init__(
        self,
        count: int,
        keeper: Keeper,
        answered: Callable[[str, int, int], None],
        relay: Path,
        clock: Clock,
        logger: FilteringBoundLogger,
    ) -> None:
        """Prepare `count` workers that hand what comes in to `keeper`; `start` begins.

        `answered` is told how many requests to a source were answered with a status; `relay` is
        the socket file where the hub answers what is not for sources.
        """
        numbers = itertools.count(1)
        self._workers = [
            _WorkerChild(f"worker {n + 1}", count, numbers, keeper, answered, relay, clock, logger)
            for n in range(count)
        ]
        self._turn = 0

    @property
    def running(self) -> int:
        """How many are at work."""
        return sum(worker.ready.is_set() for worker in self._workers)

    def __len__(self) -> int:
        """Return how many there are to be."""
        return len(self._workers)

    def start(self, loaded: LoadedConfig) -> None:
        """Start them by a configuration; they take a moment."""
        for worker in self._workers:
            worker.begin(loaded)

    async def configure(self, loaded: LoadedConfig) -> None:
        """Let them work by another configuration, in which no destination is started yet."""
        await asyncio.gather(*(worker.configure(loaded) for worker in self._workers))

    def take(self, connection: socket.socket) -> bool:
        """Hand a connection to the next worker; return whether one took it."""
        for _ in self._workers:
            self._turn = (self._turn + 1) % len(self._workers)
            if self._workers[self._turn].take(connection):
                return True
        return False

    def destinations(self, ids: Sequence[str]) -> dict[str, "RemoteDestination"]:
        """Return destinations that are called by a worker each, in turn; none without workers."""
        return {
            id: RemoteDestination(id, self._workers[n % len(self._workers)])
            for n, id in enumerate(ids)
            if self._workers
        }

    async def drain(self, grace: float) -> None:
        """Let them answer what has come in, at most `grace` seconds, and take in nothing more."""
        await asyncio.gather(*(worker.drain(grace) for worker in self._workers))

    async def close(self) -> None:
        """End them."""
        await asyncio.gather(*(worker.close() for worker in self._workers))


class RemoteDestination:
    """A destination that is called by a worker: the same to the core as the connector itself."""

    def __init__(self, id: str, worker: "_WorkerChild") -> None:
        """Call destination `id` by `worker`."""
        self._id = id
        self._worker = worker

    async def start(self) -> None:
        """See Destination; also done each time that the worker is started again."""
        await self._worker.start_destination(self._id)

    async def stop(self) -> None:
        """See Destination."""
        if self._worker.forget_destination(self._id):
            with suppress(CallLost):
                await self._ask("stop")

    async def deliver(self, events: Sequence[Event]) -> None:
        """See Destination; one that a new worker could not start is started first."""
        await self._worker.see_started(self._id)
        await self._ask("deliver", events)

    async def _ask(self, what: str, events: Sequence[Event] = ()) -> None:
        error = await self._worker.ask(what, self._id, events)
        if error is not None:
            raise error_of(error)


class _WorkerChild:
    def __init__(
        self,
        name: str,
        count: int,
        numbers: Iterator[int],
        keeper: Keeper,
        answered: Callable[[str, int, int], None],
        relay: Path,
        clock: Clock,
        logger: FilteringBoundLogger,
    ) -> None:
        self._name = name
        self._count = count
        self._numbers = numbers
        self._keeper = keeper
        self._answered = answered
        self._relay = relay
        self._clock = clock
        self._logger = logger.bind(process=name)
        self._link: Link | None = None
        self._hand: socket.socket | None = None
        self._closing = False
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._wanted: set[str] = set()
        self._outcomes: dict[str, Any] = {}
        self._starting = asyncio.Lock()
        self._answers = False
        self.ready = asyncio.Event()
        self.gone = False
        """Whether the last one ended and none is at work since."""

    def begin(self, loaded: LoadedConfig) -> None:
        self._loaded = loaded
        self._running = asyncio.create_task(
            keep_running(self._live, f"the process {self._name}", self._clock, self._logger)
        )

    # -- what it is asked ------------------------------------------------------------------------

    async def ask(self, what: str, id: str, events: Sequence[Event] = ()) -> Any:
        """Return its answer about destination `id`; while there is none at work, wait for the next.

        Raises:
            CallLost: it ended meanwhile.
            ConnectorBug: it could not answer.
        """
        while self._link is None or not self.ready.is_set():
            await self.ready.wait()
        said = (id, self._sent.plain(events)) if events else id
        try:
            return await self._link.ask(what, said)
        except LinkLost as error:
            raise CallLost(f"{self._name} did not answer: {error}") from None
        except AnswerFailed as error:
            raise ConnectorBug(f"{self._name} could not answer: {error}") from None

    async def start_destination(self, id: str) -> None:
        """Start a destination, or let the next worker start it: until then its events wait.

        Nobody waits for long for a worker, and not at all if one ended.

        Raises:
            DeliveryError: it can't be started.
        """
        self._wanted.add(id)
        if self.ready.is_set() and self._link is not None:
            with suppress(LinkLost):
                await self._start(self._link, id)
        elif not self.gone:
            try:
                async with asyncio.timeout(_START_SECONDS):
                    await self.ready.wait()
            except TimeoutError:
                self.gone = True
        if (error := self._outcomes.get(id)) is not None:
            raise error_of(error)

    async def see_started(self, id: str) -> None:
        """Start a destination again that could not be started.

        Raises:
            DeliveryError: it still can't be.
        """
        if self._outcomes.get(id) is None:
            return
        async with self._starting:
            if self._outcomes.get(id) is not None and self.ready.is_set():
                await self.start_destination(id)

    async def _start(self, link: Link, id: str) -> None:
        """Keep how the start of a destination ended. Raises LinkLost: the worker is gone."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                self._outcomes[id] = await link.ask("start", id)
        except TimeoutError:
            self._outcomes[id] = plain_error(DestinationUnavailable("its start takes too long"))
        except AnswerFailed as error:
            self._outcomes[id] = plain_error(ConnectorBug(f"it can't be started: {error}"))

    def forget_destination(self, id: str) -> bool:
        """Start it no more; return whether it is to be stopped."""
        self._wanted.discard(id)
        return self._outcomes.pop(id, self) is not self and self.ready.is_set()

    async def configure(self, loaded: LoadedConfig) -> None:
        self._loaded = loaded
        if self._link is None or not self.ready.is_set():
            return  # it is configured when it has started
        self.ready.clear()
        with suppress(LinkLost):
            await self._configure(self._link)

    async def _configure(self, link: Link) -> None:
        """Raises LinkLost: it is gone, or can't work by this configuration and is ended."""
        loaded = self._loaded
        said = (str(loaded.path), loaded.text, str(self._relay), self._count)
        try:
            async with asyncio.timeout(_CONFIGURE_SECONDS):
                await link.ask("configure", said)
        except (AnswerFailed, TimeoutError) as error:
            why = str(error) or "it takes too long"
            self._logger.error("a worker can't use the configuration", error=why)
            self._kill()
            raise LinkLost(why) from None
        self._answers = True
        self._outcomes.clear()
        while waiting := self._wanted - self._outcomes.keys():
            if loaded is not self._loaded:
                break  # they are those of another configuration
            await self._start(link, min(waiting))
        if loaded is not self._loaded:
            return await self._configure(link)
        self.gone = False
        self.ready.set()

    def take(self, connection: socket.socket) -> bool:
        if self._hand is None or not self.ready.is_set():
            return False
        try:
            socket.send_fds(self._hand, [b"c"], [connection.fileno()])
        except OSError:  # it has too many to take yet, or is gone
            return False
        connection.close()
        return True

    async def drain(self, grace: float) -> None:
        if self._link is None or not self.ready.is_set():
            return
        self._hand = None
        with suppress(LinkLost, AnswerFailed, TimeoutError):
            async with asyncio.timeout(grace + _END_SECONDS):
                await self._link.ask("drain")

    async def close(self) -> None:
        self._closing, process = True, self._process
        if self._link is not None and process is not None:
            self._link.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await process.wait()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    # -- what it asks ----------------------------------------------------------------------------

    async def _keep(self, plain: Any) -> Any:
        """Return why what came in is not kept, or None."""
        try:
            await self._keeper.keep(brought_of(plain))
        except (StoreError, SourceError) as error:
            return plain_refusal(error)
        return None

    def _hear_answered(self, counts: Any) -> None:
        for source, status, number in counts:
            self._answered(source, status, number)

    # -- its life --------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Start one, and wait until it ends."""
        end, their_end = socket.socketpair()
        hand, their_hand = socket.socketpair()
        hand.setblocking(False)
        try:
            process = await start_process(_MODULE, (their_end, their_hand))
        except BaseException:
            self.gone = True
            end.close()
            hand.close()
            raise
        finally:
            their_end.close()
            their_hand.close()
        self._process, self._answers = process, False
        self._sent = SentEvents(self._numbers)
        link = Link({"keep": self._keep}, {"answered": self._hear_answered}, self._logger)
        try:
            await link.open(end)
            self._link, self._hand = link, hand
            configuring = asyncio.create_task(self._configure(link))
            code = await self._watch(process, link)
            configuring.cancel()
            await asyncio.gather(configuring, return_exceptions=True)
            if not self._closing:
                self._logger.error("a worker ended; it is started again", code=code)
        finally:
            self._process = self._link = self._hand = None
            self.ready.clear()
            self.gone = True
            link.close()
            hand.close()
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process, link: Link) -> int:
        """Return the exit code once it has ended; if it does not answer any more, end it."""
        missed = 0
        asked: asyncio.Task[Any] | None = None
        while True:
            try:
                async with asyncio.timeout(PULSE_SECONDS):
                    return await process.wait()
            except TimeoutError:
                if self._closing or not self._answers:
                    continue  # as long as it starts
                if asked is None or asked.done():
                    missed = 0
                    asked = asyncio.create_task(link.ask("well"))
                    asked.add_done_callback(_heard)
                    continue
                missed += 1
                if missed > MOST_MISSED:
                    self._logger.error("a worker does not answer; it is started again")
                    self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()


def _heard(task: asyncio.Task[Any]) -> None:
    """Take note of how a question ended: if its process is gone, that is seen elsewhere."""
    if not task.cancelled():
        task.exception()
