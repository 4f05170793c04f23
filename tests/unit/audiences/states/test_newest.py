"""The newest event that fits a pattern."""

from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.nodes import Pattern
from junctor.audiences.states.newest import NewestKind

from .oracle_sequence import seen

KIND = NewestKind(Pattern(("Order Completed",)))
moments = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2)


@given(moments, st.data())
def test_the_newest_is_the_same_in_any_order_and_any_halves(
    times: list[tuple[int, int]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(times) - 1))
    halves = []
    for half in (times[:cut], times[cut:]):
        state = None
        for at, rank in half:
            state = KIND.add(state, seen("Order Completed", at, rank), 1)
        halves.append(state)
    assert KIND.newest(KIND.merge(*halves)) == max(times)
    assert not KIND.degraded(halves[0])


def test_of_nothing_there_is_no_newest() -> None:
    assert KIND.newest(None) is None


def test_patterns_are_told_apart_by_the_key() -> None:
    assert KIND.key == NewestKind(Pattern(("Order Completed",))).key
    assert KIND.key != NewestKind(Pattern(("Order Cancelled",))).key
    assert (KIND.size, KIND.patterns) == (1, (Pattern(("Order Completed",)),))
