"""The side of the hub that readers see: decisions, streams, and the listener that leads to both.

Where there are readers, a process of its own serves them, which waits for nothing the hub does. It
accepts all connections of the listener and hands the hub those that bring events. The hub answers
reads as well: over connections that began with events, and as long as there is no such process.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from junctor.api.history import History
from junctor.api.ingest import ingest_app
from junctor.api.operations import Operations
from junctor.api.profile_reads import ProfileReads, Serving
from junctor.api.read_api import ReadApi
from junctor.api.readers import ReaderKeys
from junctor.api.relay import as_the_client
from junctor.api.sources import Ingest
from junctor.config.address import parse_address
from junctor.config.load import LoadedConfig
from junctor.host.brief import Brief, Raw
from junctor.host.door import Accepting, Acceptor, listen
from junctor.host.loops import runner_of
from junctor.host.read_child import ReadChild
from junctor.host.wiring import idles_of
from junctor.model.membership import Told
from junctor.sdk.context import Clock
from junctor.store.port import Store

RELAY: Final = "reads.sock"
"""The socket file, in the store's folder, over which the process of reads reaches the hub."""
_NO_SUCH_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""A name may stand for addresses that this machine does not have."""
_END_SECONDS: Final = 2.0
"""What the process gets to end beyond the time that connections get."""


class ReadSide:
    """Serves readers, and opens the listener that they share with the sources."""

    def __init__(
        self,
        store: Store,
        serving: Callable[[], Serving],
        raw: Callable[[], tuple[Raw, Raw | None]],
        clock: Clock,
        logger: FilteringBoundLogger,
        *,
        apart: bool,
        pass_on: Callable[[socket.socket], bool] | None = None,
    ) -> None:
        """Read from `store` by what `serving` returns; in a process of its own if `apart`.

        `raw` returns the tables that it was made of, and those of what is wanted, if they differ.
        `pass_on` gives a connection that brings events to another process, which reaches the hub
        over the socket file as well, and returns whether one took it.
        """
        self._store = store
        self._serving = serving
        self._raw = raw
        self._clock = clock
        self._logger = logger
        self._apart = apart
        self._pass_on = pass_on
        self.served_apart = asyncio.Event()
        """Set while a process of reads accepts the connections."""
        self._lookup = store.lookup()
        self._reads = ProfileReads(self._lookup, serving, clock)
        self._api = ReadApi(clock=clock, logger=logger, history=History(self._lookup))
        self._child: ReadChild | None = None
        self._listening: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._accepting: Accepting | None = None
        self._relay: Path | None = None

    async def start(self) -> None:
        """Learn which audiences other hubs have told of."""
        self._reads.learn(await self._store.memberships.told_by_others())

    def configure(self, loaded: LoadedConfig) -> None:
        """Serve the readers of this configuration from the next request on."""
        self._loaded = loaded
        self._keys = {
            id: ReaderKeys(
                reader.key.get_secret_value(),
                reader.origins,
                reader.signing_secret.get_secret_value() if reader.signing_secret else None,
            )
            for id, reader in loaded.config.readers.items()
        }
        self._api.configure(loaded.config.server, self._reads, self._keys)
        self.refresh()

    def refresh(self) -> None:
        """Read by other definitions from now on."""
        if self._child is not None:
            self._child.send(self._brief())
        elif self._apart and self._relay is not None and self._keys:
            self._child = ReadChild(
                self._listening, self._serve, self._accepted_apart, self._brief,
                self._clock, self._logger,
            )  # fmt: skip

    def publish(self, told: Sequence[Told]) -> None:
        """Tell whoever watches of committed transitions."""
        self._reads.publish(told)
        if self._child is not None:
            self._child.send(list(told))

    async def open(
        self, ingest: Ingest, operations: Operations, address: str
    ) -> tuple[str, Sequence[web.AppRunner]]:
        """Listen at `address`; return the address and the runners of the hub's own loop.

        Raises:
            OSError: it can't be listened on.
        """
        host, port = parse_address(address)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, where in dict.fromkeys(found):
            try:
                self._listening.append(listen(family, where))
            except OSError as error:
                last = (family, where) == (found[-1][0], found[-1][4])
                if error.errno not in _NO_SUCH_FAMILY or (last and not self._listening):
                    self._close_listening()
                    raise
        drain = self._loaded.config.server.drain_timeout
        hub = runner_of(ingest_app(ingest, operations, self._api), drain)
        await hub.setup()
        self._acceptor = Acceptor(lambda: hub.server)
        assert hub.server is not None  # it has just been set up
        self._server = hub.server
        runners = [hub]
        if self._apart or self._pass_on is not None:
            relayed = ingest_app(ingest, operations, self._api)
            relayed.middlewares.append(as_the_client)
            runners.append(inner := runner_of(relayed, drain))
            await inner.setup()
            self._relay = await self._listen_to_relay(inner)
        await self._accept_here()
        self.refresh()
        return url_of(self._listening[0].getsockname()), runners

    async def close(self) -> None:
        """Accept no more connections, and end the reads that are served apart."""
        child, self._child = self._child, None
        accepting = self._accepting
        self._accept_no_more()
        if accepting is not None:
            await accepting.close()
        self._close_listening()
        if child is not None:
            await child.close(self._loaded.config.server.drain_timeout + _END_SECONDS)

    async def let_go(self) -> None:
        """Let go of the store, once the hub serves nobody any more."""
        await self._lookup.close()
        if self._relay is not None:
            self._relay.unlink(missing_ok=True)

    # -- who accepts -----------------------------------------------------------------------------

    def _serve(self, connection: socket.socket) -> None:
        """Let a worker serve a connection, or serve it here."""
        if self._pass_on is None or self._relay is None or not self._pass_on(connection):
            self._acceptor.serve(connection)

    async def _accept_here(self) -> None:
        if self._pass_on is not None:
            self._accepting = Accepting(self._listening, self._serve, self._logger)
            return
        loop = asyncio.get_running_loop()
        for one in self._listening:
            self._servers.append(await loop.create_server(self._server, sock=one.dup()))

    def _accept_no_more(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._accepting is not None:
            self._accepting.end()
            self._accepting = None

    def _accepted_apart(self, apart: bool) -> None:
        """Accept connections here, as long as no other process does."""
        if apart:
            self.served_apart.set()
            self._accept_no_more()
            return
        self.served_apart.clear()
        if self._child is not None and not self._servers and self._accepting is None:
            self._starting = asyncio.create_task(self._accept_here())

    def _close_listening(self) -> None:
        for one in self._listening:
            one.close()
        self._listening.clear()

    # -- the process of reads --------------------------------------------------------------------

    async def _listen_to_relay(self, runner: web.AppRunner) -> Path | None:
        """Listen at a socket file in the store's folder; None if there can't be one."""
        path = relay_path(self._loaded.config.store.path)
        try:
            path.unlink(missing_ok=True)  # of a hub that was killed
            await web.UnixSite(runner, str(path)).start()
            path.chmod(0o600)
        except OSError as error:  # a path that is too long, or a disk that has no such files
            self._logger.warning(
                "the hub answers all reads itself: no socket file can be made", error=str(error)
            )
            return None
        return path

    def _brief(self) -> Brief:
        config, serves = self._loaded.config, self._serving()
        serving, wanted = self._raw()
        return Brief(
            store=str(config.store.path),
            relay=str(self._relay),
            log_level=config.log.level,
            log_format=config.log.format,
            body_timeout=config.server.body_timeout,
            drain_timeout=config.server.drain_timeout,
            readers=self._keys,
            serving=serving,
            wanted=wanted,
            unfinished=sorted(serves.unfinished),
            kinds=sorted(serves.kinds),
            idles=idles_of(self._loaded),
            told=sorted(self._reads.told_by_others),
        )


def relay_path(store: Path) -> Path:
    """Return the socket file in a store's folder, as seen from here if that is shorter.

    The path of a socket has to be short.
    """
    path = store / RELAY
    return min(path, Path(os.path.relpath(path)), key=lambda one: len(os.fsencode(one)))


def url_of(bound: Any) -> str:
    """Return the URL of a bound address."""
    return f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"
