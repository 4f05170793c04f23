"""When figures that move with the clock turn a condition."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.comparison import AllOf, AnyOf, Between, Compare, Comparison, Glob
from junctor.audiences.leaf import NEVER, Verdict
from junctor.audiences.turning import crossings, first_change, thresholds, verdict


def test_the_limits_of_a_comparison_are_the_numbers_that_it_names() -> None:
    items: tuple[Comparison, ...] = (Compare("gte", 3), Between(1, 5), Compare("eq", "x"))
    assert thresholds(AnyOf(items)) == thresholds(AllOf(items)) == (1, 3, 5)
    assert thresholds(Compare("eq", True)) == thresholds(Glob("a*")) == ()


@given(st.integers(0, 40), st.integers(0, 60), st.integers(-3, 3), st.lists(st.integers(-20, 90)))
def test_crossings_are_where_the_side_of_a_limit_changes(
    start: int, length: int, slope: int, limits: list[int]
) -> None:
    def figure(at: int) -> float:
        return at * slope / 2

    def sides(at: int) -> list[bool]:
        return [test for limit in limits for test in (figure(at) > limit, figure(at) < limit)]

    end = start + length
    moments = [at for at in range(start + 1, end + 1) if sides(at) != sides(at - 1)]
    assert crossings(figure, limits, start, end) == moments


def test_no_moment_at_which_it_changes_is_never() -> None:
    assert first_change(lambda clock: True, 0, [1, 2]) == NEVER
    assert first_change(lambda clock: clock < 2, 0, [1, 2]) == 2


tables = st.lists(st.booleans(), min_size=1, max_size=12)


@given(tables, st.integers(0, 12), st.integers(0, 12))
def test_nothing_changes_before_its_time_whatever_the_figure_does(
    table: list[bool], now: int, lag: int
) -> None:
    def holds(clock: int) -> bool:
        return table[max(0, min(clock, len(table) - 1))]

    def told(clock: int) -> Verdict:
        return verdict(holds, change(holds, len(table)), clock, clock - lag)

    found = told(now)
    assert found.holds is (holds(now) and holds(now - lag))
    for later in range(now, now + 30):
        if later < found.at and later - lag < found.quiet_at:
            assert told(later).holds is found.holds


def change(holds: Callable[[int], bool], end: int) -> Callable[[int], int]:
    return lambda clock: first_change(holds, clock, range(clock + 1, end + 1))
