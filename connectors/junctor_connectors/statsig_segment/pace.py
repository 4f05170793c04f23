"""A promise to stay within a vendor's limits, kept before the request is sent."""

from collections import deque
from collections.abc import Callable, Sequence


class Pace:
    """At most so many requests in so many seconds, for each of several limits at once."""

    def __init__(self, limits: Sequence[tuple[int, float]], monotonic: Callable[[], float]) -> None:
        """Keep `limits`, each a count and its seconds; `monotonic` tells the time, in seconds."""
        self._limits = limits
        self._monotonic = monotonic
        self._sent: deque[float] = deque(maxlen=max(count for count, _ in limits))

    def wait(self) -> float:
        """Return the seconds until another request is within all limits; 0 means now."""
        now = self._monotonic()
        waits = [
            self._sent[-count] + seconds - now
            for count, seconds in self._limits
            if len(self._sent) >= count
        ]
        return max(0.0, *waits) if waits else 0.0

    def started(self) -> None:
        """Note that a request starts."""
        self._sent.append(self._monotonic())
