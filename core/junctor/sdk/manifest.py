"""What a connector says of itself: pure data, printed by `junctor connectors`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from junctor.sdk.event import EventType

ALL_EVENTS = frozenset(EventType) - {EventType.DELETE}


class Manifest(BaseModel):
    """Name, limits and habits of a connector type.

    `title` is also the name by which an event's `integrations` object speaks of the destination.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1)
    summary: str = Field(min_length=1)
    accepts: frozenset[EventType] = ALL_EVENTS
    """Event types a destination is given; others are filtered, with that reason.

    `delete` only if asked for: it says that a person is to be forgotten, by `userId` and
    `context.externalIds`. Who accepts it should remove the person at the vendor.
    """
    max_batch: int = Field(default=1, ge=1)
    """Most events in one `deliver` call; the configuration may lower it, not raise it."""
    max_batch_bytes: int = Field(default=1_000_000, ge=1)
    """Most bytes of canonical JSON in one `deliver` call; a larger single event goes alone."""
    ordering: Literal["none", "per_profile"] = "per_profile"
    """Whether a person's events are kept in order; the configuration may switch it off."""
    rate: str | None = None
    """Most `deliver` calls in a time, as "1/s" or "100/m"; None for no limit."""
    keeps_audiences: bool = False
    """Whether it keeps a copy of audiences: then it is told also of those who entered by a backfill
    or a changed definition, of whom triggers are not told."""
    stability: Literal["alpha", "beta", "stable"] = "alpha"
