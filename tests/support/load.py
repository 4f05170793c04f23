"""Traffic: senders that behave as SDKs do."""

import asyncio
from random import Random
from typing import Any, Final

import aiohttp

from tests.support.client import HubClient
from tests.support.events import track
from tests.support.hub import WRITE_KEY

_AGAIN_AFTER: Final = 0.05
_MOST_BETWEEN: Final = 0.05


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
