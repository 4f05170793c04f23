"""What the hub asks of a store, in five small protocols; every adapter passes the same law book.

All methods are asynchronous and work on batches, so that an adapter may live behind a network. A
method that writes returns only when the write is durable. Times are epoch milliseconds.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from junctor.model.delivery import Attempt, DeadLetter, DestinationState, Parked
from junctor.model.erasure import Erasure
from junctor.model.membership import Goal, Member, TransitionRow
from junctor.model.profile import IdentityConflict, Merge, Profile
from junctor.model.record import NewRecord, Record, Rejection
from junctor.store.erasures import Erasures

IdentifierKey = tuple[str, str]
"""Kind and value of an identifier."""


class StoreError(Exception):
    """The store can't do it; the message is for the operator."""


class StoreUnavailable(StoreError):
    """Nothing can be made durable now: disk full, read-only, I/O error. It may heal."""


class StoreLocked(StoreError):
    """Another process owns the store."""


class StoreTooNew(StoreError):
    """The store was written by a newer junctor."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Records that were committed together, in order of offset.

    `previous` is the last offset before them. Duplicates are not among them.
    """

    previous: int
    records: Sequence[Record]


class EventLog(Protocol):
    """The durable, ordered log of accepted events."""

    async def append(
        self,
        records: Sequence[NewRecord],
        rejections: Sequence[Rejection] = (),
        *,
        cursor: tuple[str, str] | None = None,
    ) -> int:
        """Make the events durable, duplicates left out; return how many were duplicates.

        `cursor` is (source, cursor) of a pull source, committed with its page.

        Raises:
            StoreUnavailable: nothing was stored.
        """
        ...

    def subscribe(self, listener: Callable[[Appended], None]) -> None:
        """Call `listener` on the event loop after each commit, in order."""
        ...

    async def read(self, after: int, limit: int) -> list[Record]:
        """Return up to `limit` records with an offset above `after`, in order."""
        ...

    async def fetch(self, offsets: Sequence[int]) -> list[Record]:
        """Return the records at `offsets` that still exist, in order."""
        ...

    async def find(self, message_id: str, sources: Sequence[str]) -> list[Record]:
        """Return the retained records with this message id."""
        ...

    async def head(self) -> int:
        """Return the newest offset, 0 when nothing was ever stored."""
        ...

    async def offset_at(self, at: int) -> int:
        """Return the newest offset received before the time `at`, 0 when there is none."""
        ...

    async def source_cursor(self, source: str) -> str | None:
        """Return the last committed cursor of a pull source."""
        ...

    async def suppress(self, user_ids: Sequence[str], since: int) -> None:
        """Remember users whose events are not to be stored; those known already keep their time."""
        ...

    async def unsuppress(self, user_ids: Sequence[str]) -> None:
        """Forget that users were suppressed."""
        ...

    async def suppressed(self) -> dict[str, int]:
        """Return the suppressed users with the time since when."""
        ...

    async def rejections(self, limit: int, before: int | None = None) -> list[Rejection]:
        """Return rejected items, newest first, with an id below `before`."""
        ...


@dataclass(slots=True)
class Routed:
    """Where one event goes: `decision` maps each destination to "" or the reason it is filtered."""

    offset: int
    profile: int
    decision: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class FoldResult:
    """What a batch of records changes: one transaction."""

    offset: int
    identifiers: Mapping[IdentifierKey, int | None] = field(default_factory=dict)
    """Identifier to profile id; None removes it."""
    profiles: Mapping[int, Profile | None] = field(default_factory=dict)
    """Profile id to profile; None removes it. Of one that nobody absorbed, goals and sessions are
    removed as well, and transitions tell no more who it was."""
    merges: Sequence[Merge] = ()
    """Also moves goals and memberships to the survivor."""
    conflicts: Sequence[IdentityConflict] = ()
    routed: Sequence[Routed] = ()
    rejections: Sequence[Rejection] = ()
    derived: Sequence[NewRecord] = ()
    """Events that the fold made, appended to the log in the same transaction."""
    transitions: Sequence[TransitionRow] = ()
    goals: Sequence[Goal] = ()
    sessions: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """(Session, profile) to the time of its newest event."""
    subjects: Mapping[str, Profile | None] = field(default_factory=dict)
    """Subjects that are no people, by `KIND:VALUE`; None removes one."""
    notes: Mapping[str, str | None] = field(default_factory=dict)
    """What the fold remembers of its own work, by name; None removes it."""
    erasures: Sequence[Erasure] = ()
    """People who are to be forgotten, each by their own profile; whom that absorbed is added, and
    their merges are removed."""


