"""Destinations: `deliver` a batch of events, or raise why not."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from junctor.sdk.context import Context
from junctor.sdk.errors import DeliveryError, PartialFailure
from junctor.sdk.event import Event, EventType
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

    def batch_limit(self) -> int:
        """Return the most events in one `deliver` call, where the settings lower the manifest's."""
        return self.manifest.max_batch

    def accepts(self) -> frozenset[EventType]:
        """Return the event types it is given, where the settings narrow the manifest's."""
        return self.manifest.accepts

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

        Called with 1 to `batch_limit()` events. May be called again with the same events.
        """


class HttpDestination(Destination[S]):
    """Nine of ten destinations: a pure `build`, and a reading of the answer."""

    @abstractmethod
    def build(self, events: Sequence[Event]) -> Request:
        """Return the request for these events. Pure: no clock, no randomness, no I/O.

        Raises:
            Rejected: the only event is one that this destination declines.
            InvalidPayload: the only event can't be expressed.
            PartialFailure: the same for some of several events; the others are sent without them.
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
        """Build, stamp, send, interpret; an event that `build` refuses keeps back no other."""
        try:
            request = self.build(events)
        except PartialFailure as refused:
            good = [index for index in range(len(events)) if index not in refused.errors]
            if len(good) == len(events):
                raise ValueError("build raised a PartialFailure that names no event") from None
            if good:
                await self._deliver_the_rest(events, good, refused)
            raise
        request = self.stamp(request, self.ctx.clock.now())
        response = await send(self.ctx.http, request, now=self.ctx.clock.now())
        self.interpret(response, events)

    async def _deliver_the_rest(
        self, events: Sequence[Event], good: Sequence[int], refused: PartialFailure
    ) -> None:
        """Deliver the `good` indexes; raise what became of all if those fail, too."""
        try:
            await self.deliver([events[index] for index in good])
        except PartialFailure as failure:
            failed = {good[index]: error for index, error in failure.errors.items()}
            raise PartialFailure({**refused.errors, **failed}) from None
        except DeliveryError as error:
            raise PartialFailure({**refused.errors, **dict.fromkeys(good, error)}) from None
