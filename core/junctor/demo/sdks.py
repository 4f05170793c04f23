"""Requests as Segment's SDKs and its Webhooks destination put them on the wire.

Shapes: requests of analytics-python 2.4.0 and @segment/analytics-node 3.1.0 as captured, the
source of analytics.js 1.84.1, and Segment's documentation of its Webhooks destination.
"""

import base64
import gzip
import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import orjson

from junctor.sdk.event import iso_time

Call = Mapping[str, Any]
"""What the shop's code says: type, ids, name, properties or traits; the SDK adds the rest."""

Queue = Sequence[tuple[float, Call]]
"""Calls that wait in an SDK to be sent together, each with its time in epoch seconds."""

_BROWSER: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)


@dataclass(frozen=True, slots=True)
class Post:
    """One POST to the hub; `events` are those in its body, as they stand there."""

    source: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    events: Sequence[Mapping[str, Any]] = field(repr=False)

    def again(self) -> "Post":
        """Return the same request as an SDK repeats it that did not see the answer."""
        return replace(self, headers={**self.headers, "X-Retry-Count": "1"})


class Sdks:
    """The shop's clients; all randomness is `random`, all time the parameter `at` (seconds)."""

    def __init__(self, random: Random, *, write_key: str, segment_secret: str) -> None:
        """Send as the source with this write key, sign with this shared secret."""
        self._random = random
        self._write_key = write_key
        self._secret = segment_secret.encode()
        credentials = base64.b64encode(f"{write_key}:".encode()).decode()
        self._authorization = f"Basic {credentials}"

    def python(self, calls: Queue, at: float) -> Post:
        """Return a batch of analytics-python, with gzip on: `+00:00` times and explicit nulls."""
        context = {"library": {"name": "analytics-python", "version": "2.4.0"}}
        events = [
            {
                "integrations": {},
                "anonymousId": None,
                "timestamp": _python_time(called_at, "milliseconds"),
                "context": context,
                **call,
                "messageId": self._uuid(),
            }
            for called_at, call in calls
        ]
        body = {
            "batch": events,
            "sentAt": _python_time(at, "microseconds"),
            "writeKey": self._write_key,
        }
        headers = {
            "User-Agent": "analytics-python/2.4.0",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "Authorization": self._authorization,
        }
        content = gzip.compress(orjson.dumps(body), mtime=0)
        return Post("web", "/v1/batch", content, headers, events)

    def node(self, calls: Queue, at: float) -> Post:
        """Return a batch of analytics-node."""
        now = round(at * 1000)
        events = [
            {
                "timestamp": iso_time(round(called_at * 1000)),
                "integrations": {},
                **call,
                "context": {"library": {"name": "@segment/analytics-node", "version": "3.1.0"}},
                "messageId": f"node-next-{now}-{self._uuid()}",
                "_metadata": {"nodeVersion": "v20.20.2", "jsRuntime": "node"},
            }
            for called_at, call in calls
        ]
        body = {"batch": events, "writeKey": self._write_key, "sentAt": iso_time(now)}
        headers = {
            "User-Agent": "analytics-node-next/latest",
            "Content-Type": "application/json",
            "Authorization": self._authorization,
        }
        return Post("web", "/v1/batch", orjson.dumps(body), headers, events)

    def browser(self, call: Call, at: float) -> Post:
        """Return one call of analytics.js: text/plain, its path the first letter of its type."""
        now = round(at * 1000)
        event = {
            "timestamp": iso_time(now),
            "integrations": {},
            **call,
            "context": {
                "page": {
                    "path": call["path"],
                    "referrer": "",
                    "search": "",
                    "title": "Sample shop",
                    "url": f"https://shop.example{call['path']}",
                },
                "userAgent": _BROWSER,
                "locale": "en-US",
                "library": {"name": "analytics.js", "version": "npm:next-1.84.1"},
                "timezone": "Europe/London",
            },
            "messageId": f"ajs-next-{now}-{self._uuid()}",
            "writeKey": self._write_key,
            "sentAt": iso_time(now + 2),
            "_metadata": {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []},
        }
        del event["path"]
        headers = {
            "User-Agent": _BROWSER,
            "Content-Type": "text/plain",
            "Origin": "https://shop.example",
            "Authorization": self._authorization,
        }
        path = f"/v1/{event['type'][0]}"
        return Post("web", path, orjson.dumps(event), headers, [event])

    def segment(self, call: Call, at: float) -> Post:
        """Return what Segment's Webhooks destination posts for an event of the mobile app."""
        now = round(at * 1000)
        event = {
            "version": 1,
            **call,
            "channel": "client",
            "context": {
                "app": {"name": "Shop", "version": "4.2.0", "build": "420"},
                "device": {"manufacturer": "Apple", "model": "iPhone17,1", "type": "ios"},
                "library": {"name": "analytics-swift", "version": "1.9.1"},
                "locale": "en-US",
                "os": {"name": "iOS", "version": "26.1"},
            },
            "integrations": {},
            "messageId": self._uuid().upper(),
            "originalTimestamp": iso_time(now - 340),
            "sentAt": iso_time(now - 300),
            "timestamp": iso_time(now - 340),
            "receivedAt": iso_time(now - 300),
        }
        body = orjson.dumps(event)
        headers = {
            "User-Agent": "Segment.io/1.0",
            "Content-Type": "application/json",
            "X-Signature": hmac.new(self._secret, body, hashlib.sha1).hexdigest(),
        }
        return Post("segment_cloud", "/hooks/segment_cloud", body, headers, [event])

    def _uuid(self) -> str:
        return str(uuid.UUID(bytes=self._random.randbytes(16), version=4))


def _python_time(at: float, precision: str) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=precision)
