"""A town whose people are in audiences: events, time, restarts and new definitions."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

import orjson
import structlog

from junctor.audiences.behavior import Behavior
from junctor.audiences.engine import Engine
from junctor.audiences.language import SECTIONS, parse_definitions
from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.audiences.seen import HUB
from junctor.config.model import Identity
from junctor.model.membership import Told
from junctor.model.processed import Batch
from junctor.model.profile import Profile
from junctor.model.record import Record
from junctor.pipeline.audience import Audiences
from junctor.pipeline.backfill import Backfill
from junctor.pipeline.flow import Flow
from junctor.pipeline.identify import Identifiers
from junctor.pipeline.normalize import format_time
from junctor.pipeline.route import Router
from junctor.store.port import EventLog, Memberships
from junctor.testkit.doubles import ManualClock

from .bodies import T0
from .town import EVERYTHING, MemoryState, finish

SECOND: Final = 1_000
HOUR: Final = 3_600_000
DAY: Final = 86_400_000
LOG: Final = structlog.get_logger()


def defined(toml: str) -> tuple[dict[str, Any], Definitions]:
    """Return the tables of a configuration's text, and what they define."""
    raw = tomllib.loads(toml)
    definitions, problems = parse_definitions(raw)
    assert not problems, [str(problem) for problem in problems]
    return {name: raw.get(name, {}) for name in SECTIONS}, definitions


