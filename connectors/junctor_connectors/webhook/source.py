"""Webhooks of any service: JSON in, shaped into calls by a mapping.

Sources: the Standard Webhooks specification 1.0.0; Svix's documentation for its header names.
"""

import base64
import hmac
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from junctor.sdk import (
    Accepted,
    Context,
    InboundRequest,
    MalformedRequest,
    Manifest,
    PushSource,
    Refused,
    Secret,
    Settings,
    Unauthorized,
)
from junctor.sdk.mapping import MappingRunError, compile_mapping, compile_path

NonEmpty = Annotated[Secret, Field(min_length=1)]

IDS: Final = frozenset({"messageId", "userId", "anonymousId", "groupId", "previousId"})
TOLERANCE: Final = 5 * 60
"""Most seconds between a signature's timestamp and now, either way [Standard Webhooks]."""


def _first(*paths: str) -> dict[str, Any]:
    """Return a mapping that takes the first of `paths` with a value."""
    value = {"@path": f"$.{paths[0]}"}
    choice: dict[str, Any] = {"exists": value, "then": value}
    if paths[1:]:
        choice["else"] = _first(*paths[1:])
    return {"@if": choice}


DEFAULT_MAPPING: Final[dict[str, Any]] = {
    "type": "track",
    "event": _first("event", "type", "name"),
    "messageId": _first("messageId", "message_id", "eventId", "event_id"),
    "userId": _first("userId", "user_id", "user.id", "data.userId", "data.user_id", "data.user.id"),
    "anonymousId": _first("anonymousId", "anonymous_id", "data.anonymousId", "data.anonymous_id"),
    "timestamp": _first("timestamp", "occurred_at", "created_at", "createdAt"),
    "context": {"@path": "$.context"},
    "properties": {
        "@if": {
            "exists": {"@path": "$.properties"},
            "then": {"@path": "$.properties"},
            "else": {
                "@if": {
                    "exists": {"@path": "$.data"},
                    "then": {"@path": "$.data"},
                    "else": {"@path": "$."},
                }
            },
        }
    },
}
"""What is made of an item without a `mapping`: a track call named by `event`, `type` or `name`,
with `properties`, `data` or else the whole item as its properties. A bare `id` is not taken for
the messageId: of a contact or an order it is the same in every event, and all but one would be
dropped as repeats."""


class WebhookSourceSettings(Settings):
    """What to make of the JSON, and how the sender proves itself."""

    mapping: dict[str, Any] | None = None
    """Shapes an item into a call of Segment's spec (mapping-kit). `type` is track unless mapped.
    Without a mapping: a track call, its name from `event`, `type` or `name`, its ids from `userId`,
    `user_id`, `anonymousId` and the like."""
    items: Annotated[str, Field(min_length=1)] | None = None
    """Path of the list of items inside the body, as `data.events`; without it the body is one item
    or a list of items."""
    headers: tuple[str, ...] = ()
    """Request headers that the mapping may read, in lower case below `headers`, in place of what
    the item has there: `$.headers.x-github-event`."""
    verify: Literal["standard_webhooks", "hmac"] | None = None
    """How requests are signed: by the Standard Webhooks specification, or by an HMAC of the body
    in a header of its own."""
    secret: NonEmpty | None = None
    """The secret of the signature; for standard_webhooks the sender's `whsec_…`."""
    secrets: tuple[NonEmpty, ...] = ()
    """More secrets that are accepted as well, while the sender's is being changed."""
    signature_header: Annotated[str, Field(min_length=1)] | None = None
    """With hmac: the header that holds the signature, as `X-Hub-Signature-256`."""
    signature_algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    """With hmac: the hash."""
    signature_encoding: Literal["hex", "base64"] = "hex"
    """With hmac: how the signature is written."""
    signature_prefix: str = ""
    """With hmac: what stands before the signature, as `sha256=`."""
    token: NonEmpty | None = None
    """A secret end of the address, `/hooks/SOURCE/TOKEN`; without it that part is not looked at."""

    @field_validator("mapping")
    @classmethod
    def _mapping_compiles(cls, mapping: dict[str, Any] | None) -> dict[str, Any] | None:
        if mapping is not None:
            compile_mapping(mapping)
        return mapping

    @model_validator(mode="after")
    def _verification_is_complete(self) -> Self:
        if self.verify is None:
            if self.signing_secrets():
                raise ValueError(
                    '`secret` is not used without `verify`: "standard_webhooks" or "hmac"'
                )
            return self
        if not self.signing_secrets():
            raise ValueError("`secret` is missing: `verify` needs one")
        if self.verify == "hmac" and self.signature_header is None:
            raise ValueError("`signature_header` is missing: the header that holds the signature")
        if self.verify == "standard_webhooks":
            for secret in self.signing_secrets():
                standard_key(secret)
        return self

    def signing_secrets(self) -> tuple[str, ...]:
        """Return `secret` and `secrets` as text."""
        first = () if self.secret is None else (self.secret,)
        return tuple(secret.get_secret_value() for secret in (*first, *self.secrets))

    def warnings(self) -> list[str]:
        """Return what is allowed and yet worth a second look, for `junctor check`."""
        if self.verify or self.token:
            return []
        return ["neither `verify` nor `token` is set: whoever knows the address can post"]


