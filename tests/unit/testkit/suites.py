"""Conformance classes of the healthy connectors; a mutant's is made from them."""

import hashlib
import hmac
from pathlib import Path
from typing import ClassVar

import httpx
import orjson

from junctor.sdk import EventType, InboundRequest, InvalidPayload, Response
from junctor.testkit import (
    DestinationConformance,
    PartialReply,
    PullSourceConformance,
    PushSourceConformance,
    sample_body,
)

from .mutants import healthy

GOLDEN = Path(__file__).parent / "golden"


class WebhookSuite(DestinationConformance):
    """One event a request."""

    destination = healthy.Webhook
    settings: ClassVar = {"url": "https://acme.test/in", "signing_secret": "x"}
    golden = GOLDEN / "webhook"


class BatchSuite(DestinationConformance):
    """Lists, with an answer for each item."""

    destination = healthy.Batch
    settings: ClassVar = {"url": "https://acme.test/in", "signing_secret": "x"}
    golden = GOLDEN / "batch"
    partial_reply = PartialReply(Response(200, b'{"refused":[1]}'), {1: InvalidPayload}, batch=3)


class HookSuite(PushSourceConformance):
    """Lists of calls, signed over the body."""

    source = healthy.Hook
    settings: ClassVar = {"shared_secret": "x"}
    body = orjson.dumps([sample_body(EventType.TRACK), sample_body(EventType.IDENTIFY)])

    def request(self, body: bytes) -> InboundRequest:
        signature = hmac.new(b"x", body, hashlib.sha256).hexdigest()
        return InboundRequest("POST", "", body, {"x-signature": signature})


class ContactsSuite(PullSourceConformance):
    """Four pages of two contacts; the cursor is the number of pages read."""

    source = healthy.Contacts
    settings: ClassVar = {"base_url": "https://crm.test", "api_key": "x"}

    def reply(self, request: httpx.Request) -> Response:
        page = int(request.url.params["after"])
        data = [
            {"id": f"contact-{number}", "updated": f"2026-01-0{number + 1}T00:00:00Z"}
            for number in range(page * 2, page * 2 + 2)
            if page < 4
        ]
        end = min(4, page + 1)
        return Response(
            200, orjson.dumps({"data": data, "cursor": end, "has_more": end < 4 and page < 4})
        )
