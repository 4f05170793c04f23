"""Prometheus metrics with bounded labels: ids of the configuration and closed lists, never data."""

import asyncio
import re
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_CODE: Final = re.compile(r"[a-z0-9_]{0,40}")
_MOST_CODES: Final = 64
OTHER: Final = "other"
"""The label of codes that look like data, or that are too many."""


class Metrics:
    """All metrics of one hub, in a registry of their own."""

    def __init__(self) -> None:
        """Register them."""
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "junctor_requests_total", "Requests to sources.", ["source", "status"],
            registry=registry,
        )  # fmt: skip
        self._ingested = Counter(
            "junctor_events_total", "Events by what became of them at ingest.",
            ["source", "outcome"], registry=registry,
        )  # fmt: skip
        self._codes: set[str] = set()
        self._attempts = Counter(
            "junctor_delivery_attempts_total", "Calls to destinations; empty code: success.",
            ["destination", "code"], registry=registry,
        )  # fmt: skip
        self._deliveries = Counter(
            "junctor_deliveries_total", "Events by outcome of a delivery.",
            ["destination", "outcome"], registry=registry,
        )  # fmt: skip
        self._duration = Histogram(
            "junctor_delivery_attempt_seconds", "Length of a call to a destination.",
            ["destination"], buckets=_LATENCY, registry=registry,
        )  # fmt: skip
        self._lag = Histogram(
            "junctor_delivery_lag_seconds", "From receipt of an event to its delivery.",
            ["destination"], buckets=_LATENCY, registry=registry,
        )  # fmt: skip
        self.pending = Gauge(
            "junctor_pending_events", "Events accepted and not yet settled.", ["destination"],
            registry=registry,
        )  # fmt: skip
        self.paused = Gauge(
            "junctor_destination_paused", "1 while a destination is paused.", ["destination"],
            registry=registry,
        )  # fmt: skip
        self.log_head = Gauge("junctor_log_head", "Newest offset of the log.", registry=registry)
        self.log_folded = Gauge("junctor_log_folded", "Offset folded so far.", registry=registry)
        self.store_bytes = Gauge(
            "junctor_store_bytes", "Bytes used by the store.", registry=registry
        )
        self.store_commits = Gauge(
            "junctor_store_commits", "Transactions committed, one fsync each.", registry=registry
        )
        self.healthy = Gauge(
            "junctor_healthy", "1 when events can be made durable.", registry=registry
        )
        tasks = Gauge("junctor_tasks", "Tasks of the hub's event loop.", registry=registry)
        tasks.set_function(_tasks)
        self.admin_refused = Counter(
            "junctor_admin_refused_total", "Requests that the admin side refused.", ["reason"],
            registry=registry,
        )  # fmt: skip
        self.audience_members = Gauge(
            "junctor_audience_members", "Subjects in an audience.", ["audience"],
            registry=registry,
        )  # fmt: skip
        self._transitions = Counter(
            "junctor_audience_transitions_total", "Entries into audiences and exits.",
            ["audience", "entered"], registry=registry,
        )  # fmt: skip
        self.audience_due_lag = Gauge(
            "junctor_audience_due_lag_seconds",
            "How long what is due by time alone has been waiting.", registry=registry,
        )  # fmt: skip
        self.degraded = Counter(
            "junctor_profiles_degraded_total",
            "Subjects that took too much room, so that states of theirs were dropped.",
            registry=registry,
        )  # fmt: skip

    def transition(self, audience: str, *, entered: bool) -> None:
        """Count an entry into an audience, or an exit."""
        self._transitions.labels(audience, "true" if entered else "false").inc()

    def degraded_subjects(self) -> int:
        """Return how many subjects have taken too much room since the start."""
        return int(self.registry.get_sample_value("junctor_profiles_degraded_total") or 0)

    def request(self, source: str, status: int, number: int = 1) -> None:
        """Count requests to a source."""
        self._requests.labels(source, str(status)).inc(number)

    def ingested(self, source: str, outcome: str, events: int) -> None:
        """Count events: accepted, duplicate or rejected."""
        if events:
            self._ingested.labels(source, outcome).inc(events)

    def attempt(self, destination: str, code: str, seconds: float) -> None:
        """Count a call to a destination; `code` may be whatever an author of plug-ins made up."""
        self._attempts.labels(destination, self._bounded(code)).inc()
        self._duration.labels(destination).observe(seconds)

    def settled(self, destination: str, outcome: str, events: int) -> None:
        """Count events by the outcome of a delivery."""
        if events:
            self._deliveries.labels(destination, outcome).inc(events)

    def lag(self, destination: str, seconds: float) -> None:
        """Observe how old an event was when it was delivered."""
        self._lag.labels(destination).observe(max(0.0, seconds))

    def _bounded(self, code: str) -> str:
        if code not in self._codes:
            if len(self._codes) >= _MOST_CODES or not _CODE.fullmatch(code):
                return OTHER
            self._codes.add(code)
        return code

    def render(self) -> bytes:
        """Return the text format."""
        return generate_latest(self.registry)


def _tasks() -> int:
    """Return how many tasks the running loop has; without a loop none."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0
