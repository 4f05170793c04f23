"""What an event teaches about its person: traits by newest time, groups, first and last seen."""

from typing import Any, Final

from junctor.model.profile import Profile, Traits
from junctor.pipeline.normalize import identifier_text

MOST_TRAITS: Final = 1_000
MOST_GROUPS: Final = 50


def update_profile(profile: Profile, event: dict[str, Any], at: int) -> None:
    """Fold `event` (canonical, at epoch milliseconds `at`) into `profile`."""
    if not profile.first_seen or at < profile.first_seen:
        profile.first_seen = at
    if at > profile.last_seen:
        profile.last_seen = at
    kind = event.get("type")
    context = event.get("context")
    if isinstance(context, dict):
        carried = context.get("traits")
        if isinstance(carried, dict) and carried and kind != "group":
            _learn(profile, profile.traits, carried, at)
    traits = event.get("traits")
    if kind == "identify" and isinstance(traits, dict):
        _learn(profile, profile.traits, traits, at)
    elif kind == "group":
        group = identifier_text(event.get("groupId"))
        if group is not None and (group in profile.groups or len(profile.groups) < MOST_GROUPS):
            of_group = profile.groups.setdefault(group, {})
            profile.changed()
            if isinstance(traits, dict):
                _learn(profile, of_group, traits, at)


def _learn(profile: Profile, known: Traits, new: dict[str, Any], at: int) -> None:
    for name, value in new.items():
        before = known.get(name)
        if before is None:
            if len(known) >= MOST_TRAITS:
                continue
        elif before[1] > at or (before[0] == value and before[1] == at):
            continue
        known[name] = (value, at)
        profile.changed()
