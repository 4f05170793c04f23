"""Traits of a person, a group, an account: the newest values, within bounds."""

from typing import Any, Final

import orjson

from junctor.model.profile import Profile, Traits

MOST_TRAITS: Final = 1_000
MOST_TRAIT_BYTES: Final = 16_384
"""Larger values are not learned; the event itself carries them all the same."""
MOST_BYTES: Final = 262_144
"""Size of a profile beyond which it learns no more: every event of a person reads and writes it."""


def learn(profile: Profile, known: Traits, new: dict[str, Any], at: int) -> list[str]:
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
