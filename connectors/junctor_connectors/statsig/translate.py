"""From Segment's event to Statsig's.

Follows Statsig's Segment integration (`statsigCustomIDs`, `statsigCustom`, `statsigEnvironment`)
and the LogEventRequest of its HTTP API: https://docs.statsig.com/http-api. It runs per event, so it
reads the plain JSON and asks each part of it for what it is once.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal

import orjson

from junctor.sdk import Event, ProfileView, Rejected, compile_template, has_placeholders
from junctor.sdk.template import plain_text
from junctor_connectors.statsig.settings import StatsigSettings
from junctor_connectors.statsig.values import (
    MAX_OBJECT,
    MAX_TEXT,
    add_custom,
    add_metadata,
    event_name,
    event_value,
    fitting_metadata,
    fitting_user,
    flat_pairs,
    json_bytes,
)

Identifier = Callable[[Event], str | None]
Namer = Callable[[Mapping[str, Any]], str]
Custom = tuple[Callable[[ProfileView], Mapping[str, Any]], Literal["all"] | tuple[str, ...], Any]
"""Values of a profile by name, which of them are wanted, and what stands for one that is not there.
"""


class Translator:
    """One event into one Statsig event. Everything that the settings decide is decided once."""

    def __init__(self, settings: StatsigSettings) -> None:
        """Compile names and identifiers."""
        names = settings.names.model_dump()
        self._names = {type: _namer(settings.event_prefix, text) for type, text in names.items()}
        self._no_name = event_name(settings.event_prefix)
        self._custom_ids = [(name, _identifier(kind)) for name, kind in settings.custom_ids.items()]
        self._user_id = _identifier("user_id")
        self._custom_of = _custom_of(settings)
        self._value_from = settings.value_from
        self._environment = {"tier": settings.environment}

    def __call__(self, event: Event) -> bytes:
        """Return the event as JSON.

        Raises:
            Rejected: a track event without name, nobody to attribute to.
            InvalidPayload: nested too deeply to be written.
        """
        name = self._names[event.type](event.body)
        if name == self._no_name:
            raise Rejected(f"the {event.type} event has no name")
        data = _data(event)
        user = self._user(event, data)
        metadata = _metadata(event, data)
        statsig: dict[str, Any] = {"eventName": name, "time": event.timestamp, "user": user}
        value = event_value(data, self._value_from)
        if value is not None:
            statsig["value"] = value
        statsig["metadata"] = metadata
        text = json_bytes(statsig)
        if len(text) <= MAX_OBJECT:  # then user and metadata in it are within it, too
            return text
        statsig["user"] = orjson.Fragment(fitting_user(user))
        statsig["metadata"] = orjson.Fragment(fitting_metadata(metadata))
        return json_bytes(statsig)

    def _user(self, event: Event, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the StatsigUser. `privateAttributes` is no part of it: they are never logged."""
        user: dict[str, Any] = {}
        user_id = self._user_id(event)
        if user_id:
            user["userID"] = user_id
        custom_ids: dict[str, str] = {}
        for name, find in self._custom_ids:
            found = find(event)
            if found:
                custom_ids[name] = found
        if "statsigCustomIDs" in data:
            for name, own in flat_pairs(data["statsigCustomIDs"]):
                custom_ids[name] = plain_text(own)[:MAX_TEXT]
        if not user_id and not custom_ids:
            raise Rejected("the event has neither a user id nor a custom id")
        _add_person(event, data, user)
        if self._custom_of or "statsigCustom" in data:
            custom = self._custom(event, data)
            if custom:
                user["custom"] = custom
        if custom_ids:
            user["customIDs"] = custom_ids
        user["statsigEnvironment"] = _environment(data) or self._environment
        return user

    def _custom(self, event: Event, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the custom attributes, those first that are to stay if not all have room."""
        custom: dict[str, Any] = {}
        for known, names, otherwise in self._custom_of:
            values = known(event.profile)
            wanted = values if names == "all" else names
            new = {name: values.get(name, otherwise) for name in wanted if name not in custom}
            add_custom(new, custom)
        if "statsigCustom" in data:
            add_custom(dict(flat_pairs(data["statsigCustom"])), custom)
        return custom


def _custom_of(settings: StatsigSettings) -> list[Custom]:
    """Return whence custom attributes come: of one name, the first that has it gives it."""
    chosen: Sequence[tuple[str, Literal["all"] | frozenset[str], Any]] = (
        ("audiences", settings.audiences, False),
        ("scores", settings.scores, None),
        ("attributes", settings.attributes, None),
        ("traits", settings.traits, None),
    )
    return [
        (attrgetter(known), names if names == "all" else tuple(sorted(names)), otherwise)
        for known, names, otherwise in chosen
        if names
    ]


def _namer(prefix: str, template: str) -> Namer:
    """Return the name of an event as a function of its body."""
    if not has_placeholders(template):
        name = event_name(prefix + template)
        return lambda body: name
    render = compile_template(template)
    as_it_is = template == "{{event}}"  # so is nearly all traffic: no need to render a text

    def name_of(body: Mapping[str, Any]) -> str:
        text = body.get("event") if as_it_is else None
        return event_name(prefix + (text if isinstance(text, str) else render(body)))

    return name_of


def _data(event: Event) -> Mapping[str, Any]:
    """Return what the call is about: traits of identify and group, properties of the others."""
    if event.type == "identify":
        return event.traits
    # context.traits, to which `event.traits` would turn, are the person's, not the group's
    data = event.body.get("traits" if event.type == "group" else "properties")
    return data if isinstance(data, dict) else {}


def _metadata(event: Event, data: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata; the message id comes first, so that trimming can't lose it."""
    type = event.type
    metadata = {"messageId": event.message_id}
    if type in ("page", "screen"):
        body = event.body
        for name in ("name", "category"):
            text = body.get(name)
            if isinstance(text, str) and text:
                metadata[name] = text
    elif type == "group" and event.group_id:
        metadata["groupId"] = event.group_id
    elif type == "alias" and event.previous_id:
        metadata["previousId"] = event.previous_id
    add_metadata(data, metadata)
    metadata["messageId"] = event.message_id
    return metadata


def _identifier(kind: str) -> Identifier:
    """Return a function that finds an id of `kind`: in the event first, else in the profile."""

    def group(event: Event) -> str | None:
        groups = event.profile.groups
        return _id(event.group_id) or (_id(next(reversed(list(groups)))) if groups else None)

    def own(event: Event) -> str | None:
        return _id(event.body.get(field)) or _id(event.profile.identifier(kind))

    if kind == "group_id":
        return group
    field = {"user_id": "userId", "anonymous_id": "anonymousId"}.get(kind, "")
    return own if field else lambda event: _id(event.profile.identifier(kind))


def _id(text: Any) -> str | None:
    return text.strip()[:MAX_TEXT] if isinstance(text, str) else None


def _add_person(event: Event, data: Mapping[str, Any], user: dict[str, Any]) -> None:
    """Add the user's fields that come from the context and the person's traits."""
    context = event.body.get("context")
    if not isinstance(context, dict):
        context = {}
    known = event.profile.traits
    traits = data if event.type == "identify" else context.get("traits")
    email = traits.get("email") if isinstance(traits, dict) else None
    if not email:
        email = known.get("email") or event.profile.identifier("email")
    if email and isinstance(email, str):
        user["email"] = email
    for name in ("ip", "userAgent", "locale"):
        text = context.get(name)
        if text and isinstance(text, str):
            user[name] = text
    country = _country_of(context.get("location")) or _country_of(known.get("address"))
    if country or (country := _country(known.get("country"))):
        user["country"] = country
    app = context.get("app")
    if isinstance(app, dict) and (version := app.get("version")):
        user["appVersion"] = plain_text(version)


def _country_of(place: Any) -> str | None:
    return _country(place.get("country")) if isinstance(place, dict) else None


def _country(text: Any) -> str | None:
    """Return an ISO 3166 alpha-2 code in upper case; Statsig takes nothing else."""
    if isinstance(text, str) and len(text) == 2 and text.isalpha() and text.isascii():
        return text.upper()
    return None


def _environment(data: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the event's own environment, if it names one."""
    found = data.get("statsigEnvironment")
    tier = found.get("tier") if isinstance(found, dict) else None
    return {"tier": tier[:MAX_TEXT]} if tier and isinstance(tier, str) else None
