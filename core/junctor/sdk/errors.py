"""What can go wrong, said so that the hub knows what to do: the class is the fate.

ConnectorError
├── DeliveryError                what a destination raises; `disposition` decides
│   ├── DestinationUnavailable   RETRY        5xx, 408, refused, reset, timeout
│   ├── RateLimited              RETRY        429; costs no attempt, slows the destination
│   ├── InvalidPayload           DEAD_LETTER  other 4xx: this event will never be taken
│   ├── Rejected                 DISCARD      the connector declines the event; counted
│   ├── AuthenticationFailed     PAUSE        401, 403: the queue is kept, nothing is burned
│   ├── Misconfigured            PAUSE        404, 410, wrong region: as above
│   └── PartialFailure           each item of a batch by its own error; the others are delivered
└── SourceError                  what a push source raises; answered to the client
    ├── Unauthorized             401
    ├── MalformedRequest         400
    └── RequestTooLarge          413
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What the hub does with the events of a failed delivery."""

    RETRY = "retry"
    DEAD_LETTER = "dead_letter"
    DISCARD = "discard"
    PAUSE = "pause"


class ConnectorError(Exception):
    """Base of all errors a connector raises on purpose.

    `message` is for the operator: say what happened and what to do, never the payload or a secret.
    """

    code: ClassVar[str] = "connector_error"

    def __init__(self, message: str) -> None:
        """Keep the operator's `message`."""
        super().__init__(message)
        self.message = message


class DeliveryError(ConnectorError):
    """Base of what a destination raises.

    `status` is the vendor's HTTP status, where there was one; it is kept with the attempt.
    """

    disposition: ClassVar[Disposition] = Disposition.RETRY
    costs_attempt: ClassVar[bool] = True
    code: ClassVar[str] = "delivery_error"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        """Keep the operator's `message` and the vendor's `status`."""
        super().__init__(message)
        self.status = status


class DestinationUnavailable(DeliveryError):
    """The destination could not be reached or failed by itself; later it may work.

    `retry_after` in seconds, where it said when.
    """

    code = "destination_unavailable"

    def __init__(
        self, message: str, *, retry_after: float | None = None, status: int | None = None
    ) -> None:
        """Keep the wait that the vendor asked for, in seconds."""
        super().__init__(message, status=status)
        self.retry_after = retry_after


class RateLimited(DeliveryError):
    """The destination asks to slow down; `retry_after` in seconds, None when it did not say."""

    code = "rate_limited"
    costs_attempt = False

    def __init__(
        self, message: str, *, retry_after: float | None = None, status: int | None = None
    ) -> None:
        """Keep the wait that the vendor asked for, in seconds."""
        super().__init__(message, status=status)
        self.retry_after = retry_after


class InvalidPayload(DeliveryError):
    """The destination understood the request and will never accept it."""

    code = "invalid_payload"
    disposition = Disposition.DEAD_LETTER


class Rejected(DeliveryError):
    """The connector declines the event on purpose: unsupported type, missing id."""

    code = "rejected"
    disposition = Disposition.DISCARD


class AuthenticationFailed(DeliveryError):
    """The credentials were refused; the destination is paused and keeps its events."""

    code = "authentication_failed"
    disposition = Disposition.PAUSE
    costs_attempt = False


class Misconfigured(DeliveryError):
    """The address or the account is wrong; the destination is paused and keeps its events.

    `permanent=True` (410 Gone) means that asking again by itself is of no use: only an operator
    or a changed configuration resumes the destination.
    """

    code = "misconfigured"
    disposition = Disposition.PAUSE
    costs_attempt = False

    def __init__(self, message: str, *, status: int | None = None, permanent: bool = False) -> None:
        """Keep whether a later probe could help."""
        super().__init__(message, status=status)
        self.permanent = permanent


class PartialFailure(DeliveryError):
    """Some items of a batch failed: `errors` maps the index in the batch to that item's error.

    Items without an entry were delivered.
    """

    code = "partial_failure"

    def __init__(self, errors: Mapping[int, DeliveryError], *, status: int | None = None) -> None:
        """Keep the errors by index of the event in the batch."""
        super().__init__(f"{len(errors)} of the batch failed", status=status)
        self.errors = dict(errors)


class SourceError(ConnectorError):
    """Base of what a push source raises; `status` is answered to the client."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400


class Unauthorized(SourceError):
    """The key or the signature is missing or wrong."""

    code = "unauthorized"
    status = 401


class MalformedRequest(SourceError):
    """The body can't be read; the message names the place."""


class RequestTooLarge(SourceError):
    """The body is over a documented limit."""

    code = "request_too_large"
    status = 413
