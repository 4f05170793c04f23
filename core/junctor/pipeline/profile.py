"""What an event teaches about its person: traits by newest time, groups, first and last seen.

Audiences and computed traits that Segment Engage tells of are traits as well, in the form of an
identify call and in that of a track event [Segment, using Engage data].
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from junctor.model.profile import Profile
from junctor.pipeline.normalize import identifier_text
from junctor.pipeline.traits import learn

MOST_GROUPS: Final = 50
MOST_COMPUTED: Final = 200
"""Memberships that other hubs told of one person."""
LONGEST_KEY: Final = 128
"""Characters of the name of what another hub computed."""


def update_profile(profile: Profile, event: dict[str, Any], at: int) -> Collection[str]:
    """Fold `event` (canonical, at epoch milliseconds `at`) into `profile`.

    Return the person's traits whose value it changed.
    """
    changed: list[str] = []
    if not profile.first_seen or at < profile.first_seen:
        profile.first_seen = at
    if at > profile.last_seen:
        profile.last_seen = at
    kind = event.get("type")
    context = event.get("context")
    if isinstance(context, dict):
        carried = context.get("traits")
        if isinstance(carried, dict) and carried and kind != "group":
            changed += learn(profile, profile.traits, carried, at)
        personas = context.get("personas")
        if isinstance(personas, dict):
            changed += _learn_computed(profile, event, personas, at)
    traits = event.get("traits")
    if kind == "identify" and isinstance(traits, dict):
        changed += learn(profile, profile.traits, traits, at)
    elif kind == "group":
        group = identifier_text(event.get("groupId"))
        if group is not None and (group in profile.groups or len(profile.groups) < MOST_GROUPS):
            of_group = profile.groups.setdefault(group, {})
            profile.changed()
            if isinstance(traits, dict):
                learn(profile, of_group, traits, at)
    return changed


def is_computed(event: Mapping[str, Any]) -> bool:
    """Whether an event tells of a trait or membership that another hub computed."""
    context = event.get("context")
    return isinstance(context, dict) and isinstance(context.get("personas"), dict)


def _learn_computed(
    profile: Profile, event: dict[str, Any], personas: dict[str, Any], at: int
) -> list[str]:
    """Learn a trait or a membership that another hub computed; names of such events are free.

    Return the traits whose value changed.
    """
    changed: list[str] = []
    key, sort = personas.get("computation_key"), personas.get("computation_class")
    if not isinstance(key, str) or len(key) > LONGEST_KEY or sort not in ("audience", "trait"):
        return changed
    told = event.get("traits" if event.get("type") == "identify" else "properties")
    value = told.get(key) if isinstance(told, dict) else None
    if value is None:
        return changed
    if event.get("type") == "track":
        changed = learn(profile, profile.traits, {key: value}, at)
    room = key in profile.audiences or len(profile.audiences) < MOST_COMPUTED
    if sort == "audience" and room and profile.traits.get(key, (None, at))[1] <= at:
        profile.audiences[key] = value is True
        profile.changed()
    return changed
