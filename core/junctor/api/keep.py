"""What a source brought is made durable, counted, and told to whoever watches."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final, Protocol

from junctor.model.record import NewRecord, Rejection
from junctor.sdk.errors import SourceError
from junctor.sdk.event import EventType
from junctor.store.port import EventLog
from junctor.telemetry.live import LiveStream
from junctor.telemetry.metrics import Metrics

_PATIENCE: Final = 3.0
"""Seconds that a request waits for a pipeline that lags; clients wait longer for the answer."""


class Overloaded(SourceError):
    """More is waiting than the hub wants to hold in memory."""

    code = "overloaded"
    status = 503


@dataclass(frozen=True, slots=True)
class Brought:
    """What one request of a source brought: events, and what can't be one."""

    source: str
    records: Sequence[NewRecord]
    rejections: Sequence[Rejection]


class Keeper(Protocol):
    """Where events go that came in."""

    def backlog(self) -> int:
        """Return the bytes that wait for the pipeline."""
        ...

    async def keep(self, brought: Brought) -> None:
        """Return once it is durable.

        Raises:
            StoreError: it can't be made durable.
            Overloaded: the hub holds too much already.
        """
        ...


class Room(Protocol):
    """The pipeline, where events wait that are not folded yet; see pipeline/tail.py."""

    bytes: int
    """How much waits."""

    def is_free(self) -> bool:
        """Whether more may come at once."""
        ...

    async def room(self, size: int, patience: float) -> bool:
        """Wait until so many bytes may come, for so many seconds; return whether they may."""
        ...

    def come(self, size: int) -> None:
        """Be told that what had room is in the log, or will never be."""
        ...


class LogKeeper:
    """Keeps events in the log."""

    def __init__(
        self,
        log: EventLog,
        *,
        metrics: Metrics,
        live: LiveStream,
        room: Room,
    ) -> None:
        """Append to `log` as soon as there is `room`."""
        self._log = log
        self._metrics = metrics
        self._live = live
        self._room = room
        self.suppressed: set[str] = set()
        """User ids whose events are answered 200, counted and not stored."""

    def backlog(self) -> int:
        """See Keeper."""
        return self._room.bytes

    async def keep(self, brought: Brought) -> None:
        """See Keeper."""
        source, records, rejections = brought.source, brought.records, brought.rejections
        size = sum([len(record.json) for record in records])
        if not self._room.is_free():
            for record in records:
                record.body = None  # parsed it takes many times its length, and many may wait
        if not await self._room.room(size, _PATIENCE):
            raise Overloaded("the pipeline lags behind; send again")
        try:
            if self.suppressed:  # whoever is by now
                records, suppressed = leave_out(self.suppressed, records)
                self._metrics.ingested(source, "suppressed", suppressed)
            duplicates = await self._log.append(records, rejections) if records or rejections else 0
        finally:
            self._room.come(size)
        self._metrics.ingested(source, "accepted", len(records) - duplicates)
        self._metrics.ingested(source, "duplicate", duplicates)
        self._metrics.ingested(source, "rejected", len(rejections))
        if self._live.watched:
            notice = {
                "source": source, "accepted": len(records) - duplicates, "duplicates": duplicates,
                "rejected": len(rejections),
            }  # fmt: skip
            self._live.publish("ingest", notice)


def leave_out(
    suppressed: Set[str], records: Sequence[NewRecord]
) -> tuple[Sequence[NewRecord], int]:
    """Return the records of users that are not suppressed, and how many others there were.

    A deletion notice passes: it is about the user, not by them.
    """
    kept = [
        record
        for record in records
        if record.user_id not in suppressed or record.type == EventType.DELETE
    ]
    return kept, len(records) - len(kept)
