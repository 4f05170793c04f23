"""Outgoing webhooks: events to any URL, signed by Standard Webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from junctor.sdk import (
    Context,
    DeliveryError,
    Event,
    EventType,
    HttpDestination,
    InvalidPayload,
    Manifest,
    MappingRunError,
    PartialFailure,
    Rejected,
    Request,
    Response,
    compile_mapping,
    compile_template,
    has_placeholders,
    idempotency_key,
    raise_for_items,
    send,
)
from junctor.sdk.mapping import MISSING
from junctor_connectors.webhook.addressing import compile_url, header_text, with_query
from junctor_connectors.webhook.destination_settings import WebhookSettings, as_list, plain
from junctor_connectors.webhook.signing import (
    keys_of,
    segment_signature,
    standard_signature,
    webhook_id,
)


class Webhook(HttpDestination[WebhookSettings]):
    """Sends each event, or a list of them, to a URL.

    `webhook-id` is the same for every attempt at the same events: receivers dedupe by it, or by
    the `messageId` of each event. Any 2xx is success, but 207 may say what became of each event:
    a list of `{"status": 200}` in their order. 410 stops the destination for good.
    """

    manifest = Manifest(
        type="webhook",
        title="Webhook",
        summary="Each event, or batches of them, as JSON to any URL, signed.",
        accepts=frozenset(EventType),
        max_batch=500,
        stability="beta",
    )
    settings_model = WebhookSettings

    def __init__(self, settings: WebhookSettings, ctx: Context) -> None:
        """Decide once what does not depend on the event, and compile the rest."""
        super().__init__(settings, ctx)
        url = plain(settings.url)
        self._fixed_url = None if has_placeholders(url) else url
        self._url = compile_url(url)
        self._has_body = settings.method not in ("GET", "DELETE")
        self._shape = compile_mapping(settings.body) if settings.body is not None else None
        self._keys = [
            key
            for secret in as_list(settings.signing_secret)
            for key in keys_of(secret.get_secret_value())
        ]
        shared = settings.shared_secret
        self._shared_secret = shared.get_secret_value() if shared is not None else None
        self._headers = {"content-type": "application/json"} if self._has_body else {}
        self._templates = {}
        for name, value in settings.headers.items():
            if isinstance(value, str) and has_placeholders(value):
                self._templates[name.lower()] = compile_template(value)
            else:
                self._headers[name.lower()] = plain(value).strip()
        self._needs_payload = bool(
            self._templates or self._shape is not None or self._fixed_url is None
        )

    def batch_limit(self) -> int:
        """Return 1 without `batch`."""
        return super().batch_limit() if self.settings.batch else 1

    async def check(self) -> None:
        """Ask the address for OPTIONS, which changes nothing anywhere [RFC 9110 9.2.1].

        Any answer shows that name, port and TLS work. Whether the receiver takes the credentials
        can't be known without an event. An address that depends on the event is not asked.
        """
        if self._fixed_url is not None:
            request = Request("OPTIONS", self._fixed_url)
            await send(self.ctx.http, request, now=self.ctx.clock.now())

    def build(self, events: Sequence[Event]) -> Request:
        """Return the one request for these events; without `batch` for one event.

        Raises:
            Rejected: `body` gives nothing for the only event.
            InvalidPayload: the only event can't be expressed.
            PartialFailure: the same for some of several events.
        """
        if not self.settings.batch:
            (event,) = events
            return self._single(event)
        if self._shape is None:
            return self._list(events, [event.json for event in events])
        bodies: list[bytes] = []
        refused: dict[int, DeliveryError] = {}
        for index, event in enumerate(events):
            try:
                bodies.append(_json(self._shaped(event.payload())))
            except DeliveryError as error:
                refused[index] = error
        if refused:
            raise refused[0] if len(events) == 1 else PartialFailure(refused)
        return self._list(events, bodies)

    def stamp(self, request: Request, at: float) -> Request:
        """Add the time of the attempt and the signatures over it."""
        if not self._keys:
            return request
        timestamp = int(at)
        id = request.headers["webhook-id"]
        signature = standard_signature(self._keys, id, timestamp, request.content)
        return replace(
            request,
            headers={
                **request.headers,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature,
            },
        )

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        """Read the status; of 207 with a list each item's.

        Raises:
            InvalidPayload: nothing is at an address that depends on the event; that says nothing
                of other events' addresses.
            DeliveryError: as `raise_for_status` has it.
        """
        if response.status in (404, 410) and self._fixed_url is None:
            said = f"HTTP {response.status}: nothing is at this event's address"
            raise InvalidPayload(said, status=response.status)
        super().interpret(response, events)
        if response.status == 207 and isinstance(items := response.json(), list):
            statuses = [item.get("status") if isinstance(item, dict) else None for item in items]
            raise_for_items(statuses, events)

    def _single(self, event: Event) -> Request:
        payload = event.payload() if self._needs_payload else {}
        url = self._fixed_url if self._fixed_url is not None else self._url(payload)
        content = b""
        if self._has_body:
            content = event.json if self._shape is None else _json(self._shaped(payload))
        else:
            url = with_query(url, self._query(event, payload))
        headers = self._headers_for([event], content)
        for name, render in self._templates.items():
            text = header_text(render(payload))
            if text:
                headers[name] = text
        return Request(self.settings.method, url, content, headers)

    def _list(self, events: Sequence[Event], bodies: Sequence[bytes]) -> Request:
        headers = self._headers_for(events, bodies[0])
        content = b"[" + b",".join(bodies) + b"]"
        return Request(self.settings.method, plain(self.settings.url), content, headers)

    def _headers_for(self, events: Sequence[Event], signed_by_segment: bytes) -> dict[str, str]:
        headers = {**self._headers, "webhook-id": webhook_id(idempotency_key(events))}
        if self._shared_secret is not None:
            headers["x-signature"] = segment_signature(self._shared_secret, signed_by_segment)
        return headers

    def _query(self, event: Event, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a request without body carries in its URL."""
        if self._shape is None:
            return event.properties or (event.traits if event.type in ("identify", "group") else {})
        values = self._shaped(payload)
        if not isinstance(values, Mapping):
            raise InvalidPayload("settings.body must give a table, to become a query")
        return values

    def _shaped(self, payload: Mapping[str, Any]) -> Any:
        assert self._shape is not None
        try:
            shaped = self._shape(payload)
        except MappingRunError as error:
            raise InvalidPayload(f"settings.body: {error}") from None
        if shaped is MISSING:
            raise Rejected("settings.body gives nothing for this event")
        return shaped


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise InvalidPayload("settings.body gives what can't be written as JSON") from None
