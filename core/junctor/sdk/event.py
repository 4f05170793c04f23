"""The canonical event as a connector sees it: Segment's message with corrected time and a person.

Segment's spec is the event model: track, identify, page, screen, group, alias, and delete.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, cast

import orjson

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


def _empty() -> Mapping[str, Any]:
    return EMPTY


class EventType(StrEnum):
    """The calls of Segment's spec, and the deletion notice of its Webhooks destination."""

    TRACK = "track"
    IDENTIFY = "identify"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class ProfileView:
    """The person an event is about, as known when the event was processed.

    `identifiers` maps a kind ("user_id", "email") to its values, newest last;
    `traits` are the newest values of the person's traits; `groups` has those of the groups by id;
    `audiences` tells of audiences whether the person is in; `attributes` and `scores` are figures
    of the person's behavior by name, computed when they are asked for;
    `first_seen` and `last_seen` are epoch milliseconds of event time.
    """

    id: str = ""
    traits: Mapping[str, Any] = field(default_factory=_empty)
    identifiers: Mapping[str, Sequence[str]] = field(default_factory=_empty)
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=_empty)
    audiences: Mapping[str, bool] = field(default_factory=_empty)
    attributes: Mapping[str, Any] = field(default_factory=_empty)
    scores: Mapping[str, float] = field(default_factory=_empty)
    first_seen: int = 0
    last_seen: int = 0

    def identifier(self, kind: str) -> str | None:
        """Return the newest identifier of `kind`, or None."""
        values = self.identifiers.get(kind)
        return values[-1] if values else None

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as plain data, as predicates and templates see it."""
        return {
            "id": self.id,
            "traits": dict(self.traits),
            "identifiers": {kind: list(values) for kind, values in self.identifiers.items()},
            "groups": {group: dict(traits) for group, traits in self.groups.items()},
            "audiences": dict(self.audiences),
            "attributes": dict(self.attributes),
            "scores": dict(self.scores),
            "first_seen": iso_time(self.first_seen),
            "last_seen": iso_time(self.last_seen),
        }


NOBODY: Final = ProfileView()


class Event:
    """One canonical event. Treat it as immutable: every destination sees the same object.

    `json` is the Segment-shaped JSON text as UTF-8 bytes, with `messageId` at the top, ready to be
    sent; `body` the same as a dict, parsed on first use. `timestamp` and `received_at` are epoch
    milliseconds, the former already corrected for the sender's clock.
    """

    __slots__ = (
        "_body", "_profile", "json", "message_id", "number", "offset", "received_at", "source",
        "timestamp", "type",
    )  # fmt: skip

    def __init__(
        self,
        json: bytes,
        *,
        type: str,
        message_id: str,
        timestamp: int,
        received_at: int,
        source: str,
        offset: int = 0,
        profile: ProfileView | Callable[[], ProfileView] = NOBODY,
        body: dict[str, Any] | None = None,
    ) -> None:
        """Wrap canonical JSON; `body` may be given where the caller has parsed it already.

        `profile` may be given as a function that is called when somebody asks for it.
        """
        self.json = json
        self.type = type
        self.message_id = message_id
        self.timestamp = timestamp
        self.received_at = received_at
        self.source = source
        self.offset = offset
        self._profile = profile
        self._body = body
        self.number = 0  # the hub's own, see host/plain.py

    @classmethod
    def from_body(
        cls, body: Mapping[str, Any], *, source: str = "test", profile: ProfileView = NOBODY
    ) -> "Event":
        """Build an event from a complete Segment-shaped dict: for tests and examples.

        `messageId`, `type` and ISO-8601 `timestamp` must be there.
        """
        at = round(datetime.fromisoformat(body["timestamp"]).timestamp() * 1000)
        return cls(
            orjson.dumps(body),
            type=body["type"],
            message_id=body["messageId"],
            timestamp=at,
            received_at=at,
            source=source,
            profile=profile,
        )

    @property
    def profile(self) -> ProfileView:
        """The person the event is about."""
        if not isinstance(self._profile, ProfileView):
            self._profile = self._profile()
        return self._profile

    @property
    def body(self) -> Mapping[str, Any]:
        """The Segment-shaped event as a mapping; do not change it."""
        if self._body is None:
            self._body = orjson.loads(self.json)
        return self._body

    @property
    def event(self) -> str | None:
        """Name of a track event."""
        return self._text("event")

    @property
    def name(self) -> str | None:
        """Name of a page or screen."""
        return self._text("name")

    @property
    def category(self) -> str | None:
        """Category of a page or screen."""
        return self._text("category")

    @property
    def user_id(self) -> str | None:
        """`userId`, the business id."""
        return self._text("userId")

    @property
    def anonymous_id(self) -> str | None:
        """`anonymousId`, the device or browser."""
        return self._text("anonymousId")

    @property
    def group_id(self) -> str | None:
        """`groupId` of a group call, or `context.groupId` of any other."""
        value = self.body.get("groupId") or self.context.get("groupId")
        return value if isinstance(value, str) else None

    @property
    def previous_id(self) -> str | None:
        """`previousId` of an alias call."""
        return self._text("previousId")

    @property
    def properties(self) -> Mapping[str, Any]:
        """`properties`, or an empty mapping."""
        return self._mapping("properties")

    @property
    def traits(self) -> Mapping[str, Any]:
        """`traits` of an identify or group call, else `context.traits`, else an empty mapping."""
        value = self.body.get("traits")
        if isinstance(value, dict):
            return value
        value = self.context.get("traits")
        return value if isinstance(value, dict) else EMPTY

    @property
    def context(self) -> Mapping[str, Any]:
        """`context`, or an empty mapping."""
        return self._mapping("context")

    @property
    def integrations(self) -> Mapping[str, Any]:
        """`integrations`, or an empty mapping."""
        return self._mapping("integrations")

    def payload(self) -> dict[str, Any]:
        """Return the event with `profile`, `audiences`, `attributes` and `scores` beside it.

        That is how templates see it.
        """
        profile = self.profile
        plain = profile.as_dict()
        shown = {name: plain[name] for name in ("audiences", "attributes", "scores")}
        return {**self.body, "profile": plain, **shown}

    def __repr__(self) -> str:
        """Name the event without its data."""
        return f"<Event {self.type} {self.message_id}>"

    def _text(self, key: str) -> str | None:
        value = self.body.get(key)
        return value if isinstance(value, str) else None

    def _mapping(self, key: str) -> Mapping[str, Any]:
        value = self.body.get(key)
        return cast(Mapping[str, Any], value) if isinstance(value, dict) else EMPTY


def given_profile(event: Event) -> ProfileView | Callable[[], ProfileView]:
    """Return the profile as the host gave it: a view, or what gives one."""
    return event._profile


def iso_time(milliseconds: int) -> str:
    """Return epoch `milliseconds` as ISO-8601 UTC text with milliseconds and `Z`."""
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text[:-6] + "Z"
