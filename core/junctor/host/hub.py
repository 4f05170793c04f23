"""The hub: everything wired together, from the listeners to the workers, and its life.

start: store, then fold what the log still has, then destinations, then the listeners.
stop: listeners, then the fold, then destinations, then the store.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from junctor.api.admin import admin_app
from junctor.api.audience_operations import AudienceOperations
from junctor.api.audience_source import AudienceSource
from junctor.api.erasure_operations import ErasureOperations
from junctor.api.keep import LogKeeper
from junctor.api.operations import Operations
from junctor.api.profile_reads import Serving
from junctor.api.sources import Ingest
from junctor.audiences.language import SECTIONS
from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.config.load import LoadedConfig
from junctor.config.model import Config
from junctor.delivery.dispatch import Configured, Dispatcher
from junctor.host.egress import guarded_client
from junctor.host.erasing import Erasing
from junctor.host.folding import Folding
from junctor.host.loops import runner_of
from junctor.host.mask import Mask
from junctor.host.pull import Puller
from junctor.host.read_side import ReadSide, relay_path, url_of
from junctor.host.wiring import (
    context_for,
    destinations_for,
    fingerprint,
    make_audiences,
    make_program,
    make_router,
    push_sources_for,
)
from junctor.host.workers import Workers
from junctor.model.membership import Told
from junctor.pipeline.audience import TOLD, Audiences
from junctor.pipeline.backfill import Backfill
from junctor.pipeline.flow import Flow
from junctor.pipeline.identify import Identifiers
from junctor.pipeline.route import Router
from junctor.pipeline.tail import Tail
from junctor.sdk.context import Clock, SystemClock
from junctor.sdk.settings import Settings
from junctor.sdk.source import PullSource, PushSource
from junctor.store.port import StoreError
from junctor.store.sqlite import SqliteStore
from junctor.telemetry.live import LiveStream
from junctor.telemetry.metrics import Metrics

_LEAST_GRACE: Final = 2.0
"""Seconds that calls in flight get to end, however long who was connected has taken."""
_MAINTAIN_SECONDS: Final = 10.0
_SIZES_SECONDS: Final = 60.0
_STORE_RETRY: Final = 1.0
_RESTART_ONLY: Final[Mapping[str, Callable[[Config], object]]] = MappingProxyType(
    {
        "server.listen": lambda config: config.server.listen,
        "admin": lambda config: config.admin,
        "store": lambda config: config.store,
        "log": lambda config: config.log,
        "runtime": lambda config: config.runtime,
    }
)


class Hub:
    """One running hub."""

    def __init__(
        self,
        loaded: LoadedConfig,
        logger: FilteringBoundLogger,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        reads_apart: bool = False,
        workers: int = 0,
    ) -> None:
        """Prepare; `start` opens the store and listens.

        `reads_apart`: see ReadSide; `workers` is how many there are, see Workers.
        """
        self.loaded = loaded
        self._reads_apart = reads_apart
        self._worker_count = workers
        self._logger = logger
        self._clock = clock or SystemClock()
        self._random = random or Random()
        self.metrics = Metrics()
        self.live = LiveStream()
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.AppRunner] = []
        self._broken = self._warned = ""
        self._sizes_at = 0.0
        self._told_failing: set[tuple[str, str]] = set()
        self._putting_back = asyncio.Lock()
        self.ingest_address = ""
        self.admin_address = ""

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open, catch up, listen.

        Raises:
            StoreError: the store can't be opened.
            OSError: an address can't be listened on.
        """
        config = self.loaded.config
        retention = config.store.retention
        self.store = SqliteStore.open(
            config.store.path,
            dedupe_window=config.store.dedupe_window,
            retention_age=retention.age,
            retention_size=retention.size,
            retention_dead=retention.dead_letters,
        )
        try:
            await self._start()
        except BaseException:
            await self.stop(0)
            raise

    async def _start(self) -> None:
        loaded, config = self.loaded, self.loaded.config
        self._http = guarded_client(config.egress.allow)
        self._tail = Tail(self.store.log)
        self._tail.head = await self.store.log.head()
        self._keeper = LogKeeper(
            self.store.log, metrics=self.metrics, live=self.live, room=self._tail
        )
        self._keeper.suppressed |= (await self.store.log.suppressed()).keys()
        self._workers = Workers(
            self._worker_count, self._keeper, self.metrics.request,
            relay_path(config.store.path), self._clock, self._logger,
        )  # fmt: skip
        self._workers.start(loaded)
        position = await self.store.state.position()
        destinations = self._destinations(loaded)
        backfill, audiences = await self._begin_backfill(loaded, position)
        flow = Flow(
            self.store.state,
            Identifiers(config.identity),
            audiences,
            self._router(loaded, destinations),
            lambda batch: self._dispatcher.publish(batch),
            self._logger,
            self._tell,
            parsed=not self._worker_count,
        )
        self._folding = Folding(
            flow, backfill, self._tail, self.store.state, position, self._clock, self._logger,
            lambda: self.readers.refresh(),
        )  # fmt: skip
        self.readers = ReadSide(
            self.store,
            self._serving,
            lambda: self._folding.backfill.raw,
            self._clock,
            self._logger,
            apart=self._reads_apart,
            pass_on=self._workers.take if self._worker_count else None,
        )
        await self.readers.start()
        self.readers.configure(loaded)
        self._ingest = Ingest(
            self._keeper, clock=self._clock, answered=self.metrics.request, logger=self._logger
        )
        self._dispatcher = self._new_dispatcher()
        await self._dispatcher.start(destinations, self._folding.position)
        self.store.keep_for(frozenset(loaded.destinations))
        self._ingest.configure(config.server, self._push_sources(loaded))
        self._start_pulling(loaded)
        self._run(self._folding.fold_all(), "fold")
        self._run(self._folding.pass_time(), "time")
        self._run(self._folding.build(), "backfill")
        self._run(self._maintain(), "maintain")
        self._erasing = Erasing(
            self.store, lambda: self._dispatcher, lambda: self.loaded.destinations,
            self._folding, self._clock, self._logger,
        )  # fmt: skip
        self._run(self._erasing.run(), "erasing")
        self.audiences = AudienceOperations(
            AudienceSource(
                self.store,
                lambda: self._folding.flow.audiences,
                lambda: self._folding.backfill,
                lambda: self._folding.flow.identifiers,
                lambda definitions: make_program(self.loaded, definitions),
                self._clock,
            )
        )
        self.operations = Operations(
            self.store,
            lambda: self._dispatcher,
            clock=self._clock,
            sources=lambda: list(self.loaded.sources),
            suppressed=self._keeper.suppressed,
            broken=lambda: self._broken or self._folding.broken,
            warned=lambda: self._erasing.warning,
            figures=lambda profile, at: self._folding.flow.audiences.figures(profile, at),
            audiences=self._audience_state,
            workers=lambda: (len(self._workers), self._workers.running),
        )
        self.erasures = ErasureOperations(
            self.store,
            lambda: self._folding.flow.identifiers,
            lambda: self._folding.flow.router.deleting,
            lambda: list(self.loaded.destinations),
            partial(self.operations.suppress, suppressed=True),
            self._clock,
        )
        token = config.admin.token
        self.ingest_address, runners = await self.readers.open(
            self._ingest, self.operations, config.server.listen
        )
        self._runners += runners
        self.admin_address = await self._listen(
            admin_app(
                self.operations, self.audiences, self.erasures, self.metrics, self.live,
                token.get_secret_value() if token is not None else None, self._logger,
            ),
            config.admin.listen,
        )  # fmt: skip
        self._logger.info("ready", ingest=self.ingest_address, admin=self.admin_address)

    async def stop(self, grace: float | None = None) -> None:
        """Drain: take in nothing more, fold what is stored, let calls in flight end."""
        if hasattr(self, "_ingest"):
            self._ingest.draining = True
        self.live.close()
        drain = self.loaded.config.server.drain_timeout if grace is None else grace
        ends = self._clock.monotonic() + drain
        draining = [runner.cleanup() for runner in self._runners]
        if hasattr(self, "readers"):
            draining.append(self.readers.close())
        if hasattr(self, "_workers"):  # streams that they pass on end with those of the hub
            draining.append(self._workers.drain(drain))
        await asyncio.gather(*draining)
        self._runners.clear()
        if hasattr(self, "readers"):
            await self.readers.let_go()
        if hasattr(self, "_dispatcher"):
            with suppress(TimeoutError):
                async with asyncio.timeout(2.0 if grace is None else grace):
                    await self._folding.caught_up.wait()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks.clear()
        if hasattr(self, "_dispatcher"):
            with suppress(StoreError):  # what could not be stored is folded at the next start
                await self._folding.settle()
            left = ends - self._clock.monotonic()
            await self._dispatcher.stop(max(min(drain, _LEAST_GRACE), left))
        if hasattr(self, "_workers"):
            await self._workers.close()
        if hasattr(self, "_http"):
            await self._http.aclose()
        await self.store.close()
        self._logger.info("stopped")

    async def reload(self, loaded: LoadedConfig) -> None:
        """Go over to another configuration; store and listeners stay as they are.

        What a connector raises when it is made is raised before anything has changed.
        """
        for setting, value in _RESTART_ONLY.items():
            if value(self.loaded.config) != value(loaded.config):
                self._logger.warning("takes effect after a restart", setting=setting)
        old_http, self._http = self._http, guarded_client(loaded.config.egress.allow)
        try:
            destinations = self._destinations(loaded)
            router, push_sources = self._router(loaded, destinations), self._push_sources(loaded)
        except BaseException:
            new_http, self._http = self._http, old_http
            await new_http.aclose()
            raise
        await self._dispatcher.stop(self.loaded.config.server.drain_timeout)
        pulling = [task for task in self._tasks if task.get_name().startswith("pull ")]
        for task in pulling:
            task.cancel()
            self._tasks.remove(task)
        if pulling:
            await asyncio.wait(pulling)
        self.loaded = loaded
        self._ingest.configure(loaded.config.server, push_sources)
        self._start_pulling(loaded)
        await self._workers.configure(loaded)
        await self._go_over(loaded, router, destinations)
        await old_http.aclose()
        self._logger.info("configuration reloaded")

    async def _go_over(
        self, loaded: LoadedConfig, router: Router, destinations: dict[str, Configured]
    ) -> None:
        """Fold by another configuration, however long the store is not available meanwhile."""
        folding = self._folding
        while True:
            try:
                async with folding.still():  # a batch is decided and published by one router
                    folding.backfill, folding.flow.audiences = await self._begin_backfill(
                        loaded, folding.position
                    )
                    folding.flow.identifiers = Identifiers(loaded.config.identity)
                    folding.flow.router = router
                    self.readers.configure(loaded)
                    await self._start_destinations(destinations)
                    return
            except StoreError as error:
                self._logger.error("the configuration waits for the store", error=str(error))
                await self._clock.sleep(_STORE_RETRY)

    async def _start_destinations(self, destinations: dict[str, Configured]) -> None:
        """Start them, however long the store is not available: there is no way back by now."""
        while True:
            self._dispatcher = self._new_dispatcher()
            try:
                await self._dispatcher.start(destinations, self._folding.position)
                self.store.keep_for(frozenset(destinations))
            except StoreError as error:
                self._broken = "destinations wait for the store"
                self._logger.error("destinations wait for the store", error=str(error))
                await self._dispatcher.stop(0)
                await self._clock.sleep(_STORE_RETRY)
                destinations = self._destinations(self.loaded)
            else:
                self._broken = ""
                return

    # -- work ------------------------------------------------------------------------------------

    async def _maintain(self) -> None:
        while True:
            try:
                await self.store.maintain(round(self._clock.now() * 1000))
                await self._observe()
            except Exception as error:  # it may heal; health says meanwhile what is wrong
                self._logger.error("maintenance failed", error=str(error))
            until = self._clock.monotonic() + _MAINTAIN_SECONDS
            await self._clock.sleep(_STORE_RETRY)
            while not self.store.problem() and self._clock.monotonic() < until:
                await self._clock.sleep(_STORE_RETRY)

    async def _observe(self) -> None:
        metrics = self.metrics
        metrics.log_head.set(self._tail.head)
        metrics.log_folded.set(self._folding.position)
        metrics.store_bytes.set(self.store.size())
        metrics.store_commits.set(self.store.commits())
        metrics.healthy.set(0 if self.operations.problem() else 1)
        for id, tally in (await self.store.ledger.tallies()).items():
            metrics.pending.labels(id).set(tally.pending)
        for id, worker in self._dispatcher.workers.items():
            metrics.paused.labels(id).set(1 if worker.state.paused else 0)
        due, now = await self.store.state.next_due(), round(self._clock.now() * 1000)
        metrics.audience_due_lag.set(0 if due is None else max(0, now - due) / 1000)
        await self._observe_sizes()
        self._tell_failing()
        if (warning := self.operations.warning()) != self._warned:
            self._warned = warning
            self._logger.warning("the store", warning=warning or "is as it should be again")

    def _tell_failing(self) -> None:
        """Say once of each function of a signal that it fails; the status counts how often."""
        for one in self.loaded.functions:
            if one.failures and (one.name, one.version) not in self._told_failing:
                self._told_failing.add((one.name, one.version))
                self._logger.error("a signal's function fails", signal=one.name, error=one.failure)

    async def _observe_sizes(self) -> None:
        """Count members, not too often: it takes a while where there are many."""
        names = self._folding.flow.audiences.engine.program.audiences.keys()
        if not names or self._clock.monotonic() < self._sizes_at:
            return
        self._sizes_at = self._clock.monotonic() + _SIZES_SECONDS
        sizes = await self.store.memberships.sizes()
        self.metrics.audience_members.clear()
        for name in names:
            self.metrics.audience_members.labels(name).set(sizes.get(name, 0))

    def _serving(self) -> Serving:
        """Return what answers reads now."""
        engine, backfill = self._folding.flow.audiences.engine, self._folding.backfill
        unfinished = backfill.unfinished(engine.program)
        return Serving(engine, backfill.wanted, self._folding.flow.identifiers.limits, unfinished)

    def _tell(self, told: Sequence[Told]) -> None:
        """Tell of transitions that are committed: who watches, and who counts."""
        self.readers.publish(told)
        for one in told:
            if one.row.version != TOLD:  # the names of others are not bounded
                self.metrics.transition(one.row.audience, entered=one.row.entered)

    def _audience_state(self) -> Mapping[str, Any]:
        return {
            **self.audiences.state(),
            "error": self._folding.build_error or None,
            "degraded": self.metrics.degraded_subjects(),
        }

    def _run(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._died)
        self._tasks.append(task)

    def _died(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._logger.error("a part of the hub broke", part=task.get_name(), exc_info=error)
            self._broken = f"{task.get_name()} broke; the log says why, a restart takes it up again"

    # -- wiring ----------------------------------------------------------------------------------

    def _new_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self.store,
            self._folding.flow.again,
            clock=self._clock,
            random=self._random,
            metrics=self.metrics,
            live=self.live,
            logger=self._logger,
            putting_back=self._putting_back,
        )

    def _destinations(self, loaded: LoadedConfig) -> dict[str, Configured]:
        connectors = destinations_for(loaded, self._http, self._clock, self._logger)
        deliverers = self._workers.destinations(sorted(connectors))
        return {
            id: Configured(
                connectors[id],
                one.section,
                fingerprint(one.settings),
                Mask(one.settings).text,
                deliverers.get(id),
            )
            for id, one in loaded.destinations.items()
        }

    async def _begin_backfill(
        self, loaded: LoadedConfig, position: int
    ) -> tuple[Backfill, Audiences]:
        """Return the stage to run now; the rest of the way is Folding's."""
        config = loaded.config
        raw = {name: dict(getattr(config, name)) for name in SECTIONS}

        def compile(definitions: Definitions) -> Program:
            return make_program(loaded, definitions)

        def stage(program: Program) -> Audiences:
            over = self.metrics.degraded.inc
            return make_audiences(loaded, program, self.store.log.fetch, self._clock, over)

        wanted = compile(loaded.definitions)
        backfill = Backfill(
            self.store.state, self.store.log, self.store.memberships, raw, wanted, compile, stage
        )
        return backfill, await backfill.begin(position, round(self._clock.now() * 1000))

    def _router(self, loaded: LoadedConfig, destinations: Mapping[str, Configured]) -> Router:
        return make_router(loaded, {id: one.connector for id, one in destinations.items()})

    def _push_sources(self, loaded: LoadedConfig) -> dict[str, PushSource[Settings]]:
        return push_sources_for(loaded, self._http, self._clock, self._logger)

    def _start_pulling(self, loaded: LoadedConfig) -> None:
        for id, one in loaded.sources.items():
            if one.section.enabled and issubclass(one.cls, PullSource):
                source: PullSource[Settings] = one.cls(
                    one.settings, context_for(one, self._http, self._clock, self._logger)
                )
                puller = Puller(
                    id, source, self.store.log, loaded.config.server.max_event,
                    suppressed=self._keeper.suppressed, clock=self._clock,
                    random=self._random, metrics=self.metrics,
                    logger=self._logger.bind(source=id),
                )  # fmt: skip
                self._run(puller.run(), f"pull {id}")

    async def _listen(self, app: web.Application, address: str) -> str:
        host, _, port = address.rpartition(":")
        runner = runner_of(app, self.loaded.config.server.drain_timeout)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, host.strip("[]"), int(port), backlog=1024)
        await site.start()
        return url_of(runner.addresses[0])
