"""Sequences: events in order, gaps between them, silence at the end.

The state is a log of the events that a sequence asks for; what is complete is found in it whenever
it is asked. So late events and the merge of two halves are exact.
"""

from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

from junctor.audiences.canonical import digest, fingerprint
from junctor.audiences.leaf import NEVER, Facts, Kind, State, States, Verdict
from junctor.audiences.nodes import Pattern, Sequence, SequenceCondition
from junctor.audiences.seen import Seen, reader
from junctor.audiences.states.sequence_log import Keeping
from junctor.audiences.states.sequence_match import match, trace
from junctor.audiences.states.sequence_plan import Log, Plan, planned
from junctor.audiences.states.times import AHEAD_MS, Moment, Times, newest

LONGEST_TEXT: Final = 64
"""Characters of a text that is kept as it is; of a longer one its beginning, and its digest."""
_BEGINNING: Final = 60
_MOST_EVIDENCE: Final = 8


class Completion(NamedTuple):
    """A sequence that was completed at `end`, the end of its silence if it has one.

    `at` and `rank` are those of the last step's event; there is one completion for each event that
    can be it. `steps` are the ranks of the steps' events.
    """

    end: int
    at: int
    rank: int
    steps: tuple[int, ...] = ()


class SequenceKind:
    """The log of a sequence's events; a completion is needed for `keep` (ms) after its end."""

    def __init__(self, sequence: Sequence, keep: int = 0) -> None:
        """Prepare the sequence.

        Raises:
            ValueError: a pattern refers to a step that is not an earlier one.
        """
        self.sequence = sequence
        self._plan = planned(sequence)
        self._same = tuple(map(reader, sequence.same))
        self._read = tuple(map(reader, self._plan.columns))
        self._keeping = _keeping(self._plan, keep)
        self._key = fingerprint("sequence", sequence)

    @property
    def key(self) -> str:
        """See Kind."""
        return self._key

    @property
    def size(self) -> int:
        """See Kind: how far back it keeps events, in milliseconds."""
        return self._keeping.horizon

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """See Kind: those of steps, `without` and silence, but for references."""
        return self._plan.patterns

    def add(self, state: State | None, seen: Seen, matched: int) -> State:
        """See Kind. An event without a property that all must share changes nothing."""
        shared = [read(seen.body) for read in self._same]
        if any(value is None for value in shared):
            return state
        entry: list[Any] = [seen.at, seen.rank, matched]
        if self._read:
            entry.append([_kept(read(seen.body)) for read in self._read])
        return self._keeping.add(state, "".join(map(digest, shared)), entry)

    def merge(self, one: State, other: State) -> State:
        """See Kind."""
        return self._keeping.merge(one, other)

    def degraded(self, state: State) -> bool:
        """See Kind."""
        if self._keeping.lacks(state):
            return True
        return bool(self._read) and any(match(self._plan, log).cut for log in state[0].values())

    def completions(self, state: State | None) -> list[Completion]:
        """Return the completions whose silence nothing broke, in order; some may lie ahead."""
        if state is None:
            return []
        found = [one for log in state[0].values() for one in self._completed(log)]
        return sorted(found) if len(state[0]) > 1 else found

    def latest(self, state: State | None, quiet: int) -> Completion | None:
        """Return the last completion, silence being believed up to `quiet`."""
        done = [one for one in self.completions(state) if self.is_done(one, quiet)]
        return done[-1] if done else None

    def pending(self, state: State | None, quiet: int) -> int | None:
        """Return when the next silence will be complete, None if none is open."""
        ends = (one.end for one in self.completions(state) if not self.is_done(one, quiet))
        return next(ends, None)

    def is_done(self, completion: Completion, quiet: int) -> bool:
        """Return whether a completion has come about, silence being believed up to `quiet`."""
        return self.sequence.silence is None or completion.end <= quiet

    def _completed(self, log: Log) -> list[Completion]:
        made = []
        for way in match(self._plan, log).ways:
            at, rank = log[way[0]][:2]
            steps = [log[place][1] for place in trace(way)]
            made.append(Completion(at + self._plan.silent_for, at, rank, tuple(reversed(steps))))
        return made


class SequenceLeaf:
    """True from a completion for the condition's hold, or until an exit after it."""

    def __init__(self, condition: SequenceCondition) -> None:
        """Prepare the condition.

        Raises:
            ValueError: a pattern refers to a step that is not an earlier one.
        """
        self._hold = condition.hold
        self._sequence = SequenceKind(condition.sequence, keep=condition.hold)
        self._exit = Times(condition.exit) if condition.exit is not None else None
        self._silent = condition.sequence.silence is not None
        self._exit_key = self._exit.key if self._exit is not None else ""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """See Leaf."""
        return (self._sequence,) if self._exit is None else (self._sequence, self._exit)

    def verdict(self, states: States, now: int, quiet: int) -> Verdict:
        """See Leaf."""
        until, pending = 0, NEVER
        for one in self._standing(states):
            if self._sequence.is_done(one, quiet):
                until = one.end + self._hold
            else:
                pending = one.end
                break
        holds = now < until
        return Verdict(holds, until if holds else NEVER, pending)

    def facts(self, states: States, now: int) -> Facts:
        """See Leaf: the number of completions, and the events of the last one's steps."""
        state = states.get(self._sequence.key)
        done = [
            one for one in self._sequence.completions(state) if self._sequence.is_done(one, now)
        ]
        return Facts(
            len(done),
            evidence=done[-1].steps[-_MOST_EVIDENCE:] if done else (),
            degraded=state is not None and self._sequence.degraded(state),
        )

    def _standing(self, states: States) -> list[Completion]:
        """Return the completions that no exit followed, in order."""
        found = self._sequence.completions(states.get(self._sequence.key))
        left = newest(states.get(self._exit_key))
        return [one for one in found if left is None or not self._ended(one, left)]

    def _ended(self, completion: Completion, left: Moment) -> bool:
        """Return whether an exit came after a completion; in its silence it was not complete."""
        if self._silent:
            return left[0] >= completion.end
        return left > (completion.at, completion.rank)


def _keeping(plan: Plan, keep: int) -> Keeping:
    """Return what must be kept of the events of a sequence."""
    first, *others = plan.steps
    bounded = plan.within < NEVER
    apart = sum(step.within for step in others)
    if bounded and (first.count > 1 or apart > plan.within):
        apart = plan.within
    elsewhere = [step.wanted.bit for step in others]
    elsewhere += [one.bit for step in others for one in step.without]
    elsewhere += [plan.silence.bit] if plan.silence is not None else []
    replaceable = others and not others[0].after and first.wanted.bit not in elsewhere
    return Keeping(
        horizon=min(NEVER, apart + plan.silent_for + keep + AHEAD_MS),
        first=first.wanted.bit,
        steps=reduce(or_, (step.wanted.bit for step in plan.steps)),
        before=0 if bounded else first.count - 1,
        latest=first.count if replaceable else 0,
    )


def _kept(value: Any) -> Any:
    """Return what is kept of a value: equal for equal values; long texts are in order by their
    first characters only.
    """
    if isinstance(value, str):
        if len(value) <= LONGEST_TEXT:
            return value
        return value[:_BEGINNING] + digest(value)
    return digest(value) if isinstance(value, list | dict) else value
