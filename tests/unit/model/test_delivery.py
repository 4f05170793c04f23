"""Offsets in few bytes."""

from hypothesis import given
from hypothesis import strategies as st

from junctor.model.delivery import TERMINAL, Outcome, in_order, pack_offsets, unpack_offsets

offsets = st.lists(st.integers(0, 2**62), min_size=1, max_size=30, unique=True).map(
    lambda found: tuple(sorted(found))
)


@given(
    offsets | st.builds(lambda a, n: tuple(range(a, a + n)), st.integers(0, 9), st.integers(1, 9))
)
def test_packed_offsets_come_back(given_offsets: tuple[int, ...]) -> None:
    first, last, count, gaps = pack_offsets(given_offsets)
    assert (first, last, count) == (given_offsets[0], given_offsets[-1], len(given_offsets))
    assert unpack_offsets(first, last, gaps) == given_offsets
    assert (gaps is None) == (last - first + 1 == count)


@given(st.lists(st.integers(0, 20)))
def test_offsets_in_order_are_ascending_and_each_once(found: list[int]) -> None:
    assert in_order(found) == tuple(sorted(set(found)))


def test_only_a_retry_is_not_the_end() -> None:
    assert set(Outcome) - TERMINAL == {Outcome.RETRY}
