"""A healthy destination without HTTP, and its broker."""

from collections.abc import Sequence
from typing import Any

from junctor.sdk import Destination, DestinationUnavailable, Event, Manifest, Secret, Settings


class QueueSettings(Settings):
    """Which queue."""

    queue: str
    """Name of the queue."""
    password: Secret
    """Password of the broker."""


class Broker:
    """A message broker in memory: the stand-in and the client in one."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.failure: int | str | None = None

    def received(self) -> Sequence[bytes]:
        return self.items

    def fail_with(self, failure: int | str | None) -> None:
        self.failure = failure

    def hang(self) -> None:
        self.failure = "hang"

    async def publish(self, clock: Any, item: bytes) -> None:
        if self.failure == "hang":
            self.items.append(item)
            await clock.sleep(3600)
        elif self.failure is not None:
            raise ConnectionError(self.failure)
        else:
            self.items.append(item)


class Queue(Destination[QueueSettings]):
    """Publishes to a broker; no HTTP anywhere."""

    manifest = Manifest(type="queue", title="Queue", summary="Publish to a broker.", max_batch=5)
    settings_model = QueueSettings
    broker: Broker

    async def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            try:
                await self.broker.publish(self.ctx.clock, event.json)
            except ConnectionError:
                raise DestinationUnavailable("the broker is down") from None
