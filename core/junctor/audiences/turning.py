"""Figures that move with the clock: when they turn a condition, and what waits for silence."""

from collections.abc import Callable, Iterable, Iterator

from junctor.audiences.comparison import AllOf, AnyOf, Between, Compare, Comparison
from junctor.audiences.leaf import NEVER, Verdict
from junctor.fql.values import is_number

Clock = int
"""A time in epoch milliseconds that something is looked at."""
Figure = Callable[[Clock], float]


def verdict(
    holds: Callable[[Clock], bool], change: Callable[[Clock], Clock], now: Clock, quiet: Clock
) -> Verdict:
    """Return the verdict of a condition over a figure that moves with the clock.

    It holds if it does `now`, and did so when silence was last believed: what became true only
    since then, no event having come, has to wait. `change` returns the next time, after the one
    given, at which `holds` may be another.
    """
    if not holds(quiet):
        return Verdict(False, NEVER, change(quiet))
    if not holds(now):
        return Verdict(False, change(now))
    between = change(quiet)
    return Verdict(True, change(now), between if between <= now else NEVER)


def first_change(holds: Callable[[Clock], bool], clock: Clock, moments: Iterable[Clock]) -> Clock:
    """Return the first of `moments` (ascending, after `clock`) at which `holds` is another."""
    held = holds(clock)
    return next((moment for moment in moments if holds(moment) is not held), NEVER)


def thresholds(comparison: Comparison) -> tuple[float, ...]:
    """Return the numbers that a comparison names: only there can it turn."""
    match comparison:
        case Compare(_, operand):
            return (operand,) if is_number(operand) else ()
        case Between(low, high):
            return (low, high)
        case AnyOf(items) | AllOf(items):
            return tuple(sorted({number for item in items for number in thresholds(item)}))
    return ()


def crossings(figure: Figure, limits: Iterable[float], start: Clock, end: Clock) -> list[Clock]:
    """Return the times in (start, end] at which a figure comes to, or leaves, one of `limits`.

    The figure must not turn back: it only rises or only falls from `start` to `end`.
    """
    return sorted({moment for limit in limits for moment in _crossings(figure, limit, start, end)})


def _crossings(figure: Figure, limit: float, start: Clock, end: Clock) -> Iterator[Clock]:
    last = _side(figure(end), limit)
    while (side := _side(figure(start), limit)) != last:
        low, high = start, end
        while high - low > 1:
            middle = (low + high) // 2
            if _side(figure(middle), limit) == side:
                low = middle
            else:
                high = middle
        yield high
        start = high


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)
