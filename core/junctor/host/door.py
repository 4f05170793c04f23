"""The door of the ingest listener: connections that read stay here, all others go to the hub.

A read at decision time must not wait behind batches of events. So the process of reads accepts the
connections, looks at how the first request of each begins, and keeps those that read.
"""

import asyncio
import resource
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

READS: Final = (b"POST /v1/decide", b"GET /v1/stream", b"POST /api/v1/", b"GET /api/v1/")
"""How requests begin that are served here."""
_LOOK: Final = max(map(len, READS))
_PATIENCE: Final = 75.0
"""Seconds that a connection may say nothing at all."""
_MOST_SILENT: Final = 10_000
"""Connections that have said nothing yet, or half of the open files: the oldest make room."""
GIVEN: Final = b"c"
"""What comes with a connection that is handed over."""


class Accepting:
    """Accepts connections of listening sockets. Use it on the running loop."""

    def __init__(
        self,
        listening: Sequence[socket.socket],
        take: Callable[[socket.socket], None],
        logger: FilteringBoundLogger,
    ) -> None:
        """Give each connection to `take`."""
        self._take = take
        self._logger = logger
        self._tasks = [asyncio.create_task(self._accept(one)) for one in listening]

    async def close(self) -> None:
        """Accept nothing more."""
        self.end()
        await asyncio.wait(self._tasks)

    def end(self) -> None:
        """Accept nothing more, as soon as the loop comes to it."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except ConnectionError:  # it was gone before it came to its turn
                continue
            except OSError as error:  # too many open files: those that end make room
                self._logger.error("connections can't be accepted", error=str(error))
                await asyncio.sleep(1.0)
                continue
            connection.setblocking(False)
            self._take(connection)


class Door:
    """Accepts connections, and gives each to who serves it. Use it on the running loop."""

    def __init__(
        self,
        listening: Sequence[socket.socket],
        keep: Callable[[socket.socket], None],
        give: Callable[[socket.socket], None],
        logger: FilteringBoundLogger,
    ) -> None:
        """Accept from the sockets `listening`; `keep` serves reads, `give` takes all else."""
        self._loop = asyncio.get_running_loop()
        self._keep = keep
        self._give = give
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most_silent = min(_MOST_SILENT, files // 2)
        self._accepting = Accepting(listening, self._let_in, logger)

    async def close(self) -> None:
        """Accept nothing more, and drop those that have said nothing yet."""
        await self._accepting.close()
        for connection in list(self._silent):
            self._drop(connection)

    def _let_in(self, connection: socket.socket) -> None:
        if len(self._silent) >= self._most_silent:
            self._drop(next(iter(self._silent)))
        self._silent[connection] = self._loop.call_later(_PATIENCE, self._drop, connection)
        self._loop.add_reader(connection.fileno(), self._sort, connection)

    def _sort(self, connection: socket.socket) -> None:
        """Look at how the first request begins, and give the connection to who serves it.

        What may become a read is kept, too: a beginning is only looked at, so that waiting for the
        rest would mean to look again and again. Whatever comes is served here as well.
        """
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
        if beginning.startswith(READS) or any(read.startswith(beginning) for read in READS):
            self._keep(connection)
        else:
            self._give(connection)

    def _release(self, connection: socket.socket) -> None:
        self._silent.pop(connection).cancel()
        self._loop.remove_reader(connection.fileno())

    def _drop(self, connection: socket.socket) -> None:
        self._release(connection)
        connection.close()


class Giver:
    """Hands connections to the hub, over a socket between both processes."""

    def __init__(self, hub: socket.socket) -> None:
        """Use the (non-blocking) socket `hub`, whose other end the hub has."""
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[socket.socket] = deque()

    def give(self, connection: socket.socket) -> None:
        """Hand a connection over, now or as soon as there is room."""
        self._waiting.append(connection)
        if len(self._waiting) == 1:
            self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting:
            connection = self._waiting[0]
            try:
                socket.send_fds(self._hub, [GIVEN], [connection.fileno()])
            except BlockingIOError:
                self._loop.add_writer(self._hub.fileno(), self._hand_over)
                return
            except OSError:  # the hub is gone, and this process soon will be
                pass
            self._waiting.popleft().close()
        self._loop.remove_writer(self._hub.fileno())


class Acceptor:
    """Lets an aiohttp server serve connections that were accepted elsewhere."""

    def __init__(self, server: Callable[[], Any]) -> None:
        """Serve by what `server` returns; None once it has ended. Use it on the running loop."""
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()

    def serve(self, connection: socket.socket) -> None:
        """Serve a connection."""
        server = self._server()
        if server is None:
            connection.close()
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(server, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def listen(family: int, address: Any, backlog: int = 1_024) -> socket.socket:
    """Return a socket that listens.

    Raises:
        OSError: the address can't be listened on.
    """
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(backlog)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"{address[0]}:{address[1]}: {error.strerror}") from None
    return listening
