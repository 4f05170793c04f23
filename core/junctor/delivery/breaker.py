"""A breaker: a destination that keeps failing is left alone, then probed with one call."""

from collections.abc import Callable


class Breaker:
    """Closed, open, or half open; times in monotonic seconds."""

    def __init__(
        self, failures: int, cooldown: float, longest: float, monotonic: Callable[[], float]
    ) -> None:
        """Open after `failures` in a row; probe after `cooldown`, doubling up to `longest`."""
        self._threshold = failures
        self._first_cooldown = cooldown
        self._longest = max(longest, cooldown)
        self._monotonic = monotonic
        self._failures = 0
        self._cooldown = cooldown
        self._open_until: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        if self._open_until is None:
            return "closed"
        return "half_open" if self._probing or self.wait() == 0 else "open"

    def wait(self) -> float:
        """Return the seconds until a call is allowed; 0 means now."""
        if self._open_until is None:
            return 0.0
        return max(0.0, self._open_until - self._monotonic())

    def may_call(self) -> bool:
        """Whether a call may start; while open only one probe at a time."""
        return self._open_until is None or (not self._probing and self.wait() == 0)

    def started(self) -> None:
        """Note that a call starts."""
        if self._open_until is not None:
            self._probing = True

    def succeeded(self) -> bool:
        """Note that the destination answered; return whether that closed the breaker."""
        was_open = self._open_until is not None
        self._failures = 0
        self._cooldown = self._first_cooldown
        self._open_until = None
        self._probing = False
        return was_open

    def failed(self) -> bool:
        """Note that the destination failed by itself; return whether that opened the breaker."""
        self._failures += 1
        if self._open_until is not None:
            if not self._probing:
                return False  # a call that began before the breaker opened: no news
            self._probing = False
            self._cooldown = min(self._cooldown * 2, self._longest)
            self._open_until = self._monotonic() + self._cooldown
            return False
        if self._failures >= self._threshold:
            self._open_until = self._monotonic() + self._cooldown
            return True
        return False

    def inconclusive(self) -> None:
        """Note that a call ended without saying whether the destination works."""
        self._probing = False
