"""Values as states keep them."""

import math
from typing import Any

import pytest

from junctor.audiences.states.scalars import LONGEST_TEXT, LONGEST_VALUE, number, scalar, whole


@pytest.mark.parametrize("value", [True, "2", None, [2], math.nan, math.inf, 1e300, -(10**400)])
def test_what_is_no_number_or_too_large_a_one_counts_as_none(value: Any) -> None:
    assert number(value) is None


def test_long_values_are_cut_or_left_out() -> None:
    assert scalar("x" * 9_999) == "x" * LONGEST_TEXT
    assert whole("x" * 9_999) == "x" * LONGEST_VALUE
    assert whole({"a": [1]}) == {"a": [1]}
    assert whole(["x" * LONGEST_VALUE]) is None
