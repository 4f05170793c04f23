"""From a condition that holds or not to a membership: settle, hold, exit, cooldown, once."""

from dataclasses import dataclass

from junctor.audiences.behavior import Membership
from junctor.audiences.leaf import NEVER, Verdict
from junctor.audiences.nodes import Audience


@dataclass(frozen=True, slots=True)
class Next:
    """What follows: whether to enter or leave now, and when to look again."""

    enter: bool = False
    leave: bool = False
    at: int = NEVER
    quiet_at: int = NEVER


def look(
    audience: Audience,
    known: Membership,
    verdict: Verdict,
    *,
    now: int,
    moment: tuple[int, int],
    left_by_event: tuple[int, int] | None,
    left_while: Verdict | None,
) -> Next:
    """Note in `known` how the condition stands at `now` and return what follows.

    `moment` is the time and rank of what made it so: an event's, or (now, 0) when time passed.
    `left_by_event` is the newest event that fits `exit`; `left_while` the verdict of an `exit` that
    is another condition.
    """
    if verdict.holds != known.holds:
        known.holds, known.holds_since, known.holds_at = verdict.holds, now, moment
    if not known.holds:
        known.blocked = False
    elif left_by_event is not None and left_by_event > known.holds_at:
        known.blocked = True
    at, quiet_at = verdict.at, verdict.quiet_at
    out = known.blocked
    if left_while is not None:
        out = out or left_while.holds
        at, quiet_at = min(at, left_while.at), min(quiet_at, left_while.quiet_at)
    if known.member:
        if out:
            return Next(leave=True, at=at, quiet_at=quiet_at)
        if known.holds:
            return Next(at=at, quiet_at=quiet_at)
        ends = known.holds_since + audience.hold
        return Next(leave=now >= ends, at=at if now >= ends else min(at, ends), quiet_at=quiet_at)
    if not known.holds or out or (audience.once and known.number):
        return Next(at=at, quiet_at=quiet_at)
    opens = known.holds_since + audience.settle
    if known.left_at:
        opens = max(opens, known.left_at + audience.cooldown)
    return Next(enter=now >= opens, at=at if now >= opens else min(at, opens), quiet_at=quiet_at)
