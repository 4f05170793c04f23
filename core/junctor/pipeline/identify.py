"""Who an event is about: identifiers to a profile, new profiles, merges with protection.

Works on a `People`, the batch's view of the state, and records there what changed. The rules are
Segment's [Unify, identity resolution]: identifiers have a priority and a limit; where joining
would break a limit, the event's identifier of lowest priority is left out and matching repeats.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from junctor.config.model import Identity
from junctor.model.erasure import Erasure
from junctor.model.profile import IdentityConflict, Merge, Profile
from junctor.pipeline.normalize import identifier_text
from junctor.store.port import IdentifierKey

_BUILT_IN: Final = {"user_id": "userId", "anonymous_id": "anonymousId"}
_LONGEST: Final = 512
_MOST_EXTERNAL: Final = 50
"""External ids read off one event; what joining costs grows with their square."""
_ONLY_ZEROS: Final = re.compile(r"[0-]*")


@dataclass(slots=True)
class People:
    """What is known of the people in a batch of events, and what the batch changes."""

    known: dict[IdentifierKey, int]
    profiles: dict[int, Profile]
    identifiers: dict[IdentifierKey, int | None] = field(default_factory=dict)
    touched: dict[int, Profile | None] = field(default_factory=dict)
    merges: list[Merge] = field(default_factory=list)
    absorbed: list[tuple[Profile, Profile]] = field(default_factory=list)
    """Survivors with the profiles that went up in them, until somebody takes them."""
    conflicts: list[IdentityConflict] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)

    def first(self, keys: Iterable[IdentifierKey]) -> Profile | None:
        """Return whose the first known identifier is."""
        return next((self.profiles[self.known[key]] for key in keys if key in self.known), None)

    def of(self, keys: Iterable[IdentifierKey]) -> list[Profile]:
        """Return all whose identifiers these are."""
        found = dict.fromkeys(self.known[key] for key in keys if key in self.known)
        return [self.profiles[id] for id in found]

    def attach(self, profile: Profile, key: IdentifierKey) -> None:
        """Make `key` an identifier of `profile`."""
        kind, value = key
        profile.identifiers.setdefault(kind, []).append(value)
        profile.changed()
        self.known[key] = profile.id
        self.identifiers[key] = profile.id

    def take_absorbed(self) -> list[tuple[Profile, Profile]]:
        """Return the survivors with what they absorbed since the last call."""
        taken, self.absorbed = self.absorbed, []
        return taken

    def remove(self, profile: Profile) -> None:
        """Forget a profile and its identifiers."""
        for kind, values in profile.identifiers.items():
            for value in values:
                self.known.pop((kind, value), None)
                self.identifiers[kind, value] = None
        self.profiles.pop(profile.id, None)
        self.touched[profile.id] = None


class Identifiers:
    """Reads identifiers off events, by priority, nobody's values left out."""

    def __init__(self, identity: Identity) -> None:
        """Prepare the paths of every kind."""
        self.limits = {identifier.kind: identifier.limit for identifier in identity.identifiers}
        self.max_merges = identity.max_merges
        self._kinds = [
            (
                identifier.kind,
                _BUILT_IN.get(identifier.kind),
                [tuple(path.split(".")) for path in identifier.source_paths],
            )
            for identifier in identity.identifiers
        ]
        self._blocked = {value.lower() for value in identity.blocked}
        self._blocked_by_kind = {
            identifier.kind: [pattern.lower() for pattern in identifier.blocked]
            for identifier in identity.identifiers
            if identifier.blocked
        }

    def of(self, event: dict[str, Any]) -> list[IdentifierKey]:
        """Return the event's identifiers, highest priority first, each once."""
        keys: list[IdentifierKey] = []
        context = event.get("context")
        external = _external_ids(context) if context and "externalIds" in context else ()
        for kind, field_name, paths in self._kinds:
            if field_name is not None and (value := event.get(field_name)) is not None:
                self._add(keys, kind, value)
            for path in paths:
                if (value := _walk(event, path)) is not None:
                    self._add(keys, kind, value)
            for external_kind, value in external:
                if external_kind == kind:
                    self._add(keys, kind, value)
        if event.get("type") == "alias":
            for kind in ("anonymous_id", "user_id"):  # it may be either; see `_considered`
                if kind in self.limits:
                    self._add(keys, kind, event.get("previousId"))
        return keys

    def _add(self, keys: list[IdentifierKey], kind: str, raw: Any) -> None:
        value = identifier_text(raw)
        if value is None or len(value) > _LONGEST:
            return
        lower = value.lower()
        if lower in self._blocked or (lower[0] in "0-" and _ONLY_ZEROS.fullmatch(lower)):
            return
        patterns = self._blocked_by_kind.get(kind)
        if patterns is not None and any(fnmatchcase(lower, pattern) for pattern in patterns):
            return
        key = (kind, lower if kind == "email" else value)
        if key not in keys:
            keys.append(key)


