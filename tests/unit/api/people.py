"""People that can be read without an engine, and a listener that reads them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp import web
from structlog.testing import LogCapture

from junctor.api.history import History
from junctor.api.ids import Id
from junctor.api.read_api import ReadApi
from junctor.api.readers import ReaderKeys
from junctor.api.reads import Reading, Transition, Wanted
from junctor.audiences.nodes import Service
from junctor.config.model import Server
from junctor.testkit.doubles import START, ManualClock, capturing_log
from tests.support.client import until as polled

KEY: Final = "read-key"
SECRET: Final = "signing-secret"
SHOP: Final = "https://shop.example"
READERS: Final = {
    "app": ReaderKeys(KEY),
    "site": ReaderKeys("site-key", (SHOP,), SECRET),
    "blog": ReaderKeys("blog-key", ("https://blog.example",), "blog-secret"),
}
BEARER: Final = {"authorization": f"Bearer {KEY}"}
NOW: Final = round(START * 1000)

VALUES: Final[Mapping[str, Any]] = {
    "ltv_band": "high",
    "last_product_category": "boots",
    "clicks": 3,
}


@dataclass
class FakeReads:
    """One person, `p-9`: known as u-1, a-1 and in session 7."""

    kinds: Collection[str] = ("user_id", "anonymous_id", "email", "session_id")
    attributes: Collection[str] = field(default_factory=VALUES.keys)
    audiences: Collection[str] = ("high_intent", "churn_risk")
    scores: Collection[str] = ("readiness",)
    services: Mapping[str, Service] = field(
        default_factory=lambda: {
            "statsig_attributes": Service(
                "statsig_attributes", ("ltv_band", "last_product_category")
            ),
            "everything": Service("everything", ("clicks",), ("high_intent",), ("readiness",)),
        }
    )
    ids: frozenset[tuple[str, str]] = frozenset(
        {("user_id", "u-1"), ("anonymous_id", "a-1"), ("session_id", "7")}
    )
    change: int | None = NOW + 60_000
    degraded: Sequence[str] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    failure: Exception | None = None
    watchers: set[asyncio.Queue[Transition | None]] = field(default_factory=set)
    watched: int = 0

    async def read(self, ids: Sequence[Mapping[str, str]], wanted: Wanted) -> list[Reading]:
        if self.failure is not None:
            raise self.failure
        return [self.reading(one, wanted) for one in ids]

    def reading(self, ids: Mapping[str, str], wanted: Wanted) -> Reading:
        known = any(id in self.ids for id in ids.items())
        return Reading(
            "p-9" if known else None,
            {name: VALUES[name] if known else None for name in wanted.attributes},
            {name: known and name == "high_intent" for name in wanted.audiences},
            {name: 14.2 if known else 0.0 for name in wanted.scores},
            NOW,
            self.ready,
            self.change if known else None,
            self.degraded,
            self.errors,
        )

    async def watch(self) -> AsyncIterator[Transition]:
        queue: asyncio.Queue[Transition | None] = asyncio.Queue()
        self.watchers.add(queue)
        self.watched += 1
        try:
            while (transition := await queue.get()) is not None:
                yield transition
        finally:
            self.watchers.discard(queue)

    def happens(self, transition: Transition | None) -> None:
        """Let every watcher see a transition; None: there come no more."""
        for queue in self.watchers:
            queue.put_nowait(transition)


def entry(
    audience: str = "high_intent", *, entered: bool = True, id: int = 0, **ids: str
) -> Transition:
    """Return a transition of u-1, or of whoever has `ids`."""
    known = ids or {"user_id": "u-1", "anonymous_id": "a-1"}
    return Transition(
        "p-9", {kind: [value] for kind, value in known.items()}, audience, entered, NOW, "event", id
    )


class FakeHistory(History):
    """Transitions that somebody missed, whoever asks."""

    def __init__(self, *transitions: Transition) -> None:
        self.transitions = transitions
        self.asked: list[tuple[int, Sequence[Id], int]] = []
        self.failure: Exception | None = None

    async def newest(self) -> int:
        if self.failure is not None:
            raise self.failure
        return max((one.id for one in self.transitions), default=0)

    async def after(self, id: int, of: Sequence[Id], most: int) -> list[Transition]:
        self.asked.append((id, of, most))
        return [one for one in self.transitions if one.id > id]


async def until(true: Callable[[], bool]) -> None:
    """Wait for what happens on the other side of a socket."""

    async def asked() -> bool:
        return true()

    await polled(asked)


@dataclass
class Listener:
    """A listener on the loopback, and how to talk to it."""

    url: str
    reads: FakeReads
    api: ReadApi
    clock: ManualClock
    log: LogCapture
    session: aiohttp.ClientSession

    async def decide(self, body: Any, **headers: str) -> tuple[int, Any]:
        """Return status and answer; with the key of `app` unless there are `headers`."""
        async with self.session.post(
            f"{self.url}/v1/decide", json=body, headers=headers or BEARER
        ) as answer:
            return answer.status, await answer.json()

    def configure(self, readers: Mapping[str, ReaderKeys]) -> None:
        """Let other readers read."""
        self.api.configure(Server(body_timeout=0.2), self.reads, readers)


@asynccontextmanager
async def listener(
    readers: Mapping[str, ReaderKeys] = READERS,
    app: web.Application | None = None,
    history: History | None = None,
) -> AsyncIterator[Listener]:
    """Read the fake person over HTTP."""
    reads, clock, log = FakeReads(), ManualClock(), LogCapture()
    api = ReadApi(clock=clock, logger=capturing_log(log), history=history)
    app = app or web.Application()
    api.mount(app)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        running = Listener(url, reads, api, clock, log, session)
        running.configure(readers)
        try:
            yield running
        finally:
            await runner.cleanup()
