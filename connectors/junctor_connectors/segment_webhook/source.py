"""What Segment's Webhooks and Webhooks (Actions) destinations post: events that Segment has seen.

Sources: Segment's documentation of both destinations and of user deletion.
"""

import hmac
from typing import Annotated, Any, Final

from pydantic import Field

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
from junctor_connectors.segment_webhook.signature import verify

NonEmpty = Annotated[Secret, Field(min_length=1)]

IDS: Final = frozenset({"messageId", "userId", "anonymousId", "groupId", "previousId"})
ALIAS_KEYS: Final = {"Previous ID": "previousId", "User ID": "userId"}
"""The documentation of the classic destination shows an alias with these keys."""

_UNSIGNED: Final = "of a batch only the first event is signed, so that it needs `token`"


class SegmentWebhookSettings(Settings):
    """How Segment proves itself. Without a secret and a token anybody can post."""

    shared_secret: NonEmpty | None = None
    """The shared secret set in Segment's destination; a request without its signature is refused.
    Of a batch Segment signs the first event only: set `token` as well where it batches."""
    shared_secrets: tuple[NonEmpty, ...] = ()
    """More secrets that are accepted as well, while Segment's is being changed."""
    token: NonEmpty | None = None
    """A secret end of the address, `/hooks/SOURCE/TOKEN`; without it that part is not looked at."""

    def warnings(self) -> list[str]:
        """Return what is allowed and yet worth a second look, for `junctor check`."""
        if self.shared_secret or self.shared_secrets or self.token:
            return []
        return [
            "neither `shared_secret` nor `token` is set: anybody who knows the address can post,"
            " and erase people"
        ]


class SegmentWebhook(PushSource[SegmentWebhookSettings]):
    """One event a request, or a list of them.

    Segment has corrected `timestamp` already, so the clock is not corrected again. It treats most
    4xx as final: only a request that nobody signed and a body that is no event get one.
    """

    manifest = Manifest(
        type="segment_webhook",
        title="Segment Webhooks",
        summary="Events from Segment's Webhooks and Webhooks (Actions) destinations.",
    )
    settings_model = SegmentWebhookSettings

    def __init__(self, settings: SegmentWebhookSettings, ctx: Context) -> None:
        """Take the secrets out of the settings."""
        super().__init__(settings, ctx)
        first = () if settings.shared_secret is None else (settings.shared_secret,)
        secrets = (*first, *settings.shared_secrets)
        self._secrets = tuple(secret.get_secret_value().encode() for secret in secrets)
        token = settings.token
        self._path = None if token is None else f"/{token.get_secret_value()}".encode()
        self._is_forgeable = bool(secrets) and token is None

    def accept(self, request: InboundRequest) -> Accepted:
        """Verify token and signature, and hand over the events.

        Raises:
            Unauthorized: the token or the signature is missing or wrong.
            MalformedRequest: the body is no JSON, or neither object nor list.
        """
        self._authenticate(request)
        body = request.json
        if isinstance(body, dict):
            return Accepted((_record(body),), alone=True)
        if not isinstance(body, list):
            raise MalformedRequest("the body must be an event or a list of events")
        records: list[dict[str, Any]] = []
        refused: list[Refused] = []
        for index, item in enumerate(body):
            if index and self._is_forgeable and isinstance(item, dict) and _is_delete(item):
                refused.append(Refused(item, f"[{index}] is a delete: {_UNSIGNED}"))
            elif isinstance(item, dict):
                records.append(_record(item))
            else:
                refused.append(Refused(item, f"[{index}] must be a JSON object"))
        return Accepted(records, refused)

    def _authenticate(self, request: InboundRequest) -> None:
        path = request.path.encode("utf-8", "surrogatepass")
        if self._path is not None and not hmac.compare_digest(path, self._path):
            raise Unauthorized("the token in the address is missing or wrong")
        if not self._secrets:
            return
        signature = request.headers.get("x-signature")
        if not signature:
            raise Unauthorized("the X-Signature header is missing")
        if not verify(request.body, signature, self._secrets):
            raise Unauthorized("the X-Signature header does not match the body")


def _is_delete(event: dict[str, Any]) -> bool:
    return event.get("type") == "delete"


def _record(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event without nulls for ids and without Segment's write key."""
    names: dict[str, str] = {}
    if event.get("type") == "alias":
        names = {odd: name for odd, name in ALIAS_KEYS.items() if event.get(name) is None}
    return {
        names.get(key, key): value
        for key, value in event.items()
        if key != "writeKey" and (value is not None or names.get(key, key) not in IDS)
    }
