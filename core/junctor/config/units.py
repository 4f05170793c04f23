"""Durations, sizes and rates as types of the configuration's models."""

from typing import Annotated

from pydantic import BeforeValidator

from junctor.model.units import parse_duration, parse_rate, parse_size

Duration = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds; written as text with a unit."""
Size = Annotated[int, BeforeValidator(parse_size)]
"""Bytes; written as text with a unit."""
Rate = Annotated[float, BeforeValidator(parse_rate)]
"""Calls per second; written "N/s", "N/m" or "N/h"."""
