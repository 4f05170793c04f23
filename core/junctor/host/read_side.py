"""The side of the hub that readers see: decisions, streams, and the listener that leads to both.

Reads are served twice: on the thread of the door, where they wait for nobody, and on the hub's own
loop, for connections that began with events. Both read what is committed.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from junctor.api.forward import forward
from junctor.api.health import health_routes
from junctor.api.ingest import ingest_app
from junctor.api.operations import Operations
from junctor.api.profile_reads import ProfileReads
from junctor.api.read_api import ReadApi
from junctor.api.readers import ReaderKeys
from junctor.api.sources import Ingest
from junctor.config.address import parse_address
from junctor.config.model import Reader, Server
from junctor.host.door import Door
from junctor.model.membership import Told
from junctor.pipeline.audience import Audiences
from junctor.pipeline.backfill import Backfill
from junctor.pipeline.identify import Identifiers
from junctor.sdk.context import Clock
from junctor.store.port import Lookup, Store

MakeRunner = Callable[[web.Application], web.AppRunner]


@dataclass(frozen=True, slots=True)
class _Side:
    """What serves reads on one loop."""

    lookup: Lookup
    reads: ProfileReads
    api: ReadApi


class ReadSide:
    """Serves readers, and opens the listener that they share with the sources."""

    def __init__(
        self,
        store: Store,
        stage: Callable[[], Audiences],
        backfill: Callable[[], Backfill],
        identifiers: Callable[[], Identifiers],
        clock: Clock,
        logger: FilteringBoundLogger,
    ) -> None:
        """Read from `store`; `stage` is what serves, `backfill` knows what will.

        `identifiers` are the kinds of ids of the present configuration.
        """
        self._store = store
        self._logger = logger

        def side() -> _Side:
            lookup = store.lookup()
            reads = ProfileReads(lookup, stage, clock, backfill, identifiers)
            return _Side(lookup, reads, ReadApi(clock=clock, logger=logger))

        self._here, self._there = side(), side()
        self._door: Door | None = None

    async def start(self) -> None:
        """Learn which audiences other hubs have told of."""
        told = await self._store.memberships.told_by_others()
        for side in (self._here, self._there):
            side.reads.learn(told)

    def configure(self, server: Server, readers: Mapping[str, Reader]) -> None:
        """Serve these readers from the next request on."""
        keys = {
            id: ReaderKeys(
                reader.key.get_secret_value(),
                reader.origins,
                reader.signing_secret.get_secret_value() if reader.signing_secret else None,
            )
            for id, reader in readers.items()
        }
        self._here.api.configure(server, self._here.reads, keys)
        there = self._there
        if self._door is None:
            there.api.configure(server, there.reads, keys)
        else:
            self._door.loop.call_soon_threadsafe(there.api.configure, server, there.reads, keys)

    def publish(self, told: Sequence[Told]) -> None:
        """Tell whoever watches of committed transitions."""
        self._here.reads.publish(told)
        if self._door is not None:
            self._door.loop.call_soon_threadsafe(self._there.reads.publish, told)

    async def open(
        self, ingest: Ingest, operations: Operations, address: str, runner_of: MakeRunner
    ) -> tuple[str, web.AppRunner]:
        """Listen at `address`; return the address and the runner of the hub's own loop.

        Raises:
            OSError: it can't be listened on.
        """
        hub = runner_of(ingest_app(ingest, operations, self._here.api))
        await hub.setup()
        loop = asyncio.get_running_loop()

        def app_of_thread() -> web.AppRunner:
            app = web.Application()
            app.add_routes(health_routes(operations))
            self._there.api.mount(app)
            app.router.add_route("*", "/{path:.*}", forward(ingest.handle, loop))
            app.on_cleanup.append(self._let_go)
            return runner_of(app)

        door = Door(hub, app_of_thread, self._logger)
        host, port = await door.open(*parse_address(address))
        self._door = door
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", hub

    async def _let_go(self, _: web.Application) -> None:
        await self._there.lookup.close()

    async def close(self) -> None:
        """Accept no more connections, and end the reads that the thread serves."""
        if self._door is not None:
            door, self._door = self._door, None
            await door.close()

    async def let_go(self) -> None:
        """Let go of the store, once the hub's own loop serves nobody any more."""
        await self._here.lookup.close()
