"""Keeps subjects current: an event in, time passing, two subjects becoming one, and reads.

Nothing here waits or looks at a clock. What changed is returned as `Changes`; the states and
memberships of the subject are changed in place.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from junctor.audiences.behavior import Behavior, Membership, Scope
from junctor.audiences.changes import (
    BACKFILL,
    MERGE,
    TIME,
    Changes,
    Ids,
)
from junctor.audiences.evaluation import DETECTOR, WAITING, Evaluation
from junctor.audiences.function_signals import fired_of
from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import SESSION, USER
from junctor.audiences.presence import EXIT, LEAVE_EVENTS
from junctor.audiences.program import Program
from junctor.audiences.scope_program import ScopeProgram
from junctor.audiences.seen import HUB, Seen
from junctor.audiences.signals import Completions, new
from junctor.model.profile import Profile

_MOST_STEPS: Final = 1_000
"""Times that are gone through at once; a subject that needs more is looked at again."""


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
        if seen.source != HUB and now - seen.at > self.lag:
            behavior.late = max(behavior.late, now)
            if self.lag:
                behavior.doubt = min(behavior.doubt, seen.at)
        scope = self.program.scopes[key]
        run = Evaluation(self.program, profile, behavior, now, behavior.quiet, ids, changes, scope)
        run.moment = (seen.at, seen.rank)
        if seen.source != HUB:  # what the hub makes itself comes after its cause, on purpose
            run.late = seen.at < behavior.seen_at
        elif seen.known_at:
            run.known_at = min(now, max(seen.known_at, behavior.late))
        if born:
            run.want(scope.at_birth)
        if seen.at <= profile.first_seen and seen.source != HUB:
            run.age()
        has_session = self._has_session(behavior, seen, key)
        if has_session:
            run.session(seen.session, seen.at)
        for event in self._with_exit(seen):
            matched = self.program.index.matches(event)
            run.feed(scope, event, matched, None)
            if has_session:
                sessions = self.program.scopes[SESSION]
                run.feed(sessions, event, matched, seen.session)
        run.traits(_spoken_of(seen.body) if learned is None else learned)
        if seen.source != HUB:
            behavior.seen_at = max(behavior.seen_at, seen.at)
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

    def rests(self, behavior: Behavior, now: int) -> bool:
        """Let time pass for a subject of which nothing is due; return False if something is."""
        if behavior.revision != self.program.revision or behavior.due(self.lag) <= now:
            return False
        self._believe(behavior, now, self.lag)
        return True

    def _believe(self, behavior: Behavior, now: int, lag: int) -> None:
        """Move on the time up to which silence is believed."""
        if behavior.late + lag <= now:
            behavior.quiet = max(behavior.quiet, now - lag)
            behavior.doubt = NEVER

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
        run = Evaluation(
            self.program, profile, behavior, now, behavior.quiet, ids, changes, program
        )
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
                elif name.startswith(DETECTOR):
                    run.emit_silent(name.removeprefix(DETECTOR), min(quiet_at, now))
                elif name.startswith(WAITING):
                    run.emit_waiting(name)
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
        said = fired_of(user.functions, behavior.own.states, profile)
        said |= fired_of(user.functions, other.own.states, profile)
        behavior.own.merge(other.own, user.kinds)
        behavior.seen_at = max(behavior.seen_at, other.seen_at)
        behavior.told_ids = 0
        behavior.late = max(behavior.late, other.late)
        behavior.quiet = max(behavior.quiet, other.quiet)
        behavior.doubt = min(behavior.doubt, other.doubt)
        behavior.over = behavior.over or other.over
        behavior.heed_other(other)
        for name, (at, quiet_at) in other.own.dues.items():
            if name.startswith(WAITING):
                behavior.own.set_due(name, at, quiet_at)
        run = Evaluation(self.program, profile, behavior, now, behavior.quiet, ids, changes, user)
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
                completed = found.completed(state, behavior.quiet)
                run.emit_certain(found, state, new(known, completed))
            run.due_of(key, detectors, state)
        run.emit_fired(fired_of(user.functions, behavior.own.states, profile), said)
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
            inside = [one.since for one in (known, other) if one.member]
            known.since = min(inside) if inside else max(known.since, other.since)
            known.number += other.number
            known.left_at = max(known.left_at, other.left_at)
            known.blocked = known.blocked or other.blocked
            held = [(one.holds_since, one.holds_at) for one in (known, other) if one.holds]
            ceased = [(one.holds_since, one.holds_at) for one in (known, other)]
            known.holds = bool(held)
            known.holds_since, known.holds_at = min(held) if held else max(ceased)

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
            for name in [name for name in scope.dues if name[:1] not in (DETECTOR, WAITING)]:
                del scope.dues[name]
            for name in sorted(scope.memberships.keys() - known.audiences.keys()):
                if scope.memberships.pop(name).member:
                    changes.gone.append((name, session))
        run = Evaluation(
            self.program, profile, behavior, now, behavior.quiet, ids, changes, program
        )
        run.reason = BACKFILL
        run.moment = (now, 0)
        for kind, detectors in program.detectors.items():
            _, waits = behavior.own.dues.get(DETECTOR + kind, (NEVER, NEVER))
            run.due_of(kind, detectors, behavior.own.states.get(kind), waits)
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
        behavior.doubt = NEVER
        self.advance(profile, behavior, now, {}, Changes(), key=key, lag=0)


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
