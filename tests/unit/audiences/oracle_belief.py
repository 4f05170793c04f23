"""What a hub believes of silence, by the sentences of the docs; and which signals it tells.

A silence is believed `lag` after its end. From the moment that an event comes which is late by
more than that, and until `lag` after the last such event, nothing is concluded from silence: what
is told must be so even if something happened at any time after the earliest of these late events.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from junctor.audiences.nodes import Definitions, Signal
from junctor.audiences.presence import DEFAULT_IDLE_MS, LEAVE_EVENTS
from junctor.audiences.seen import Seen

from .oracle_engine import order
from .states.oracle_sequence import completions, fits, prop

Emitted = tuple[str, int, int]
"""A signal's name, its time, and the rank of the event that completed it."""


@dataclass
class Belief:
    """Silence is believed up to `quiet`; while it is in doubt, only up to `doubt`."""

    lag: int
    quiet: int = 0
    late: int = 0
    doubt: int | None = None

    def passes(self, now: int) -> None:
        if self.late + self.lag <= now:
            self.quiet = max(self.quiet, now - self.lag)
            self.doubt = None

    def hears(self, seen: Seen) -> None:
        if self.lag and seen.received_at - seen.at > self.lag:
            self.late = seen.received_at
            self.doubt = seen.at if self.doubt is None else min(self.doubt, seen.at)

    @property
    def certain(self) -> int:
        return self.quiet if self.doubt is None else min(self.quiet, self.doubt)

    def joined(self, other: "Belief") -> "Belief":
        doubts = [one.doubt for one in (self, other) if one.doubt is not None]
        return Belief(
            self.lag,
            max(self.quiet, other.quiet),
            max(self.late, other.late),
            min(doubts, default=None),
        )


@dataclass
class Teller:
    """Tells each completion of each signal when it comes about, or when it is no more in doubt."""

    definitions: Definitions
    idles: dict[str, int]
    belief: Belief
    events: list[Seen] = field(default_factory=list)
    known: set[Emitted] = field(default_factory=set)
    waiting: set[Emitted] = field(default_factory=set)
    told: list[Emitted] = field(default_factory=list)

    def passes(self, now: int) -> None:
        self.belief.passes(now)
        self.look()

    def does(self, seen: Seen) -> None:
        self.belief.hears(seen)
        self.events.append(seen)
        self.look()

    def joined(self, other: "Teller") -> "Teller":
        one = Teller(
            self.definitions, self.idles, self.belief.joined(other.belief),
            [*self.events, *other.events], self.known | other.known, self.waiting | other.waiting,
            [*self.told, *other.told],
        )  # fmt: skip
        one.look()
        return one

    def look(self) -> None:
        complete = self.complete(self.belief.quiet)
        fresh = complete - self.known
        certain = self.complete(self.belief.certain)
        self.known = complete
        self.waiting = (self.waiting & complete) | (fresh - certain)
        self.told += sorted(fresh & certain)
        if self.belief.doubt is None:
            self.told += sorted(self.waiting)
            self.waiting = set()

    def complete(self, quiet: int) -> set[Emitted]:
        found = set(exits(self.events, self.idles, quiet))
        for signal in self.definitions.signals:
            found |= {
                (f"signal:{signal.name}", at, rank)
                for at, rank in completed(signal, self.events, quiet)
            }
        return found


def completed(signal: Signal, events: list[Seen], quiet: int) -> Iterable[tuple[int, int]]:
    """Yield time and rank of a signal's completions, silence being believed up to `quiet`."""
    if signal.sequence is not None:
        for end, _, rank in completions(signal.sequence, events):
            if signal.sequence.silence is None or end <= quiet:
                yield end, rank
        return
    assert signal.pattern is not None
    fitting = [seen for seen in sorted(events, key=order) if fits(signal.pattern, seen)]
    for place, last in enumerate(fitting):
        values = [prop(last, path) for path in signal.same]
        if None in values:
            continue
        alike = [
            seen for seen in fitting[: place + 1]
            if [prop(seen, path) for path in signal.same] == values
        ]  # fmt: skip
        needed = alike[-signal.count :]
        close = signal.within is None or last.at - needed[0].at < signal.within
        if len(needed) == signal.count and close:
            yield last.at, last.rank


def visits(events: list[Seen], idles: dict[str, int]) -> list[list[Seen]]:
    """Return the events of each visit: it ends by leaving, or by a long silence."""
    found: list[list[Seen]] = []
    for session in sorted({seen.session for seen in events}):
        before = None
        for seen in sorted((one for one in events if one.session == session), key=order):
            if before is None or (
                seen.at > before.at
                and (before.name in LEAVE_EVENTS or seen.at - before.at > idle_of(before, idles))
            ):
                found.append([])
            found[-1].append(seen)
            before = seen
    return found


def exits(events: list[Seen], idles: dict[str, int], quiet: int) -> Iterable[Emitted]:
    """Yield the exits by silence: each has the time of the visit's last event."""
    for visit in visits(events, idles):
        last = visit[-1]
        if last.name not in LEAVE_EVENTS and last.at + idle_of(last, idles) <= quiet:
            yield "$exit" if last.source in idles else "$idle", last.at, last.rank


def idle_of(seen: Seen, idles: dict[str, int]) -> int:
    return idles.get(seen.source, DEFAULT_IDLE_MS)
