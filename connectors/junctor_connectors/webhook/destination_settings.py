"""What can be set for an outgoing webhook."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from junctor.sdk import Secret, Settings, compile_mapping, has_placeholders
from junctor_connectors.webhook.addressing import check_header_name, check_header_text, check_url
from junctor_connectors.webhook.signing import keys_of


class WebhookSettings(Settings):
    """Where requests go, what they carry, and how they are signed."""

    url: str | Secret
    """The address, https unless it is in your own network. The path and the query may hold values
    of the event, as `https://crm.example/people/{{userId}}`; they are percent-encoded, and an
    event that lacks one becomes a dead letter (give a default: `{{userId | unknown}}`). So does one
    whose address is answered 404 or 410; a fixed address that is pauses the destination."""
    method: Literal["POST", "PUT", "PATCH", "GET", "DELETE"] = "POST"
    """HTTP method. GET and DELETE carry no body: the flattened properties (traits of identify and
    group), or what `body` gives, are the query."""
    headers: dict[str, str | Secret] = Field(default={}, repr=False)
    """More headers. Values are templates of the event, or secrets:
    `authorization = { env = "CRM_TOKEN" }`."""
    signing_secret: Secret | list[Secret] | None = None
    """Signs every request by Standard Webhooks (headers webhook-id, webhook-timestamp,
    webhook-signature). `whsec_` and base64 text as the standard has it, or any text, taken as its
    bytes; text that is base64 without `whsec_` is signed both ways, since receivers differ. During
    a rotation a list: new and old secret sign side by side."""
    shared_secret: Secret | None = None
    """Adds Segment's `X-Signature`, the hex HMAC-SHA1 of the body, for receivers made for Segment's
    Webhooks destination. Of a batch it covers the first event only, as Segment's does."""
    batch: bool = False
    """Whether several events travel in one request, as a JSON list."""
    body: Annotated[dict[str, Any] | None, Field(repr=False)] = None
    """Shape of the body as a mapping (`{ email = { "@path" = "$.traits.email" } }`) of the event
    with `profile` and `audiences` beside it. Default: the event itself, unchanged."""

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str | Secret) -> str | Secret:
        check_url(plain(url))
        return url

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str | Secret]) -> dict[str, str | Secret]:
        seen: set[str] = set()
        for name, value in headers.items():
            check_header_name(name)
            if name.lower() in seen:
                raise ValueError(f"header {name} is given twice")
            seen.add(name.lower())
            check_header_text(name, plain(value).strip(), template=isinstance(value, str))
        return headers

    @field_validator("signing_secret")
    @classmethod
    def _can_sign(cls, secret: Secret | list[Secret] | None) -> Secret | list[Secret] | None:
        for one in as_list(secret):
            keys_of(one.get_secret_value())
        return secret

    @field_validator("shared_secret")
    @classmethod
    def _not_empty(cls, secret: Secret | None) -> Secret | None:
        if secret is not None and not secret.get_secret_value():
            raise ValueError("the secret is empty")
        return secret

    @field_validator("body")
    @classmethod
    def _is_mapping(cls, body: dict[str, Any] | None) -> dict[str, Any] | None:
        if body is not None:
            compile_mapping(body)
        return body

    @model_validator(mode="after")
    def _one_address_a_batch(self) -> Self:
        if not self.batch:
            return self
        if self.method in ("GET", "DELETE"):
            raise ValueError(f"batch needs a body, and {self.method} has none")
        texts = [plain(self.url), *(v for v in self.headers.values() if isinstance(v, str))]
        if any(map(has_placeholders, texts)):
            raise ValueError("in a batch neither url nor headers can depend on the event")
        return self


def plain(value: str | Secret) -> str:
    """Return the text of a setting that may be a secret."""
    return value if isinstance(value, str) else value.get_secret_value()


def as_list(secret: Secret | list[Secret] | None) -> list[Secret]:
    """Return none, one or several secrets as a list."""
    if secret is None:
        return []
    return secret if isinstance(secret, list) else [secret]
