"""New and changed definitions: their states are built from the log while the old ones serve.

From the offset where it begins, live events go into the new states as well. What is older is read
from the log, piece by piece, and put into the same states: each event once, since the states commit
together with the offset reached. When all is read the new definitions take over; memberships are
looked at anew, and what changes by that is told as backfill.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import orjson

from junctor.audiences.canonical import version
from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import SESSION, USER, Definitions
from junctor.audiences.program import Program
from junctor.pipeline import rebuilding
from junctor.pipeline.audience import AudienceBatch, Audiences
from junctor.pipeline.flow import Flow
from junctor.pipeline.normalize import canonical_if_readable
from junctor.pipeline.seen import seen_of, uncut
from junctor.store.port import EventLog, FoldResult, Memberships, State

KINDS: Final = "audience kinds"
BUILD: Final = "audience build"
SERVED: Final = "audiences served"
REVISED: Final = "audiences revised"
HISTORY: Final = "audience history"
"""Note: from when on (epoch ms, 0 for all there ever were) events count, by kind (`SORT KEY`)."""
OUTCOMES: Final = "audience outcomes"
"""Note: what the outcome of each audience is, digested, and since when (epoch ms) it is watched."""
STALE: Final = "audience leftovers"
"""Note: kinds of which there may be states that lack events: half built, or fed no longer."""
_NOTES: Final = (KINDS, BUILD, SERVED, REVISED, HISTORY, OUTCOMES, STALE)
CHUNK: Final = 500
"""Events read, or profiles looked at, between two turns of live events."""

Raw = Mapping[str, Any]
"""The tables of the configuration that define audiences and the like."""
Kinds = Mapping[str, int]
"""How much is kept of each kind, by `SORT KEY`."""
Compile = Callable[[Definitions], Program]
Stage = Callable[[Program], Audiences]


@dataclass(slots=True)
class Build:
    """A build under way: events above `position` up to `until` are still to be read.

    `kinds` are what is built, as `SORT KEY`, with the time (epoch ms) from which on events count.
    """

    revision: str
    kinds: dict[str, int]
    until: int
    position: int = 0
    leftovers: list[str] = field(default_factory=list)
    """Kinds of which there are stale states, which are dropped first."""
    cleaned: int | str = 0
    """The profile, or then the other subject, up to which they are."""

    def encode(self) -> str:
        """Return it as text."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def decode(cls, text: str) -> "Build":
        """Return what `encode` wrote."""
        return cls(**orjson.loads(text))


