"""Numbers as JavaScript prints them."""

import math

_SAFE_INTEGER = 2**53


def js_number_text(number: int | float) -> str:
    """Print a number as ECMAScript's Number::toString does (ECMA-262, 6.1.6.1.20).

    Shortest digits that read back the same, no `.0`, an exponent from 1e21 up and below 1e-6:
    `100.0` → `100`, `1e21` → `1e+21`, `1e-07` → `1e-7`. An integer beyond 2**53 is first rounded
    to a double, as every JavaScript reader would.
    """
    if isinstance(number, int):
        if -_SAFE_INTEGER <= number <= _SAFE_INTEGER:
            return str(number)
        try:
            number = float(number)
        except OverflowError:
            number = math.inf if number > 0 else -math.inf
    if not math.isfinite(number):
        return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    digits, point = _shortest_digits(abs(number))
    return sign + _place_point(digits, point)


def _shortest_digits(number: float) -> tuple[str, int]:
    """Return digits d and position p so that the number is 0.d times ten to the p."""
    mantissa, _, exponent = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading_zeros = len(whole + fraction) - len(digits)
    point = len(whole) - leading_zeros + int(exponent or 0)
    return digits.rstrip("0"), point


def _place_point(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    exponent = f"e{point - 1:+d}"
    return f"{digits[0]}.{digits[1:]}{exponent}" if count > 1 else digits + exponent
