"""What a source brought becomes records of the log, or is kept with the reason why not.

One bad event of a batch never costs the others. The answer waits until the events are durable.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson

from junctor.model.record import NewRecord, Rejection
from junctor.pipeline.normalize import identifier_text
from junctor.sdk.errors import MalformedRequest, RequestTooLarge
from junctor.sdk.event import EventType
from junctor.sdk.source import Refused
from junctor.store.dedupe import dedupe_key

DEEPEST: Final = 200
"""Levels of nesting: so that profiles, batches and templates can wrap what an event carries."""
_LEVELS_OF_JSON: Final = 254
"""As many orjson writes."""
MOST_PROPERTIES: Final = 10_000
LONGEST_MESSAGE_ID: Final = 255
MOST_ITEMS: Final = 20_000
"""Events in one request; Segment itself takes 2,500."""
_MOST_REJECTED: Final = 100
_KEPT_OF_REJECTED: Final = 32_768
_TYPES: Final = frozenset(type.value for type in EventType)
_OBJECTS: Final = ("properties", "traits", "context", "integrations")


class Intake:
    """Checks and numbers what comes in."""

    def __init__(
        self, max_event: int, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    ) -> None:
        """Refuse events of more than `max_event` bytes; `new_id` names those without messageId."""
        self._max_event = max_event
        self._new_id = new_id

    def record(
        self,
        source: str,
        body: dict[str, Any],
        received_at: int,
        *,
        corrects_clock: bool,
        named: Counter[str] | None = None,
    ) -> NewRecord:
        """Return the record of a Segment-shaped event; `named` counts the names given so far.

        Raises:
            MalformedRequest: it can't be an event; the message names the field.
        """
        check(body)
        message_id = body.get("messageId")
        if not isinstance(message_id, str):
            message_id = body["messageId"] = identifier_text(message_id)
        if not message_id or message_id.isspace():
            message_id = body["messageId"] = self._name(source, body, named)
        if len(message_id) > LONGEST_MESSAGE_ID:
            raise MalformedRequest(
                f"messageId: at most {LONGEST_MESSAGE_ID} characters, got {len(message_id)}"
            )
        try:
            json = orjson.dumps(body)
            if json.count(b"{") + json.count(b"[") > DEEPEST:
                orjson.dumps(_wrapped(body))
        except (orjson.JSONEncodeError, RecursionError):
            raise MalformedRequest(
                f"the event can't be JSON, or is nested too deeply: at most {DEEPEST} levels"
            ) from None
        if len(json) > self._max_event:
            raise MalformedRequest(
                f"the event has {len(json)} bytes, at most {self._max_event} are allowed"
            )
        key = dedupe_key(source, message_id)
        return NewRecord(
            source, message_id, received_at, corrects_clock, key, json, body, body["type"],
            identifier_text(body.get("userId")),
        )  # fmt: skip

    def _name(self, source: str, body: dict[str, Any], named: Counter[str] | None) -> str:
        """Name an event that has no messageId.

        With a time of its own the same body sent twice is a retry, so it gets the same name; equal
        bodies in one request are several events.
        """
        if not isinstance(body.get("timestamp") or body.get("originalTimestamp"), str):
            return self._new_id()
        told = {name: value for name, value in body.items() if name != "sentAt"}
        try:
            text = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONEncodeError, RecursionError):
            return self._new_id()
        name = f"junctor-{blake2b(source.encode() + text, digest_size=16).hexdigest()}"
        if named is None:
            return name
        named[name] += 1
        return name if named[name] == 1 else f"{name}-{named[name]}"

    def records(
        self,
        source: str,
        bodies: Sequence[Any],
        refused: Sequence[Refused],
        received_at: int,
        *,
        corrects_clock: bool,
    ) -> tuple[list[NewRecord], list[Rejection]]:
        """Return the records of those that can be events, and the others with their reasons.

        Raises:
            RequestTooLarge: there are more than MOST_ITEMS.
        """
        if len(bodies) + len(refused) > MOST_ITEMS:
            raise RequestTooLarge(f"a request may hold at most {MOST_ITEMS} events")
        records = []
        wrong: list[tuple[Any, str]] = [(one.item, one.reason) for one in refused]
        named: Counter[str] = Counter()
        for body in bodies:
            try:
                records.append(
                    self.record(
                        source, body, received_at, corrects_clock=corrects_clock, named=named
                    )
                )
            except MalformedRequest as error:
                wrong.append((body, error.message))
        kept = [rejection(source, item, why, received_at) for item, why in wrong[:_MOST_REJECTED]]
        if more := len(wrong) - len(kept):
            kept.append(rejection(source, None, f"and {more} more of this request", received_at))
        return records, kept


def check(body: Any) -> None:
    """Check that `body` can be an event.

    Raises:
        MalformedRequest: it can't; the message names the field.
    """
    if not isinstance(body, dict):
        raise MalformedRequest("an event must be a JSON object")
    type = body.get("type")
    if not isinstance(type, str) or type not in _TYPES:
        known = ", ".join(sorted(_TYPES))
        raise MalformedRequest(
            f"type: must be one of {known}" if type else f"type: is missing; one of {known}"
        )
    user = identifier_text(body.get("userId"))
    if type == "alias":
        if user is None or identifier_text(body.get("previousId")) is None:
            raise MalformedRequest("userId and previousId: an alias needs both")
    elif type == "delete":
        if user is None:
            raise MalformedRequest("userId: a delete needs it")
    elif user is None and identifier_text(body.get("anonymousId")) is None:
        raise MalformedRequest("userId or anonymousId: one of them is needed, as text")
    if type == "track":
        event = body.get("event")
        if not isinstance(event, str) or not event.strip():
            raise MalformedRequest("event: a track call needs a name")
    elif type == "group" and identifier_text(body.get("groupId")) is None:
        raise MalformedRequest("groupId: a group call needs it")
    for name in _OBJECTS:
        value = body.get(name)
        if value is not None and not isinstance(value, dict):
            raise MalformedRequest(f"{name}: must be an object")
        if value and len(value) > MOST_PROPERTIES:
            raise MalformedRequest(f"{name}: at most {MOST_PROPERTIES} keys")


def _wrapped(body: dict[str, Any]) -> Any:
    """Return `body` so deep inside lists that only `DEEPEST` levels of its own can be written."""
    value: Any = body
    for _ in range(_LEVELS_OF_JSON - DEEPEST):
        value = [value]
    return value


def rejection(source: str, item: Any, reason: str, received_at: int) -> Rejection:
    """Return what is kept of something that can't be an event."""
    try:
        json = orjson.dumps(item, option=orjson.OPT_NON_STR_KEYS)
    except (orjson.JSONEncodeError, RecursionError):
        text = "" if isinstance(item, dict | list) else str(item)[:1000]
        json = orjson.dumps(f"{text}…".encode("utf-8", "replace").decode())
    return Rejection(source, received_at, reason, json[:_KEPT_OF_REJECTED])
