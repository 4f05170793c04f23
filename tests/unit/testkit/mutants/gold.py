"""Broken destinations for the gold rules."""

from collections.abc import Sequence
from dataclasses import replace

from junctor.sdk import Event, Request, Response, raise_for_status

from .healthy import Batch, Webhook


class CheckIsAlwaysHappy(Batch):
    """check-proves-credentials."""

    async def check(self) -> None:
        self.ctx.log.info("looks good")


class AllOrNothing(Batch):
    """partial-failure-mapped: a vendor's 200 is read no further."""

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        raise_for_status(response)


class RenamedHeader(Webhook):
    """golden-requests."""

    def build(self, events: Sequence[Event]) -> Request:
        request = super().build(events)
        return replace(request, headers={**request.headers, "x-version": "2"})
