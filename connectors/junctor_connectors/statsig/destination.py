"""Statsig's event log: batches to log_event, or single events to its Segment-style webhook."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from junctor.sdk import (
    ALL_EVENTS,
    SDK_VERSION,
    Context,
    DeliveryError,
    DestinationUnavailable,
    Disposition,
    Event,
    HttpDestination,
    InvalidPayload,
    Manifest,
    PartialFailure,
    Rejected,
    Request,
    Response,
    raise_for_status,
    send,
)
from junctor_connectors.statsig.settings import StatsigSettings
from junctor_connectors.statsig.translate import Translator

_METADATA = {"sdkType": "junctor", "sdkVersion": SDK_VERSION}


class Statsig(HttpDestination[StatsigSettings]):
    """Sends events to Statsig.

    Statsig does not dedupe events [its guide on logging events]: an attempt whose answer was lost
    counts twice if it is repeated. `metadata.messageId` tells such twins apart.
    """

    manifest = Manifest(
        type="statsig",
        title="Statsig",
        summary="Events with value, metadata and user, for Statsig's metrics and experiments.",
        accepts=ALL_EVENTS,
        max_batch=500,  # Statsig silently drops what is beyond 1000
        ordering="none",  # events carry their own time
        stability="beta",
    )
    settings_model = StatsigSettings

    def __init__(self, settings: StatsigSettings, ctx: Context) -> None:
        """Compile the translation once."""
        super().__init__(settings, ctx)
        if settings.mode == "forward":  # a host that reads the instance batches accordingly
            one = self.manifest.model_copy(update={"max_batch": 1})
            self.manifest = one  # type: ignore[misc]
        self._translate = Translator(settings)
        self._headers = {
            "content-type": "application/json",
            "statsig-api-key": settings.server_secret.get_secret_value(),
            "statsig-sdk-type": _METADATA["sdkType"],
            "statsig-sdk-version": _METADATA["sdkVersion"],
        }

    async def check(self) -> None:
        """Send an empty list of events, which can leave nothing behind.

        A refused key, a wrong address and a dead host are told apart. Statsig does not document
        that it looks at the key before the list, so an answer of 400 counts as good. In `forward`
        mode nothing can be sent without a trace: only the settings are checked, at load.
        """
        if self.settings.mode == "forward":
            return
        now = self.ctx.clock.now()
        response = await send(self.ctx.http, self.stamp(self._request([]), now), now=now)
        try:
            raise_for_status(response)
        except InvalidPayload:
            return

    def build(self, events: Sequence[Event]) -> Request:
        """Return the one request for these events; in `forward` mode for one event.

        Raises:
            DeliveryError: the event can't be sent.
            PartialFailure: as above, for some of several events.
        """
        request, refused = self._assemble(events)
        if refused or request is None:
            raise _failure(refused, len(events))
        return request

    def stamp(self, request: Request, at: float) -> Request:
        """Add the true time of sending, by which Statsig corrects clock drift."""
        if self.settings.mode == "forward":
            return request
        return replace(
            request, headers={**request.headers, "statsig-client-time": str(int(at * 1000))}
        )

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        """Read the answer: 202 is documented for success, any 2xx but `"success": false` counts."""
        raise_for_status(response)
        answer = response.json()
        if isinstance(answer, dict) and answer.get("success") is False:
            raise DestinationUnavailable(
                f"HTTP {response.status}, but Statsig says success: false", status=response.status
            )

    async def deliver(self, events: Sequence[Event]) -> None:
        """Send what can be sent, then say what could not."""
        if self.settings.mode == "forward":
            await self._deliver_each(events)
            return
        request, refused = self._assemble(events)
        if request is not None:
            now = self.ctx.clock.now()
            response = await send(self.ctx.http, self.stamp(request, now), now=now)
            self.interpret(response, events)
        if refused:
            raise _failure(refused, len(events))

    async def _deliver_each(self, events: Sequence[Event]) -> None:
        """One request per event; what may work later or needs an operator stops the rest."""
        failed: dict[int, DeliveryError] = {}
        for index, event in enumerate(events):
            try:
                await super().deliver([event])
            except DeliveryError as error:
                if error.disposition in (Disposition.RETRY, Disposition.PAUSE):
                    failed.update(dict.fromkeys(range(index, len(events)), error))
                    break
                failed[index] = error
        if failed:
            raise _failure(failed, len(events))

    def _assemble(self, events: Sequence[Event]) -> tuple[Request | None, dict[int, DeliveryError]]:
        """Return the request for the events that can be sent, and why the others can't."""
        if self.settings.mode == "forward":
            (event,) = events
            return self._forward(event)
        translated: list[orjson.Fragment] = []
        refused: dict[int, DeliveryError] = {}
        for index, event in enumerate(events):
            try:
                translated.append(self._translate(event))
            except DeliveryError as error:
                refused[index] = error
        return self._request(translated) if translated else None, refused

    def _forward(self, event: Event) -> tuple[Request | None, dict[int, DeliveryError]]:
        wanted = self.settings.send
        if wanted is not None and event.type not in wanted:
            return None, {0: Rejected(f"{event.type} events are not sent; see settings.send")}
        return Request("POST", self.settings.forward_url, event.json, self._headers), {}

    def _request(self, events: Sequence[orjson.Fragment]) -> Request:
        content = orjson.dumps({"events": events, "statsigMetadata": _METADATA})
        headers = {**self._headers, "statsig-event-count": str(len(events))}
        if self.settings.gzip:
            content = gzip.compress(content, compresslevel=1, mtime=0)
            headers["content-encoding"] = "gzip"
        return Request("POST", self.settings.endpoint, content, headers)


def _failure(errors: Mapping[int, DeliveryError], count: int) -> DeliveryError:
    """Return one error for all where they share it, else each item's own."""
    if len(errors) == count and len(set(map(id, errors.values()))) == 1:
        return errors[0]
    return PartialFailure(errors)
