"""Which audiences a person entered or left by an event, or by time; signals; figures of profiles.

The engine does the work (`junctor/audiences`). It is handed what happened (`seen.py`), and what it
finds becomes events of the hub's own (`derived.py`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from junctor.audiences.behavior import Behavior
from junctor.audiences.changes import BACKFILL, ERASED, MERGE, Changes, Emission, Transition
from junctor.audiences.engine import Engine
from junctor.audiences.nodes import ACCOUNT, SESSION, USER
from junctor.audiences.patterns import Fits, compile_pattern
from junctor.audiences.seen import HUB, RANKS_PER_OFFSET, Seen, reader
from junctor.model.membership import Goal, Told, TransitionRow
from junctor.model.profile import Figures, Profile
from junctor.model.record import Record
from junctor.pipeline.derived import ids_of, signal_event, subject_ids
from junctor.pipeline.figures import figures_of
from junctor.pipeline.normalize import identifier_text
from junctor.pipeline.places import Fetch, Places
from junctor.pipeline.seen import LONGEST_ID, ranks, seen_of
from junctor.pipeline.subjects import Subjects, new_subject, teach
from junctor.pipeline.telling import Telling
from junctor.sdk.context import Clock
from junctor.store.port import FoldResult, IdentifierKey, State

TOLD: Final = "told"
"""Version of an audience that another hub computed."""
GONE: Final = ""
"""Version of an audience that is defined no more: its members leave it without an event."""
NO_NOTES: Final[Mapping[str, str | None]] = MappingProxyType({})


class Audiences:
    """The stage: an engine, and what it needs of the hub."""

    def __init__(
        self,
        engine: Engine,
        fetch: Fetch,
        clock: Clock,
        over: Callable[[], None] = lambda: None,
        *,
        introduces: bool = False,
    ) -> None:
        """Run `engine`; earlier events come from `fetch`; `clock` stamps what is made.

        `over` is called for each subject that comes to take too much room. `introduces`: somebody
        keeps copies of audiences, and is told of members who get other ids.
        """
        self.engine = engine
        self.introduces = introduces
        self.over = over
        self.places = Places(fetch)
        self._clock = clock
        self._keys = [key for key in engine.program.scopes if key not in (USER, SESSION)]
        self.kinds_of_people = [key for key in self._keys if key != ACCOUNT]
        """Kinds of identifiers that audiences are keyed by."""
        self._goals: list[tuple[str, Fits, Callable[[Mapping[str, Any]], Any] | None]] = [
            (
                audience.name,
                compile_pattern(audience.outcome.goal),
                reader(audience.outcome.value) if audience.outcome.value else None,
            )
            for audience in engine.program.definitions.audiences
            if audience.outcome is not None
        ]

    @property
    def idle(self) -> bool:
        """Whether nothing is defined, so that no event need be looked at."""
        return self.engine.program.is_empty and not self._goals

    async def batch(
        self, state: State, events: Sequence[tuple[Record, Mapping[str, Any], int]],
        keys: Sequence[Sequence[IdentifierKey]] = (), others: Sequence[IdentifierKey] = (),
    ) -> "AudienceBatch":  # fmt: skip
        """Begin a batch of the fold; `events` are records with body and time.

        `keys` are their identifiers, `others` what else may have to do with it.
        """
        subjects: dict[str, Profile] = {}
        if self._keys:
            wanted = {
                key
                for (_, body, _), identifiers in zip(events, keys, strict=True)
                for _, key in self.subject_keys(body, identifiers)
            }
            wanted |= {f"{kind}:{value}" for kind, value in others if kind in self.kinds_of_people}
            subjects = await state.subjects(sorted(wanted))
        return AudienceBatch(self, Subjects(subjects), ranks(events))

    def subject_keys(
        self, body: Mapping[str, Any], identifiers: Sequence[IdentifierKey]
    ) -> list[tuple[str, str]]:
        """Return the subjects other than people that an event is about: (sort, `KIND:VALUE`)."""
        found = []
        for key in self._keys:
            if key == ACCOUNT:
                context = body.get("context")
                carried = context.get("groupId") if isinstance(context, dict) else None
                value = identifier_text(body.get("groupId") or carried)
            else:
                value = next((value for kind, value in identifiers if kind == key), None)
            if value is not None and len(value) <= LONGEST_ID:
                found.append((key, f"{key}:{value}"))
        return found

    def figures(self, profile: Profile, at: int) -> Figures:
        """Return a person's attributes and scores, each computed when somebody asks for it."""
        return figures_of(self.engine.program, profile, at)

    def goals(self, seen: Seen, profile: int, offset: int) -> list[Goal]:
        """Return the goals that an event reaches."""
        return [
            Goal(name, profile, offset, seen.at, _number(read(seen.body)) if read else None)
            for name, fits, read in self._goals
            if fits(seen)
        ]

    def now(self) -> int:
        """Return the time by the hub's clock, in epoch milliseconds."""
        return round(self._clock.now() * 1000)


@dataclass(slots=True)
class _Pending:
    """A signal whose event is still to be made, of the event with this rank."""

    emission: Emission
    profile: Profile


