"""What an event teaches about its person: traits by newest time, groups, first and last seen.

Audiences and computed traits that Segment Engage tells of are traits as well, in the form of an
identify call and in that of a track event [Segment, using Engage data].
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson

from junctor.model.profile import Profile, Traits
from junctor.pipeline.normalize import identifier_text

MOST_TRAITS: Final = 1_000
MOST_GROUPS: Final = 50
MOST_TRAIT_BYTES: Final = 16_384
"""Larger values are not learned; the event itself carries them all the same."""
MOST_BYTES: Final = 262_144
"""Size of a profile beyond which it learns no more: every event of a person reads and writes it."""


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
            changed += _learn(profile, profile.traits, carried, at)
        personas = context.get("personas")
        if isinstance(personas, dict):
            changed += _learn_computed(profile, event, personas, at)
    traits = event.get("traits")
    if kind == "identify" and isinstance(traits, dict):
        changed += _learn(profile, profile.traits, traits, at)
    elif kind == "group":
        group = identifier_text(event.get("groupId"))
        if group is not None and (group in profile.groups or len(profile.groups) < MOST_GROUPS):
            of_group = profile.groups.setdefault(group, {})
            profile.changed()
            if isinstance(traits, dict):
                _learn(profile, of_group, traits, at)
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
    if not isinstance(key, str) or sort not in ("audience", "trait"):
        return changed
    told = event.get("traits" if event.get("type") == "identify" else "properties")
    value = told.get(key) if isinstance(told, dict) else None
    if value is None:
        return changed
    if event.get("type") == "track":
        changed = _learn(profile, profile.traits, {key: value}, at)
    if sort == "audience" and profile.traits.get(key, (None, at))[1] <= at:
        profile.audiences[key] = value is True
        profile.changed()
    return changed


def _learn(profile: Profile, known: Traits, new: dict[str, Any], at: int) -> list[str]:
    """Learn traits that are newer than those known; return those whose value changed."""
    changed = []
    for name, value in new.items():
        before = known.get(name)
        if before is not None:
            if before[1] > at:
                continue
            if before[0] == value and type(before[0]) is type(value):
                known[name] = (before[0], max(at, before[1]))
                continue
        elif len(known) >= MOST_TRAITS:
            continue
        size = _size(value) + len(name)
        if size > MOST_TRAIT_BYTES or not _has_room(profile, size):
            continue
        profile.size += size
        known[name] = (value, at)
        changed.append(name)
    if changed:
        profile.changed()
    return changed


def _has_room(profile: Profile, more: int) -> bool:
    """Whether the profile may grow; what was replaced since the last look is given back first."""
    if profile.size + more > MOST_BYTES:
        profile.size = len(profile.encode())
    return profile.size + more <= MOST_BYTES


def _size(value: Any) -> int:
    """Return about how many bytes of JSON a value takes."""
    if isinstance(value, str):
        return len(value)
    return len(orjson.dumps(value)) if isinstance(value, list | dict) else 8
