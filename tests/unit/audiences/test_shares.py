"""Intervals of shares: known values, and what must hold of any."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from junctor.audiences.shares import Share, Stratum, difference, weighted, wilson

shares = st.floats(0, 1)
people = st.integers(1, 10_000)


@pytest.mark.parametrize(
    ("reached", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_the_interval_of_a_share_is_wilson_s(
    reached: int, of: int, low: float, high: float
) -> None:
    """The values are those of Newcombe 1998, table I."""
    assert wilson(reached / of, of) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090),
     ((10, 10), (0, 10), 0.6075, 1.0), ((6, 7), (2, 7), 0.0582, 0.8062)],
)  # fmt: skip
def test_the_interval_of_a_difference_is_newcombe_s(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    """The values are those of Newcombe 1998, table II, method 10."""
    found, interval = difference(
        Share(one[0] / one[1], one[1]), Share(other[0] / other[1], other[1])
    )
    assert found == pytest.approx(one[0] / one[1] - other[0] / other[1])
    assert interval == pytest.approx((low, high), abs=1e-4)


def test_of_nobody_nothing_is_known() -> None:
    assert wilson(0.0, 0) == (0.0, 1.0)
    assert difference(Share(0.0, 0), Share(0.0, 0)) == (0.0, (-1.0, 1.0))


@given(shares, people)
def test_a_share_lies_within_its_interval(share: float, of: int) -> None:
    low, high = wilson(share, of)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1


@given(shares, people, shares, people)
def test_a_difference_turns_around(one: float, n: int, other: float, m: int) -> None:
    found, (low, high) = difference(Share(one, n), Share(other, m))
    back, (low_back, high_back) = difference(Share(other, m), Share(one, n))
    assert low - 1e-9 <= found <= high + 1e-9
    assert (back, low_back, high_back) == pytest.approx((-found, -high, -low))


strata = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 50), st.integers(0, 50)).map(
        lambda one: Stratum(one[0], max(one[1], one[2]), min(one[1], one[2]))
    )
)


@given(strata)
def test_strata_are_worth_at_most_as_many_people_as_they_have(strata: list[Stratum]) -> None:
    found = weighted(strata)
    assert 0 <= found.share <= 1 + 1e-9
    assert found.people <= sum(one.people for one in strata) + 1e-6


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1))
def test_strata_that_weigh_what_they_are_worth_are_the_sum_of_them(
    counts: list[tuple[int, int]],
) -> None:
    assume(all(reached <= of for of, reached in counts))
    found = weighted([Stratum(of, of, reached) for of, reached in counts])
    total = sum(of for of, _ in counts)
    assert found.share == pytest.approx(sum(reached for _, reached in counts) / total)
    assert found.people == pytest.approx(total)
