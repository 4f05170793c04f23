"""Figures as they are shown: short, and true to what they are compared with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.readable import age_words, readable

numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (14.9999995, 15.0),
        (14.99, 14.99),
        (0.1 + 0.2, 0.3),
        (0.000123456789, 0.000123457),
        (1_234_567.891, 1_234_567.89),
        (-0.3333333333, -0.333333),
        (0.0, 0.0),
        (float("inf"), float("inf")),
    ],
)
def test_what_nobody_reads_is_left_out(value: float, shown: float) -> None:
    assert readable(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(11.99999951, 11.9999995), (12.00000049, 12.0000005), (12.0, 12.0), (11.5000001, 11.5)],
)
def test_a_figure_is_shown_on_its_own_side_of_what_it_is_compared_with(
    value: float, shown: float
) -> None:
    assert readable(value, [12, 40]) == shown


@given(numbers, st.lists(numbers, max_size=3))
def test_a_shown_figure_compares_as_the_exact_one_does(value: float, limits: list[float]) -> None:
    shown = readable(value, limits)
    for limit in limits:
        assert (shown >= limit, shown > limit) == (value >= limit, value > limit)
    assert shown == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (7, "7 milliseconds"),
        (1_990, "1.9 seconds"),
        (90_000, "1.5 minutes"),
        (7_200_000, "2.0 hours"),
        (3 * 86_400_000 - 1, "2.9 days"),
    ],
)
def test_an_age_is_cut_not_rounded(milliseconds: int, words: str) -> None:
    assert age_words(milliseconds) == words
