"""Events that agree in some properties, or in their session, apart from all others."""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from junctor.audiences.canonical import digest, fingerprint
from junctor.audiences.leaf import NEVER, State
from junctor.audiences.nodes import Pattern
from junctor.audiences.seen import Reader, Seen, reader
from junctor.audiences.states.times import SLACK, Entries, Times

MOST_GROUPS: Final = 16
"""Combinations kept. A further one marks that there were more: what came before it is forgotten,
of all combinations alike, so that it does not matter in which order events arrive."""

Grouped = dict[str, Entries]


@dataclass(frozen=True)
class Groups:
    """For each combination of the values of `by` (and `session`) what `inner` keeps.

    Events without one of these do not count. What is older than `size` (milliseconds) before the
    newest event is let go. The state is entries by digests of the values.
    """

    inner: Times
    by: tuple[str, ...]
    session: bool = False
    size: int = NEVER

    @cached_property
    def key(self) -> str:
        """See Kind."""
        return fingerprint("Groups", self.inner.key, self.inner.size, self.by, self.session)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind."""
        return self.inner.patterns

    @cached_property
    def _readers(self) -> tuple[Reader, ...]:
        return tuple(map(reader, self.by))

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind."""
        entry = self.inner.entry(seen)
        group = self._group(seen)
        if entry is None or group is None:
            return state
        groups: Grouped = {} if state is None else state
        self.inner.keep(groups.setdefault(group, []), entry)
        self._trim(groups)
        return groups

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        for group, entries in other.items():
            known = one.setdefault(group, [])
            for entry in entries:
                self.inner.keep(known, entry)
        self._trim(one)
        return one

    def degraded(self, state: State) -> bool:
        """See Kind: more combinations than are kept, or more events of one."""
        return len(state) > MOST_GROUPS or any(map(self.inner.degraded, state.values()))

    def _group(self, seen: Seen) -> str | None:
        if self.session and not seen.session:
            return None
        values = [read(seen.body) for read in self._readers]
        if None in values:
            return None
        if self.session:
            values.append(seen.session)
        return "".join(map(digest, values))

    def _trim(self, groups: Grouped) -> None:
        """Forget what is too old, and what is older than the newest of one combination too many."""
        ends = sorted(entries[-1][:2] for entries in groups.values())
        oldest = [ends[-1][0] - self.size - SLACK]
        if len(ends) > MOST_GROUPS:
            oldest = max(oldest, ends[-MOST_GROUPS - 1])
        for group, entries in list(groups.items()):
            if entries[0] < oldest:
                del entries[: bisect_left(entries, oldest)]
                if not entries:
                    del groups[group]