class State(Protocol):
    """Profiles and identifiers: the fold's memory."""

    async def position(self) -> int:
        """Return the offset up to which the log is folded."""
        ...

    async def resolve(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, int]:
        """Return the profile id of each identifier that is known."""
        ...

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """Return the profiles that exist. The caller owns them and may change them."""
        ...

    async def subjects(self, keys: Sequence[str]) -> dict[str, Profile]:
        """Return the subjects that are no people and exist, by `KIND:VALUE`; as `profiles`."""
        ...

    async def due(self, until: int, limit: int) -> tuple[list[int], list[str]]:
        """Return profiles and other subjects that are due at a time up to `until`, first ones."""
        ...

    async def profile_ids(self, after: int, limit: int) -> list[int]:
        """Return ids of profiles above `after`, in order."""
        ...

    async def survivors(self, ids: Sequence[int]) -> dict[int, int]:
        """Return who absorbed these profiles, at the end of the chain; others are absent."""
        ...

    async def notes(self, names: Sequence[str]) -> dict[str, str]:
        """Return the notes of the fold of these names that there are."""
        ...

    async def next_due(self) -> int | None:
        """Return the earliest time at which something is due, None when nothing is."""
        ...

    async def commit(self, result: FoldResult) -> None:
        """Make the batch's changes, its routing and its offset durable at once.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        ...

    def submit(self, result: FoldResult) -> Awaitable[None]:
        """Commit, and return what waits until it is durable; reads of the state show it at once.

        One at a time: wait before the next. What `due`, `survivors` and `notes` return is durable.

        Raises:
            StoreUnavailable: nothing was changed; also what is returned raises it.
        """
        ...

    def forget(self) -> None:
        """Drop what was handed out since the last commit: it may have been changed in part."""
        ...

    async def routed(self, offsets: Sequence[int]) -> dict[int, Routed]:
        """Return the routing of the offsets that were folded and are retained."""
        ...

    async def merges(self, profile: int) -> list[Merge]:
        """Return the merges into a profile, oldest first."""
        ...


class Memberships(Protocol):
    """Who is in which audience, and who came and went."""

    async def session_owners(self, session: str) -> list[int]:
        """Return the profiles that a session belongs to, the one last seen first."""
        ...

    async def members(self, audience: str, after: str, limit: int) -> list[Member]:
        """Return members of an audience, those whose subject sorts behind `after`."""
        ...

    async def told_by_others(self) -> list[str]:
        """Return the audiences with members that another hub told of."""
        ...

    async def sizes(self) -> dict[str, int]:
        """Return how many members each audience has that has any."""
        ...

    async def transitions(
        self,
        audience: str,
        since: int,
        until: int,
        *,
        after: TransitionRow | None = None,
        limit: int | None = None,
    ) -> list[TransitionRow]:
        """Return the entries and exits with since <= at < until, oldest first, behind `after`."""
        ...

    async def last_transition(self, audience: str) -> int | None:
        """Return when somebody last came or went, None for never."""
        ...

    async def goals(self, audience: str, after: Goal | None, limit: int) -> list[Goal]:
        """Return what was reached of an audience's goal, by profile and offset, behind `after`."""
        ...

    async def people(self, after: int, limit: int) -> list[Profile]:
        """Return profiles with ids above `after`, in order: for a look at everybody.

        They are read past what is kept in memory, which such a look would push out. The caller
        owns them.
        """
        ...

    async def subject_keys(self, sort: str, after: str, limit: int) -> list[str]:
        """Return subjects of a sort that are no people, as `SORT:VALUE`, sorting behind `after`."""
        ...


class Lookup(Protocol):
    """Reads of people on a thread of their own: what is committed."""

    async def find(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, Profile]:
        """Return the profile of each identifier that is known."""
        ...

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """See State."""
        ...

    async def subjects(self, keys: Sequence[str]) -> dict[str, Profile]:
        """See State."""
        ...

    async def session_owners(self, session: str) -> list[int]:
        """See Memberships."""
        ...

    async def newest_transition(self) -> int:
        """Return the id of the newest transition there ever was, 0 if there was none."""
        ...

    async def transitions_of(
        self, who: int | str, session: str | None, after: int, limit: int
    ) -> list[TransitionRow]:
        """Return the newest `limit` transitions with ids above `after`, in order.

        `who` is a person, with all whom they absorbed, and of them only one `session` if it is
        given; or the key of a subject that is no person.
        """
        ...

    async def close(self) -> None:
        """Let go of what it reads with; on the thread that read."""
        ...


