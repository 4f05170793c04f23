"""Events that the hub makes: of audiences entered and left, and of signals.

The former have Segment Engage's form [Segment, using Engage data].
"""

from collections.abc import Mapping
from typing import Any, Final

from junctor.audiences.changes import BACKFILL, Emission, Transition
from junctor.audiences.nodes import ACCOUNT
from junctor.audiences.presence import EXIT, IDLE
from junctor.audiences.seen import HUB
from junctor.model.profile import Profile, public_id
from junctor.pipeline.normalize import format_time

ENTERED: Final = "Audience Entered"
EXITED: Final = "Audience Exited"
PERSON: Final = "profile"
"""Key of `context.junctor`: the person that an event tells of, as `p-NUMBER`."""


def transition_event(
    profile: Profile,
    transition: Transition,
    subject: str,
    consent: Mapping[str, Any] | None,
    person: int,
    *,
    again: bool = False,
) -> dict[str, Any]:
    """Return the event of an entry or exit; `subject` names who, `consent` is what they gave.

    `person` is whom it tells of, 0 if that is not known or nobody.

    One that is told `again`, by more ids, fires no trigger: only who keeps audiences is told.
    """
    audience = transition.audience
    word = "entered" if transition.entered else "exited"
    if again:
        word = f"introduced by {len(transition.ids)}"
    return {
        "type": "track",
        "event": ENTERED if transition.entered else EXITED,
        "messageId": f"{audience.name}/{word}/{subject}/{transition.version}"
        f"/{transition.number}/{transition.at}",
        **(transition.ids or ids_of(profile, {})),
        "timestamp": format_time(transition.at),
        "properties": {
            "audience_key": audience.name,
            audience.name: transition.entered,
            "reason": transition.reason,
        },
        "context": _context(profile, transition, subject, consent, person, silent=again),
    }


def signal_event(
    profile: Profile, emission: Emission, message_id: str, cause: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the event of a signal, or of an exit by silence, which the event `cause` completed."""
    name = emission.name
    context = cause.get("context")
    context = dict(context) if isinstance(context, dict) else {}
    context[HUB] = {"cause": message_id, PERSON: public_id(profile.id)}
    if name in (EXIT, IDLE):
        context[HUB]["heartbeats"] = name == EXIT
        context[HUB]["known_at"] = format_time(emission.completion.known_at)
    properties = cause.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    return {
        "type": "track",
        "event": EXIT if name == IDLE else name,
        "messageId": f"{message_id}/{name}",
        **ids_of(profile, cause),
        "timestamp": format_time(emission.completion.at),
        "properties": {**properties, **emission.properties},
        "context": context,
    }


def ids_of(profile: Profile, body: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids by which a person is told to destinations: the newest, the event's own first.

    Empty for one who has neither user id nor anonymous id.
    """
    ids = {}
    for field_name, kind in (("userId", "user_id"), ("anonymousId", "anonymous_id")):
        known = profile.identifiers.get(kind)
        own = body.get(field_name)
        if isinstance(own, str) and known and own in known:
            ids[field_name] = own
        elif known:
            ids[field_name] = known[-1]
    return ids


def subject_ids(key: str) -> dict[str, str]:
    """Return the ids by which a subject that is no person (`KIND:VALUE`) is told."""
    kind, _, value = key.partition(":")
    fields = {"user_id": "userId", "anonymous_id": "anonymousId"}
    return {fields[kind]: value} if kind in fields else {}


def _context(
    profile: Profile,
    transition: Transition,
    subject: str,
    consent: Mapping[str, Any] | None,
    person: int,
    *,
    silent: bool,
) -> dict[str, Any]:
    audience = transition.audience
    context: dict[str, Any] = {
        "personas": {
            "computation_class": "audience",
            "computation_id": f"{audience.name}@{transition.version}",
            "computation_key": audience.name,
            "namespace": HUB,
            "space_id": HUB,
        },
    }
    email = profile.traits.get("email")
    known = profile.identifiers.get("email")
    if email is not None and isinstance(email[0], str):
        context["traits"] = {"email": email[0]}
    elif known:
        context["traits"] = {"email": known[-1]}
    kind, _, value = subject.partition(":")
    if not transition.ids:
        own = profile.identifiers if profile.id or kind == ACCOUNT else {kind: [value]}
        context["externalIds"] = [
            {"id": values[-1], "type": kind, "collection": "users", "encoding": "none"}
            for kind, values in own.items()
            if values
        ]
    if consent is not None:
        context["consent"] = consent
    if transition.session is not None:
        context["sessionId"] = transition.session
    if profile.id == 0:
        context["groupId" if kind == ACCOUNT else kind] = value
    said: dict[str, Any] = {PERSON: public_id(person)} if person else {}
    if silent or (transition.reason == BACKFILL and not audience.notify_backfill):
        said["silent"] = True
    if said:
        context[HUB] = said
    return context
