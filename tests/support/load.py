"""Traffic: senders that behave as SDKs do."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import aiohttp

from tests.support.client import HubClient
from tests.support.events import track
from tests.support.hub import WRITE_KEY

_AGAIN_AFTER: Final = 0.05
_MOST_BETWEEN: Final = 0.05

Call = Callable[[str], dict[str, Any]]
"""Makes an event of its message id."""


class Load:
    """A batch is sent again until it is answered 200; a lost answer leaves nobody the wiser."""

    def __init__(self, client: HubClient, random: Random, *, batch: int, users: int) -> None:
        """Send batches of `batch` events of `users` people to `client`."""
        self._client = client
        self._random = random
        self._batch = batch
        self._users = users
        self._ending = False
        self.stored: set[str] = set()
        """The message ids that were answered 200."""
        self.sent_again = 0

    async def run(self, senders: int) -> None:
        """Send from several sides until `end`."""
        await asyncio.gather(*(self._send() for _ in range(senders)))

    def end(self) -> None:
        """Let everybody finish the batch at hand."""
        self._ending = True

    async def _send(self) -> None:
        while not self._ending:
            users = self._random.choices(range(self._users), k=self._batch)
            calls = [track(userId=f"u-{user}") for user in users]
            while not await self._try(calls):
                self.sent_again += 1
                await asyncio.sleep(_AGAIN_AFTER)
            self.stored.update(call["messageId"] for call in calls)
            await asyncio.sleep(self._random.uniform(0, _MOST_BETWEEN))

    async def _try(self, calls: list[dict[str, Any]]) -> bool:
        try:
            return (await self._client.batch(calls, WRITE_KEY)).status == 200
        except (aiohttp.ClientError, ConnectionError):
            return False


@dataclass(frozen=True)
class Sent:
    """What became of one batch of an open load."""

    first: int
    """Number of its first event."""
    at: float
    """When it was due to leave, monotonic seconds."""
    seconds: float
    """How long the last answer took."""
    status: int
    """Of the last answer; 0 if there was none."""


class OpenLoad:
    """A load by rate: batches leave when they are due, whatever became of those before.

    A hub that falls behind is offered no less for it, as with many senders that do not know of each
    other. The message ids are `NAME-0`, `NAME-1` and so on.
    """

    def __init__(
        self, client: HubClient, *, batch: int, call: Call, again: bool = True, name: str = "m"
    ) -> None:
        """Send batches of `batch` events that `call` makes of their message ids.

        With `again` a batch is sent until it is answered 200, and waits as long as it is told;
        without, a refused batch is given up.
        """
        self._client = client
        self._batch = batch
        self._call = call
        self._again = again
        self._name = name
        self.offered = 0
        """How many events were offered so far."""
        self.stored = bytearray()
        """Which of them were answered 200: a 1 each."""
        self.sent: list[Sent] = []
        self.refusals: Counter[str] = Counter()
        """How often which code was answered instead, "" for no answer at all."""
        self.unheeding = 0
        """How many refusals did not say when to come again."""

    async def run(self, rate: float, seconds: float) -> None:
        """Send `rate` events a second for so many seconds; return when all have their answers."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for turn in range(round(rate * seconds / self._batch)):
                due = started + turn * self._batch / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._deliver(due))

    async def flat_out(self, senders: int, seconds: float) -> None:
        """Send as much as `senders` can, each waiting for its answers: what the hub takes."""

        async def send() -> None:
            while time.monotonic() < end:
                await self._deliver(time.monotonic())

        end = time.monotonic() + seconds
        await asyncio.gather(*(send() for _ in range(senders)))

    async def _deliver(self, due: float) -> None:
        numbers = range(self.offered, self.offered + self._batch)
        self.offered = numbers.stop
        self.stored.extend(bytes(self._batch))
        calls = [self._call(f"{self._name}-{number}") for number in numbers]
        while True:
            started = time.monotonic()
            status, wait = await self._try(calls)
            if status == 200:
                self.stored[numbers.start : numbers.stop] = b"\1" * self._batch
            if status == 200 or not self._again:
                break
            await asyncio.sleep(wait)
        self.sent.append(Sent(numbers.start, due, time.monotonic() - started, status))

    async def _try(self, calls: list[dict[str, Any]]) -> tuple[int, float]:
        """Return the status, 0 for none, and the seconds to wait before the next try."""
        try:
            reply = await self._client.batch(calls, WRITE_KEY)
        except (aiohttp.ClientError, ConnectionError):
            self.refusals[""] += 1
            return 0, _AGAIN_AFTER
        if reply.status == 200:
            return 200, 0.0
        self.refusals[str(reply.json["code"])] += 1
        wait = float(reply.headers.get("retry-after", 0))
        self.unheeding += wait <= 0
        return reply.status, wait or _AGAIN_AFTER


class Shoppers:
    """People of a shop, who come and go: a few at first, then ever others, up to `most`."""

    def __init__(self, random: Random, *, few: int, most: int) -> None:
        """Begin with `few` people."""
        self._random = random
        self._few = few
        self._most = most
        self._events = 0

    def call(self, id: str) -> dict[str, Any]:
        """Return what one of them does next; every thirtieth event somebody new comes."""
        random = self._random
        self._events += 1
        user = random.randrange(min(self._most, self._few + self._events // 30))
        call: dict[str, Any] = {
            "messageId": id,
            "userId": f"u-{user}",
            "anonymousId": f"a-{user}-{id[-1]}",
        }
        call["context"] = {"userAgent": "Mozilla/5.0 (X11; Linux x86_64)", "sessionId": user}
        match random.randrange(20):
            case 0:
                return {**call, "type": "identify", "traits": {"email": f"{user}@example.org"}}
            case 1 | 2 | 3:
                bought = {"revenue": random.randrange(10, 500), "currency": "EUR"}
                return {**call, "type": "track", "event": "Order Completed", "properties": bought}
            case 4 | 5 | 6 | 7:
                added = {"product_id": f"p-{random.randrange(50)}"}
                return {**call, "type": "track", "event": "Product Added", "properties": added}
            case _:
                path = random.choice(("/", "/pricing", "/pricing/teams", "/docs", "/blog"))
                return {**call, "type": "page", "name": "Page", "properties": {"path": path}}
