"""Healthy connectors, the patients-to-be of the mutants; they import the SDK only."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

from junctor.sdk import (
    Accepted,
    DeliveryError,
    Event,
    HttpDestination,
    InboundRequest,
    InvalidPayload,
    MalformedRequest,
    Manifest,
    Page,
    PartialFailure,
    PullSource,
    PushSource,
    Request,
    Response,
    Secret,
    Settings,
    Unauthorized,
    idempotency_key,
    raise_for_status,
    send,
)


class WebhookSettings(Settings):
    """Where to POST, and how to sign."""

    url: str
    """The endpoint that receives the events."""
    signing_secret: Secret
    """Shared key of the HMAC-SHA256 in the `x-signature` header."""


class Webhook(HttpDestination[WebhookSettings]):
    """Posts each event as JSON."""

    manifest = Manifest(type="webhook", title="Webhook", summary="POST events to any URL.")
    settings_model = WebhookSettings

    def build(self, events: Sequence[Event]) -> Request:
        """Sign and address the one event of this batch (`max_batch` is 1)."""
        body = events[0].json
        headers = {
            "content-type": "application/json",
            "idempotency-key": quote(idempotency_key(events)),
            "x-signature": sign(self.settings.signing_secret, body),
        }
        return Request("POST", self.settings.url, content=body, headers=headers)


class Batch(HttpDestination[WebhookSettings]):
    """Posts events as a list; the vendor answers with the index of each that it refused."""

    manifest = Manifest(type="batch", title="Batch", summary="POST lists.", max_batch=10)
    settings_model = WebhookSettings

    def build(self, events: Sequence[Event]) -> Request:
        body = b"[" + b",".join(event.json for event in events) + b"]"
        headers = {"content-type": "application/json", "x-key": quote(idempotency_key(events))}
        return Request("POST", self.settings.url, content=body, headers=headers)

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        raise_for_status(response)
        answer = response.json()
        refused = answer.get("refused", []) if isinstance(answer, dict) else []
        errors: dict[int, DeliveryError] = {index: InvalidPayload("refused") for index in refused}
        if errors:
            raise PartialFailure(errors)

    async def check(self) -> None:
        auth = {"authorization": f"Bearer {self.settings.signing_secret.get_secret_value()}"}
        request = Request("GET", self.settings.url, headers=auth)
        raise_for_status(await send(self.ctx.http, request, now=self.ctx.clock.now()))


class HookSettings(Settings):
    """How the sender signs."""

    shared_secret: Secret
    """Key of the HMAC-SHA256 in `x-signature`."""


class Hook(PushSource[HookSettings]):
    """Takes lists of Segment-shaped calls, signed over the body."""

    manifest = Manifest(type="hook", title="Hook", summary="Signed lists of calls.")
    settings_model = HookSettings

    def accept(self, request: InboundRequest) -> Accepted:
        given = request.headers.get("x-signature", "").encode(errors="replace")
        if not hmac.compare_digest(sign(self.settings.shared_secret, request.body).encode(), given):
            raise Unauthorized("wrong signature")
        if not isinstance(request.json, list):
            raise MalformedRequest("not a list")
        return Accepted([item for item in request.json if isinstance(item, dict)])


class ContactsSettings(Settings):
    """Which CRM, and the key to it."""

    base_url: str
    """Root of the API."""
    api_key: Secret
    """A read-only key."""


class Contacts(PullSource[ContactsSettings]):
    """Turns each changed contact into an identify call."""

    manifest = Manifest(type="contacts", title="Contacts", summary="Pull changed contacts.")
    settings_model = ContactsSettings

    async def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        """Follow the API's cursor until it has no more."""
        more = True
        while more:
            request = Request(
                "GET",
                f"{self.settings.base_url}/contacts",
                params={"after": cursor or "0"},
                headers={"authorization": f"Bearer {self.settings.api_key.get_secret_value()}"},
            )
            reply = await send(self.ctx.http, request, now=self.ctx.clock.now())
            raise_for_status(reply)
            body = reply.json()
            cursor, more = str(body["cursor"]), bool(body["has_more"])
            contacts = [
                {"type": "identify", "userId": c["id"], "timestamp": c["updated"], "traits": c}
                for c in body["data"]
            ]
            yield Page(contacts, cursor)


def sign(secret: Secret, body: bytes) -> str:
    """Return the hexadecimal HMAC-SHA256 of a body."""
    return hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