@dataclass(slots=True)
class AudienceBatch:
    """What one batch of the fold brings about; `finish` ends it."""

    stage: Audiences
    subjects: Subjects
    ranks: dict[int, int] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    sessions: dict[tuple[str, int], int] = field(default_factory=dict)
    _pending: list[_Pending] = field(default_factory=list)
    _bodies: dict[int, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    _telling: Telling = field(init=False)

    def __post_init__(self) -> None:
        """Stamp what is made by the clock of the stage."""
        self._telling = Telling(self.stage.now)

    @property
    def told(self) -> Sequence[Told]:
        """What is told to whoever watches."""
        return self._telling.told

    # -- people ----------------------------------------------------------------------------------

    def observe(
        self,
        profile: Profile,
        record: Record,
        body: Mapping[str, Any],
        at: int,
        identifiers: Sequence[IdentifierKey],
        learned: Collection[str] | None = None,
    ) -> None:
        """Take in one event of a person (epoch ms `at`), who is kept.

        `learned` are the traits that it changed; see Engine.observe.
        """
        rank = self.ranks[record.offset]
        seen = seen_of(record, body, at, rank)
        engine = self.stage.engine
        self._bodies[rank // RANKS_PER_OFFSET] = (record.message_id, body)
        behavior = self.subjects.person(profile)
        ids = ids_of(profile, body)
        born = profile.id == record.offset
        changes = engine.observe(profile, behavior, seen, ids, born=born, learned=learned)
        self._take(profile, behavior, changes)
        self._introduce(profile, behavior, record.received_at, ids)
        if seen.session and engine.program.has_sessions:
            key = (seen.session, profile.id)
            self.sessions[key] = max(self.sessions.get(key, 0), at)
        if record.source != HUB:
            self.goals += self.stage.goals(seen, profile.id, record.offset)
            for sort, subject_key in self.stage.subject_keys(body, identifiers):
                self._observe_subject(sort, subject_key, seen, 0 if sort == ACCOUNT else profile.id)

    def _introduce(
        self, profile: Profile, behavior: Behavior, now: int, ids: Mapping[str, str]
    ) -> None:
        """Tell who keeps audiences of members who got a new kind of id: they know them by it.

        That is no new entry: no trigger fires, and it is not counted.
        """
        if not self.stage.introduces or len(ids) <= behavior.told_ids:
            return
        behavior.told_ids = len(ids)
        for session, scope in ((None, behavior.own), *behavior.sessions.items()):
            for name, known in scope.memberships.items():
                compiled = self.stage.engine.program.audiences.get(name)
                if not known.member or ids.keys() <= known.ids.keys() or compiled is None:
                    continue
                known.ids = {**ids, **known.ids}
                again = Transition(
                    compiled.audience, compiled.version, True, now, MERGE, known.number,
                    dict(known.ids), session,
                )  # fmt: skip
                self._telling.again(profile, again, _person(profile, session), _consent(behavior))

    def merge(self, survivor: Profile, absorbed: Profile, now: int) -> None:
        """Take the behavior of an absorbed profile into the survivor's; time has passed for both.

        The survivor has learned of the absorbed already what is to be learned.
        """
        engine = self.stage.engine
        mine, theirs = self.subjects.person(survivor), self.subjects.person(absorbed)
        changes = engine.merge(survivor, mine, theirs, now, ids_of(survivor, {}))
        self._take(survivor, mine, changes)
        self.subjects.put_down(absorbed.id)
        for session, profile_id in list(self.sessions):
            if profile_id == absorbed.id:
                self.sessions[session, survivor.id] = self.sessions.pop((session, profile_id))
        self._show(survivor, mine)

    def pass_time(self, profile: Profile, now: int) -> None:
        """Let time pass for a person, up to `now`."""
        behavior = self.subjects.person(profile)
        if self.stage.engine.rests(behavior, now):
            return
        changes = Changes()
        self.stage.engine.advance(profile, behavior, now, ids_of(profile, {}), changes)
        self._take(profile, behavior, changes)

    def forget(self, profile: Profile, now: int) -> None:
        """Tell that a person who is to be removed left all audiences.

        What audiences are keyed by otherwise goes with them where it is an identifier of theirs.
        """
        self._leave(profile, self.subjects.person(profile), now, profile.id, profile.id)
        self.subjects.put_down(profile.id)
        for kind in self.stage.kinds_of_people:
            for value in profile.identifiers.get(kind, ()):
                key = f"{kind}:{value}"
                subject = self.subjects.others.get(key)
                if subject is not None:
                    self._leave(subject, self.subjects.other(key, subject), now, 0, profile.id)
                self.subjects.remove(key)

    def _leave(self, profile: Profile, behavior: Behavior, now: int, id: int, person: int) -> None:
        """Tell that a subject left all audiences; `id` is the person's, 0 of one that is none.

        `person` is who is erased.
        """
        for session, scope in ((None, behavior.own), *behavior.sessions.items()):
            for name, known in scope.memberships.items():
                compiled = self.stage.engine.program.audiences.get(name)
                if known.member and compiled is not None:
                    left = Transition(
                        compiled.audience, compiled.version, False, now, ERASED,
                        known.number + 1, known.ids, session,
                    )  # fmt: skip
                    subject = profile.subject or _person(profile, session)
                    self._telling.tell(profile, left, subject, id, _consent(behavior), person)

    # -- accounts and the like -------------------------------------------------------------------

    def _observe_subject(self, sort: str, key: str, seen: Seen, person: int) -> None:
        subject = self.subjects.others.get(key)
        born = subject is None
        if subject is None:
            subject = new_subject(key, seen)
        else:
            self.pass_time_of_subject(key, subject, seen.received_at)
        behavior = self.subjects.other(key, subject)
        teach(subject, sort, seen)
        ids = subject_ids(key)
        changes = self.stage.engine.observe(subject, behavior, seen, ids, key=sort, born=born)
        self._take_subject(key, subject, behavior, changes, person)

    def pass_time_of_subject(self, key: str, subject: Profile, now: int) -> None:
        """Let time pass for a subject that is no person, up to `now`."""
        behavior = self.subjects.other(key, subject)
        changes = Changes()
        sort = key.partition(":")[0]
        self.stage.engine.advance(subject, behavior, now, subject_ids(key), changes, key=sort)
        self._take_subject(key, subject, behavior, changes)

    def _take_subject(
        self, key: str, subject: Profile, behavior: Behavior, changes: Changes, person: int = 0
    ) -> None:
        for transition in changes.transitions:
            self._telling.tell(subject, transition, key, 0, _consent(behavior), person)
        for name, _ in changes.gone:
            row = TransitionRow(name, GONE, key, 0, self.stage.now(), False, BACKFILL)
            self._telling.note(subject, row, None)

    # -- what comes of it ------------------------------------------------------------------------

    def _take(self, profile: Profile, behavior: Behavior, changes: Changes) -> None:
        if not changes:
            return
        consent = _consent(behavior)
        for transition in changes.transitions:
            subject = _person(profile, transition.session)
            self._telling.tell(profile, transition, subject, profile.id, consent)
        for name, session in changes.gone:
            profile.audiences.pop(name, None)
            subject, now = _person(profile, session), self.stage.now()
            row = TransitionRow(name, GONE, subject, profile.id, now, False, BACKFILL)
            self._telling.note(profile, row, session)
        if changes.transitions or changes.gone:
            self._show(profile, behavior)
        self._pending += [_Pending(emission, profile) for emission in changes.emissions]

    def _show(self, profile: Profile, behavior: Behavior) -> None:
        """Write into the profile which audiences the person is in."""
        program = self.stage.engine.program
        shown = {name: told for name, told in profile.audiences.items()
                 if name not in program.audiences}  # fmt: skip
        for scope in (behavior.own, *behavior.sessions.values()):
            shown.update({name: True for name, known in scope.memberships.items() if known.member})
        profile.audiences = shown
        profile.changed()

    def learn_told(self, profile: Profile, before: Mapping[str, bool], at: int) -> None:
        """Note memberships that another hub computed and that an event changed; see profile.py.

        Of what is computed here nobody else tells.
        """
        for name, member in list(profile.audiences.items()):
            if name in self.stage.engine.program.audiences:
                profile.audiences.pop(name)
                if name in before:
                    profile.audiences[name] = before[name]
                continue
            if before.get(name, False) == member:
                continue
            row = TransitionRow(name, TOLD, str(profile.id), profile.id, at, member, "event")
            self._telling.note(profile, row, None)

    async def finish(self) -> None:
        """Make the signals' events, and put what is known of everybody back into their profiles."""
        await self._emit()
        await self.subjects.put_back(self.stage.engine.lag, self.stage.over)

    def result(self, position: int, notes: Mapping[str, str | None] = NO_NOTES) -> FoldResult:
        """Return what is to be committed, once finished; `position` is the offset folded so far."""
        return FoldResult(
            offset=position,
            profiles=dict(self.subjects.people),
            transitions=[told.row for told in self.told],
            goals=self.goals,
            derived=self._telling.derived,
            sessions=self.sessions,
            subjects=self.subjects.changed,
            notes=notes,
        )

    async def _emit(self) -> None:
        if not self._pending:
            return
        wanted = [one.emission.completion.rank // RANKS_PER_OFFSET for one in self._pending]
        missing = [offset for offset in wanted if offset not in self._bodies]
        if missing:
            self._bodies |= await self.stage.places.bodies(missing)
        for one, offset in zip(self._pending, wanted, strict=True):
            message_id, cause = self._bodies.get(offset, (f"offset-{offset}", {}))
            self._telling.append(signal_event(one.profile, one.emission, message_id, cause))
        self._pending.clear()


def _person(profile: Profile, session: str | None) -> str:
    """Return how a person, or one of their sessions, is named as a subject."""
    return str(profile.id) if session is None else f"{profile.id}/{session}"


def _consent(behavior: Behavior) -> Mapping[str, Any] | None:
    """Return what was consented to last."""
    return behavior.consent[2] if behavior.consent is not None else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
