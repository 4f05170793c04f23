"""Statsig's event log: batches to log_event, or single events to its Segment-style webhook."""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import orjson

from junctor.sdk import (
    ALL_EVENTS,
    SDK_VERSION,
    Context,
    DeliveryError,
    DestinationUnavailable,
    Event,
    EventType,
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

_SENT_AS_EVENTS: Final = frozenset(
    (EventType.TRACK, EventType.PAGE, EventType.SCREEN, EventType.GROUP)
)
_METADATA: Final = {"sdkType": "junctor", "sdkVersion": SDK_VERSION}
_AFTER_EVENTS: Final = b'],"statsigMetadata":' + orjson.dumps(_METADATA) + b"}"


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
        everything = ALL_EVENTS if settings.mode == "forward" else _SENT_AS_EVENTS
        chosen = settings.send
        self._sent = everything if chosen is None else frozenset(map(EventType, chosen))
        self._translate = Translator(settings)
        self._headers = {
            "content-type": "application/json",
            "statsig-api-key": settings.server_secret.get_secret_value(),
            "statsig-sdk-type": _METADATA["sdkType"],
            "statsig-sdk-version": _METADATA["sdkVersion"],
        }

    def batch_limit(self) -> int:
        """Return 1 in `forward` mode: Statsig's webhook takes single events."""
        return 1 if self.settings.mode == "forward" else super().batch_limit()

    def accepts(self) -> frozenset[EventType]:
        """Return the types that `send` names, or its default."""
        return self._sent

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
            Rejected: the only event is not sent, lacks a name, or is about nobody.
            InvalidPayload: the only event is nested too deeply.
            PartialFailure: the same for some of several events.
        """
        texts: list[bytes] = []
        refused: dict[int, DeliveryError] = {}
        for index, event in enumerate(events):
            try:
                texts.append(self._text(event))
            except DeliveryError as error:
                refused[index] = error
        if refused:
            raise refused[0] if len(events) == 1 else PartialFailure(refused)
        if self.settings.mode == "forward":
            (text,) = texts
            return Request("POST", self.settings.forward_url, text, self._headers)
        return self._request(texts)

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

    def _text(self, event: Event) -> bytes:
        """Return what is sent of an event, as JSON."""
        if event.type not in self._sent:  # routed before the settings changed
            raise Rejected(f"{event.type} events are not sent; see settings.send")
        return event.json if self.settings.mode == "forward" else self._translate(event)

    def _request(self, texts: Sequence[bytes]) -> Request:
        content = b'{"events":[' + b",".join(texts) + _AFTER_EVENTS
        headers = {**self._headers, "statsig-event-count": str(len(texts))}
        if self.settings.gzip:
            content = gzip.compress(content, compresslevel=1, mtime=0)
            headers["content-encoding"] = "gzip"
        return Request("POST", self.settings.endpoint, content, headers)
