"""The door of the ingest listener: reads go to a thread of their own, all else to the hub's loop.

A read at decision time must not wait behind batches of events. So a thread accepts the connections,
looks at how the first request of each begins, and keeps those that read.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

READS: Final = (b"POST /v1/decide", b"GET /v1/stream", b"POST /api/v1/", b"GET /api/v1/")
"""How requests begin that the thread serves."""
_LOOK: Final = max(map(len, READS))
_PATIENCE: Final = 75.0
"""Seconds that a connection may say nothing at all."""
_BACKLOG: Final = 1_024

MakeRunner = Callable[[], web.AppRunner]


class Door:
    """Accepts connections, and gives each to the loop that serves it."""

    def __init__(
        self, hub: web.AppRunner, make_reads: MakeRunner, logger: FilteringBoundLogger
    ) -> None:
        """Serve what reads by the runner that `make_reads` makes, on the thread; the rest by `hub`.

        `hub` is set up and belongs to the running loop.
        """
        self._hub = hub
        self._hub_loop = asyncio.get_running_loop()
        self._make_reads = make_reads
        self._logger = logger
        self._loop = type(self._hub_loop)()
        self._sockets: list[socket.socket] = []
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        self._accepting: list[asyncio.Task[None]] = []
        self._giving: set[asyncio.Task[Any]] = set()
        self._handing: set[asyncio.Task[Any]] = set()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="reads", daemon=True)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the thread."""
        return self._loop

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Listen, and return the address.

        Raises:
            OSError: the address can't be listened on.
        """
        found = await self._hub_loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                self._sockets.append(_listening(family, address))
        except OSError:
            self._shut_sockets()
            raise
        self._thread.start()
        bound = self._sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    async def close(self) -> None:
        """Accept nothing more, and end what the thread serves; the hub ends its own."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            await asyncio.to_thread(self._thread.join)
        self._shut_sockets()

    def _shut_sockets(self) -> None:
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()

    # -- on the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        runner = self._make_reads()
        await runner.setup()
        self._reads = runner.server
        self._accepting = [
            asyncio.create_task(self._accept(listening)) for listening in self._sockets
        ]
        await self._closing.wait()
        for task in self._accepting:
            task.cancel()
        await asyncio.wait(self._accepting)
        for connection in list(self._silent):
            self._drop(connection)
        await runner.cleanup()

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = await self._loop.sock_accept(listening)
            except OSError as error:  # too many open files: those that end make room
                self._logger.error("connections can't be accepted", error=str(error))
                await asyncio.sleep(1.0)
                continue
            connection.setblocking(False)
            self._silent[connection] = self._loop.call_later(_PATIENCE, self._drop, connection)
            self._loop.add_reader(connection.fileno(), self._sort, connection)

    def _sort(self, connection: socket.socket) -> None:
        """Look at how the first request begins, and give the connection to who serves it."""
        try:
            beginning = connection.recv(_LOOK, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            beginning = b""
        if not beginning:
            self._drop(connection)
            return
        self._release(connection)
        if beginning.startswith(READS):
            _serve(self._loop, self._reads, connection, self._giving)
        else:
            self._hub_loop.call_soon_threadsafe(
                _serve, self._hub_loop, self._hub.server, connection, self._handing
            )

    def _release(self, connection: socket.socket) -> None:
        self._silent.pop(connection).cancel()
        self._loop.remove_reader(connection.fileno())

    def _drop(self, connection: socket.socket) -> None:
        self._release(connection)
        connection.close()


def _listening(family: int, address: Any) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"{address[0]}:{address[1]}: {error.strerror}") from None
    return listening


def _serve(
    loop: asyncio.AbstractEventLoop,
    server: Any,
    connection: socket.socket,
    tasks: set[asyncio.Task[Any]],
) -> None:
    """Let `server` serve a connection on `loop`, which must be the running one."""
    if server is None or loop.is_closed():
        connection.close()
        return
    task = loop.create_task(loop.connect_accepted_socket(server, connection))
    tasks.add(task)
    task.add_done_callback(tasks.discard)