@dataclass(slots=True)
class Settlement:
    """What one delivery call changes for a destination: one transaction."""

    destination: str
    attempts: Sequence[Attempt] = ()
    park: Sequence[Parked] = ()
    unpark: Sequence[int] = ()
    """Ids of parked groups that are no more."""
    dead: Sequence[DeadLetter] = ()
    cursor: int | None = None
    accepted: int = 0
    """Events the destination got on top of those routed: replays."""
    dead_replayed: Sequence[int] = ()
    """Ids of dead letters that are parked again."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The ledger of one destination: accepted = delivered + filtered + dead + pending."""

    accepted: int
    delivered: int
    filtered: int
    dead: int
    pending: int


@dataclass(frozen=True, slots=True)
class Replay:
    """A running replay: events with an offset above `position` up to `until` go out again."""

    id: int
    destination: str
    position: int
    until: int
    count: int = 0


class Ledger(Protocol):
    """Deliveries: cursors, attempts, parked events, dead letters, counts."""

    async def open(self, destination: str, start: int) -> DestinationState:
        """Return a destination's state; a new one starts behind offset `start`."""
        ...

    async def destinations(self) -> list[DestinationState]:
        """Return every destination the ledger has ever opened."""
        ...

    async def pause(self, state: DestinationState) -> None:
        """Store pause and hold of a destination; the cursor is not touched."""
        ...

    async def backlog(
        self, destination: str, after: int, limit: int, upto: int | None = None
    ) -> tuple[list[Record], int]:
        """Return records routed to the destination above `after`, and the offset read up to."""
        ...

    async def settled_beyond(self, destination: str, cursor: int) -> set[int]:
        """Return the offsets above `cursor` that are settled or parked already."""
        ...

    async def parked(self, destination: str) -> list[Parked]:
        """Return the parked groups of a destination."""
        ...

    async def withdraw(
        self, destination: str, offsets: Sequence[int], at: int, groups: Sequence[int] | None = None
    ) -> int:
        """Count as filtered what waits of these events, at `at` (epoch ms); return how many.

        That is what is neither settled nor parked, and what is parked in `groups` (None: in any),
        which lose it. An event that is parked twice counts twice.
        """
        ...

    async def waiting_for(self, destination: str, offsets: Sequence[int]) -> bool:
        """Return whether some of these events are to go to it still."""
        ...

    async def settle(self, settlement: Settlement) -> list[int]:
        """Make it durable; return the ids given to `park`, in order."""
        ...

    async def attempts(self, destination: str, offset: int) -> list[Attempt]:
        """Return the attempts at one event, oldest first."""
        ...

    async def tallies(self) -> dict[str, Tally]:
        """Return the ledger of every destination, counted from what is stored."""
        ...

    async def dead_letters(
        self,
        destination: str | None = None,
        *,
        code: str | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int = 100,
        ids: Sequence[int] | None = None,
    ) -> list[DeadLetter]:
        """Return dead letters, newest first, with an id below `before`."""
        ...

    async def purge(self, ids: Sequence[int]) -> int:
        """Remove dead letters for good; the ledger still counts them as dead."""
        ...

    async def open_replay(self, destination: str, position: int, until: int) -> Replay:
        """Start a replay."""
        ...

    async def replays(self) -> list[Replay]:
        """Return the replays that are not finished."""
        ...

    async def advance_replay(self, replay: Replay, settlement: Settlement) -> list[int]:
        """Store a replay's new position (finished at `until`) with the events it parked.

        Return the ids of the parked groups. Of a replay that has ended meanwhile nothing is stored.
        """
        ...

    async def stop_replay(self, id: int) -> bool:
        """End a replay where it is; return whether one of this id was running."""
        ...


class Store(Protocol):
    """One store: five protocols and its life."""

    @property
    def log(self) -> EventLog:
        """The events."""
        ...

    @property
    def state(self) -> State:
        """Profiles and identifiers."""
        ...

    @property
    def memberships(self) -> Memberships:
        """Audiences."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Deliveries."""
        ...

    @property
    def erasures(self) -> Erasures:
        """People who are to be forgotten."""
        ...

    def lookup(self) -> Lookup:
        """Return what another thread may read people with; it must be closed before the store."""
        ...

    async def close(self) -> None:
        """Finish what was submitted and let go; safe twice."""
        ...

    async def maintain(self, now: int) -> None:
        """Remove what retention allows and give space back; a bounded piece of work a call."""
        ...

    def problem(self) -> str:
        """Return "" when events can be made durable, else why not."""
        ...

    def warning(self) -> str:
        """Return what will become a problem if nobody looks after it, "" if nothing will."""
        ...

    def keep_for(self, destinations: frozenset[str]) -> None:
        """Let retention wait for these destinations only; before, it waits for all ever opened."""
        ...

    def size(self) -> int:
        """Return the bytes in use."""
        ...

    def commits(self) -> int:
        """Return how many transactions were committed since the start, one fsync each."""
        ...
