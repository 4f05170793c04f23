"""Keeps subjects current: an event in, time passing, two subjects becoming one, and reads.

Nothing here waits or looks at a clock. What changed is returned as `Changes`; the states and
memberships of the subject are changed in place.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, Final

from junctor.audiences.behavior import Behavior, Membership, Scope
from junctor.audiences.leaf import NEVER, Kind, Verdict
from junctor.audiences.membership import look
from junctor.audiences.moment import Moment
from junctor.audiences.nodes import SESSION, USER, Audience
from junctor.audiences.presence import EXIT, LEAVE_EVENTS
from junctor.audiences.program import Compiled, Program, ScopeProgram
from junctor.audiences.seen import HUB, Seen
from junctor.audiences.signals import Completion, Completions, Detector, new
from junctor.model.profile import Profile

EVENT: Final = "event"
TIME: Final = "time"
MERGE: Final = "merge"
BACKFILL: Final = "backfill"
LATE_EVENT: Final = "late_event"
_DETECTOR: Final = "!"
"""Begins the name of a due moment that is a signal's, not an audience's."""
_MOST_STEPS: Final = 1_000
"""Times that are gone through at once; a subject that needs more is looked at again."""

Ids = dict[str, str]


@dataclass(frozen=True, slots=True)
class Transition:
    """A subject entered or left an audience at `at` (epoch ms), the `number`-th time of its kind.

    `ids` are the ids that a leaving is to be told with, those of the entry; empty: the present
    ones. `session` is set for an audience that is keyed by session.
    """

    audience: Audience
    version: str
    entered: bool
    at: int
    reason: str
    number: int
    ids: Ids
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Emission:
    """A signal (or `$exit`) of a subject: its event is to be made of the event of that rank."""

    name: str
    completion: Completion


@dataclass(slots=True)
class Changes:
    """What an event or the time brought about, in order.

    `gone` are audiences (with their session) that the subject was in, and that are defined no more.
    """

    transitions: list[Transition] = field(default_factory=list)
    emissions: list[Emission] = field(default_factory=list)
    gone: list[tuple[str, str | None]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.transitions or self.emissions or self.gone)


class Engine:
    """Runs one program over subjects of all sorts."""

    def __init__(self, program: Program, lag: int = 0) -> None:
        """Run `program`; silence is acted upon `lag` ms after its time."""
        self.program = program
        self.lag = lag

    # -- events ----------------------------------------------------------------------------------

    def observe(
        self,
        profile: Profile,
        behavior: Behavior,
        seen: Seen,
        ids: Ids,
        *,
        key: str = USER,
        born: bool = False,
        learned: Collection[str] | None = None,
    ) -> Changes:
        """Take in one event of a subject, the first of all if it was just `born`.

        `ids` are those by which it is told of an entry now. `learned` are the traits that the event
        changed; if that is not known, all that it speaks of are looked at. Before the profile
        learned of the event, time had to be let pass up to its receipt.
        """
        changes = Changes()
        now = max(seen.received_at, behavior.quiet)  # clocks are set back now and then
        if born:
            behavior.revision = self.program.revision
        self.advance(profile, behavior, now, ids, changes, key=key)
        behavior.heed(seen)
        scope = self.program.scopes[key]
        run = _Run(self, profile, behavior, now, behavior.quiet, ids, changes, scope)
        run.moment = (seen.at, seen.rank)
        if seen.source != HUB:  # what the hub makes itself comes after its cause, on purpose
            run.late = seen.at < behavior.own.seen_at
            if now - seen.at > self.lag:
                behavior.late = max(behavior.late, now)
                run.straggler = seen.at if self.lag else None
        if born:
            run.want(scope.at_birth)
        if seen.at <= profile.first_seen and seen.source != HUB:
            run.age()
        session = None
        if self._has_session(behavior, seen, key):
            session = run.session(seen.session, seen.at)
        for event in self._with_exit(seen):
            matched = self.program.index.matches(event)
            run.feed(scope, behavior.own, event, matched, None)
            if session is not None:
                sessions = self.program.scopes[SESSION]
                run.feed(sessions, session, event, matched, seen.session)
        run.traits(_spoken_of(seen.body) if learned is None else learned)
        if seen.source != HUB:
            behavior.own.seen_at = max(behavior.own.seen_at, seen.at)
        run.evaluate()
        return changes

    def _has_session(self, behavior: Behavior, seen: Seen, key: str) -> bool:
        """Whether an event belongs to a session that is to be kept; the hub's own begin none."""
        if key != USER or not seen.session or not self.program.has_sessions:
            return False
        return seen.source != HUB or seen.session in behavior.sessions

    def _with_exit(self, seen: Seen) -> Iterable[Seen]:
        yield seen
        if seen.name in LEAVE_EVENTS and self.program.has_exits:
            yield seen._replace(name=EXIT, rank=seen.rank + 1)

    # -- time ------------------------------------------------------------------------------------

    def advance(
        self,
        profile: Profile,
        behavior: Behavior,
        now: int,
        ids: Ids,
        changes: Changes,
        *,
        key: str = USER,
        lag: int | None = None,
    ) -> None:
        """Let time pass up to `now`, one due moment after another, each at its own time.

        Memberships that were last looked at by other definitions are looked at anew first.
        """
        lag = self.lag if lag is None else lag
        if behavior.revision != self.program.revision:
            self._revise(profile, behavior, now, ids, changes, key, lag)
        for _ in range(_MOST_STEPS):
            due = behavior.due(lag)
            if due > now:
                break
            self._believe(behavior, due, lag)
            self._look_at_due(profile, behavior, due, ids, changes, key, lag)
        self._believe(behavior, now, lag)

    def _believe(self, behavior: Behavior, now: int, lag: int) -> None:
        """Move on the time up to which silence is believed."""
        if behavior.late + lag <= now:
            behavior.quiet = max(behavior.quiet, now - lag)

    def _look_at_due(
        self,
        profile: Profile,
        behavior: Behavior,
        now: int,
        ids: Ids,
        changes: Changes,
        key: str,
        lag: int,
    ) -> None:
        program = self.program.scopes[key]
        run = _Run(self, profile, behavior, now, behavior.quiet, ids, changes, program)
        run.reason = TIME
        run.moment = (now, 0)
        for session, scope in ((None, behavior.own), *behavior.sessions.items()):
            for name, (at, quiet_at) in list(scope.dues.items()):
                if at > now and max(quiet_at, behavior.late) + lag > now:
                    continue
                compiled = self.program.audiences.get(name)
                del scope.dues[name]
                if compiled is not None:
                    run.want_one(compiled, session)
                    if at > now:
                        run.times[name, session or ""] = min(now, max(quiet_at, behavior.late))
                elif name.startswith(_DETECTOR):
                    run.emit_silent(name.removeprefix(_DETECTOR), min(quiet_at, now))
        run.evaluate()

    # -- merge and reads -------------------------------------------------------------------------

    def merge(
        self, profile: Profile, behavior: Behavior, other: Behavior, now: int, ids: Ids
    ) -> Changes:
        """Take the behavior of an absorbed profile into that of the survivor.

        Both have to be advanced to `now`. The profile is that after the merge.
        """
        changes = Changes()
        user, sessions = self.program.scopes[USER], self.program.scopes[SESSION]
        before = self._completed(user, behavior.own, behavior.quiet)
        told = self._completed(user, other.own, other.quiet)
        behavior.own.merge(other.own, user.kinds)
        behavior.late = max(behavior.late, other.late)
        behavior.quiet = max(behavior.quiet, other.quiet)
        behavior.over = behavior.over or other.over
        behavior.heed_other(other)
        run = _Run(self, profile, behavior, now, behavior.quiet, ids, changes, user)
        run.reason = MERGE
        run.moment = (now, 0)
        self._join(behavior.own, other.own, None, run.ghosts)
        for id, theirs in other.sessions.items():
            mine = behavior.session(id, theirs.seen_at)
            mine.merge(theirs, sessions.kinds)
            self._join(mine, theirs, id, run.ghosts)
        for key, detectors in user.detectors.items():
            state = behavior.own.states.get(key)
            for found in detectors:
                known = {**before.get((key, found.name), {}), **told.get((key, found.name), {})}
                run.emit(found, new(known, found.completed(state, behavior.quiet)))
                run.due_of(key, detectors, state)
        run.want_all()
        run.evaluate()
        run.make_room()
        run.evaluate()
        return changes

    def _completed(
        self, program: ScopeProgram, scope: Scope, quiet: int
    ) -> dict[tuple[str, str], Completions]:
        return {
            (key, found.name): found.completed(scope.states.get(key), quiet)
            for key, detectors in program.detectors.items()
            for found in detectors
        }

    def _join(
        self,
        mine: Scope,
        theirs: Scope,
        session: str | None,
        ghosts: dict[tuple[int, str], Membership],
    ) -> None:
        """Join the memberships; those that only the absorbed profile had go into `ghosts`."""
        for name, other in theirs.memberships.items():
            compiled = self.program.audiences.get(name)
            if compiled is None:
                continue
            known = mine.memberships.get(name)
            if known is None:
                known = mine.memberships[name] = Membership()
            if other.member and not known.member:
                ghosts[compiled.number, session or ""] = other
            known.number += other.number
            known.left_at = max(known.left_at, other.left_at)
            known.blocked = known.blocked or other.blocked
            if other.holds and (not known.holds or other.holds_since < known.holds_since):
                known.holds, known.holds_since = True, other.holds_since
                known.holds_at = other.holds_at
            elif not (other.holds or known.holds):
                known.holds_since = max(known.holds_since, other.holds_since)

    def _revise(
        self,
        profile: Profile,
        behavior: Behavior,
        now: int,
        ids: Ids,
        changes: Changes,
        key: str,
        lag: int,
    ) -> None:
        """Look at all memberships by the present definitions; what changes is told as backfill."""
        behavior.revision = self.program.revision
        self._believe(behavior, now, lag)
        program = self.program.scopes[key]
        of_session = self.program.scopes[SESSION]
        scopes: list[tuple[str | None, Scope, ScopeProgram]] = [
            (None, behavior.own, program),
            *((id, one, of_session) for id, one in behavior.sessions.items()),
        ]
        for session, scope, known in scopes:
            scope.dues.clear()
            for name in sorted(scope.memberships.keys() - known.audiences.keys()):
                if scope.memberships.pop(name).member:
                    changes.gone.append((name, session))
        run = _Run(self, profile, behavior, now, behavior.quiet, ids, changes, program)
        run.reason = BACKFILL
        run.moment = (now, 0)
        for kind, detectors in program.detectors.items():
            run.due_of(kind, detectors, behavior.own.states.get(kind))
        run.want_all()
        run.evaluate()

    def fill(
        self, behavior: Behavior, seen: Seen, wanted: Collection[str], *, key: str = USER
    ) -> None:
        """Put an event of the past into the states of the `wanted` kinds, and do nothing else."""
        behavior.heed(seen)
        scopes = [(self.program.scopes[key], behavior.own)]
        if self._has_session(behavior, seen, key):
            session = behavior.session(seen.session, seen.at)
            scopes.append((self.program.scopes[SESSION], session))
            if (gone := behavior.crowded_out()) is not None:
                if any(known.member for known in behavior.sessions[gone].memberships.values()):
                    gone = seen.session  # what is past must not end what is present
                del behavior.sessions[gone]
        for event in self._with_exit(seen):
            matched = self.program.index.matches(event)
            for program, scope in scopes:
                for kind, mask in program.wanting(event, matched):
                    if kind.key in wanted:
                        state = kind.add(scope.states.get(kind.key), event, mask)
                        if state is not None:
                            scope.states[kind.key] = state

    def look_ahead(
        self, profile: Profile, behavior: Behavior, now: int, *, key: str = USER
    ) -> None:
        """Bring a copy of a subject's behavior to `now` for a read: silence counts at once."""
        behavior.late = 0
        self.advance(profile, behavior, now, {}, Changes(), key=key, lag=0)


