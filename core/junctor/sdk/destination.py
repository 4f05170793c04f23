"""Destinations: `deliver` a batch of events, or raise why not."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from junctor.sdk.context import Context
from junctor.sdk.event import Event
from junctor.sdk.http import Request, Response, raise_for_status, send
from junctor.sdk.manifest import Manifest
from junctor.sdk.settings import Settings

S = TypeVar("S", bound=Settings)


class Destination(ABC, Generic[S]):
    """Base of every destination.

    The host calls `start` once, `deliver` concurrently as the configuration allows, and `stop`
    once. It owns queueing, order, batching, retries, backoff, breaker and dead letters.
    """

    manifest: ClassVar[Manifest]
    settings_model: ClassVar[type[Settings]]

    def __init__(self, settings: S, ctx: Context) -> None:
        """Keep settings and context; no I/O here."""
        self.settings = settings
        self.ctx = ctx

    async def start(self) -> None:
        """Prepare; called once before the first delivery."""
        return None

    async def stop(self) -> None:
        """Let go of what `start` took; safe without `start`, and twice."""
        return None

    async def check(self) -> None:
        """Prove that credentials and address work, and leave no trace.

        Raises:
            DeliveryError: what would keep deliveries from working.
        """
        return None

    @abstractmethod
    async def deliver(self, events: Sequence[Event]) -> None:
        """Hand over all `events`: return when all are delivered, raise a DeliveryError if not.

        Called with 1 to `manifest.max_batch` events. May be called again with the same events.
        """


class HttpDestination(Destination[S]):
    """Nine of ten destinations: a pure `build`, and a reading of the answer."""

    @abstractmethod
    def build(self, events: Sequence[Event]) -> Request:
        """Return the request for these events. Pure: no clock, no randomness, no I/O.

        Raises:
            Rejected: an event that this destination declines (alone or in a PartialFailure).
            InvalidPayload: an event that can't be expressed.
        """

    def stamp(self, request: Request, at: float) -> Request:
        """Return `request` with what changes from attempt to attempt: time, signature.

        `at` is the time of the attempt, epoch seconds. Pure as well.
        """
        return request

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        """Return when the answer means that all is delivered; override for "200, but no".

        Raises:
            DeliveryError: what the answer means otherwise.
        """
        raise_for_status(response)

    async def deliver(self, events: Sequence[Event]) -> None:
        """Build, stamp, send, interpret."""
        request = self.stamp(self.build(events), self.ctx.clock.now())
        response = await send(self.ctx.http, request, now=self.ctx.clock.now())
        self.interpret(response, events)
