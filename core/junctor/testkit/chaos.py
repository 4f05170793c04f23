"""A vendor that misbehaves as told: a real HTTP server on loopback, for tests of whole deliveries.

    async with ChaosReceiver() as vendor:
        vendor.script("/events", [Answer(500), answers.RESET])
        ...                                     # deliver to vendor.address + "/events"
        assert vendor.counts("/events") == {"m-1": 1}

Everything that arrives is kept in order. `junctor.testkit.answers` has what a vendor may say.
"""

import asyncio
import math
import socket
import ssl
import struct
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import orjson
from aiohttp import web

from junctor.sdk import Clock, SystemClock
from junctor.testkit.answers import OK, RESET, Answer, Cut

LOOPBACK: Final = Path(__file__).with_name("certificates") / "loopback.pem"
"""Key and certificate of 127.0.0.1 and localhost, signed by nobody but itself."""
ELSEWHERE: Final = LOOPBACK.with_name("elsewhere.pem")
"""The same for a host that this one is not."""
_MOST_BYTES: Final = 2**26


class Received:
    """One request: `body` is decompressed, header names are lower case.

    `at` is when it came, monotonic seconds; `answer` what it got, None until that is decided.
    """

    def __init__(
        self, path: str, headers: Mapping[str, str], body: bytes, at: float, vendor: "ChaosReceiver"
    ) -> None:
        """Keep what came to `vendor`, who knows the events in it."""
        self.path = path
        self.headers = headers
        self.body = body
        self.at = at
        self.answer: Answer | None = None
        self._vendor = vendor

    @property
    def json(self) -> Any:
        """The parsed body, None when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The events in it."""
        return self._vendor.events_of(self)

    @cached_property
    def messages(self) -> list[tuple[str, dict[str, Any]]]:
        """Message id and event, of the events that have one."""
        named = ((self._vendor.message_id(event), event) for event in self.events)
        return [(id, event) for id, event in named if id is not None]

    @property
    def message_ids(self) -> list[str]:
        """The message ids, in order."""
        return [id for id, _ in self.messages]


Judge = Callable[[Received], Answer | Awaitable[Answer]]
"""Decides on a request's answer; one that is a coroutine may take its time."""


def by_message(script: Callable[[Mapping[str, Any]], Sequence[Answer]]) -> Judge:
    """Return who gives each event the answers of its own script, one each time that it comes.

    The last answer stays. In a list of events the first answer that does not take speaks for all.
    """
    seen: Counter[str] = Counter()

    def judge(request: Received) -> Answer:
        said = OK
        for id, event in request.messages:
            answers = script(event)
            mine = answers[min(seen[id], len(answers) - 1)]
            seen[id] += 1
            if said.takes and not mine.takes:
                said = mine
        return said

    return judge


def by_user(scripts: Mapping[str, Sequence[Answer]], other: Answer = OK) -> Judge:
    """Return who gives every message of a user the user's answers, each message from the first."""
    return by_message(lambda event: scripts.get(str(event.get("userId")), (other,)))


def flapping(up: int, down: int, well: Answer = OK, ill: Answer = RESET) -> Judge:
    """Return who is well for `up` requests, then ill for `down`, and so on."""
    count = 0

    def judge(_: Received) -> Answer:
        nonlocal count
        count += 1
        return well if (count - 1) % (up + down) < up else ill

    return judge


def flapping_in_time(up: float, down: float, well: Answer = OK, ill: Answer = RESET) -> Judge:
    """Return who is well for `up` seconds since the first request, then ill for `down`, so on."""
    first: float | None = None

    def judge(request: Received) -> Answer:
        nonlocal first
        first = request.at if first is None else first
        return well if (request.at - first) % (up + down) < up else ill

    return judge


