"""A town of people: events folded into a state in memory, and what can be said about it."""

from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import structlog

from junctor.audiences.engine import Engine
from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.config.model import Identifier, Identity
from junctor.model.erasure import Erasure
from junctor.model.membership import Goal, TransitionRow
from junctor.model.processed import Batch, Processed
from junctor.model.profile import IdentityConflict, Merge, Profile
from junctor.model.record import NewRecord, Record, Rejection
from junctor.pipeline.audience import Audiences
from junctor.pipeline.flow import Flow
from junctor.pipeline.identify import Identifiers
from junctor.pipeline.route import Router, RouteRule, Target
from junctor.sdk.context import SystemClock
from junctor.store.port import FoldResult, IdentifierKey, Routed, State, StoreUnavailable

from .bodies import T0, named

T = TypeVar("T")

LOG = structlog.get_logger()
ALL = frozenset({"track", "identify", "page", "screen", "group", "alias", "delete"})
EVERYTHING = Router([RouteRule(None, frozenset({"crm"}))], [Target("crm", ALL)])


@dataclass
class MemoryState:
    """A State that keeps only what was committed, as bytes, and no object of anybody's."""

    at: int = 0
    identifiers: dict[IdentifierKey, int] = field(default_factory=dict)
    people: dict[int, bytes] = field(default_factory=dict)
    routes: dict[int, Routed] = field(default_factory=dict)
    merged: list[Merge] = field(default_factory=list)
    conflicts: list[IdentityConflict] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    behaviors: dict[int, tuple[bytes, int | None]] = field(default_factory=dict)
    others: dict[str, tuple[bytes, bytes, int | None]] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)
    made: list[NewRecord] = field(default_factory=list)
    """Events that the fold made and nobody has put into the log yet."""
    moved: list[TransitionRow] = field(default_factory=list)
    reached: list[Goal] = field(default_factory=list)
    seen: dict[tuple[str, int], int] = field(default_factory=dict)
    erasures: list[Erasure] = field(default_factory=list)
    fails: bool = False
    """Whether the next commit fails."""

    def forget(self) -> None:
        """Nothing that was handed out is kept."""

    async def position(self) -> int:
        return self.at

    async def resolve(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, int]:
        return {key: self.identifiers[key] for key in keys if key in self.identifiers}

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        found = {id: Profile.decode(id, self.people[id]) for id in ids if id in self.people}
        for id, profile in found.items():
            profile.behavior, profile.due = self.behaviors[id]
        return found

    def submit(self, result: FoldResult) -> Awaitable[None]:
        return self.commit(result)

    async def commit(self, result: FoldResult) -> None:
        if self.fails:
            self.fails = False
            raise StoreUnavailable("disk full")
        for key, id in result.identifiers.items():
            if id is None:
                self.identifiers.pop(key, None)
            else:
                self.identifiers[key] = id
        for id, profile in result.profiles.items():
            if profile is None:
                self.people.pop(id, None)
                self.behaviors.pop(id, None)
            else:
                self.people[id] = profile.encode()
                self.behaviors[id] = profile.behavior, profile.due
        for name, subject in result.subjects.items():
            if subject is None:
                self.others.pop(name, None)
            else:
                self.others[name] = subject.encode(), subject.behavior, subject.due
        for name, note in result.notes.items():
            if note is None:
                self.noted.pop(name, None)
            else:
                self.noted[name] = note
        self.made += result.derived
        self.moved += result.transitions
        self.reached += result.goals
        self.seen |= result.sessions
        self.erasures += result.erasures
        self.routes |= {route.offset: route for route in result.routed}
        self.merged += result.merges
        self.conflicts += result.conflicts
        self.rejections += result.rejections
        self.at = result.offset

    async def routed(self, offsets: Sequence[int]) -> dict[int, Routed]:
        return {offset: self.routes[offset] for offset in offsets if offset in self.routes}

    async def subjects(self, keys: Sequence[str]) -> dict[str, Profile]:
        found = {}
        for key in keys:
            if key in self.others:
                record, behavior, due = self.others[key]
                subject = found[key] = Profile.decode(0, record)
                subject.subject, subject.behavior, subject.due = key, behavior, due
        return found

    async def subject_keys(self, sort: str, after: str, limit: int) -> list[str]:
        keys = sorted(key for key in self.others if key.startswith(f"{sort}:") and key > after)
        return keys[:limit]

    async def due(self, until: int, limit: int) -> tuple[list[int], list[str]]:
        people = sorted((self.behaviors[id][1] or 2**62, id) for id in self.people)
        others = sorted((one[2] or 2**62, key) for key, one in self.others.items())
        return (
            [id for due, id in people if due <= until][:limit],
            [key for due, key in others if due <= until][:limit],
        )

    async def next_due(self) -> int | None:
        dues = [self.behaviors[id][1] for id in self.people]
        dues += [one[2] for one in self.others.values()]
        return min((due for due in dues if due is not None), default=None)

    async def profile_ids(self, after: int, limit: int) -> list[int]:
        return sorted(id for id in self.people if id > after)[:limit]

    async def survivors(self, ids: Sequence[int]) -> dict[int, int]:
        merged = {merge.absorbed: merge.survivor for merge in self.merged}
        found = {}
        for id in ids:
            now = id
            while now in merged:
                now = merged[now]
            if now != id:
                found[id] = now
        return found

    async def notes(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self.noted[name] for name in names if name in self.noted}

    async def merges(self, profile: int) -> list[Merge]:
        return [merge for merge in self.merged if merge.survivor == profile]


