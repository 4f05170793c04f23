"""Small events, foldings and settlements for the store's laws."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from junctor.model.delivery import Attempt, DeadLetter, Outcome, Parked
from junctor.model.record import NewRecord, Record
from junctor.store.dedupe import dedupe_key
from junctor.store.port import Appended, FoldResult, Routed, Store, Tally

T0 = 1_700_000_000_000
"""Epoch milliseconds at which the stories begin."""
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

Reopen = Callable[..., Awaitable[Store]]
"""Closes the store if it is open and opens it again, with the options given."""

EVERYWHERE: Mapping[str, str] = {"crm": "", "alerts": ""}


def new(
    message_id: str,
    *,
    source: str = "web",
    at: int = T0,
    key: int | None = None,
    corrects_clock: bool = True,
    padding: int = 0,
) -> NewRecord:
    """Return an event to store; `key` forges its digest."""
    body: dict[str, Any] = {"type": "track", "event": "Seen", "messageId": message_id}
    if padding:
        body["properties"] = {"text": "x" * padding}
    return NewRecord(
        source,
        message_id,
        at,
        corrects_clock,
        dedupe_key(source, message_id) if key is None else key,
        orjson.dumps(body),
        body,
    )


def many(count: int, *, prefix: str = "m", at: int = T0, padding: int = 0) -> list[NewRecord]:
    return [new(f"{prefix}-{n}", at=at, padding=padding) for n in range(count)]


def ids(records: Iterable[Record]) -> list[str]:
    return [record.message_id for record in records]


def offsets(records: Iterable[Record]) -> list[int]:
    return [record.offset for record in records]


async def everything(store: Store) -> list[Record]:
    return await store.log.read(0, 1_000_000)


async def fold(store: Store, decision: Mapping[str, str] = EVERYWHERE, profile: int = 1) -> int:
    """Fold all that waits, with one decision for all; return the position."""
    records = await store.log.read(await store.state.position(), 1_000_000)
    if records:
        routed = [Routed(r.offset, profile, tuple(decision.items())) for r in records]
        await store.state.commit(FoldResult(offset=records[-1].offset, routed=routed))
    return await store.state.position()


async def filled(store: Store, count: int, *, at: int = T0, padding: int = 0) -> list[int]:
    """Store and fold `count` events for every destination; return their offsets."""
    before = await store.log.head()
    await store.log.append(many(count, prefix=f"at-{before}", at=at, padding=padding))
    await fold(store)
    return offsets(await store.log.read(before, count))


def attempt(
    outcome: Outcome, events: Sequence[int], *, at: int = T0, number: int = 1, code: str = ""
) -> Attempt:
    return Attempt(at, 12, number, outcome, tuple(events), code)


def delivered(*events: int, at: int = T0) -> list[Attempt]:
    return [attempt(Outcome.DELIVERED, events, at=at)]


def parked(*events: int, retry_at: int = T0 + SECOND) -> Parked:
    return Parked(tuple(events), retry_at, 1, T0, "destination_unavailable", "503")


def dead(
    destination: str, offset: int, *, at: int = T0, code: str = "invalid", json: bytes = b"{}"
) -> DeadLetter:
    return DeadLetter(
        destination, offset, at, code, "refused", 1, "web", f"m-{offset}", "track", json
    )


def balanced(tally: Tally) -> bool:
    return tally.accepted == tally.delivered + tally.filtered + tally.dead + tally.pending


class Heard:
    """A listener of the log that remembers."""

    def __init__(self, store: Store) -> None:
        """Subscribe."""
        self.commits: list[Appended] = []
        store.log.subscribe(self.commits.append)

    @property
    def offsets(self) -> list[int]:
        return [offset for commit in self.commits for offset in offsets(commit.records)]
