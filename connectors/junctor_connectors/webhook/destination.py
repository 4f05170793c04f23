"""Outgoing webhooks: events to any URL, signed by Standard Webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from junctor.sdk import (
    Context,
    DeliveryError,
    Disposition,
    Event,
    EventType,
    HttpDestination,
    InvalidPayload,
    Manifest,
    PartialFailure,
    Rejected,
    Request,
    idempotency_key,
    send,
)
from junctor.sdk.mapping import MISSING, MappingRunError, compile_mapping
from junctor.sdk.template import compile_template, has_placeholders
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
    the `messageId` of each event. Any 2xx is success; 410 stops the destination for good.
    """

    manifest = Manifest(
        type="webhook",
        title="Webhook",
        summary="Each event, or batches of them, as JSON to any URL, signed.",
        accepts=frozenset(EventType),
        max_batch=100,
        stability="beta",
    )
    settings_model = WebhookSettings

    def __init__(self, settings: WebhookSettings, ctx: Context) -> None:
        """Decide once what does not depend on the event, and compile the rest."""
        super().__init__(settings, ctx)
        if not settings.batch:  # a host that reads the instance batches accordingly
            one = self.manifest.model_copy(update={"max_batch": 1})
            self.manifest = one  # type: ignore[misc]
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
            DeliveryError: the event can't be expressed.
            PartialFailure: as above, for some of several events.
        """
        request, refused = self._assemble(events)
        if refused or request is None:
            raise _failure(refused, len(events))
        return request

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

    async def deliver(self, events: Sequence[Event]) -> None:
        """Send what can be sent, then say what could not."""
        if not self.settings.batch:
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
        if not self.settings.batch:
            (event,) = events
            return self._single(event), {}
        if self._shape is None:
            return self._list(events, [event.json for event in events]), {}
        bodies: list[bytes] = []
        sent: list[Event] = []
        refused: dict[int, DeliveryError] = {}
        for index, event in enumerate(events):
            try:
                bodies.append(_json(self._shaped(event)))
                sent.append(event)
            except DeliveryError as error:
                refused[index] = error
        return self._list(sent, bodies) if sent else None, refused

    def _single(self, event: Event) -> Request:
        url = self._fixed_url if self._fixed_url is not None else self._url(event.payload())
        if self._has_body:
            content = event.json if self._shape is None else _json(self._shaped(event))
            return self._request(url, [event], content, content)
        values = (
            self._shaped(event)
            if self._shape is not None
            else event.properties or (event.traits if event.type in ("identify", "group") else {})
        )
        if not isinstance(values, Mapping):
            raise InvalidPayload("settings.body must give a table, to become a query")
        return self._request(with_query(url, values), [event], b"", b"")

    def _list(self, events: Sequence[Event], bodies: Sequence[bytes]) -> Request:
        content = b"[" + b",".join(bodies) + b"]"
        return self._request(plain(self.settings.url), events, content, bodies[0])

    def _request(
        self, url: str, events: Sequence[Event], content: bytes, signed_by_segment: bytes
    ) -> Request:
        headers = {**self._headers, "webhook-id": webhook_id(idempotency_key(events))}
        if self._templates:
            payload = events[0].payload()
            for name, render in self._templates.items():
                text = header_text(render(payload))
                if text:
                    headers[name] = text
        if self._shared_secret is not None:
            headers["x-signature"] = segment_signature(self._shared_secret, signed_by_segment)
        return Request(self.settings.method, url, content, headers)

    def _shaped(self, event: Event) -> Any:
        assert self._shape is not None
        try:
            shaped = self._shape(event.payload())
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


def _failure(errors: Mapping[int, DeliveryError], count: int) -> DeliveryError:
    """Return one error for all where they share it, else each item's own."""
    if len(errors) == count and len(set(map(id, errors.values()))) == 1:
        return errors[0]
    return PartialFailure(errors)
