"""When to try again: exponential with jitter, by tenacity's wait strategies."""

from random import Random
from typing import Any, cast

from tenacity import RetryCallState, wait_exponential


class Backoff:
    """Waits that double from `initial` to `most` seconds, each with jitter of half its length."""

    def __init__(self, initial: float, most: float, random: Random) -> None:
        """Use `random` for the jitter, so that tests own it."""
        self._wait = wait_exponential(multiplier=initial, max=most, exp_base=2)
        self._random = random

    def seconds(self, attempts: int) -> float:
        """Return the wait after `attempts` failed tries (1 or more)."""
        state = RetryCallState(cast(Any, None), None, (), {})
        state.attempt_number = min(max(attempts, 1), 64)
        full = self._wait(state)
        return full * (0.5 + self._random.random() / 2)
