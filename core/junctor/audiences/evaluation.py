"""One look at one subject at one time: states are fed, then audiences in order of reference."""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Any, Final

from junctor.audiences.behavior import Behavior, Membership, Scope
from junctor.audiences.changes import (
    EVENT,
    LATE_EVENT,
    Changes,
    Emission,
    Ids,
    Transition,
)
from junctor.audiences.leaf import NEVER, Kind, Verdict
from junctor.audiences.membership import look
from junctor.audiences.moment import Moment
from junctor.audiences.nodes import SESSION, USER
from junctor.audiences.program import Compiled, Program, ScopeProgram
from junctor.audiences.seen import Seen
from junctor.audiences.signals import Completion, Detector, new
from junctor.model.profile import Profile

DETECTOR: Final = "!"
"""Begins the name of a due moment that is a signal's, not an audience's."""


class Evaluation:
    """One look at one subject at one time: states are fed, then audiences in order of reference."""

    def __init__(
        self,
        of: Program,
        profile: Profile,
        behavior: Behavior,
        now: int,
        quiet: int,
        ids: Ids,
        changes: Changes,
        program: ScopeProgram,
    ) -> None:
        """Look at `profile` by the program `of` at `now`; silence is believed up to `quiet`."""
        self.program = of
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
        seen: Seen,
        matched: list[int],
        session: str | None,
    ) -> None:
        """Put the event into the states that want it; note whose audiences rest on them."""
        for kind, mask in program.wanting(seen, matched):
            self._add(program, self._scope(session), kind, seen, mask, session)

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
            if name in self.scope_program.by_trait:
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
        self.behavior.own.set_due(DETECTOR + key, NEVER, due)

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
