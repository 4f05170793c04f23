"""From Segment's event to Statsig's.

Follows Statsig's Segment integration (`statsigCustomIDs`, `statsigCustom`, `statsigEnvironment`)
and the LogEventRequest of its HTTP API: https://docs.statsig.com/http-api.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from junctor.sdk import Event, Rejected
from junctor.sdk.template import compile_template, plain_text
from junctor_connectors.statsig.settings import StatsigSettings
from junctor_connectors.statsig.values import (
    MAX_TEXT,
    add_custom,
    add_metadata,
    event_name,
    event_value,
    fitting_metadata,
    fitting_user,
    flat_pairs,
)

DEFAULT_TYPES: Final = frozenset(("track", "page", "screen", "group"))

Identifier = Callable[[Event], str | None]


class Translator:
    """One event into one Statsig event. Everything that the settings decide is decided once."""

    def __init__(self, settings: StatsigSettings) -> None:
        """Compile names and identifiers."""
        self._types = settings.send if settings.send is not None else DEFAULT_TYPES
        names = settings.names.model_dump()
        self._names = {type: compile_template(text) for type, text in names.items()}
        self._prefix = settings.event_prefix
        self._no_name = event_name(settings.event_prefix)
        self._custom_ids = [(name, _identifier(kind)) for name, kind in settings.custom_ids.items()]
        self._user_id = _identifier("user_id")
        self._traits = settings.traits
        self._value_from = settings.value_from
        self._environment = {"tier": settings.environment}

    def __call__(self, event: Event) -> orjson.Fragment:
        """Return the event as finished JSON.

        Raises:
            Rejected: a type that is not sent, a track event without name, nobody to attribute to.
            InvalidPayload: nested too deeply to be written.
        """
        if event.type not in self._types:
            raise Rejected(f"{event.type} events are not sent; see settings.send")
        name = event_name(self._prefix + self._names[event.type](event.body))
        if name == self._no_name:
            raise Rejected(f"the {event.type} event has no name")
        data = _data(event)
        statsig: dict[str, Any] = {"eventName": name, "time": event.timestamp}
        statsig["user"] = orjson.Fragment(fitting_user(self._user(event, data)))
        value = event_value(data, self._value_from)
        if value is not None:
            statsig["value"] = value
        statsig["metadata"] = orjson.Fragment(fitting_metadata(_metadata(event, data)))
        return orjson.Fragment(orjson.dumps(statsig))

    def _user(self, event: Event, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the StatsigUser. `privateAttributes` is no part of it: they are never logged."""
        user: dict[str, Any] = {}
        user_id = self._user_id(event)
        if user_id:
            user["userID"] = user_id
        custom_ids = {name: found for name, find in self._custom_ids if (found := find(event))}
        if "statsigCustomIDs" in data:
            for name, found in flat_pairs(data["statsigCustomIDs"]):
                custom_ids[name] = plain_text(found)[:MAX_TEXT]
        if not user_id and not custom_ids:
            raise Rejected("the event has neither a user id nor a custom id")
        user.update(_person(event, data))
        custom = self._custom(event, data)
        if custom:
            user["custom"] = custom
        if custom_ids:
            user["customIDs"] = custom_ids
        user["statsigEnvironment"] = _environment(data) or self._environment
        return user

    def _custom(self, event: Event, data: Mapping[str, Any]) -> dict[str, Any]:
        custom: dict[str, Any] = {}
        traits = event.profile.traits
        if self._traits == "all":
            add_custom(traits, custom)
        elif self._traits:
            wanted = self._traits
            add_custom({name: item for name, item in traits.items() if name in wanted}, custom)
        if "statsigCustom" in data:
            add_custom(dict(flat_pairs(data["statsigCustom"])), custom)
        return custom


def _data(event: Event) -> Mapping[str, Any]:
    """Return what the call is about: traits of identify and group, properties of the others."""
    if event.type == "identify":
        return event.traits
    if event.type == "group":
        traits = event.body.get("traits")  # context.traits are the person's, not the group's
        return traits if isinstance(traits, dict) else {}
    return event.properties


def _metadata(event: Event, data: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata; the message id comes first, so that trimming can't lose it."""
    body = event.body
    metadata = {"messageId": event.message_id}
    if event.type in ("page", "screen"):
        for name in ("name", "category"):
            text = body.get(name)
            if isinstance(text, str) and text:
                metadata[name] = text
    elif event.type == "group" and event.group_id:
        metadata["groupId"] = event.group_id
    elif event.type == "alias" and event.previous_id:
        metadata["previousId"] = event.previous_id
    add_metadata(data, metadata)
    metadata["messageId"] = event.message_id
    return metadata


def _identifier(kind: str) -> Identifier:
    """Return a function that finds an id of `kind`: in the event first, else in the profile."""

    def group(event: Event) -> str | None:
        groups = event.profile.groups
        return _id(event.group_id) or (_id(next(reversed(list(groups)))) if groups else None)

    if kind == "group_id":
        return group
    if kind == "user_id":
        return lambda event: _id(event.user_id) or _id(event.profile.identifier("user_id"))
    if kind == "anonymous_id":
        return lambda event: (
            _id(event.anonymous_id) or _id(event.profile.identifier("anonymous_id"))
        )
    return lambda event: _id(event.profile.identifier(kind))


def _id(text: str | None) -> str | None:
    return text.strip()[:MAX_TEXT] if text else None


def _person(event: Event, data: Mapping[str, Any]) -> dict[str, str]:
    """Return the user's fields that come from the context and the person's traits."""
    context = event.context
    profile = event.profile
    person: dict[str, str] = {}
    traits = data if event.type == "identify" else context.get("traits")
    email = (traits.get("email") if isinstance(traits, dict) else None) or (
        profile.traits.get("email") or profile.identifier("email")
    )
    if email and isinstance(email, str):
        person["email"] = email
    for name in ("ip", "userAgent", "locale"):
        text = context.get(name)
        if text and isinstance(text, str):
            person[name] = text
    country = _country(context.get("location"), profile.traits.get("address"), profile.traits)
    if country:
        person["country"] = country
    app = context.get("app")
    if isinstance(app, dict) and (version := app.get("version")):
        person["appVersion"] = plain_text(version)
    return person


def _country(*holders: Any) -> str | None:
    """Return a country where it is an ISO 3166 alpha-2 code; Statsig takes nothing else."""
    for holder in holders:
        found = holder.get("country") if holder and isinstance(holder, Mapping) else None
        if isinstance(found, str) and len(found) == 2 and found.isalpha() and found.isascii():
            return found.upper()
    return None


def _environment(data: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the event's own environment, if it names one."""
    found = data.get("statsigEnvironment")
    tier = found.get("tier") if isinstance(found, dict) else None
    return {"tier": tier[:MAX_TEXT]} if tier and isinstance(tier, str) else None
