"""What is kept of one subject's behavior: states, memberships, and when time is next due.

A subject is a person, or what an audience is keyed by otherwise (an account). A person's sessions
are scopes within theirs. All of it is plain JSON once encoded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from junctor.audiences.leaf import NEVER, Kind, State
from junctor.audiences.seen import HUB, Seen

MOST_SESSIONS: Final = 16
"""Sessions kept of a person, those last active."""
HARD_BYTES: Final = 32_768
"""Encoded size over which the largest states are dropped, and the subject counts as degraded."""
MOST_CONSENT_BYTES: Final = 2_048
NO_CONSENT: Final[Mapping[str, Any]] = {"categoryPreferences": {}}
"""What is kept of a consent object that is larger: consent to nothing."""


@dataclass(slots=True)
class Membership:
    """How one subject stands to one audience. Times are epoch milliseconds, 0 for never.

    `since`: when the hub saw it enter or leave. `holds`: whether the condition held when last
    looked at, `holds_since` from when (hub time), `holds_at` the time and rank of the event that
    made it so. `blocked`: it left by `exit` and waits for the condition to be false once. `ids` are
    the ids that the entry was told with.
    """

    member: bool = False
    since: int = 0
    number: int = 0
    left_at: int = 0
    holds: bool = False
    holds_since: int = 0
    holds_at: tuple[int, int] = (0, 0)
    blocked: bool = False
    ids: dict[str, str] = field(default_factory=dict)

    def plain(self) -> list[Any]:
        """Return it as JSON."""
        return [
            self.member, self.since, self.number, self.left_at, self.holds, self.holds_since,
            *self.holds_at, self.blocked, self.ids,
        ]  # fmt: skip

    @classmethod
    def of(cls, plain: list[Any]) -> "Membership":
        """Return what `plain` wrote."""
        member, since, number, left_at, holds, holds_since, at, rank, blocked, ids = plain
        return cls(member, since, number, left_at, holds, holds_since, (at, rank), blocked, ids)


@dataclass(slots=True)
class Scope:
    """States and memberships of a subject, or of one session of a person.

    `dues` holds, by audience or `signal:NAME`, when it is to be looked at again: (at, quiet_at) of
    its verdict. `seen_at` is the newest event's time of a session.
    """

    states: dict[str, State] = field(default_factory=dict)
    memberships: dict[str, Membership] = field(default_factory=dict)
    dues: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen_at: int = 0

    def plain(self) -> list[Any]:
        """Return it as JSON."""
        memberships = {name: m.plain() for name, m in self.memberships.items()}
        return [self.states, memberships, self.dues, self.seen_at]

    @classmethod
    def of(cls, plain: list[Any]) -> "Scope":
        """Return what `plain` wrote."""
        states, memberships, dues, seen_at = plain
        return cls(
            states,
            {name: Membership.of(m) for name, m in memberships.items()},
            {name: (at, quiet_at) for name, (at, quiet_at) in dues.items()},
            seen_at,
        )

    def set_due(self, name: str, at: int, quiet_at: int) -> None:
        """Note when `name` is next to be looked at."""
        if at == NEVER and quiet_at == NEVER:
            self.dues.pop(name, None)
        else:
            self.dues[name] = (at, quiet_at)

    def merge(self, other: "Scope", kinds: Mapping[str, Kind]) -> None:
        """Take in the states of the same subject's other half; memberships are the caller's."""
        for key, state in other.states.items():
            mine = self.states.get(key)
            kind = kinds.get(key)
            if kind is None:
                continue  # nobody asks for it any more
            self.states[key] = state if mine is None else kind.merge(mine, state)
        self.seen_at = max(self.seen_at, other.seen_at)


class Behavior:
    """All of one subject.

    `quiet` is the time up to which silence is believed; `late` when an event last came so late that
    more of its kind may follow, and `doubt` since when silence is doubtful by that, NEVER if it is
    not; `seen_at` the newest event's time. `revision` names the definitions
    by which memberships were last looked at. `over` says that states were dropped since they took
    too much room. `consent` is the newest consent object that an event carried, with the event's
    time and rank: what comes about by time alone is told with it, too. `told_ids` is how many kinds
    of ids every entry was told with, at least.

    These few are decoded at once. The scopes are when somebody asks for them: most events fit
    nothing, nothing is due, and what is kept need not be looked at.
    """

    __slots__ = (
        "_kept", "_next", "_own", "_sessions", "consent", "doubt", "late", "over", "quiet",
        "revision", "seen_at", "told_ids",
    )  # fmt: skip

    def __init__(self) -> None:
        """Begin with nothing."""
        self.quiet = 0
        self.late = 0
        self.doubt = NEVER
        self.seen_at = 0
        self.revision = ""
        self.over = False
        self.told_ids = 0
        self.consent: tuple[int, int, Mapping[str, Any]] | None = None
        self._own = Scope()
        self._sessions: dict[str, Scope] = {}
        self._kept = b""
        """The scopes as they are stored, until somebody asks for them."""
        self._next = (NEVER, NEVER)
        """The earliest of their dues, as long as they are not decoded."""

    @property
    def own(self) -> Scope:
        """The subject's own scope."""
        if self._kept:
            self._open()
        return self._own

    @property
    def sessions(self) -> dict[str, Scope]:
        """The scopes of a person's sessions, by id."""
        if self._kept:
            self._open()
        return self._sessions

    def _open(self) -> None:
        own, sessions = orjson.loads(self._kept)
        self._kept = b""
        self._own = Scope.of(own)
        self._sessions = {id: Scope.of(scope) for id, scope in sessions.items()}

    def encode(self) -> bytes:
        """Return it as JSON text, of bounded size, on two lines."""
        scopes = self._kept or self._scopes()
        while len(scopes) > HARD_BYTES and self._drop_largest():
            self.over = True
            scopes = self._scopes()
        head = (
            self.quiet, self.late, self.doubt, self.seen_at, self.revision, self.over,
            self.told_ids, self.consent, *self._next_due(),
        )  # fmt: skip
        return orjson.dumps(head) + b"\n" + scopes

    def _scopes(self) -> bytes:
        sessions = {id: scope.plain() for id, scope in self._sessions.items()}
        return orjson.dumps((self._own.plain(), sessions))

    @classmethod
    def decode(cls, text: bytes) -> "Behavior":
        """Return what `encode` wrote; a new one for no text."""
        made = cls()
        if text:
            head, _, made._kept = text.partition(b"\n")
            (
                made.quiet, made.late, made.doubt, made.seen_at, made.revision, made.over,
                made.told_ids, consent, at, quiet_at,
            ) = orjson.loads(head)  # fmt: skip
            made.consent = tuple(consent) if consent is not None else None
            made._next = (at, quiet_at)
        return made

    def heed(self, seen: Seen) -> None:
        """Note the consent object that an event carries, unless a newer one is known."""
        context = seen.body.get("context")
        consent = context.get("consent") if isinstance(context, dict) else None
        if not isinstance(consent, dict) or seen.source == HUB:  # the hub's own carry a copy
            return
        if self.consent is None or self.consent[:2] <= (seen.at, seen.rank):
            if len(orjson.dumps(consent)) > MOST_CONSENT_BYTES:
                consent = NO_CONSENT
            self.consent = (seen.at, seen.rank, consent)

    def heed_other(self, other: "Behavior") -> None:
        """Note the consent that the subject's other half knows of, if it is newer."""
        if self.consent is None or (
            other.consent is not None and self.consent[:2] < other.consent[:2]
        ):
            self.consent = other.consent

    def session(self, id: str, at: int) -> Scope:
        """Return the scope of a session; it may be one more than there is room for."""
        scope = self.sessions.get(id)
        if scope is None:
            scope = self.sessions[id] = Scope()
        scope.seen_at = max(scope.seen_at, at)
        return scope

    def crowded_out(self, newest: str | None = None) -> str | None:
        """Return the session that has to go, None while there is room; never the `newest`.

        That is the one last active longest ago, of those in no audience as long as there are any.
        """
        if len(self.sessions) <= MOST_SESSIONS:
            return None
        return min((id for id in self.sessions if id != newest), key=self._worth)

    def _worth(self, id: str) -> tuple[bool, int]:
        scope = self.sessions[id]
        return any(known.member for known in scope.memberships.values()), scope.seen_at

    def newest_session(self) -> str | None:
        """Return the id of the session last seen, None if there is none."""
        return max(self.sessions, key=lambda id: self.sessions[id].seen_at, default=None)

    def due(self, lag: int) -> int:
        """Return when something is next to be looked at; silence `lag` after its time."""
        at, quiet_at = self._next_due()
        return at if quiet_at == NEVER else min(at, max(self.late, quiet_at) + lag)

    def _next_due(self) -> tuple[int, int]:
        if self._kept:
            return self._next
        due = quiet = NEVER
        for scope in (self._own, *self._sessions.values()):
            for at, quiet_at in scope.dues.values():
                if at < due:
                    due = at
                if quiet_at < quiet:
                    quiet = quiet_at
        return due, quiet

    def _drop_largest(self) -> bool:
        """Drop the largest state; False when there is none left."""
        sizes = [
            (len(orjson.dumps(state)), scope.states, key)
            for scope in (self.own, *self.sessions.values())
            for key, state in scope.states.items()
        ]
        if not sizes:
            return False
        _, states, key = max(sizes, key=lambda size: size[0])
        del states[key]
        return True
