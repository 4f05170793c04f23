"""The hub as a destination sees it, and transitions of audiences as the hub makes them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from structlog.testing import LogCapture

from junctor.sdk import (
    Context,
    DeliveryError,
    Disposition,
    Event,
    PartialFailure,
    ProfileView,
    RateLimited,
)
from junctor.testkit import ManualClock, context
from junctor_connectors.statsig_segment.destination import StatsigSegment
from junctor_connectors.statsig_segment.settings import StatsigSegmentSettings
from tests.connectors.statsig_segment.console_api import KEY, ConsoleApi


@dataclass
class Host:
    """A context with a clock and a log, and the vendor behind it."""

    api: ConsoleApi
    ctx: Context
    clock: ManualClock
    log: LogCapture = field(default_factory=LogCapture)

    def destination(self, **settings: Any) -> StatsigSegment:
        """A destination as a start of the hub makes it: it knows nothing."""
        given = {"console_key": KEY, **settings}
        return StatsigSegment(StatsigSegmentSettings.model_validate(given), self.ctx)

    def logged(self) -> list[str]:
        return [entry["event"] for entry in self.log.entries]


@asynccontextmanager
async def running_host() -> AsyncIterator[Host]:
    clock, log = ManualClock(), LogCapture()
    api = ConsoleApi(clock)
    async with httpx.AsyncClient(transport=httpx.MockTransport(api.take)) as http:
        yield Host(api, context(http, clock=clock, log=log), clock, log)


def moved(
    user: str | None, audience: str = "buyers", *, entered: bool = True, **body: Any
) -> Event:
    """The track call of a transition."""
    profile = body.pop("profile", ProfileView())
    whole = {
        "type": "track",
        "messageId": f"m-{user}-{audience}-{entered}",
        "timestamp": "2026-01-02T03:04:05Z",
        "userId": user,
        "event": "Audience Entered" if entered else "Audience Exited",
        "properties": {"audience_key": audience, audience: entered},
        "context": {"personas": {"computation_class": "audience", "computation_key": audience}},
        **body,
    }
    return Event.from_body(whole, profile=profile)


def identified(user: str, audience: str, *, entered: bool) -> Event:
    """The identify call of a transition."""
    return moved(
        user, audience, type="identify", event=None, properties=None, traits={audience: entered}
    )


async def hub_delivers(
    destination: StatsigSegment, clock: ManualClock, events: Sequence[Event]
) -> list[DeliveryError]:
    """Deliver one batch until nothing of it is left, as the hub does; return what was refused."""
    refused: list[DeliveryError] = []
    rest = list(events)
    while rest:
        try:
            await destination.deliver(rest)
        except PartialFailure as failure:
            errors = failure.errors
        except DeliveryError as error:
            errors = dict.fromkeys(range(len(rest)), error)
        else:
            return refused
        again = {i: one for i, one in errors.items() if one.disposition is Disposition.RETRY}
        refused += [one for i, one in errors.items() if i not in again]
        rest = [rest[i] for i in sorted(again)]
        waits = [one.retry_after or 10.0 for one in again.values() if isinstance(one, RateLimited)]
        clock.tick(max(waits, default=1.0))
    return refused
