"""States: the value that an event set last, for how long it has been so, and how long in all."""

from collections.abc import Iterator
from heapq import merge
from typing import Any

from junctor.audiences.comparison import Test, compile_comparison
from junctor.audiences.leaf import NEVER, Facts, Kind, States, Verdict
from junctor.audiences.nodes import Length, State, StateCondition
from junctor.audiences.states.scalars import Plain
from junctor.audiences.states.timeline import Run, TimelineKind, newest, newest_session, runs
from junctor.audiences.turning import first_change, verdict


class StateReader:
    """Reads the value of a state."""

    def __init__(self, state: State) -> None:
        """Prepare `state`."""
        self.state = state
        self._kind = TimelineKind(state)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kind whose state the value is read from."""
        return (self._kind,)

    def current(
        self, states: States, session: str | None = None
    ) -> tuple[Plain | None, int | None]:
        """Return the value and since when (epoch ms); (None, None) if it was never set.

        Of a state of sessions that of `session`, or else of the one that was set last.
        """
        state = states.get(self._kind.key)
        if session is None or not self.state.per_session:
            session = newest_session(state)
        found = runs(state).get(session)
        if not found:
            return None, None
        return found[-1].value if found[-1].value != "" else None, found[-1].start

    def leaf(self, condition: StateCondition) -> "StateLeaf":
        """Return the leaf of a condition on this state."""
        return StateLeaf(self.state, condition)


class StateLeaf:
    """A state has a value, for so long, or had it for so long in all.

    Of a state of sessions it is enough that one session has it now for so long; the time spent is
    that of all sessions together. Time without a value is not spent.
    """

    def __init__(self, state: State, condition: StateCondition) -> None:
        """Prepare a condition on `state`."""
        self._test = compile_comparison(condition.comparison)
        self._lasting = condition.lasting
        self._spent = condition.spent
        self._within = NEVER if condition.within is None else condition.within
        horizon = self._within if condition.spent is not None else 0
        self._kind = TimelineKind(state, horizon)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """See Leaf."""
        return (self._kind,)

    def verdict(self, states: States, now: int, quiet: int) -> Verdict:
        """See Leaf."""
        found = list(runs(states.get(self._kind.key)).values())
        test, spent, lasting = self._test, self._spent, self._lasting
        current = [run for run in _current(found) if test(_value(run))]
        had = _had(found, test) if spent is not None else []
        missing = not found and test(None)

        def holds(clock: int) -> bool:
            if spent is not None and not _is(spent, self._time(had, clock)):
                return False
            if lasting is None:
                return spent is not None or bool(current) or missing
            return any(_is(lasting, _age(run, clock)) for run in current)

        def change(clock: int) -> int:
            time = self._time(had, clock)
            turns = _turns(had, _limits(spent), self._within, time, clock)
            return first_change(holds, clock, merge(_ends(current, lasting, clock), turns))

        return verdict(holds, change, now, quiet)

    def facts(self, states: States, now: int) -> Facts:
        """See Leaf: the value (of sessions each that is current), or the time spent in ms."""
        state = states.get(self._kind.key)
        found = list(runs(state).values())
        value: Any
        if self._spent is not None:
            value = self._time(_had(found, self._test), now)
        else:
            values = [_value(run) for run in _current(found)]
            value = values[0] if len(values) == 1 else values
        return Facts(
            value,
            evidence=newest(state),
            degraded=state is not None and self._kind.degraded(state),
        )

    def _time(self, had: list[Run], clock: int) -> int:
        """Return how long the runs lasted within the window that ends at `clock`."""
        first = clock - self._within
        return sum(max(0, min(run.end, clock) - max(run.start, first)) for run in had)


def _value(run: Run) -> Plain | None:
    return run.value if run.value != "" else None


def _current(found: list[list[Run]]) -> list[Run]:
    return [session[-1] for session in found if session]


def _had(found: list[list[Run]], test: Test) -> list[Run]:
    return [run for session in found for run in session if run.value != "" and test(run.value)]


def _age(run: Run, clock: int) -> int:
    return max(0, clock - run.start)


def _is(length: Length, time: int) -> bool:
    low, high = length.low, length.high
    return (low is None or low <= time) and (high is None or time < high)


def _limits(length: Length | None) -> list[int]:
    if length is None:
        return []
    return [limit for limit in (length.low, length.high) if limit is not None]


def _ends(current: list[Run], lasting: Length | None, clock: int) -> list[int]:
    """Return when a run comes to a limit, in order."""
    ends = {run.start + limit for run in current for limit in _limits(lasting)}
    return sorted(end for end in ends if end > clock)


def _turns(had: list[Run], limits: list[int], within: int, time: int, clock: int) -> Iterator[int]:
    """Yield the times after `clock` at which the time spent, `time` by then, passes a limit.

    It is a straight line between bends: it rises with each run that goes on, and falls with each
    that leaves the window.
    """
    bends: dict[int, int] = {}
    for run in had:
        for bend, more in (
            (run.start, 1), (run.end, -1), (run.start + within, -1), (run.end + within, 1),
        ):  # fmt: skip
            bends[bend] = bends.get(bend, 0) + more
    rise = sum(more for bend, more in bends.items() if bend <= clock)
    for bend in sorted(bend for bend in bends if clock < bend <= NEVER):
        if rise:
            passed = (clock + _until(limit - time, rise) for limit in limits)
            yield from sorted({moment for moment in passed if clock < moment <= bend})
        time += rise * (bend - clock)
        rise += bends[bend]
        clock = bend


def _until(missing: int, rise: int) -> int:
    """Return in how long a figure that changes by `rise` a millisecond passes its limit.

    Rising it does so when nothing is `missing`, falling when it is below. Not above 0: it is past.
    """
    return -(-missing // rise) if rise > 0 else missing // rise + 1