class Backfill:
    """Brings the definitions of one configuration into service.

    The fold must not run while `begin` or `step` does: they change what it changes.
    """

    def __init__(
        self,
        state: State,
        log: EventLog,
        memberships: Memberships,
        raw: Raw,
        wanted: Program,
        compile: Compile,
        stage: Stage,
    ) -> None:
        """Bring `wanted`, made of the tables `raw`, into service on this store."""
        self._state = state
        self._log = log
        self._memberships = memberships
        self._raw = raw
        self._wanted = wanted
        self._compile = compile
        self._stage = stage
        self._build: Build | None = None
        self._needs = wanted.needs()
        self._reviewed: int | str | None = None
        self._known: Kinds = {}
        self._stale: set[str] = set()
        self._before_raw: Raw = {}
        self._history: dict[str, int] = {}
        self._outcomes: dict[str, tuple[str, int]] = {}

    @property
    def building(self) -> bool:
        """Whether the wanted definitions do not serve yet."""
        return self._build is not None

    @property
    def done(self) -> bool:
        """Whether they serve, and everybody's memberships were looked at by them."""
        return self._build is None and self._reviewed is None

    @property
    def wanted(self) -> Program:
        """What serves in the end."""
        return self._wanted

    @property
    def raw(self) -> tuple[Raw, Raw | None]:
        """The tables of what serves, and of what is wanted, if that is something else."""
        return (self._before_raw, self._raw) if self.building else (self._raw, None)

    def unfinished(self, serving: Program) -> set[str]:
        """Return the names of what is defined and can't be answered yet, or by an older version."""
        if not self.building:
            return set()
        wanted = self._wanted
        audiences = {
            name
            for name, compiled in wanted.audiences.items()
            if name not in serving.audiences or serving.audiences[name].version != compiled.version
        }
        figures = (wanted.attributes.keys() - serving.attributes.keys()) | (
            wanted.scores.keys() - serving.scores.keys()
        )
        return audiences | figures

    def progress(self) -> float:
        """Return how much of the log is read, 0 to 1."""
        build = self._build
        return build.position / build.until if build is not None and build.until else 1.0

    async def begin(self, position: int, now: int) -> Audiences:
        """Return the stage to run from now on; `position` is the offset folded so far."""
        notes = await self._state.notes(_NOTES)
        known = self._known = orjson.loads(notes.get(KINDS, "{}"))
        self._stale = set(orjson.loads(notes.get(STALE, "[]")))
        missing = {kind for kind, size in self._needs.items() if known.get(kind, -1) < size}
        since = {
            kind: at
            for kind, at in starts(self._wanted, self._needs, now).items()
            if kind in missing
        }
        self._history = await self._counted(notes, missing, since, position, now)
        self._outcomes = orjson.loads(notes.get(OUTCOMES, "{}"))
        if notes.get(REVISED) != self._wanted.revision and position:
            self._reviewed = 0
        if not position:  # nobody is known yet
            await self._commit(position, {**self._served(now), REVISED: self._wanted.revision})
            return self._stage(self._wanted)
        leftovers = missing & self._stale
        if not since and not leftovers:
            # A build that was given up must not be resumed: what came since is not in its states.
            await self._commit(position, {**self._served(now), BUILD: None})
            return self._stage(self._wanted)
        self._build = self._resumed(notes.get(BUILD), since, position, leftovers)
        self._stale |= missing - known.keys()
        await self._commit(position, {BUILD: self._build.encode(), STALE: _listed(self._stale)})
        self._before_raw = _readable(notes.get(SERVED))
        return self._meanwhile(also=not self._build.leftovers)

    def _meanwhile(self, *, also: bool) -> Audiences:
        """Return the stage that serves by the earlier definitions, and feeds the new ones `also`.

        While leftovers are dropped it does not: what would be dropped and what be read again?
        """
        serving = self._compile(parse_definitions(self._before_raw)[0])
        if also:
            serving.keep_also(self._wanted)
        return self._stage(serving)

    async def _counted(
        self,
        notes: Mapping[str, str],
        missing: set[str],
        since: Mapping[str, int],
        position: int,
        now: int,
    ) -> dict[str, int]:
        """Return from when on events count, by kind; see HISTORY."""
        known: dict[str, int] = orjson.loads(notes.get(HISTORY, "{}"))
        history = {kind: known.get(kind, 0) for kind in self._needs}
        if not position or not missing:
            return history
        oldest = await self._log.read(0, 1)
        at = oldest[0].received_at if oldest else now
        retained = 0 if oldest and oldest[0].offset == 1 else at
        for kind in missing:
            start = since.get(kind, now)
            history[kind] = start if start > at else retained
        return history

    def _resumed(
        self, text: str | None, since: dict[str, int], position: int, leftovers: set[str]
    ) -> Build:
        """Return the build that was under way for the same definitions, or a new one."""
        backfills = {one.name: one.backfill for one in self._wanted.definitions.audiences}
        revision = version(self._wanted.revision, self._needs, backfills)
        before = Build.decode(text) if text else None
        if before is not None and before.revision == revision:
            return before
        return Build(revision, since, position, leftovers=sorted(leftovers))

    async def step(self, flow: Flow, position: int, now: int) -> bool:
        """Do a bounded piece of work; return whether there is more. `position` as in `begin`."""
        if self._build is not None and self._build.leftovers:
            await self._clean(flow, self._build, position)
        elif self._build is not None:
            await self._read(flow, self._build, position)
            if self._build.position >= self._build.until:
                await self._commit(position, {**self._served(now), BUILD: None})
                self._build = None
                flow.audiences = self._stage(self._wanted)
                self._reviewed = 0
        elif self._reviewed is not None:
            await self._review(flow, position, now)
        return not self.done

    # -- states from the log ---------------------------------------------------------------------

    async def _read(self, flow: Flow, build: Build, position: int) -> None:
        records = uncut(await self._log.read(build.position, CHUNK), CHUNK)
        records = [record for record in records if record.offset <= build.until]
        build = replace(build, position=records[-1].offset if records else build.until)
        routed = await self._state.routed([record.offset for record in records])
        owners = {offset: route.profile for offset, route in routed.items()}
        survivors = await self._state.survivors(list(set(owners.values())))
        people = {offset: survivors.get(id, id) for offset, id in owners.items()}
        profiles = await self._state.profiles(list(set(people.values())))
        events = []
        for record in records:
            profile = profiles.get(people.get(record.offset, 0))
            if profile is not None and (read := canonical_if_readable(record)) is not None:
                events.append((record, *read, profile))
        stage = flow.audiences
        keys = [flow.identifiers.of(body) for _, body, _, _ in events]
        batch = await stage.batch(self._state, [event[:3] for event in events], keys)
        for (record, body, at, profile), identifiers in zip(events, keys, strict=True):
            seen = seen_of(record, body, at, batch.ranks[record.offset])
            wanted = {kind for kind, since in build.kinds.items() if at >= since}
            rebuilding.fill(batch, profile, seen, wanted, identifiers)
        await self._finish(batch, position, {BUILD: build.encode()})
        self._build = build

    async def _clean(self, flow: Flow, build: Build, position: int) -> None:
        """Drop stale states, a piece at a time; live events don't go into them yet."""
        sorts = {kind.partition(" ")[0] for kind in build.leftovers}
        batch, cleaned = await self._everybody(flow, build.cleaned, sorts)
        rebuilding.drop(batch.subjects, build.leftovers)
        if cleaned is not None:
            build = replace(build, cleaned=cleaned)
        else:
            read = 0 if build.kinds else position
            build = replace(build, leftovers=[], until=position, position=read)
        await self._finish(batch, position, {BUILD: build.encode()})
        self._build = build
        if cleaned is None:
            flow.audiences = self._meanwhile(also=True)

    # -- memberships -----------------------------------------------------------------------------

    async def _review(self, flow: Flow, position: int, now: int) -> None:
        assert self._reviewed is not None
        batch, reviewed = await self._everybody(flow, self._reviewed, self._wanted.scopes)
        rebuilding.review(batch, now)
        if reviewed is None:
            await self._commit(position, {REVISED: self._wanted.revision})
        else:
            await self._finish(batch, position, {})
            flow.announce(batch)
        self._reviewed = reviewed

    async def _everybody(
        self, flow: Flow, after: int | str, sorts: Iterable[str]
    ) -> tuple[AudienceBatch, int | str | None]:
        """Return the next piece of all subjects, people first, and its last one; None at the end.

        `after` is where the last piece ended: 0 at the beginning.
        """
        batch = await flow.audiences.batch(self._state, [])
        if isinstance(after, int):
            ids = await self._state.profile_ids(after, CHUNK)
            if ids:
                batch.subjects.take_up(await self._state.profiles(ids), {})
                return batch, ids[-1]
            after = ""
        for start, sort in sorted((f"{sort}:", sort) for sort in {*sorts} - {USER, SESSION}):
            if after <= start or after.startswith(start):
                keys = await self._memberships.subject_keys(sort, after, CHUNK)
                if keys:
                    batch.subjects.take_up({}, await self._state.subjects(keys))
                    return batch, keys[-1]
        return batch, None

    # -- the store -------------------------------------------------------------------------------

    def _served(self, now: int) -> dict[str, str | None]:
        outcomes = {}
        for one in self._wanted.definitions.audiences:
            if one.outcome is not None:
                goal = version(one.outcome.goal, one.outcome.value)
                known = self._outcomes.get(one.name)
                outcomes[one.name] = (goal, known[1] if known and known[0] == goal else now)
        stale = (self._stale | self._known.keys()) - self._needs.keys()
        return {
            STALE: _listed(stale),
            KINDS: orjson.dumps(self._needs).decode(),
            SERVED: orjson.dumps(self._raw).decode(),
            HISTORY: orjson.dumps(self._history).decode(),
            OUTCOMES: orjson.dumps(outcomes).decode(),
        }

    async def _finish(
        self, batch: AudienceBatch, position: int, notes: Mapping[str, str | None]
    ) -> None:
        await batch.finish()
        await self._state.commit(batch.result(position, notes))

    async def _commit(self, position: int, notes: Mapping[str, str | None]) -> None:
        await self._state.commit(FoldResult(offset=position, notes=notes))


