import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.sdk.mapping import js_number_text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (100.0, "100"),
        (-12.5, "-12.5"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e21, "1.5e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1.25e-6, "0.00000125"),
        (1e-7, "1e-7"),
        (-1.5e-9, "-1.5e-9"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740992"),
        (2**64, "18446744073709552000"),
        (10**21, "1e+21"),
        (10**400, "Infinity"),
        (-(10**400), "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_print_as_in_javascript(number: float, text: str) -> None:
    assert js_number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_number_reads_back_the_same(number: float) -> None:
    assert float(js_number_text(number)) == number


@given(st.integers(-(2**53), 2**53))
def test_whole_numbers_print_the_same_as_integer_and_as_double(number: int) -> None:
    assert js_number_text(number) == js_number_text(float(number)) == str(number)
