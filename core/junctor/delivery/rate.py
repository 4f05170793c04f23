"""A limit on calls in a time, without bursts: the generic cell rate algorithm with one cell."""

from collections.abc import Callable


class RateLimit:
    """At most `rate` calls a second (None: no limit); times in monotonic seconds."""

    def __init__(self, rate: float | None, monotonic: Callable[[], float]) -> None:
        """Allow the first call at once."""
        self._interval = 1 / rate if rate else 0.0
        self._monotonic = monotonic
        self._next = 0.0

    def wait(self) -> float:
        """Return the seconds until a call is allowed; 0 means now."""
        return max(0.0, self._next - self._monotonic()) if self._interval else 0.0

    def started(self) -> None:
        """Note that a call starts."""
        if self._interval:
            self._next = max(self._monotonic(), self._next) + self._interval