class _Run:
    """One look at one subject at one time: states are fed, then audiences in order of reference."""

    def __init__(
        self,
        engine: Engine,
        profile: Profile,
        behavior: Behavior,
        now: int,
        quiet: int,
        ids: Ids,
        changes: Changes,
        program: ScopeProgram,
    ) -> None:
        self.program = engine.program
        self.scope_program = program
        self.profile = profile
        self.behavior = behavior
        self.now = now
        self.quiet = quiet
        self.ids = ids
        self.changes = changes
        self.reason = EVENT
        self.late = False
        self.moment = (now, 0)
        self.straggler: int | None = None
        """Time of an event that came late: what is silent since then may not have come yet."""
        self.times: dict[tuple[str, str], int] = {}
        """True times of what became due by silence, by audience and session: when it was over, or
        when the hub heard of what came before it."""
        self.ghosts: dict[tuple[int, str], Membership] = {}
        """Memberships that an absorbed profile had alone, by audience (its number) and session."""
        self._wanted: set[tuple[int, str]] = set()
        self._todo: list[tuple[int, str]] = []
        self._compiled: dict[int, Compiled] = {}

    # -- states ----------------------------------------------------------------------------------

    def feed(
        self,
        program: ScopeProgram,
        scope: Scope,
        seen: Seen,
        matched: list[int],
        session: str | None,
    ) -> None:
        """Put the event into the states that want it; note whose audiences rest on them."""
        for kind, mask in program.wanting(seen, matched):
            self._add(program, scope, kind, seen, mask, session)

    def _add(
        self,
        program: ScopeProgram,
        scope: Scope,
        kind: Kind,
        seen: Seen,
        mask: int,
        session: str | None,
    ) -> None:
        key = kind.key
        state = scope.states.get(key)
        detectors = program.detectors.get(key, ())
        before = [found.completed(state, self.quiet) for found in detectors]
        state = kind.add(state, seen, mask)
        if state is not None:
            scope.states[key] = state
        waits = NEVER
        for found, known in zip(detectors, before, strict=True):
            fresh = new(known, found.completed(state, self.quiet))
            if fresh and self.straggler is not None:  # more may follow that breaks a silence
                certain = found.completed(state, min(self.quiet, self.straggler))
                waits = min([waits, *(one.known_at for one in fresh if one.rank not in certain)])
                fresh = [one for one in fresh if one.rank in certain]
            self.emit(found, fresh)
        if detectors:
            self.due_of(key, detectors, state, waits)
        for compiled in program.by_kind.get(key, ()):
            self.want_one(compiled, session)
        for compiled in program.crossing.get(key, ()):
            self.want_everywhere(compiled)

    def traits(self, names: Iterable[str]) -> None:
        """Note the audiences that rest on traits, which an event may have changed."""
        names = tuple(names)
        for name in names:
            self.want(self.scope_program.resting_on(name, self.behavior.own))
            for compiled in self.program.scopes[SESSION].by_trait.get(name, {}).values():
                self.want_everywhere(compiled)

    def emit(self, found: Detector, completions: list[Completion]) -> None:
        """Note that a signal's event is to be made."""
        self.changes.emissions += [Emission(found.name, one) for one in completions]

    def emit_silent(self, key: str, before: int) -> None:
        """Emit what was completed by a silence that is believed now and was not before."""
        detectors = self.scope_program.detectors.get(key, ())
        state = self.behavior.own.states.get(key)
        for found in detectors:
            known = found.completed(state, before - 1)
            self.emit(found, new(known, found.completed(state, self.quiet)))
        self.due_of(key, detectors, state)

    def due_of(
        self, key: str, detectors: Iterable[Detector], state: Any, waits: int = NEVER
    ) -> None:
        """Note when a silence that a signal waits for is over, or one that `waits` is believed."""
        due = min((found.pending(state, self.quiet) for found in detectors), default=NEVER)
        due = min(due, waits)
        self.behavior.own.set_due(_DETECTOR + key, NEVER, due)

    def age(self) -> None:
        """Note the audiences that rest on how long the subject is known."""
        for program in (self.scope_program, self.program.scopes[SESSION]):
            for compiled in program.by_age:
                self.want_everywhere(compiled)

    # -- sessions --------------------------------------------------------------------------------

    def session(self, id: str, at: int) -> Scope:
        """Return the scope of a session of the person, a new one if it is not known."""
        is_new = id not in self.behavior.sessions
        scope = self.behavior.session(id, at)
        if is_new:
            for compiled in self.program.scopes[SESSION].at_birth:
                self.want_one(compiled, id)
            self.make_room(id)
        return scope

    def make_room(self, newest: str | None = None) -> None:
        """Let the sessions go that there is no room for; they leave their audiences."""
        while (gone := self.behavior.crowded_out(newest)) is not None:
            for name, known in self.behavior.sessions[gone].memberships.items():
                if known.member:
                    compiled = self.program.audiences[name]
                    self._turn(compiled, known, self.now, False, self.reason, gone)
                    of_person = self.program.dependents.get(name, ())
                    self.want(one for one in of_person if one.audience.key == USER)
            del self.behavior.sessions[gone]

    # -- audiences -------------------------------------------------------------------------------

    def want(self, audiences: Iterable[Compiled]) -> None:
        """Note audiences that are to be looked at, in the subject's own scope."""
        for compiled in audiences:
            self.want_one(compiled, None)

    def want_one(self, compiled: Compiled, session: str | None) -> None:
        """Note an audience that is to be looked at."""
        key = (compiled.number, session or "")
        if key not in self._wanted:
            self._wanted.add(key)
            self._compiled[compiled.number] = compiled
            heappush(self._todo, key)

    def want_everywhere(self, compiled: Compiled) -> None:
        """Note an audience in the scope that it is keyed by: all sessions, or the subject's own."""
        if compiled.audience.key != SESSION:
            self.want_one(compiled, None)
            return
        for session in self.behavior.sessions:
            self.want_one(compiled, session)

    def want_all(self) -> None:
        """Note all audiences of the subject and of its sessions."""
        self.want(self.scope_program.audiences.values())
        if self.scope_program.key == USER:
            for compiled in self.program.scopes[SESSION].audiences.values():
                self.want_everywhere(compiled)

    def evaluate(self) -> None:
        """Look at all that was noted, references first."""
        heapify(self._todo)
        while self._todo:
            number, session = heappop(self._todo)
            if session and session not in self.behavior.sessions:
                continue  # it made room for another meanwhile, and was told as left
            compiled = self._compiled[number]
            if self._look(compiled, session or None):
                for dependent in self.program.dependents.get(compiled.name, ()):
                    if dependent.audience.key == compiled.audience.key:
                        self.want_one(dependent, session or None)
                    else:
                        self.want_everywhere(dependent)

    def _scope(self, session: str | None) -> Scope:
        return self.behavior.own if session is None else self.behavior.sessions[session]

    def _look(self, compiled: Compiled, session: str | None) -> bool:
        """Bring one membership up to date; return whether it changed."""
        scope = self._scope(session)
        known = scope.memberships.get(compiled.name)
        if known is None and not compiled.may_hold(scope.states):
            scope.set_due(compiled.name, NEVER, NEVER)
            return False
        moment = Moment(self.profile, self.behavior, scope, self.now, self.quiet, session)
        verdict = compiled.node.verdict(moment)
        if self._must_wait(compiled, moment, verdict.holds, known):
            scope.set_due(compiled.name, verdict.at, self.straggler or 0)
            return False
        left_by_event, left_while = _exits(compiled, moment)
        if known is None:
            if not verdict.holds:
                scope.set_due(compiled.name, verdict.at, verdict.quiet_at)
                return False
            known = scope.memberships[compiled.name] = Membership()
        at = self.times.get((compiled.name, session or ""), self.now)
        late = self.late or self.moment < known.holds_at
        ghost = self.ghosts.pop((compiled.number, session or ""), None)
        if ghost is not None:
            known.member = True  # by the rules for members it is decided who stays one
        following = look(
            compiled.audience, known, verdict, now=at,
            moment=self.moment if self.reason == EVENT else (at, 0),
            left_by_event=left_by_event, left_while=left_while,
        )  # fmt: skip
        scope.set_due(compiled.name, following.at, following.quiet_at)
        enters = following.enter or (ghost is not None and not following.leave)
        if not (enters or following.leave):
            return False
        if enters:
            known.ids = dict(self.ids)
        elif ghost is not None:
            known.ids = ghost.ids
        reason = LATE_EVENT if self.reason == EVENT and late else self.reason
        self._turn(compiled, known, at, enters, reason, session)
        return True

    def _must_wait(
        self, compiled: Compiled, moment: Moment, holds: bool, known: Membership | None
    ) -> bool:
        """Whether a change rests on a silence since an event that came late, so that it must wait.

        More of its batch may follow. When that is over it is looked at again.
        """
        held = known is not None and known.holds
        if self.straggler is None or holds is held:
            return False
        moment.quiet = min(self.quiet, self.straggler)
        cautious = compiled.node.verdict(moment)
        moment.quiet = self.quiet
        return cautious.holds is held

    def _turn(
        self,
        compiled: Compiled,
        known: Membership,
        at: int,
        entered: bool,
        reason: str,
        session: str | None,
    ) -> None:
        """Note that the subject enters or leaves."""
        known.member, known.since = entered, at
        known.number += 1
        if not entered:
            known.left_at = at
        self.changes.transitions.append(
            Transition(
                compiled.audience, compiled.version, entered, at, reason, known.number,
                dict(known.ids or self.ids), session,
            )
        )  # fmt: skip


def _exits(compiled: Compiled, moment: Moment) -> tuple[tuple[int, int] | None, Verdict | None]:
    """Return the newest event that fits the audience's `exit`, and the verdict of its condition."""
    newest = None
    if compiled.exit_kind is not None:
        state = moment.scope.states.get(compiled.exit_kind.key)
        newest = (state[0], state[1]) if state else None
    if compiled.exit_node is None:
        return newest, None
    return newest, compiled.exit_node.verdict(moment)


def _spoken_of(body: Mapping[str, Any]) -> Iterable[str]:
    """Yield the traits that an event may have changed."""
    context = body.get("context")
    context = context if isinstance(context, dict) else {}
    for traits in (body.get("traits"), context.get("traits")):
        if isinstance(traits, dict):
            yield from traits
    personas = context.get("personas")
    if isinstance(personas, dict) and isinstance(key := personas.get("computation_key"), str):
        yield key
