"""The plug-in API: the only module of junctor that a connector imports.

`SDK_VERSION` follows semantic versioning on its own; a name in `__all__` leaves only after a
release that deprecates it.
"""

from junctor.sdk.audience import AudienceSync, Drift
from junctor.sdk.context import Clock, Context, SystemClock
from junctor.sdk.destination import Destination, HttpDestination
from junctor.sdk.errors import (
    AuthenticationFailed,
    ConnectorError,
    DeliveryError,
    DestinationUnavailable,
    Disposition,
    InvalidPayload,
    MalformedRequest,
    Misconfigured,
    PartialFailure,
    RateLimited,
    Rejected,
    RequestTooLarge,
    SourceError,
    Unauthorized,
)
from junctor.sdk.event import NOBODY, Event, EventType, ProfileView, iso_time
from junctor.sdk.http import (
    Request,
    Response,
    idempotency_key,
    raise_for_items,
    raise_for_status,
    retry_after,
    send,
)
from junctor.sdk.json import parse_json
from junctor.sdk.manifest import ALL_EVENTS, Manifest
from junctor.sdk.mapping import MappingError, MappingRunError, compile_mapping
from junctor.sdk.settings import Secret, Settings
from junctor.sdk.source import (
    Accepted,
    InboundRequest,
    Page,
    PullSource,
    PushSource,
    Refused,
    Reply,
)
from junctor.sdk.template import TemplateError, compile_template, has_placeholders

SDK_VERSION = "1.1"

__all__ = [
    "ALL_EVENTS",
    "NOBODY",
    "SDK_VERSION",
    "Accepted",
    "AudienceSync",
    "AuthenticationFailed",
    "Clock",
    "ConnectorError",
    "Context",
    "DeliveryError",
    "Destination",
    "DestinationUnavailable",
    "Disposition",
    "Drift",
    "Event",
    "EventType",
    "HttpDestination",
    "InboundRequest",
    "InvalidPayload",
    "MalformedRequest",
    "Manifest",
    "MappingError",
    "MappingRunError",
    "Misconfigured",
    "Page",
    "PartialFailure",
    "ProfileView",
    "PullSource",
    "PushSource",
    "RateLimited",
    "Refused",
    "Rejected",
    "Reply",
    "Request",
    "RequestTooLarge",
    "Response",
    "Secret",
    "Settings",
    "SourceError",
    "SystemClock",
    "TemplateError",
    "Unauthorized",
    "compile_mapping",
    "compile_template",
    "has_placeholders",
    "idempotency_key",
    "iso_time",
    "parse_json",
    "raise_for_items",
    "raise_for_status",
    "retry_after",
    "send",
]
