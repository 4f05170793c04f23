"""Events behind the fold, ready for delivery."""

from collections.abc import Sequence
from dataclasses import dataclass

from junctor.sdk.event import Event

Decision = tuple[tuple[str, str], ...]
"""Every destination with "" when it gets the event, else with the reason why not."""


@dataclass(slots=True)  # not frozen: made for every event, and freezing costs most of that
class Processed:
    """One event behind the fold: what it is, whose it is (the key of its order), where it goes."""

    event: Event
    profile: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class Batch:
    """A committed batch, in order; `previous` is the offset folded before it, `last` its last."""

    previous: int
    events: Sequence[Processed]
    last: int