class ChaosReceiver:
    """The server. Paths are independent; one that nobody set up answers 200.

    `async with` runs it; `down` closes the port (connections are refused), `up` opens it again.
    Override `events_of` and `message_id` where bodies are not Segment-shaped.
    """

    def __init__(
        self, *, port: int = 0, certificate: Path | None = None, clock: Clock | None = None
    ) -> None:
        """Serve on `port` (0: any free one), by TLS where a `certificate` is given.

        `clock` is what it waits by.
        """
        self.requests: list[Received] = []
        """All requests, as they came."""
        self.taken: list[Received] = []
        """Those that were answered with 2xx: what the sender may count as delivered."""
        self.open = 0
        """How many requests wait for their answer or read it."""
        self._port = port
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._clock = clock or SystemClock()
        self._usual: dict[str, Judge] = {}
        self._first: dict[str, deque[Answer]] = {}
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._reserved: socket.socket | None = None

    # -- what to answer --------------------------------------------------------------------------

    def always(self, path: str, answer: Answer) -> None:
        """Answer so whenever nothing else is said."""
        self._usual[path] = lambda _: answer

    def script(self, path: str, answers: Iterable[Answer]) -> None:
        """Answer so first, one a request."""
        self._first[path] = deque(answers)

    def judge(self, path: str, judge: Judge) -> None:
        """Let a function decide: `by_user`, `by_message`, `flapping`, or one's own."""
        self._usual[path] = judge

    # -- what came -------------------------------------------------------------------------------

    def events_of(self, request: Received) -> list[dict[str, Any]]:
        """Return the events of a request whose body is one of them, or a list."""
        body = request.json
        events = body if isinstance(body, list) else [body]
        return [event for event in events if isinstance(event, dict)]

    def message_id(self, event: Mapping[str, Any]) -> str | None:
        """Return what tells an event from all others, None where it has no such thing."""
        return event.get("messageId")

    def at(self, path: str) -> list[Received]:
        """Return the requests to `path` that were taken."""
        return [request for request in self.taken if request.path == path]

    def counts(self, path: str) -> Counter[str]:
        """Return how often each message was taken at `path`."""
        return _count(self.at(path))

    def sends(self, path: str) -> Counter[str]:
        """Return how often each message came to `path`, whatever the answer."""
        return _count(request for request in self.requests if request.path == path)

    async def until(self, true: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until `true` holds; it is asked after whatever happens.

        Raises:
            TimeoutError: it did not within `seconds`.
        """
        async with asyncio.timeout(seconds):
            while not true():
                self._news.clear()
                await self._news.wait()

    # -- serving ---------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Scheme, host and port; they stay the same when it goes down and up."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    async def up(self) -> None:
        """Listen."""
        if self._runner is not None:
            return
        self._reserve()
        assert self._reserved is not None
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await self._runner.setup()
        listener, self._reserved = self._reserved, None
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()

    async def down(self) -> None:
        """Cut all connections and refuse new ones; the port stays reserved."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        self._reserve()

    async def __aenter__(self) -> Self:
        """Go up."""
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Go down and give the port back."""
        await self.down()
        if self._reserved is not None:
            self._reserved.close()

    def _reserve(self) -> None:
        """Bind the port without listening: it is ours, and refuses."""
        if self._reserved is None:
            self._reserved = socket.socket()
            self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._reserved.bind(("127.0.0.1", self._port))
            self._port = self._reserved.getsockname()[1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        at = time.monotonic()
        received = Received(request.path, headers, await request.read(), at, self)
        self.requests.append(received)
        self.open += 1
        self._news.set()
        try:
            answer = received.answer = await self._decide(received)
            if answer.after:
                await self._wait(answer.after)
            if answer.takes:
                self.taken.append(received)
                self._news.set()
            return await self._say(answer, request)
        finally:
            self.open -= 1
            self._news.set()

    async def _decide(self, received: Received) -> Answer:
        first = self._first.get(received.path)
        if first:
            return first.popleft()
        judge = self._usual.get(received.path)
        if judge is None:
            return OK
        said = judge(received)
        return said if isinstance(said, Answer) else await said

    async def _wait(self, seconds: float) -> None:
        if math.isinf(seconds):
            await asyncio.get_running_loop().create_future()  # until the client or the test leaves
        await self._clock.sleep(seconds)

    async def _say(self, answer: Answer, request: web.Request) -> web.StreamResponse:
        if answer.cut is Cut.BEFORE_THE_ANSWER:
            _reset(request)
            return web.Response()
        if not answer.pause and answer.cut is None:
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = len(answer.body)
        await response.prepare(request)
        body = answer.body if answer.cut is None else answer.body[: len(answer.body) // 2]
        if not answer.pause:
            await response.write(body)
        else:
            for start in range(0, len(body), answer.piece):
                await response.write(body[start : start + answer.piece])
                await self._clock.sleep(answer.pause)
        if answer.cut is not None:
            _reset(request)
        return response


def _reset(request: web.Request) -> None:
    """Close the connection with RST, not with FIN."""
    transport = request.transport
    if transport is not None:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


def _count(requests: Iterable[Received]) -> Counter[str]:
    return Counter(id for request in requests for id in request.message_ids)
