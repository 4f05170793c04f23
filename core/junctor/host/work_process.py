"""A worker process: reads and checks what comes in, builds and sends what goes out.

It holds nothing that must not be lost. The hub hands it connections of the ingest listener, and
asks it to deliver; what comes in it hands to the hub, and answers when that has made it durable.
It ends when the hub does.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from aiohttp import web

from junctor.api.ingest import ANY_PATH
from junctor.api.keep import Brought
from junctor.api.relay import Relay
from junctor.api.sources import Ingest
from junctor.config.load import LoadedConfig, load_connectors
from junctor.delivery.call import bug_of, sensible
from junctor.host.door import Acceptor
from junctor.host.egress import guarded_client
from junctor.host.link import AnswerFailed, Link, LinkLost
from junctor.host.loops import calm_interpreter, collect_now_and_then, loop_factory, runner_of
from junctor.host.plain import ReceivedEvents, plain_brought, plain_error, refusal_of
from junctor.host.registry import Registry
from junctor.host.wiring import destinations_for, push_sources_for
from junctor.sdk.context import SystemClock
from junctor.sdk.destination import Destination
from junctor.sdk.errors import DeliveryError, DestinationUnavailable, PartialFailure
from junctor.sdk.settings import Settings
from junctor.store.port import StoreUnavailable
from junctor.telemetry.log import make_logger, quiet_libraries

_COUNT_SECONDS: Final = 0.5
HUB_PATHS: Final = ("/health/{name}", "/v1/decide", "/v1/stream", "/api/v1/{name}")
"""What the hub answers itself on the ingest listener; see api/ingest.py."""


def main(arguments: Sequence[str]) -> None:
    """Work; `arguments` are file numbers: the link to the hub, and what it hands connections by."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the hub tells when to end
        signal.signal(name, signal.SIG_IGN)
    end, hand = (socket.socket(fileno=int(one)) for one in arguments)
    calm_interpreter()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_work(end, hand))


async def _work(end: socket.socket, hand: socket.socket) -> None:
    await Worker(hand).run(end)


class Worker:
    """One worker process, from its first configuration to its end."""

    def __init__(self, hand: socket.socket) -> None:
        """Take connections that come by `hand`."""
        self._hand = hand
        self._logger = make_logger()
        self._answered: Counter[tuple[str, int]] = Counter()
        self._clock = SystemClock()
        self._started = False
        self._http: httpx.AsyncClient | None = None
        self._destinations: dict[str, Destination[Settings]] = {}
        self._events = ReceivedEvents()

    async def run(self, end: socket.socket) -> None:
        """Serve the hub that is at the other end, until it is gone."""
        self._link = Link(
            {
                "configure": self._configure,
                "drain": self._drain,
                "start": self._start,
                "stop": self._stop,
                "deliver": self._deliver,
                "well": self._well,
            },
            {},
            self._logger,
        )
        await self._link.open(end)
        tasks = [asyncio.create_task(one) for one in (self._count(), collect_now_and_then())]
        await self._link.lost.wait()
        for task in tasks:
            task.cancel()
        os._exit(0)  # whatever is still under way, nobody hears of it any more

    # -- life ------------------------------------------------------------------------------------

    async def _configure(self, said: Any) -> None:
        """Work by a configuration.

        `said` are its path and text, the hub's socket file, and how many workers there are.
        """
        path, text, relay, count = said
        loaded = load_connectors(Path(path), text, Registry.discover(), os.environ)
        self._loaded = loaded
        before, self._http = self._http, guarded_client(loaded.config.egress.allow)
        if not self._started:
            self._started = True
            self._logger = make_logger(loaded.config.log.level, loaded.config.log.format)
            quiet_libraries(self._logger)
            await self._open(loaded, Path(relay))
        server = loaded.config.server
        self._ingest.configure(
            server.model_copy(
                update={"max_pending": max(server.max_pending // count, server.max_body)}
            ),
            push_sources_for(loaded, self._http, self._clock, self._logger),
        )
        self._destinations = dict(destinations_for(loaded, self._http, self._clock, self._logger))
        if before is not None:
            await before.aclose()

    async def _open(self, loaded: LoadedConfig, relay: Path) -> None:
        """Take connections from now on."""
        self._ingest = Ingest(
            self, clock=self._clock, answered=self._note_answer, logger=self._logger
        )
        self._relay = Relay(relay)
        app = web.Application()
        for one in HUB_PATHS:
            app.router.add_route("*", one, self._relay.handle)
        app.router.add_route("*", ANY_PATH, self._ingest.handle)
        self._runner = runner_of(app, loaded.config.server.drain_timeout)
        await self._runner.setup()
        self._acceptor = Acceptor(lambda: self._runner.server)
        self._hand.setblocking(False)
        asyncio.get_running_loop().add_reader(self._hand.fileno(), self._take)

    def _take(self) -> None:
        """Take connections that the hub hands over."""
        while True:
            try:
                said, numbers, _, _ = socket.recv_fds(self._hand, 64, 16)
            except BlockingIOError:
                return
            except OSError:
                said, numbers = b"", []
            if not said:
                asyncio.get_running_loop().remove_reader(self._hand.fileno())
                return
            if not numbers:
                self._logger.error("connections can't be accepted", error="too many open files")
            for number in numbers:
                os.set_inheritable(number, False)
                self._acceptor.serve(socket.socket(fileno=number))

    async def _well(self, _: Any) -> None:
        """Show that this process is not stuck."""

    async def _drain(self, _: Any) -> None:
        """Answer what has come in, and take in nothing more."""
        self._ingest.draining = True
        await self._runner.cleanup()
        await self._relay.close()
        self._tell_counts()

    # -- what comes in ---------------------------------------------------------------------------

    def backlog(self) -> int:
        """See Keeper; the hub itself lets nobody in before there is room."""
        return 0

    async def keep(self, brought: Brought) -> None:
        """See Keeper."""
        try:
            refused = await self._link.ask("keep", plain_brought(brought))
        except (LinkLost, AnswerFailed) as error:
            raise StoreUnavailable(str(error)) from None
        if refused is not None:
            raise refusal_of(refused)

    def _note_answer(self, source: str, status: int) -> None:
        self._answered[source, status] += 1

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(_COUNT_SECONDS)
            self._tell_counts()

    def _tell_counts(self) -> None:
        if self._answered:
            counts, self._answered = self._answered, Counter()
            self._link.tell("answered", [(*key, number) for key, number in counts.items()])

    # -- what goes out ---------------------------------------------------------------------------

    async def _start(self, id: str) -> Any:
        return await self._outcome(self._destinations[id].start)

    async def _stop(self, id: str) -> Any:
        return await self._outcome(self._destinations[id].stop)

    def _deliver(self, said: Any) -> Coroutine[Any, Any, Any]:
        id, plain = said
        events = self._events.of(plain)  # at once: in the order in which they came
        return self._outcome(lambda: self._destinations[id].deliver(events), len(events))

    async def _outcome(self, work: Callable[[], Awaitable[None]], events: int = 0) -> Any:
        """Return None, or the plain error that a connector's work ended with."""
        try:
            await work()
        except PartialFailure as error:
            return plain_error(sensible(error, events))
        except DeliveryError as error:
            return plain_error(error)
        except TimeoutError:
            return plain_error(DestinationUnavailable("the connector gave up waiting"))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return plain_error(bug_of(error))
        except Exception as error:
            return plain_error(bug_of(error))
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
