"""Conditions on who somebody is: traits, age, sample, other audiences."""

import hashlib
from dataclasses import dataclass
from typing import Any

from junctor.audiences.comparison import Test
from junctor.audiences.leaf import NEVER, Facts, Verdict
from junctor.audiences.moment import Moment
from junctor.audiences.nodes import AudienceCondition, Length
from junctor.audiences.seen import dig
from junctor.audiences.states.changes import ChangesKind
from junctor.audiences.states.latest import LatestKind
from junctor.model.profile import Profile, public_id


def trait(profile: Profile, path: str) -> Any:
    """Return a trait: the key as it stands, else the parts of `path` one below the other."""
    known = profile.traits
    found = known.get(path)
    if found is not None:
        return found[0]
    head, dot, rest = path.partition(".")
    if not dot or (holder := known.get(head)) is None:
        return None
    value = holder[0]
    if isinstance(value, dict) and rest in value:
        return value[rest]
    return dig(value, tuple(rest.split(".")))


def lasting(length: Length, since: int, now: int) -> Verdict:
    """Return whether something that lasts since then has lasted so long."""
    age = max(0, now - since)
    if length.low is not None and age < length.low:
        return Verdict(False, since + length.low)
    if length.high is not None:
        if age >= length.high:
            return Verdict(False)
        return Verdict(True, since + length.high)
    return Verdict(True)


@dataclass(frozen=True, slots=True)
class TraitNode:
    """A trait compares, or changed lately."""

    path: str
    test: Test | None
    newest: LatestKind | None
    """Where the values of a `context.…` path are kept."""
    changes: ChangesKind | None
    changed_within: int

    def verdict(self, moment: Moment) -> Verdict:
        """See Node."""
        holds = self.test is None or self.test(self._value(moment))
        if self.changes is None:
            return Verdict(holds)
        state = moment.behavior.own.states.get(self.changes.key)
        changed = self.changes.changed_at(state) if state is not None else None
        if changed is None or moment.now - changed >= self.changed_within:
            return Verdict(False)
        return Verdict(True, changed + self.changed_within) if holds else Verdict(False)

    def facts(self, moment: Moment) -> Facts:
        """See Node: the value."""
        return Facts(self._value(moment))

    def _value(self, moment: Moment) -> Any:
        if self.newest is None:
            return trait(moment.profile, self.path)
        return self.newest.value(moment.behavior.own.states.get(self.newest.key))


@dataclass(frozen=True, slots=True)
class KnownNode:
    """The profile is so old."""

    age: Length

    def verdict(self, moment: Moment) -> Verdict:
        """See Node."""
        first = moment.profile.first_seen
        return lasting(self.age, first, moment.now) if first else Verdict(False)

    def facts(self, moment: Moment) -> Facts:
        """See Node: the age in milliseconds."""
        return Facts(max(0, moment.now - moment.profile.first_seen))


@dataclass(frozen=True, slots=True)
class SampleNode:
    """The profile, or the account or the like, is in a stable share."""

    fraction: float
    salt: str

    def verdict(self, moment: Moment) -> Verdict:
        """See Node."""
        return Verdict(self._place(moment) < self.fraction)

    def facts(self, moment: Moment) -> Facts:
        """See Node: the profile's place from 0 to 1."""
        return Facts(round(self._place(moment), 4))

    def _place(self, moment: Moment) -> float:
        who = moment.profile.subject or public_id(moment.profile.id)
        text = f"{self.salt}:{who}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


@dataclass(frozen=True, slots=True)
class AudienceNode:
    """Member of another audience, in the hub's own view of when."""

    condition: AudienceCondition
    per_session: bool
    """Whether the other audience is keyed by session; a person is in it by any session."""
    external: bool = False

    def verdict(self, moment: Moment) -> Verdict:
        """See Node."""
        wanted, now = self.condition, moment.now
        known = self._membership(moment)
        member, since, left_at = known
        if wanted.left_within is not None:
            holds = not member and bool(left_at) and now - left_at < wanted.left_within
            return Verdict(holds, left_at + wanted.left_within if holds else NEVER)
        if member is not wanted.member:
            return Verdict(False)
        if wanted.lasting is None:
            return Verdict(True)
        start = since or moment.profile.first_seen
        return lasting(wanted.lasting, start, now)

    def facts(self, moment: Moment) -> Facts:
        """See Node: whether a member."""
        return Facts(self._membership(moment)[0])

    def _membership(self, moment: Moment) -> tuple[bool, int, int]:
        """Return whether a member, since when (or not), and when it was last left."""
        name = self.condition.name
        scopes = [moment.scope]
        if not self.per_session:
            scopes = [moment.behavior.own]
        elif moment.session is None:
            scopes = list(moment.behavior.sessions.values())
        found = [scope.memberships[name] for scope in scopes if name in scope.memberships]
        inside = [one.since for one in found if one.member]
        if inside:
            return True, min(inside), 0
        left_at = max((one.left_at for one in found), default=0)
        return False, max((one.since for one in found), default=0), left_at
