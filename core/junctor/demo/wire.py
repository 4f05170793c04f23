"""What a vendor finds in a request: whose events, and everything that breaks its format. Pure.

Each reader raises `Refused` for a request that its vendor answers with an error, and returns a
`Reading` of any other; an event with a fault is not taken, as at the vendor.
"""

import base64
import binascii
import gzip
import hmac
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from junctor.demo.shoppers import Move

MOST_EVENTS: Final = 1000
"""Statsig silently drops what is beyond [its SDKs' documentation]."""
_FORBIDDEN: Final = frozenset("\\[]{}<>#=;&$%|\0\r\n")
"""Statsig drops events with these in their names [its guide on logging events]."""
_EVENT_KEYS: Final = {"eventName", "user", "value", "metadata", "time", "secondaryExposures"}
_USER_KEYS: Final = {
    "userID", "email", "ip", "userAgent", "country", "locale", "appVersion", "custom", "customIDs",
    "statsigEnvironment",
}  # fmt: skip
_TIERS: Final = ("production", "staging", "development")
_LONGEST: Final = 128
_LARGEST: Final = 4096
_DAY: Final = 86_400_000
_CLOCK_DRIFT: Final = 60_000
_TOLERANCE: Final = 300
"""Seconds by which a signature's time may be off [Standard Webhooks reference libraries]."""
_SLACK_TEXT: Final = 40_000
_ENTITY: Final = re.compile(r"&(?:amp|lt|gt);")
_ORDER: Final = re.compile(r"\(order ([^)]+)\)$")
_MOVE: Final = re.compile(
    r"^Audience (?P<word>Entered|Exited): (?P<audience>\w+), \S+@\S+ with [\d.]+ in the cart"
    r" \(user (?P<user>[^)]+)\)$"
)
_WORDS: Final = {"Audience Entered": True, "Audience Exited": False}


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came: header names in lower case, the body's bytes still compressed."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """Keys of the events taken, and what was wrong with the others.

    `moves` are those of the events that tell of audiences, by key.
    """

    keys: tuple[str, ...]
    faults: tuple[str, ...] = ()
    moves: Mapping[str, Move] = field(default_factory=dict)


class Refused(Exception):
    """The vendor answers `status` with `answer`; the message says what breaks its format."""

    def __init__(self, status: int, answer: str, fault: str) -> None:
        """Keep the answer."""
        self.status = status
        self.answer = answer
        super().__init__(fault)


def read_statsig(request: Received, key: str, now: int) -> Reading:
    """Read a POST to Statsig's log_event; `now` is epoch milliseconds.

    Source: LogEventRequest of Statsig's HTTP API, https://docs.statsig.com/http-api, its guide on
    logging events, and the event validator of its SDKs.

    Raises:
        Refused: 401 for another key, 404, and 400 for what is no list of events.
    """
    _expect_json_post(request, "/v1/log_event")
    headers = request.headers
    if not hmac.compare_digest(headers.get("statsig-api-key", ""), key):
        raise Refused(401, "invalid key", "statsig-api-key is missing or another project's")
    body = _object(_decompressed(request))
    events = body.get("events")
    if not isinstance(events, list) or not events:
        raise Refused(400, "invalid request", "events must be a list of at least one")
    faults = []
    if unknown := sorted(body.keys() - {"events", "user", "statsigMetadata"}):
        faults.append(f"the request has an unknown field {unknown[0]}")
    if len(events) > MOST_EVENTS:
        faults.append(f"more than {MOST_EVENTS} events: the rest is dropped")
    sent_at = headers.get("statsig-client-time")
    if sent_at is not None and not (
        sent_at.isdecimal() and abs(int(sent_at) - now) <= _CLOCK_DRIFT
    ):
        faults.append("statsig-client-time is not now, in milliseconds")
    count = headers.get("statsig-event-count")
    if count is not None and count != str(len(events)):
        faults.append("statsig-event-count is not the number of events")
    keys = []
    for event in events[:MOST_EVENTS]:
        found = list(_statsig_faults(event, now))
        faults += found
        if not found:
            keys.append(event["metadata"]["messageId"])
    return Reading(tuple(keys), tuple(faults))


def read_slack(request: Received, path: str) -> Reading:
    """Read a POST to an incoming webhook at `path`.

    There are no ids: the key is the order's number in the text, or who entered or left what.

    Source: docs.slack.dev, sending messages using incoming webhooks; formatting message text.

    Raises:
        Refused: 404 for another hook, 400 for a message that Slack would not take.
    """
    if request.path != path:
        raise Refused(404, "no_service", "the webhook's address is another one")
    _expect_json_post(request, path)
    try:
        message = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        raise Refused(400, "invalid_payload", "the body is no JSON object")
    text = message.get("text")
    if not isinstance(text, str) or not text.strip():
        raise Refused(400, "no_text", "text is missing")
    blocks = message.get("blocks", [])
    if not isinstance(blocks, list) or len(blocks) > 50:
        raise Refused(400, "invalid_blocks", "blocks must be a list of at most 50")
    faults = []
    if len(text) > _SLACK_TEXT:
        faults.append(f"text is over {_SLACK_TEXT} characters")
    if set(_ENTITY.sub("", text)) & set("&<>"):
        faults.append("text holds an unescaped &, < or >")
    order, moved = _ORDER.search(text), _MOVE.search(text)
    if order is None and moved is None:
        faults.append("text tells of no order and of no audience")
    if faults:
        return Reading((), tuple(faults))
    if moved is not None:
        move = Move(moved["audience"], moved["word"] == "Entered", moved["user"])
        return Reading((str(move),), moves={str(move): move})
    return Reading((order[1],) if order is not None else ())


def read_signed(request: Received, path: str, secret: str, now: float) -> Reading:
    """Read a webhook with one Segment-shaped event, signed with `secret` (`whsec_…`).

    Source: Standard Webhooks 1.0.0, spec/standard-webhooks.md; `now` is epoch seconds.

    Raises:
        Refused: 404 for another path, 401 for a bad signature, 400 for what is no event.
    """
    _expect_json_post(request, path)
    id, timestamp, signatures = [
        request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    ]
    if not id:
        raise Refused(400, "no id", "webhook-id is missing")
    if not timestamp.isdecimal() or abs(int(timestamp) - now) > _TOLERANCE:
        raise Refused(401, "too old", "webhook-timestamp is not now, in seconds")
    signed = f"{id}.{timestamp}.".encode() + request.body
    expected = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    if not any(hmac.compare_digest(expected, given) for given in _version_1(signatures)):
        raise Refused(401, "bad signature", "webhook-signature does not match the body")
    event = _object(request.body)
    faults = [
        f"{name} is missing or no text"
        for name in ("type", "messageId", "timestamp")
        if not isinstance(event.get(name), str)
    ]
    if not event.get("userId") and not event.get("anonymousId"):
        faults.append("the event has neither userId nor anonymousId")
    if not faults and id != event["messageId"]:
        faults.append("webhook-id is not the event's messageId: a retry can't be recognized")
    moves = {}
    if not faults and (entered := _WORDS.get(event.get("event", ""))) is not None:
        properties = event.get("properties")
        audience = properties.get("audience_key") if isinstance(properties, dict) else None
        if isinstance(audience, str):
            moves[id] = Move(audience, entered, event.get("userId") or event["anonymousId"])
        else:
            faults.append("the event of an audience does not name it")
    return Reading((id,), moves=moves) if not faults else Reading((), tuple(faults))


def _expect_json_post(request: Received, path: str) -> None:
    if request.path != path:
        raise Refused(404, "not found", f"the path is not {path.split('/services/')[0]}")
    if request.method != "POST":
        raise Refused(405, "method not allowed", "the method is not POST")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(415, "unsupported media type", "content-type is not application/json")


def _decompressed(request: Received) -> bytes:
    encoding = request.headers.get("content-encoding")
    if encoding is None:
        return request.body
    try:
        if encoding == "gzip":
            return gzip.decompress(request.body)
    except (OSError, EOFError, zlib.error):
        pass
    raise Refused(400, "invalid request", "the body is not compressed as content-encoding says")


def _object(text: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "invalid request", "the body is no JSON object")
    return body


def _version_1(signatures: str) -> Iterator[bytes]:
    """Yield the `v1,` signatures of a header; others and what is no base64 are passed over."""
    for item in signatures.split(" "):
        version, _, text = item.partition(",")
        if version == "v1":
            try:
                yield base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                continue


def _statsig_faults(event: Any, now: int) -> Iterator[str]:
    if not isinstance(event, dict):
        yield "an event is no object"
        return
    if unknown := sorted(event.keys() - _EVENT_KEYS):
        yield f"an event has an unknown field {unknown[0]}"
    name = event.get("eventName")
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST:
        yield f"eventName must be text of 1 to {_LONGEST} characters"
    elif set(name) & _FORBIDDEN:
        yield "eventName has a character for which the event is dropped"
    time = event.get("time")
    if not isinstance(time, int) or isinstance(time, bool) or abs(time - now) > _DAY:
        yield "time is no epoch milliseconds of today"
    value = event.get("value", 0)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        yield "value is neither number nor text"
    metadata = event.get("metadata", {})
    if not _is_text_to_text(metadata):
        yield "metadata must map text to text"
    elif not metadata.get("messageId"):
        yield "metadata has no messageId, by which twins could be told"
    elif _size(metadata) > _LARGEST:
        yield f"metadata is over {_LARGEST} characters"
    yield from _user_faults(event.get("user"))


def _user_faults(user: Any) -> Iterator[str]:
    if not isinstance(user, dict):
        yield "user is missing"
        return
    if "privateAttributes" in user:
        yield "user holds privateAttributes, which must never be logged"
    elif unknown := sorted(user.keys() - _USER_KEYS):
        yield f"user has an unknown field {unknown[0]}"
    custom_ids = user.get("customIDs", {})
    if not _is_text_to_text(custom_ids):
        yield "customIDs must map text to text"
    elif not user.get("userID") and not any(custom_ids.values()):
        yield "user has neither userID nor a customID"
    for field_name in ("userID", "email", "ip", "userAgent", "country", "locale", "appVersion"):
        if not isinstance(user.get(field_name, ""), str):
            yield f"user.{field_name} is no text"
    custom = user.get("custom", {})
    if not isinstance(custom, dict) or not all(map(_is_attribute, custom.values())):
        yield "user.custom must hold text, numbers, booleans and lists of text"
    environment = user.get("statsigEnvironment", {"tier": "production"})
    if not isinstance(environment, dict) or environment.get("tier") not in _TIERS:
        yield "user.statsigEnvironment has no known tier"
    if _size(user) > _LARGEST:
        yield f"user is over {_LARGEST} characters"


def _is_text_to_text(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_attribute(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, str | int | float)


def _size(value: Any) -> int:
    return len(orjson.dumps(value).decode())
