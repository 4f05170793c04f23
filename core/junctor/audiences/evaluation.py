"""One look at one subject at one time: states are fed, then audiences in order of reference."""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Any, Final

from junctor.audiences.behavior import Behavior, Membership, Scope
from junctor.audiences.changes import (
    EVENT,
    LATE_EVENT,
    TIME,
    Changes,
    Emission,
    Ids,
    Transition,
)
from junctor.audiences.function_signals import Fired
from junctor.audiences.leaf import NEVER, Kind, Verdict
from junctor.audiences.membership import look
from junctor.audiences.moment import Moment
from junctor.audiences.nodes import SESSION, USER
from junctor.audiences.program import Program
from junctor.audiences.scope_program import Compiled, ScopeProgram
from junctor.audiences.seen import Seen
from junctor.audiences.signals import Completion, Detector, new
from junctor.audiences.states.times import newest
from junctor.model.profile import Profile

DETECTOR: Final = "!"
"""Begins the name of a due moment that is a signal's, not an audience's."""
WAITING: Final = "?"
"""Begins that of one completion of a signal that is in doubt: its rank, and the signal."""


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
        self.known_at: int | None = None
        """When a silence was over that the event at hand tells of: then it was so, not now."""
        self.moment = (now, 0)
        self.doubt = None if behavior.doubt == NEVER else behavior.doubt
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
        functions = program.functions.get(key, ())
        place = (seen.at, seen.rank)
        said = [one.fired(state, self.profile, place) for one in functions]
        state = kind.add(state, seen, mask)
        if state is not None:
            scope.states[key] = state
        for found, known in zip(detectors, before, strict=True):
            self.emit_certain(found, state, new(known, found.completed(state, self.quiet)))
        if detectors:
            self.due_of(key, detectors, state)
        for one, earlier in zip(functions, said, strict=True):
            self.emit_fired(one.fired(state, self.profile, place), earlier)
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

    def emit_certain(self, found: Detector, state: Any, completions: list[Completion]) -> None:
        """Emit what is completed; what rests on a silence that is in doubt waits."""
        if completions and self.doubt is not None:
            certain = found.completed(state, min(self.quiet, self.doubt))
            for one in completions:
                if one.rank not in certain:
                    name = f"{WAITING}{one.rank} {found.name}"
                    self.behavior.own.set_due(name, NEVER, one.known_at)
            completions = [one for one in completions if one.rank in certain]
        self.emit(found, completions)

    def emit_waiting(self, name: str) -> None:
        """Emit what was in doubt if nothing that came meanwhile speaks against it."""
        rank, _, signal = name.removeprefix(WAITING).partition(" ")
        for key, detectors in self.scope_program.detectors.items():
            for found in detectors:
                if found.name == signal:
                    complete = found.completed(self.behavior.own.states.get(key), self.quiet)
                    self.emit(found, [one for one in complete.values() if one.rank == int(rank)])

    def emit_fired(self, fired: Fired, earlier: Fired) -> None:
        """Emit what functions say now, but for what they said earlier."""
        self.changes.emissions += [one for place, one in fired.items() if place not in earlier]

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
        """Note when the next silence that a signal waits for is over, at the latest at `waits`."""
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
        left_by_event, left_while = _exits(compiled, moment)
        if self.doubt is not None and self._must_wait(compiled, moment, verdict, left_while, known):
            turns = verdict.at if left_while is None else min(verdict.at, left_while.at)
            scope.set_due(compiled.name, turns, self.doubt)
            return False
        if known is None:
            if not verdict.holds:
                scope.set_due(compiled.name, verdict.at, verdict.quiet_at)
                return False
            known = scope.memberships[compiled.name] = Membership()
        heard = self.now if self.known_at is None else self.known_at
        at = self.times.get((compiled.name, session or ""), heard)
        at = max(at, known.since)  # what was heard of meanwhile comes before a silence
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
        reason = self.reason
        if reason == EVENT and self.known_at is not None:
            reason = TIME
        elif reason == EVENT and late:
            reason = LATE_EVENT
        self._turn(compiled, known, at, enters, reason, session)
        if enters and ghost is not None:
            known.since = ghost.since  # told now, but in for as long as the absorbed half was
        return True

    def _must_wait(
        self,
        compiled: Compiled,
        moment: Moment,
        verdict: Verdict,
        left_while: Verdict | None,
        known: Membership | None,
    ) -> bool:
        """Whether a change rests on a silence since an event that came late, so that it must wait.

        More of its batch may follow. When that is over it is looked at again.
        """
        assert self.doubt is not None
        held = known is not None and known.holds
        member = known is not None and known.member
        if verdict.holds is held and left_while is None:
            return False
        moment.quiet = min(moment.quiet, self.doubt)
        cautious = compiled.node.verdict(moment)
        _, cautiously_left = _exits(compiled, moment)
        if verdict.holds is not held and cautious.holds is held:
            return True
        would_turn = (member or verdict.holds) and _holds(left_while) is member
        return would_turn and _holds(cautiously_left) is not member

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


def _holds(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.holds


def _exits(compiled: Compiled, moment: Moment) -> tuple[tuple[int, int] | None, Verdict | None]:
    """Return the newest event that fits the audience's `exit`, and the verdict of its condition."""
    left = None
    if compiled.exit_kind is not None:
        left = newest(moment.scope.states.get(compiled.exit_kind.key))
    if compiled.exit_node is None:
        return left, None
    return left, compiled.exit_node.verdict(moment)
