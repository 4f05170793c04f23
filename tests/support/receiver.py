"""A stand-in vendor on loopback: answers as it is told, and keeps every request with its time."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson
from aiohttp import web


@dataclass(frozen=True)
class Answer:
    """What the vendor says. Status 0 cuts the connection instead."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)


OK = Answer()
ACCEPTED = Answer(202, b'{"success":true}', {"content-type": "application/json"})
CUT = Answer(0)


@dataclass(frozen=True)
class Received:
    """One request; `body` is decompressed, header names are lower case, `at` monotonic seconds."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of any of the built-in destinations' bodies."""
        body = self.json
        if isinstance(body, list):
            return body
        return list(body["events"]) if "statsigMetadata" in body else [body]

    @cached_property
    def message_ids(self) -> list[str]:
        return [event.get("messageId") or event["metadata"]["messageId"] for event in self.events]


Judge = Callable[[Received], Awaitable[Answer]]


class Receiver:
    """Paths are independent of each other; one that nobody set up answers 200."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        """All requests, as they came."""
        self.taken: list[Received] = []
        """Those that were answered with 2xx: what the vendor has."""
        self.address = ""
        self._answers: dict[str, Answer] = {}
        self._scripts: dict[str, deque[Answer]] = {}
        self._judges: dict[str, Judge] = {}
        self._news = asyncio.Condition()

    # -- what to answer --------------------------------------------------------------------------

    def always(self, path: str, answer: Answer) -> None:
        """Answer so whenever nothing else is said."""
        self._judges.pop(path, None)
        self._answers[path] = answer

    def script(self, path: str, answers: Iterable[Answer]) -> None:
        """Answer so first, one a request."""
        self._scripts[path] = deque(answers)

    def judge(self, path: str, judge: Judge) -> None:
        """Let a coroutine decide; it may take its time."""
        self._judges[path] = judge

    # -- what came -------------------------------------------------------------------------------

    def at(self, path: str) -> list[Received]:
        """Return the requests to `path` that were taken."""
        return [request for request in self.taken if request.path == path]

    def counts(self, path: str) -> Counter[str]:
        """Return how often each message id was taken at `path`."""
        return Counter(id for request in self.at(path) for id in request.message_ids)

    async def until(self, true: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until `true` holds; it is asked after every request."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(true)

    # -- serving ---------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(
            request.path,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
            time.monotonic(),
        )
        self.requests.append(received)
        await self._tell()
        answer = await self._decide(received)
        if answer.status == 0:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if answer.status < 300:
            self.taken.append(received)
            await self._tell()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def _decide(self, received: Received) -> Answer:
        script = self._scripts.get(received.path)
        if script:
            return script.popleft()
        judge = self._judges.get(received.path)
        if judge is not None:
            return await judge(received)
        return self._answers.get(received.path, OK)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[None]:
        """Serve on loopback, on any free port unless told which."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    async with receiver.listening(port):
        yield receiver


def batches(events: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield `events` in pieces."""
    for start in range(0, len(events), size):
        yield events[start : start + size]
