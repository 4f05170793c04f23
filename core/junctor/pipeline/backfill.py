"""New and changed definitions: their states are built from the log while the old ones serve.

From the offset where it begins, live events go into the new states as well. What is older is read
from the log, piece by piece, and put into the same states: each event once, since the states commit
together with the offset reached. When all is read the new definitions take over; memberships are
looked at anew, and what changes by that is told as backfill.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson

from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import USER, Definitions
from junctor.audiences.program import Program
from junctor.pipeline.audience import AudienceBatch, Audiences, seen_of
from junctor.pipeline.flow import Flow
from junctor.pipeline.normalize import canonical
from junctor.store.port import EventLog, FoldResult, State

KINDS: Final = "audience kinds"
BUILD: Final = "audience build"
SERVED: Final = "audiences served"
REVISED: Final = "audiences revised"
_NOTES: Final = (KINDS, BUILD, SERVED, REVISED)
CHUNK: Final = 500
"""Events read, or profiles looked at, between two turns of live events."""

Raw = Mapping[str, Any]
"""The tables of the configuration that define audiences and the like."""
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
    """Kinds that an earlier build left half done: their states are dropped first."""
    cleaned: int = 0
    """The profile up to which they are."""

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
        raw: Raw,
        wanted: Program,
        compile: Compile,
        stage: Stage,
    ) -> None:
        """Bring `wanted`, made of the tables `raw`, into service on this store."""
        self._state = state
        self._log = log
        self._raw = raw
        self._wanted = wanted
        self._compile = compile
        self._stage = stage
        self._build: Build | None = None
        self._needs = wanted.needs()
        self._reviewed: int | None = None
        self._before = Definitions()

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
        complete: dict[str, int] = orjson.loads(notes.get(KINDS, "{}"))
        missing = {
            kind for kind, size in self._needs.items() if complete.get(kind, -1) < size
        }  # fmt: skip
        since = {kind: at for kind, at in self._since(now).items() if kind in missing}
        if notes.get(REVISED) != self._wanted.revision and position:
            self._reviewed = 0
        if not position:  # nobody is known yet
            await self._commit(position, {**self._served(), REVISED: self._wanted.revision})
            return self._stage(self._wanted)
        if not since:
            await self._commit(position, self._served())
            return self._stage(self._wanted)
        self._build = self._resumed(notes.get(BUILD), since, position)
        await self._commit(position, {BUILD: self._build.encode()})
        self._before = _definitions(notes.get(SERVED))
        return self._meanwhile(also=not self._build.leftovers)

    def _meanwhile(self, *, also: bool) -> Audiences:
        """Return the stage that serves by the earlier definitions, and feeds the new ones `also`.

        While leftovers are dropped it does not: what would be dropped and what be read again?
        """
        serving = self._compile(self._before)
        if also:
            serving.keep_also(self._wanted)
        return self._stage(serving)

    def _since(self, now: int) -> dict[str, int]:
        """Return the time from which on events count, by kind; kinds to start empty are absent."""
        program, found = self._wanted, dict.fromkeys(self._needs, 0)
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
                del found[name]
            else:
                found[name] = max(0, now - longest)
        return found

    def _resumed(self, text: str | None, since: dict[str, int], position: int) -> Build:
        """Return the build that was under way for the same definitions, or a new one.

        States of kinds that another build left half done are dropped first: `step` does that.
        """
        before = Build.decode(text) if text else None
        if before is not None and before.revision == self._wanted.revision:
            return before
        leftovers = sorted(before.kinds) if before is not None else []
        return Build(self._wanted.revision, since, position, leftovers=leftovers)

    async def step(self, flow: Flow, position: int, now: int) -> bool:
        """Do a bounded piece of work; return whether there is more. `position` as in `begin`."""
        if self._build is not None and self._build.leftovers:
            await self._clean(flow, self._build, position)
        elif self._build is not None:
            await self._read(flow, self._build, position)
            if self._build.position >= self._build.until:
                await self._commit(position, {**self._served(), BUILD: None})
                self._build = None
                flow.audiences = self._stage(self._wanted)
                self._reviewed = 0
        elif self._reviewed is not None:
            await self._review(flow, position, now)
        return not self.done

    # -- states from the log ---------------------------------------------------------------------

    async def _read(self, flow: Flow, build: Build, position: int) -> None:
        records = await self._log.read(build.position, CHUNK)
        records = [record for record in records if record.offset <= build.until]
        build.position = records[-1].offset if records else build.until
        routed = await self._state.routed([record.offset for record in records])
        owners = {offset: route.profile for offset, route in routed.items()}
        survivors = await self._state.survivors(list(set(owners.values())))
        people = {offset: survivors.get(id, id) for offset, id in owners.items()}
        profiles = await self._state.profiles(list(set(people.values())))
        events = []
        for record in records:
            profile = profiles.get(people.get(record.offset, 0))
            if profile is not None:
                body, at = canonical(record)
                events.append((record, body, at, profile))
        stage = flow.audiences
        keys = [flow.identifiers.of(body) for _, body, _, _ in events]
        batch = await stage.batch(self._state, [event[:3] for event in events], keys)
        for (record, body, at, profile), identifiers in zip(events, keys, strict=True):
            seen = seen_of(record, body, at, batch.ranks[record.offset])
            wanted = {kind for kind, since in build.kinds.items() if at >= since}
            batch.fill(profile, seen, wanted, identifiers)
        await self._finish(batch, position, {BUILD: build.encode()})

    async def _clean(self, flow: Flow, build: Build, position: int) -> None:
        """Drop half built states; what live events have put into them since is read again."""
        ids = await self._state.profile_ids(build.cleaned, CHUNK)
        batch = await flow.audiences.batch(self._state, [])
        for profile in (await self._state.profiles(ids)).values():
            batch.drop(profile, build.leftovers)
        if ids:
            build.cleaned = ids[-1]
        else:
            build.leftovers = []
            build.until = position
            flow.audiences = self._meanwhile(also=True)
        await self._finish(batch, position, {BUILD: build.encode()})

    # -- memberships -----------------------------------------------------------------------------

    async def _review(self, flow: Flow, position: int, now: int) -> None:
        assert self._reviewed is not None
        ids = await self._state.profile_ids(self._reviewed, CHUNK)
        if not ids:
            self._reviewed = None
            await self._commit(position, {REVISED: self._wanted.revision})
            return
        batch = await flow.audiences.batch(self._state, [])
        for profile in (await self._state.profiles(ids)).values():
            batch.review(profile, now)
        await self._finish(batch, position, {})
        flow.announce(batch)
        self._reviewed = ids[-1]

    # -- the store -------------------------------------------------------------------------------

    def _served(self) -> dict[str, str | None]:
        return {KINDS: orjson.dumps(self._needs).decode(), SERVED: orjson.dumps(self._raw).decode()}

    async def _finish(
        self, batch: AudienceBatch, position: int, notes: Mapping[str, str | None]
    ) -> None:
        await batch.finish()
        await self._state.commit(batch.result(position, notes))

    async def _commit(self, position: int, notes: Mapping[str, str | None]) -> None:
        await self._state.commit(FoldResult(offset=position, notes=notes))


def _definitions(text: str | None) -> Definitions:
    """Return what served before; nothing, if this version can't read it any more."""
    definitions, problems = parse_definitions(orjson.loads(text) if text else {})
    return Definitions() if problems else definitions
