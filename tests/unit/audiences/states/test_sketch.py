"""The sketch of how many different values there were: its error, its size, its union."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.states.sketch import (
    HASH_BITS,
    STANDARD_ERROR,
    _sigma,
    _tau,
    estimate,
    sketch,
    union,
)

hashes = st.lists(st.integers(0, 2**HASH_BITS - 1), max_size=50)


@given(hashes, hashes)
def test_the_union_is_the_sketch_of_both(one: list[int], other: list[int]) -> None:
    together = sketch([*one, *other])
    assert union(sketch(one), sketch(other)) == together
    assert sketch(other, sketch(one)) == together
    assert sketch([*other, *one]) == together


@given(hashes)
def test_few_values_are_counted_almost_exactly(values: list[int]) -> None:
    assert abs(estimate(sketch(values)) - len(set(values))) <= 2


def test_nothing_is_nothing() -> None:
    assert estimate(sketch([])) == 0


def test_a_sketch_has_a_fixed_size() -> None:
    random = Random(1)
    assert len(sketch(random.getrandbits(HASH_BITS) for _ in range(5_000))) == 2_732


def test_the_error_is_as_promised_over_many_cardinalities() -> None:
    """Without a bias at any size: the places of the old estimator's bends are among them."""
    random = Random(7)
    errors: list[float] = []
    for number in (300, 1_000, 2_000, 4_000, 5_120, 7_000, 10_000, 30_000):
        own = []
        for _ in range(max(4, 40_000 // number)):
            known = sketch(random.getrandbits(HASH_BITS) for _ in range(number))
            own.append(estimate(known) / number - 1)
        assert abs(sum(own) / len(own)) < 3 * STANDARD_ERROR / len(own) ** 0.5
        errors += own
    spread = (sum(error**2 for error in errors) / len(errors)) ** 0.5
    assert spread < 1.2 * STANDARD_ERROR
    assert max(map(abs, errors)) < 4.5 * STANDARD_ERROR


def test_hashes_of_all_zeros_fill_a_register_and_are_still_a_number() -> None:
    full = sketch(range(2_048))
    assert estimate(full) > 10**12


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9, 1.0])
def test_the_weights_are_those_of_the_paper(share: float) -> None:
    """Their functional equations (Ertl 2017, eq. 16 and 20), and their ends."""
    if share == 1:
        assert _sigma(share) == float("inf")
        assert _tau(share) == 0
    else:
        assert _sigma(share) == pytest.approx(
            share + sum(share ** (2**k) * 2 ** (k - 1) for k in range(1, 12))
        )
        if share:
            weights = ((1 - share ** (2.0**-k)) ** 2 * 2.0**-k for k in range(1, 60))
            assert _tau(share) == pytest.approx((1 - share - sum(weights)) / 3)
