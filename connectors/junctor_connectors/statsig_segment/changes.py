"""What a batch of events changes in the lists: the last state of each member of each audience.

The events are those of Segment Engage, which the hub's own transitions are shaped after: a track
call whose properties, or an identify call whose traits, have the audience's key with true or false.
`context.personas` tells them from other calls; their names can be changed by the sender
[Segment, using Engage data].
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from junctor.sdk import DeliveryError, Event, EventType, Rejected
from junctor_connectors.statsig_segment.identifier import Identifier

_BY_NAME: Final = {"Audience Entered": True, "Audience Exited": False}


@dataclass(slots=True)
class Change:
    """A member's last state in a batch, and the indexes of all events that speak of it."""

    entered: bool
    events: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Changes:
    """`of` maps an audience to its members' changes; `refused` the index of an event to why."""

    of: dict[str, dict[str, Change]] = field(default_factory=dict)
    refused: dict[int, DeliveryError] = field(default_factory=dict)


def changes_of(events: Sequence[Event], identifier: Identifier) -> Changes:
    """Return what `events` change, which stand in order: the last one of a member wins."""
    changes = Changes()
    for index, event in enumerate(events):
        try:
            audience, entered = transition_of(event)
            member = identifier.of_event(event)
            if member is None:
                raise Rejected(f"no {identifier.kind}: the person can't stand in the list")
        except Rejected as error:
            changes.refused[index] = error
            continue
        change = changes.of.setdefault(audience, {}).setdefault(member, Change(entered))
        change.entered = entered
        change.events.append(index)
    return changes


def transition_of(event: Event) -> tuple[str, bool]:
    """Return the key of the audience, and whether the person is in it now.

    Raises:
        Rejected: the event is about no audience, or does not say which or what.
    """
    personas = event.context.get("personas")
    if not isinstance(personas, dict) or personas.get("computation_class") != "audience":
        raise Rejected("not about an audience: no context.personas that says so")
    data = event.traits if event.type == EventType.IDENTIFY else event.properties
    key = personas.get("computation_key") or data.get("audience_key")
    if not isinstance(key, str) or not key:
        raise Rejected("the audience has no key")
    entered = data.get(key)
    if entered is None and event.type == EventType.TRACK:
        entered = _BY_NAME.get(event.event or "")
    if not isinstance(entered, bool):
        raise Rejected("the event does not say whether the person is in the audience")
    return key, entered
