"""One person under a configuration's audiences: what they do, what time does, what comes of it."""

import tomllib
from collections.abc import Mapping
from typing import Any

from junctor.audiences.behavior import Behavior
from junctor.audiences.changes import Changes, Emission, Transition
from junctor.audiences.engine import Engine
from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.audiences.seen import HUB, RANKS_PER_OFFSET, Seen
from junctor.model.profile import Profile
from junctor.model.units import parse_duration
from junctor.pipeline.profile import update_profile

T0 = 1_764_000_000_000
"""2025-11-24T16:00:00Z, a Monday."""


def ms(text: str | int) -> int:
    """Return the milliseconds of "30s", "5m", "2d"; numbers are seconds."""
    if isinstance(text, int):
        return text * 1000
    seconds = parse_duration(text)
    assert isinstance(seconds, float)
    return round(seconds * 1000)


def defined(toml: str) -> Definitions:
    """Return the definitions that a configuration's text has; it must be free of problems."""
    definitions, problems = parse_definitions(tomllib.loads(toml))
    assert [str(problem) for problem in problems] == []
    return definitions


class Visitor:
    """Events and time in, transitions out. Times are durations from T0."""

    def __init__(
        self, toml: str, *, lag: int = 0, idles: Mapping[str, int] | None = None, id: int = 1
    ) -> None:
        """Define audiences as in junctor.toml; `idles` are the sources that send heartbeats."""
        self.engine = Engine(Program(defined(toml), idles), lag)
        self.profile = Profile(id)
        self.behavior = Behavior()
        self.transitions: list[Transition] = []
        self.emissions: list[Emission] = []
        self.offset = 0
        self._seen: dict[int, Seen] = {}

    def does(
        self,
        name: str,
        at: str | int,
        properties: Mapping[str, Any] | None = None,
        *,
        came: str | int | None = None,
        session: str = "",
        source: str = "web",
        type: str = "track",
        **more: Any,
    ) -> list[Transition]:
        """Do something `at` a time, which the hub hears of when it `came` (at once if absent)."""
        time = T0 + ms(at)
        context = (
            {"sessionId": session, **more.pop("context", {})}
            if session
            else more.pop("context", {})
        )
        body = {"type": type, "event": name, "properties": dict(properties or {}),
                "context": context, **more}  # fmt: skip
        self.offset += 1
        if self.offset > 1:
            self.time(at if came is None else came)
        if source != HUB:
            update_profile(self.profile, body, time)
        seen = Seen(
            name if type in ("track", "page", "screen") else "", body, time,
            self.offset * RANKS_PER_OFFSET, T0 + ms(at if came is None else came), session, source,
        )  # fmt: skip
        self._seen[seen.rank] = seen
        changes = self.engine.observe(
            self.profile, self.behavior, seen, {"userId": "u"}, born=self.offset == 1
        )
        return self._took(changes)

    def identifies(self, at: str | int, **traits: Any) -> list[Transition]:
        """Tell traits."""
        return self.does("", at, type="identify", traits=traits)

    def time(self, at: str | int) -> list[Transition]:
        """Let time pass; return what happened by itself."""
        changes = Changes()
        now = T0 + ms(at)
        self.engine.advance(self.profile, self.behavior, now, {"userId": "u"}, changes)
        self._keep()
        return self._took(changes)

    def _took(self, changes: Changes) -> list[Transition]:
        self.transitions += changes.transitions
        self.emissions += changes.emissions
        for emission in changes.emissions:  # as the hub does it: a signal is an event that follows
            done = emission.completion
            cause = self._seen[done.rank]
            body = {**cause.body, "type": "track", "event": emission.name}
            self.offset += 1
            rank = self.offset * RANKS_PER_OFFSET
            seen = Seen(emission.name, body, done.at, rank, done.known_at, cause.session, HUB)
            self._seen[rank] = seen
            more = self.engine.observe(self.profile, self.behavior, seen, {"userId": "u"})
            changes.transitions += self._took(more)
        self._keep()
        return changes.transitions

    def _keep(self) -> None:
        """Put the behavior away and take it up again, as the store does."""
        self.behavior = Behavior.decode(self.behavior.encode())

    def inside(self, at: str | int) -> set[str]:
        """Return the audiences that a read at a time says the person is in."""
        copy = Behavior.decode(self.behavior.encode())
        self.engine.look_ahead(self.profile, copy, T0 + ms(at))
        return {
            name
            for scope in (copy.own, *copy.sessions.values())
            for name, known in scope.memberships.items()
            if known.member
        }


def told(transitions: list[Transition]) -> list[tuple[str, bool, float, str]]:
    """Return (audience, entered, seconds from T0, reason) of each."""
    return [(t.audience.name, t.entered, (t.at - T0) / 1000, t.reason) for t in transitions]
