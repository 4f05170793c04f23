"""Stand-ins for Statsig, Slack and a CRM: HTTP servers on loopback that check every request."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Final

from aiohttp import web

from junctor.demo.shoppers import Move
from junctor.demo.wire import Reading, Received, Refused, read_signed, read_slack, read_statsig
from junctor.sdk.context import Clock

CRM_PATH: Final = "/crm"


class Vendor(ABC):
    """One server; counts what it sees. `id` is its destination's in the configuration."""

    id: str

    def __init__(self, clock: Clock) -> None:
        """Prepare; `start` listens."""
        self.clock = clock
        self.url = ""
        self.requests = 0
        self.refused = 0
        """Requests answered by an error, or not at all."""
        self.arrived: dict[str, float] = {}
        """Key of each event taken, and when it first came, in monotonic seconds."""
        self.moves: dict[str, Move] = {}
        """By key, those of the events taken that tell of audiences."""
        self.repeats = 0
        """Events that came again after they had been taken."""
        self.faults: Counter[str] = Counter()
        """What broke the wire format, and how often."""
        self.down = False
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def read(self, request: Received) -> Reading:
        """Read a request, or raise `Refused`."""

    @abstractmethod
    def answer(self, request: web.Request) -> web.Response:
        """Return the answer to a request that was taken."""

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests += 1
        body = await request.read()
        if self.down:
            self.refused += 1
            return self.outage(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            reading = self.read(Received(request.method, request.path, body, headers))
        except Refused as refusal:
            self.refused += 1
            self.faults[str(refusal)] += 1
            return web.Response(status=refusal.status, text=refusal.answer)
        self.faults.update(reading.faults)
        self.moves.update(reading.moves)
        for key in reading.keys:
            if key in self.arrived:
                self.repeats += 1
            else:
                self.arrived[key] = self.clock.monotonic()
        return self.answer(request)

    def outage(self, request: web.Request) -> web.Response:
        """Return what a vendor that is down answers."""
        return web.Response(status=503, text="down for maintenance")


class Statsig(Vendor):
    """`POST /v1/log_event`; answers 202 whatever is wrong with single events, as Statsig does."""

    id = "statsig"

    def __init__(self, clock: Clock, key: str) -> None:
        """Take events of the project with this server secret."""
        super().__init__(clock)
        self._key = key

    def read(self, request: Received) -> Reading:
        """Read a batch of events."""
        return read_statsig(request, self._key, round(self.clock.now() * 1000))

    def answer(self, request: web.Request) -> web.Response:
        """Return the documented answer."""
        return web.json_response({"success": True}, status=202)


class Slack(Vendor):
    """An incoming webhook of one channel, which answers in plain text."""

    def __init__(self, clock: Clock, path: str, id: str = "alerts") -> None:
        """Serve the webhook at this path."""
        super().__init__(clock)
        self.id = id
        self._path = path

    def read(self, request: Received) -> Reading:
        """Read a message."""
        return read_slack(request, self._path)

    def answer(self, request: web.Request) -> web.Response:
        """Return Slack's `ok`."""
        return web.Response(text="ok")


class Crm(Vendor):
    """A receiver of Standard Webhooks that fails for a while, in all the ways servers fail.

    Before it goes down it takes one last event without answering: the sender can't know that and
    must send it again. `webhook-id` shows that it is the same.
    """

    id = "crm"

    def __init__(self, clock: Clock, secret: str) -> None:
        """Verify signatures made with this secret."""
        super().__init__(clock)
        self._secret = secret
        self._dying = False
        self.lost_answers = 0
        """Events taken whose sender was not told so."""

    @property
    def failing(self) -> bool:
        """Whether it is down or about to be."""
        return self._dying or self.down

    def fail(self) -> None:
        """Go down with the next request."""
        self._dying = True

    def recover(self) -> None:
        """Serve again."""
        self._dying = self.down = False

    def read(self, request: Received) -> Reading:
        """Verify the signature and read the event."""
        return read_signed(request, CRM_PATH, self._secret, self.clock.now())

    def answer(self, request: web.Request) -> web.Response:
        """Return an empty 204, which is success as any 2xx; or fall silent and go down."""
        if not self._dying:
            return web.Response(status=204)
        self._dying, self.down = False, True
        self.lost_answers += 1
        return _hang_up(request)

    def outage(self, request: web.Request) -> web.Response:
        """Answer 503 and break the connection by turns."""
        return _hang_up(request) if self.refused % 2 else super().outage(request)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