class WebhookSource(PushSource[WebhookSourceSettings]):
    """Any JSON: an object, a list of objects, or a list inside the body (`items`)."""

    manifest = Manifest(
        type="webhook",
        title="Webhook",
        summary="JSON posted by any service, shaped into calls by a mapping.",
    )
    settings_model = WebhookSourceSettings

    def __init__(self, settings: WebhookSourceSettings, ctx: Context) -> None:
        """Compile mapping and path, and take the secrets out of the settings."""
        super().__init__(settings, ctx)
        self._shape = compile_mapping(
            DEFAULT_MAPPING if settings.mapping is None else settings.mapping
        )
        self._items = None if settings.items is None else compile_path(settings.items)
        self._headers = tuple(name.lower() for name in settings.headers)
        key = standard_key if settings.verify == "standard_webhooks" else str.encode
        self._keys = tuple(key(secret) for secret in settings.signing_secrets())
        token = settings.token
        self._path = None if token is None else f"/{token.get_secret_value()}".encode()

    def accept(self, request: InboundRequest) -> Accepted:
        """Verify the request and shape its items.

        Raises:
            Unauthorized: the token or the signature is missing, wrong or too old.
            MalformedRequest: the body is no JSON, has no items, or is a single item that the
                mapping can't shape.
        """
        message_id = self._authenticate(request)
        found = self._find_items(request.json)
        headers = {name: request.headers[name] for name in self._headers if name in request.headers}
        if isinstance(found, dict):
            return Accepted((self._record(found, headers, message_id),), alone=True)
        records: list[dict[str, Any]] = []
        refused: list[Refused] = []
        for index, item in enumerate(found):
            numbered = None if message_id is None else f"{message_id}-{index}"
            try:
                records.append(self._record(item, headers, numbered))
            except MalformedRequest as error:
                refused.append(Refused(item, f"[{index}] {error.message}"))
        return Accepted(records, refused)

    def _find_items(self, body: Any) -> dict[str, Any] | list[Any]:
        found = body if self._items is None else self._items(body)
        if isinstance(found, (dict, list)):
            return found
        place = "the body" if self._items is None else f"`{self.settings.items}` in the body"
        raise MalformedRequest(f"{place} must be an object or a list of objects")

    def _record(self, item: Any, headers: dict[str, str], message_id: str | None) -> dict[str, Any]:
        """Return the call that the mapping makes of `item`.

        Raises:
            MalformedRequest: it makes none.
        """
        if not isinstance(item, dict):
            raise MalformedRequest("must be a JSON object")
        payload = {**item, "headers": headers} if self._headers else item
        try:
            shaped = self._shape(payload)
        except MappingRunError as error:
            raise MalformedRequest(f"the mapping fails at {error}") from None
        if not isinstance(shaped, dict):
            raise MalformedRequest("the mapping must make an object")
        record = {
            key: value for key, value in shaped.items() if value is not None or key not in IDS
        }
        record.setdefault("type", "track")
        if message_id is not None:
            record.setdefault("messageId", message_id)
        return record

    def _authenticate(self, request: InboundRequest) -> str | None:
        """Return the sender's id of the message, where the signature covers one."""
        path = request.path.encode("utf-8", "surrogatepass")
        if self._path is not None and not hmac.compare_digest(path, self._path):
            raise Unauthorized("the token in the address is missing or wrong")
        if self.settings.verify == "standard_webhooks":
            return _verify_standard(request, self._keys)
        if self.settings.verify == "hmac":
            _verify_hmac(request, self._keys, self.settings)
        return None


def standard_key(secret: str) -> bytes:
    """Return the HMAC key of a Standard Webhooks secret: base64, `whsec_` before it.

    Raises:
        ValueError: it is no such secret.
    """
    encoded = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("a secret of standard_webhooks is `whsec_` and base64")
    return key


def _verify_standard(request: InboundRequest, keys: Iterable[bytes]) -> str:
    """Return the message's id when one of the signatures was made with one of `keys`."""
    brand = "webhook" if "webhook-signature" in request.headers else "svix"
    id, timestamp, signatures = (
        request.headers.get(f"{brand}-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (id and timestamp and signatures):
        raise Unauthorized("webhook-id, webhook-timestamp or webhook-signature is missing")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Unauthorized("webhook-timestamp must be epoch seconds")
    if abs(int(timestamp) * 1000 - request.received_at) > TOLERANCE * 1000:
        raise Unauthorized("webhook-timestamp is more than five minutes away")
    text = f"{id}.{timestamp}.".encode("utf-8", "surrogatepass") + request.body
    given = [
        _decode(signature.removeprefix("v1,"), "base64")
        for signature in signatures.split(" ")
        if signature.startswith("v1,")
    ]
    if not _matches(text, given, keys, "sha256"):
        raise Unauthorized("webhook-signature does not match the body")
    return id


def _verify_hmac(
    request: InboundRequest, keys: Iterable[bytes], settings: WebhookSourceSettings
) -> None:
    header = settings.signature_header or ""
    signature = request.headers.get(header.lower(), "").strip()
    if not signature:
        raise Unauthorized(f"the {header} header is missing")
    if signature.startswith(settings.signature_prefix):
        encoded = signature.removeprefix(settings.signature_prefix)
        given = _decode(encoded, settings.signature_encoding)
        if _matches(request.body, [given], keys, settings.signature_algorithm):
            return
    raise Unauthorized(f"the {header} header does not match the body")


def _matches(text: bytes, given: Iterable[bytes], keys: Iterable[bytes], algorithm: str) -> bool:
    """Whether one of `given` is the HMAC of `text` under one of `keys`; compares all of them."""
    expected = [hmac.digest(key, text, algorithm) for key in keys]
    return any([hmac.compare_digest(a, b) for a in expected for b in given])


def _decode(signature: str, encoding: str) -> bytes:
    """Return the bytes of a signature; what can't be decoded matches nothing."""
    try:
        if encoding == "hex":
            return bytes.fromhex(signature)
        return base64.b64decode(signature, validate=True)
    except ValueError:
        return b""