def identify(
    event: dict[str, Any],
    keys: Sequence[IdentifierKey],
    people: People,
    rules: Identifiers,
    *,
    offset: int,
    at: int,
) -> Profile:
    """Return the profile that the event is about; create, extend or merge as the rules allow.

    `offset` is the event's place in the log, the id of a profile it creates; `at` its time in
    epoch milliseconds.
    """
    known = {people.known.get(key) for key in keys}
    if len(known) == 1 and (only := known.pop()) is not None:
        return _touch(people.profiles[only], people)  # nothing new: by far the most events
    considered = _considered(event, keys, people)
    while considered:
        profile_ids = list(dict.fromkeys(people.known[k] for k in considered if k in people.known))
        if not profile_ids:
            break
        profiles = [people.profiles[id] for id in profile_ids]
        refusal = _refusal(profiles, considered, rules)
        if refusal is None or len(considered) == 1:
            survivor = _merge(profiles, people, offset, at)
            _attach_new(survivor, considered, people, rules)
            return _touch(survivor, people)
        dropped = considered.pop()
        people.conflicts.append(
            IdentityConflict(offset, at, profile_ids[0], f"{dropped[0]} left out: {refusal}")
        )
    profile = Profile(offset)
    if not considered:
        return profile  # nobody could ever be recognized by it: not kept
    people.profiles[offset] = profile
    _attach_new(profile, considered, people, rules)
    return _touch(profile, people)


def _considered(
    event: dict[str, Any], keys: Sequence[IdentifierKey], people: People
) -> list[IdentifierKey]:
    """Leave out an alias's previousId as a user id, unless such a user is known.

    Then the protection of users decides.
    """
    previous = identifier_text(event.get("previousId")) if event.get("type") == "alias" else None
    guess = ("user_id", previous)
    if previous is None or guess in people.known or previous == event.get("userId"):
        return list(keys)
    return [key for key in keys if key != guess]


def _refusal(
    profiles: Sequence[Profile], keys: Iterable[IdentifierKey], rules: Identifiers
) -> str | None:
    """Return which rule forbids that these profiles and identifiers are one person."""
    together: dict[str, set[str]] = {}
    for kind, value in keys:
        together.setdefault(kind, set()).add(value)
    if len(profiles) == 1:
        # New identifiers beyond a limit are left out one by one, unless they are a person's own.
        values = together.get("user_id")
        if values is None:
            return None
        own = values.union(profiles[0].identifiers.get("user_id", ()))
        limit = rules.limits.get("user_id", len(own))
        return f"one person has at most {limit} user_id" if len(own) > limit else None
    for profile in profiles:
        for kind, known in profile.identifiers.items():
            together.setdefault(kind, set()).update(known)
    for kind, all_values in together.items():
        if len(all_values) > rules.limits.get(kind, len(all_values)):
            return f"one person has at most {rules.limits[kind]} {kind}"
    if sum(profile.merges + 1 for profile in profiles) - 1 > rules.max_merges:
        return f"at most {rules.max_merges} profiles are merged into one"
    return None


def _merge(profiles: Sequence[Profile], people: People, offset: int, at: int) -> Profile:
    """Join the profiles into the oldest one."""
    survivor = min(profiles, key=lambda profile: profile.id)
    for absorbed in sorted(profiles, key=lambda profile: profile.id):
        if absorbed is survivor:
            continue
        people.merges.append(
            Merge(offset, at, survivor.id, absorbed.id, survivor.encode(), absorbed.encode())
        )
        for kind, values in absorbed.identifiers.items():
            mine = survivor.identifiers.setdefault(kind, [])
            for value in values:
                if value not in mine:
                    mine.append(value)
                people.known[kind, value] = survivor.id
                people.identifiers[kind, value] = survivor.id
        newest(survivor.traits, absorbed.traits)
        for group, traits in absorbed.groups.items():
            newest(survivor.groups.setdefault(group, {}), traits)
        survivor.audiences = {**absorbed.audiences, **survivor.audiences}
        survivor.first_seen = min(survivor.first_seen, absorbed.first_seen)
        survivor.last_seen = max(survivor.last_seen, absorbed.last_seen)
        survivor.merges += absorbed.merges + 1
        survivor.changed()
        people.absorbed.append((survivor, absorbed))
        people.profiles.pop(absorbed.id, None)
        people.touched[absorbed.id] = None
    return survivor


def newest(into: dict[str, tuple[Any, int]], other: dict[str, tuple[Any, int]]) -> None:
    """Take over the traits of `other` that are newer than those of `into`."""
    for name, (value, at) in other.items():
        mine = into.get(name)
        if mine is None or at > mine[1]:
            into[name] = (value, at)


def _attach_new(
    profile: Profile, keys: Sequence[IdentifierKey], people: People, rules: Identifiers
) -> None:
    for key in keys:
        if key in people.known:
            continue
        kind = key[0]
        if len(profile.identifiers.get(kind, ())) < rules.limits.get(kind, 1):
            people.attach(profile, key)


def _touch(profile: Profile, people: People) -> Profile:
    people.touched[profile.id] = profile
    return profile


def _walk(event: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = event
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _external_ids(context: dict[str, Any]) -> list[tuple[str, Any]]:
    """Read `context.externalIds`: {id, type, collection: "users"} [Segment, external ids]."""
    ids = context.get("externalIds")
    if not isinstance(ids, list):
        return []
    ids = ids[:_MOST_EXTERNAL]
    return [
        (entry["type"], entry.get("id"))
        for entry in ids
        if isinstance(entry, dict)
        and isinstance(entry.get("type"), str)
        and entry.get("collection", "users") == "users"
    ]
