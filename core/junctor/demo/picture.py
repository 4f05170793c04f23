"""The state of shop, hub and vendors at one moment, as plain data for the view and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from junctor.demo.journal import Entry
from junctor.demo.vendors import Vendor
from junctor.host.hub import Hub

_EVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What the hub made of the events that a source brought."""

    id: str
    accepted: int
    duplicates: int
    rejected: int


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """A destination's row of the ledger, and how its worker is."""

    id: str
    accepted: int
    delivered: int
    filtered: int
    dead: int
    pending: int
    retrying: int
    """Of those pending, how many failed and wait for another try."""
    breaker: str

    @property
    def balanced(self) -> bool:
        """Whether every accepted event has exactly one fate."""
        return self.accepted == self.delivered + self.filtered + self.dead + self.pending


@dataclass(frozen=True, slots=True)
class VendorRow:
    """What a vendor saw; `latency` is the median in seconds from the shop's request on."""

    id: str
    up: bool
    requests: int
    refused: int
    events: int
    repeats: int
    faults: int
    latency: float | None


@dataclass(frozen=True, slots=True)
class AudienceRow:
    """Who is in an audience; `last` is how many seconds ago somebody came or went."""

    id: str
    members: int
    entered: int
    left: int
    last: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything at one moment; `elapsed` in seconds."""

    elapsed: float
    phase: str
    sources: Sequence[SourceRow]
    destinations: Sequence[DestinationRow]
    vendors: Mapping[str, VendorRow]
    entries: Sequence[Entry]
    audiences: Sequence[AudienceRow] = ()

    @property
    def moves(self) -> int:
        """Entries and exits, over all audiences: each is an event of the hub's own."""
        return sum(row.entered + row.left for row in self.audiences)

    @property
    def accepted(self) -> int:
        """Events that the hub has taken in, over all sources."""
        return sum(row.accepted for row in self.sources)

    @property
    def pending(self) -> int:
        """Events that have no final fate yet, over all destinations."""
        return sum(row.pending for row in self.destinations)


async def look_at_hub(hub: Hub) -> tuple[list[SourceRow], list[DestinationRow]]:
    """Return the rows of the hub's sources and destinations."""
    status = await hub.operations.status()
    ledger = (await hub.operations.ledger())["destinations"]
    destinations = []
    for id in hub.loaded.destinations:
        row, state = ledger[id], status["destinations"][id]
        destinations.append(
            DestinationRow(
                id,
                row["accepted"],
                row["delivered"],
                row["filtered"],
                row["dead"],
                row["pending"],
                state["parked"] or 0,
                "paused" if state["paused"] else state["breaker"] or "",
            )
        )
    return [_source(hub, id) for id in status["sources"]], destinations


async def look_at_audiences(hub: Hub, now: float) -> list[AudienceRow]:
    """Return the rows of the hub's audiences as its store has them, at `now` (epoch seconds)."""
    memberships = hub.store.memberships
    sizes = await memberships.sizes()
    rows = []
    for audience in hub.loaded.definitions.audiences:
        moves = await memberships.transitions(audience.name, 0, _EVER)
        entered = sum(move.entered for move in moves)
        last = now - max(move.at for move in moves) / 1000 if moves else None
        rows.append(
            AudienceRow(
                audience.name, sizes.get(audience.name, 0), entered, len(moves) - entered, last
            )
        )
    return rows


def look_at_vendor(vendor: Vendor, sent: Mapping[str, float]) -> VendorRow:
    """Return a vendor's row; `sent` says when each key left the shop, in monotonic seconds."""
    waits = [at - sent[key] for key, at in vendor.arrived.items() if key in sent]
    return VendorRow(
        vendor.id,
        not vendor.down,
        vendor.requests,
        vendor.refused,
        len(vendor.arrived),
        vendor.repeats,
        vendor.faults.total(),
        median(waits) if waits else None,
    )


def _source(hub: Hub, id: str) -> SourceRow:
    counts = [
        hub.metrics.registry.get_sample_value(
            "junctor_events_total", {"source": id, "outcome": outcome}
        )
        for outcome in ("accepted", "duplicate", "rejected")
    ]
    accepted, duplicates, rejected = (int(count or 0) for count in counts)
    return SourceRow(id, accepted, duplicates, rejected)
