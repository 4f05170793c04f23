"""imports-only-sdk: a destination that brings its own retries, and one that uses it."""

from collections.abc import Sequence

import tenacity

from junctor.sdk import DestinationUnavailable, Event

from .healthy import Webhook


class RetriesItself(Webhook):
    """Hides attempts from the hub."""

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(DestinationUnavailable),
        stop=tenacity.stop_after_attempt(1),
        reraise=True,
    )
    async def deliver(self, events: Sequence[Event]) -> None:
        await super().deliver(events)