def starts(program: Program, needs: Iterable[str], now: int) -> dict[str, int]:
    """Return the time from which on past events count for each kind of `needs` (`SORT KEY`).

    Kinds that are to start empty are absent.
    """
    found = dict.fromkeys(needs, 0)
    limits: dict[str, list[int | None]] = {}
    for compiled in program.audiences.values():
        for kind in program.kinds_of[compiled.name]:
            for sort in (compiled.audience.key, USER):
                name = f"{sort} {kind.key}"
                if name in found:
                    limits.setdefault(name, []).append(compiled.audience.backfill)
    readers = [reader.kinds for reader in program.attributes.values()]
    readers += [reader.kinds for reader in program.scores.values()]
    for kinds in readers:
        for kind in kinds:
            limits.setdefault(f"{USER} {kind.key}", []).append(now)
    for name, spans in limits.items():
        longest = max((span for span in spans if span is not None), default=None)
        if longest is None:
            found.pop(name, None)
        else:
            found[name] = max(0, now - longest)
    return found


def _listed(kinds: Iterable[str]) -> str:
    return orjson.dumps(sorted(kinds)).decode()


def _readable(text: str | None) -> Raw:
    """Return the tables of what served before; none, if this version can't read them any more."""
    raw: Raw = orjson.loads(text) if text else {}
    _, problems = parse_definitions(raw)
    return {} if problems else raw
