"""One broken destination a silver rule, each otherwise as healthy as Webhook or Batch."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from junctor.sdk import (
    DestinationUnavailable,
    Event,
    Misconfigured,
    RateLimited,
    Request,
    Response,
    raise_for_status,
    send,
)

from .healthy import Batch, Webhook


class OnlyExactly200(Webhook):
    """delivers-2xx."""

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        raise_for_status(response)
        if response.status != 200:
            raise DestinationUnavailable(f"HTTP {response.status}")


class Swallows500(Webhook):
    """errors-typed."""

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        if response.status != 500:
            raise_for_status(response)


class ForgetsRetryAfter(Webhook):
    """retry-after-kept."""

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        if response.status == 429:
            raise RateLimited("slow down")
        raise_for_status(response)


class RandomKey(Webhook):
    """retry-idempotent, by chance."""

    def build(self, events: Sequence[Event]) -> Request:
        request = super().build(events)
        return replace(request, headers={**request.headers, "idempotency-key": str(uuid.uuid4())})


class ClockInBuild(Webhook):
    """retry-idempotent, by the clock: what changes with time belongs into `stamp`."""

    def build(self, events: Sequence[Event]) -> Request:
        request = super().build(events)
        return replace(request, params={"at": str(int(self.ctx.clock.now()))})


class ComputersClockInBuild(Webhook):
    """retry-idempotent, by the computer's clock, in whole seconds."""

    def build(self, events: Sequence[Event]) -> Request:
        return replace(super().build(events), params={"at": str(int(time.time()))})


class ChangesEvent(Webhook):
    """events-not-mutated."""

    def build(self, events: Sequence[Event]) -> Request:
        cast(dict[str, Any], events[0].body)["seen"] = True
        return super().build(events)


class DropsLast(Batch):
    """batch-limit-kept."""

    def build(self, events: Sequence[Event]) -> Request:
        return super().build(events[:-1] or events)


class LeavesTask(Webhook):
    """cancellation-clean, by what goes on."""

    async def deliver(self, events: Sequence[Event]) -> None:
        await asyncio.shield(asyncio.ensure_future(super().deliver(events)))


class SwallowsCancellation(Webhook):
    """cancellation-clean, by not ending as cancelled."""

    async def deliver(self, events: Sequence[Event]) -> None:
        try:
            await super().deliver(events)
        except asyncio.CancelledError:
            self.ctx.log.warning("cancelled")


class SharesRequest(Webhook):
    """concurrent-delivery."""

    async def deliver(self, events: Sequence[Event]) -> None:
        self.request = self.build(events)
        await asyncio.sleep(0)
        reply = await send(self.ctx.http, self.request, now=self.ctx.clock.now())
        self.interpret(reply, events)


class FollowsRedirect(Webhook):
    """redirect-not-followed-with-credentials, to another host."""

    async def deliver(self, events: Sequence[Event]) -> None:
        request = self.build(events)
        reply = await send(self.ctx.http, request, now=self.ctx.clock.now())
        if "location" in reply.headers:
            request = replace(request, url=reply.headers["location"])
            reply = await send(self.ctx.http, request, now=self.ctx.clock.now())
        self.interpret(reply, events)


class RedirectIsFine(Webhook):
    """redirect-not-followed-with-credentials, by taking it for a success."""

    async def deliver(self, events: Sequence[Event]) -> None:
        try:
            await super().deliver(events)
        except Misconfigured as error:
            if error.status not in (301, 302, 307):
                raise


class AsciiOnly(Webhook):
    """corpus-survives, by a crash."""

    def build(self, events: Sequence[Event]) -> Request:
        request = super().build(events)
        (events[0].event or "").encode("ascii")
        return request


class IdInHeader(Webhook):
    """corpus-survives, by a header that can't be sent: one event pauses the destination."""

    def build(self, events: Sequence[Event]) -> Request:
        request = super().build(events)
        return replace(request, headers={**request.headers, "x-user": events[0].user_id or ""})