class Lively:
    """A hub without listeners, destinations and tasks. Times are milliseconds from T0."""

    def __init__(
        self,
        toml: str,
        *,
        lag: int = 0,
        idles: Mapping[str, int] | None = None,
        router: Router = EVERYTHING,
        identity: Identity | None = None,
    ) -> None:
        """Start with these definitions, knowing nobody."""
        self.state = MemoryState()
        self.log: list[Record] = []
        self.batches: list[Batch] = []
        self.announced: list[Told] = []
        self.clock = ManualClock(T0 / 1000)
        self._lag, self._idles = lag, idles
        self._router, self._identity = router, identity or Identity()
        self._known: set[int] = set()
        self._toml = toml
        self.starts()

    # -- definitions -------------------------------------------------------------------------------

    def starts(self, toml: str | None = None) -> None:
        """Start, again: with nothing but what is stored, and perhaps with other definitions."""
        if toml is not None:
            self._toml = toml
        raw, definitions = defined(self._toml)
        self.backfill = Backfill(
            self.state, cast(EventLog, _Log(self)), cast(Memberships, self.state), raw,
            self._program(definitions), self._program, self._stage,
        )  # fmt: skip
        audiences = finish(self.backfill.begin(self.state.at, self.now))
        self.flow = Flow(
            self.state, Identifiers(self._identity), audiences, self._router,
            self.batches.append, LOG, self.announced.extend,
        )  # fmt: skip
        self.folds()

    def builds(self, steps: int = 1_000) -> bool:
        """Take steps towards the wanted definitions; return whether there are more."""
        more = not self.backfill.done
        while more and steps:
            more = finish(self.backfill.step(self.flow, self.state.at, self.now))
            steps -= 1
        self.folds()
        return more

    def _program(self, definitions: Definitions) -> Program:
        return Program(definitions, self._idles)

    def _stage(self, program: Program) -> Audiences:
        async def fetch(offsets: Sequence[int]) -> list[Record]:
            return [record for record in self.log if record.offset in offsets]

        return Audiences(Engine(program, self._lag), fetch, self.clock)

    # -- events and time ---------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return round(self.clock.now() * 1000)

    def does(
        self, user: str, event: str, properties: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        """Let a user do something, now unless `at` says when; see `happens`."""
        body = {"type": "track", "userId": user, "event": event,
                "properties": dict(properties or {}), **more}  # fmt: skip
        self.happens(body)

    def happens(self, *bodies: dict[str, Any], fold: bool = True) -> None:
        """Take events in together and fold them, and all that comes of it.

        `at` in a body is its time from T0 (else it is now).
        """
        for body in bodies:
            offset = len(self.log) + 1
            at = body.pop("at", self.now - T0)
            body = {"messageId": f"m-{offset}", "timestamp": format_time(T0 + at), **body}
            source = body.pop("source", "web")
            self.log.append(
                Record(offset, source, body["messageId"], self.now, False, orjson.dumps(body))
            )
        if fold:
            self.folds()

    def folds(self, size: int = 1_000) -> None:
        """Fold all that waits in the log; what the fold made comes into the log itself."""
        self._append_made()
        while len(self.log) > self.state.at:
            at = self.state.at
            finish(self.flow.fold(self.log[at : at + size], at))
            self._append_made()

    def passes(self, until: int) -> None:
        """Let time pass until so many milliseconds from T0; timers fire when they are due."""
        until += T0
        while True:
            due = finish(self.state.next_due())
            if due is None or due > until:
                break
            self._comes(max(due, self.now))
            finish(self.flow.pass_time(self.now, self.state.at, 256))
            self.folds()
        self._comes(until)

    def sleeps(self, until: int) -> None:
        """Let time pass with nobody there to see it."""
        self._comes(T0 + until)

    def _comes(self, time: int) -> None:
        self.clock.tick(max(0.0, (time - self.now) / 1000))

    def _append_made(self) -> None:
        made, self.state.made = self.state.made, []
        for new in made:
            if new.dedupe_key not in self._known:
                self._known.add(new.dedupe_key)
                self.log.append(
                    Record(len(self.log) + 1, new.source, new.message_id, new.received_at,
                           new.corrects_clock, new.json)
                )  # fmt: skip

    # -- what can be said --------------------------------------------------------------------------

    def who(self, user: str) -> Profile:
        """Return the profile of a user."""
        id = self.state.identifiers["user_id", user]
        return finish(self.state.profiles([id]))[id]

    @property
    def made(self) -> list[dict[str, Any]]:
        """The events that the hub made."""
        return [orjson.loads(record.json) for record in self.log if record.source == HUB]

    @property
    def told(self) -> list[tuple[str, str, bool, int, str]]:
        """Return (id, audience, entered, milliseconds from T0, reason) of each transition."""
        return [
            (
                body.get("userId") or body.get("anonymousId") or body["context"].get("groupId", ""),
                key,
                body["properties"][key],
                round(_epoch(body["timestamp"])) - T0,
                body["properties"]["reason"],
            )
            for body in self.made
            if (key := body["properties"].get("audience_key"))
        ]

    @property
    def members(self) -> set[tuple[str, str]]:
        """Return (audience, subject) by the transitions that were stored, as the store does it."""
        found: set[tuple[str, str]] = set()
        for row in self.state.moved:
            (found.add if row.entered else found.discard)((row.audience, row.subject))
        gone = {merge.absorbed for merge in self.state.merged}
        return {
            (name, subject)
            for name, subject in found
            if ":" in subject or int(subject.partition("/")[0]) not in gone
        }

    @property
    def members_by_ids(self) -> set[tuple[str, str]]:
        """Return (audience, all identifiers) instead."""
        found = set()
        for name, subject in self.members:
            if ":" not in subject:
                id = int(subject.partition("/")[0])
                subject = str(sorted(key for key, of in self.state.identifiers.items() if of == id))
            found.add((name, subject))
        return found

    def inside(self, user: str) -> set[str]:
        """Return the audiences that a read says the user is in now."""
        [id] = finish(self.state.resolve([("user_id", user)])).values()
        profile = finish(self.state.profiles([id]))[id]
        behavior = Behavior.decode(profile.behavior)
        self.flow.audiences.engine.look_ahead(profile, behavior, self.now)
        return {
            name
            for scope in (behavior.own, *behavior.sessions.values())
            for name, known in scope.memberships.items()
            if known.member
        }

    def figure(self, user: str, name: str) -> Any:
        """Return an attribute or score of a user now."""
        [id] = finish(self.state.resolve([("user_id", user)])).values()
        attributes, scores = self.flow.audiences.figures(
            finish(self.state.profiles([id]))[id], self.now
        )
        return attributes[name] if name in attributes else scores[name]

    def fails_once(self) -> None:
        """Let the next commit fail, as on a full disk."""
        self.state.fails = True


class _Log:
    """What a Backfill reads of the log."""

    def __init__(self, town: Lively) -> None:
        self._town = town

    async def read(self, after: int, limit: int) -> list[Record]:
        return [record for record in self._town.log if record.offset > after][:limit]


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000
