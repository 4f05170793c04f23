"""The state of shop, hub and vendors at one moment, as plain data for the view and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from junctor.demo.journal import Entry
from junctor.demo.vendors import Vendor
from junctor.host.hub import Hub


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
class Picture:
    """Everything at one moment; `elapsed` in seconds."""

    elapsed: float
    phase: str
    sources: Sequence[SourceRow]
    destinations: Sequence[DestinationRow]
    vendors: Mapping[str, VendorRow]
    entries: Sequence[Entry]

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