class Town:
    """Folds events in the order they come."""

    def __init__(self, identity: Identity | None = None, router: Router = EVERYTHING) -> None:
        """Start empty."""
        self.state = MemoryState()
        self.batches: list[Batch] = []
        self.log: list[Record] = []
        self.flow = flow(self.state, self.batches, identity, router)

    def see(self, *bodies: dict[str, Any], batch: Iterable[int] = ()) -> list[Processed]:
        """Fold events that come after all before; `batch` gives sizes of batches, else one."""
        first = len(self.log)
        self.log += records(bodies, first)
        return finish(fold_in_batches(self.flow, self.log, first, batch, self.batches))

    @property
    def people(self) -> list[Profile]:
        return list(finish(self.state.profiles(sorted(self.state.people))).values())

    @property
    def partition(self) -> set[frozenset[IdentifierKey]]:
        return partition(self.state.identifiers)

    def who(self, kind: str, value: str) -> Profile:
        id = self.state.identifiers[kind, value]
        return finish(self.state.profiles([id]))[id]

    def check(self, limits: dict[str, int]) -> None:
        """Say what must be true of any town."""
        listed = {
            (kind, value): person.id
            for person in self.people
            for kind, values in person.identifiers.items()
            for value in values
        }
        assert listed == self.state.identifiers, "identifiers and profiles tell the same"
        for person in self.people:
            for kind, values in person.identifiers.items():
                assert len(set(values)) == len(values) <= limits[kind]
            assert 0 < person.first_seen <= person.last_seen


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits, though it may let others have a turn: an event loop costs more."""
    try:
        while work.send(None) is None:
            pass
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


def flow(
    state: State, batches: list[Batch], identity: Identity | None = None,
    router: Router = EVERYTHING,
) -> Flow:  # fmt: skip
    audiences = Audiences(Engine(Program(Definitions())), no_records, SystemClock())
    return Flow(state, Identifiers(identity or Identity()), audiences, router, batches.append, LOG)


async def no_records(offsets: Sequence[int]) -> list[Record]:
    return []


def records(bodies: Sequence[dict[str, Any]], first: int = 0) -> list[Record]:
    """Return records as read from the log, numbered from `first` + 1, a second apart."""
    return [
        Record(
            first + n + 1, "web", f"m-{first + n}", T0 + 1000 * (first + n), False,
            orjson.dumps(named(body, first + n)),
        )
        for n, body in enumerate(bodies)
    ]  # fmt: skip


async def fold_in_batches(
    flow: Flow, log: Sequence[Record], first: int, sizes: Iterable[int], batches: list[Batch]
) -> list[Processed]:
    before = len(batches)
    sizes = iter(sizes)
    while first < len(log):
        size = next(sizes, len(log))
        previous = log[first - 1].offset if first else 0
        reached = await flow.fold(log[first : first + size], previous)
        first = next(place for place, one in enumerate(log, 1) if one.offset == reached)
    return [item for batch in batches[before:] for item in batch.events]


def partition(identifiers: dict[IdentifierKey, int]) -> set[frozenset[IdentifierKey]]:
    """Return who is who: the sets of identifiers that are one person."""
    groups: dict[int, set[IdentifierKey]] = {}
    for key, id in identifiers.items():
        groups.setdefault(id, set()).add(key)
    return {frozenset(group) for group in groups.values()}


def people(*groups: str) -> set[frozenset[IdentifierKey]]:
    """Read a partition: "user_id=ada anonymous_id=x" for each person."""
    return {
        frozenset((kind, value) for kind, _, value in (key.partition("=") for key in group.split()))
        for group in groups
    }


def rules(*kinds: tuple[str, int], **more: Any) -> Identity:
    """Return identity rules with limits; kinds by priority."""
    paths = {"email": ("traits.email", "context.traits.email", "properties.email")}
    return Identity(
        identifiers=tuple(
            Identifier(kind=kind, limit=limit, **{"from": paths.get(kind, ())})
            for kind, limit in kinds
        ),
        **more,
    )
