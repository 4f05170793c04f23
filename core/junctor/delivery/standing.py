"""How a destination stands: whether it may be called, and what its answers teach.

Pause (credentials, address, operator), hold (rate limited), breaker (failing by itself), rate.
Bookkeeping only: it stores nothing and calls nobody.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.config.model import Delivery
from junctor.delivery.backoff import Backoff
from junctor.delivery.breaker import Breaker
from junctor.delivery.call import CallLost, ConnectorBug, Result
from junctor.delivery.rate import RateLimit
from junctor.delivery.settle import message_of
from junctor.model.delivery import DestinationState
from junctor.sdk.context import Clock
from junctor.sdk.errors import (
    DeliveryError,
    DestinationUnavailable,
    Disposition,
    Misconfigured,
    RateLimited,
)

LONGEST_HOLD: Final = 3600.0
"""Longest wait that a Retry-After is believed, in seconds."""
_WORTH_STORING: Final = 5.0
"""A hold shorter than this many seconds need not survive a restart."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a result changed: whether the state is to be stored, which parked events are due now.

    `hasten` holds the codes of the errors that they failed with.
    """

    changed: bool = False
    hasten: tuple[str, ...] = ()


class Standing:
    """One destination's; times are epoch milliseconds where they are stored, else seconds."""

    def __init__(
        self,
        state: DestinationState,
        policy: Delivery,
        rate: float | None,
        *,
        clock: Clock,
        random: Random,
        logger: FilteringBoundLogger,
    ) -> None:
        """Take up `state` as the ledger has it; a pause by an error is probed."""
        latest = round((clock.now() + LONGEST_HOLD) * 1000)  # the clock may have been ahead
        self.state = replace(state, hold_until=min(state.hold_until, latest))
        self.trouble = ""
        """What the last call failed with, "" when it did not."""
        self._trouble_code = ""
        self.running_since = 0
        """When the last pause ended: time spent paused burns no event."""
        self._clock = clock
        self._logger = logger
        self._pause_probe = policy.pause_probe
        self._backoff = Backoff(policy.retry.initial, policy.retry.max, random)
        self.breaker = Breaker(
            policy.breaker.failures, policy.breaker.cooldown, policy.retry.max, clock.monotonic
        )
        self._rate = RateLimit(rate, clock.monotonic)
        self._throttled = 0
        self._ramp: int | None = None
        self._probe_at: float | None = None
        self._schedule_probe()

    # -- may it be called? -----------------------------------------------------------------------

    @property
    def probing(self) -> bool:
        """Whether the next call only asks if the destination works again."""
        return bool(self.state.paused) or self.breaker.state != "closed"

    @property
    def probes_pause(self) -> bool:
        """Whether a pause is to be probed at all, sooner or later."""
        return self._probe_at is not None

    def may_call(self, in_flight: int, most: int) -> bool:
        """Whether a call may start now beside `in_flight` others, of which `most` are allowed."""
        if in_flight >= self.most_calls(most):
            return False
        if self.state.paused:
            return self.probe_wait() == 0
        return self.breaker.may_call() and self.gate() <= 0

    def most_calls(self, most: int) -> int:
        """Return how many calls may be in flight, where `most` are allowed.

        One while it is probed, or first asked after a hold. Once it works again each call that
        succeeds makes room for one more: who has just come back is not flooded.
        """
        if self.state.paused or self._throttled:
            return 1
        return most if self._ramp is None else min(most, self._ramp)

    def gate(self) -> float:
        """Return the seconds until breaker, rate and hold allow a call; may be negative."""
        hold = self.state.hold_until / 1000 - self._clock.now() if self.state.hold_until else 0.0
        return max(self.breaker.wait(), self._rate.wait(), hold)

    def probe_wait(self) -> float | None:
        """Return the seconds until a paused destination is probed, None if it never is."""
        if self._probe_at is None:
            return None
        return max(0.0, self._probe_at - self._clock.monotonic())

    def called(self) -> None:
        """Note that a call starts."""
        self._rate.started()
        self.breaker.started()
        self._schedule_probe()

    def called_again(self) -> float:
        """Note a further call for the same events; return the seconds to wait before it."""
        wait = self._rate.wait()
        self._rate.started()
        return wait

    # -- what changes it -------------------------------------------------------------------------

    def pause(self, reason: str, by: str, code: str = "") -> None:
        """Pause it; `by` is operator, error, gone or start."""
        self.state = replace(self.state, paused=reason, paused_by=by, paused_code=code)
        self._probe_at = None
        self._schedule_probe()

    def resume(self, now: int) -> None:
        """Let it run, without regard to what was."""
        self._run_again(now)
        self.state = replace(self.state, hold_until=0)
        self.breaker.succeeded()

    def hush(self) -> None:
        """Forget what the destination said, but for its code."""
        self.trouble = self._trouble_code
        if self.state.paused_code:
            self.state = replace(self.state, paused=self.state.paused_code)

    def shift(self, milliseconds: int) -> None:
        """Move the hold: somebody set the wall clock by so much."""
        if self.state.hold_until:
            self.state = replace(self.state, hold_until=self.state.hold_until + milliseconds)

    def retry_at(self, error: DeliveryError | None, tries: int, now: int) -> int:
        """Return when events that failed with `error` for the `tries`-th time are due again."""
        if error is None or error.disposition is Disposition.PAUSE:
            return now
        if isinstance(error, RateLimited):
            return self.state.hold_until
        wait = self._backoff.seconds(tries)
        asked = error.retry_after if isinstance(error, DestinationUnavailable) else None
        if asked is not None and asked > wait:
            wait = min(asked, LONGEST_HOLD)
        return now + round(wait * 1000)

    def learn(self, result: Result, now: int) -> Lesson:
        """Take in how a delivery ended."""
        if not result.calls:
            self.breaker.inconclusive()
            return Lesson()
        error = result.error
        self._trouble_code = error.code if error is not None else ""
        self.trouble = message_of(error) or error.code if error is not None else ""
        if isinstance(error, RateLimited):
            return self._hold(error, now)
        if error is not None and error.disposition is Disposition.PAUSE:
            return self._refused(error)
        if isinstance(error, ConnectorBug | CallLost):
            self.breaker.inconclusive()
            return Lesson()
        if error is not None and not result.delivered:
            if self.breaker.failed():
                self._logger.warning("breaker opened", reason=message_of(error))
            return Lesson()
        return self._works(now)

    def _hold(self, error: RateLimited, now: int) -> Lesson:
        self.breaker.inconclusive()
        news = self.state.hold_until <= now  # else a call from before the hold
        if news:
            self._throttled += 1
        asked = error.retry_after
        if asked is not None and asked > 0:  # 0 and NaN say no more than nothing does
            wait = min(asked, LONGEST_HOLD)
        else:
            wait = self._backoff.seconds(self._throttled)
        until = max(self.state.hold_until, now + round(wait * 1000))
        self.state = replace(self.state, hold_until=until)
        if news:
            self._logger.info("rate limited", seconds=round(wait, 3))
        return Lesson(changed=wait > _WORTH_STORING)

    def _refused(self, error: DeliveryError) -> Lesson:
        self.breaker.inconclusive()
        permanent = isinstance(error, Misconfigured) and error.permanent
        if self.state.paused and not (permanent and self.state.paused_by == "error"):
            return Lesson()
        self._logger.error("destination paused", code=error.code, reason=message_of(error))
        self.pause(message_of(error) or error.code, "gone" if permanent else "error", error.code)
        return Lesson(changed=True)

    def _works(self, now: int) -> Lesson:
        hasten: tuple[str, ...] = ()
        if self._throttled or self.probing:
            self._ramp = 1
        if self._ramp is not None:
            self._ramp += 1
        self._throttled = 0
        if self.breaker.succeeded():
            self._logger.info("breaker closed")
            hasten = (DestinationUnavailable.code,)
        if self.state.paused_by != "error":
            return Lesson(hasten=hasten)
        self._logger.info("destination resumed by itself")
        hasten = (*hasten, self.state.paused_code)
        self._run_again(now)
        return Lesson(changed=True, hasten=hasten)

    def _run_again(self, now: int) -> None:
        self.state = replace(self.state, paused="", paused_by="", paused_code="")
        self._probe_at = None
        self.running_since = now

    def _schedule_probe(self) -> None:
        if self.state.paused_by == "error":
            self._probe_at = self._clock.monotonic() + self._pause_probe
