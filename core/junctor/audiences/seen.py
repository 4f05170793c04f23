"""An event as conditions see it, and reading values off it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

RANKS_PER_OFFSET: Final = 8
"""Room behind an event for what is derived from it at the same time, a place for each level."""

HUB: Final = "junctor"
"""Source of the events that the hub makes itself: audience transitions and signals."""

Reader = Callable[[Mapping[str, Any]], Any]


class Seen(NamedTuple):
    """One event of one subject.

    `name` is what conditions call it (`page_view` for a page). `at` is its time in epoch
    milliseconds; of events at the same time the one with the lower `rank` came first.
    `received_at` is when the hub got it. `session` is `context.sessionId` as text, "" without one.
    `known_at` is when the silence was over that says so, of an exit that nobody sent; else 0.
    """

    name: str
    body: Mapping[str, Any]
    at: int
    rank: int
    received_at: int
    session: str = ""
    source: str = ""
    known_at: int = 0


def reader(path: str) -> Reader:
    """Return what reads `path` off an event's body; null and missing are None.

    A bare path is a property: the key as it stands, else its parts one below the other.
    `context.…` and `traits.…` (those of the call, else those of the context) reach the envelope.
    """
    head, dot, rest = path.partition(".")
    if dot and head == "context":
        return _below(head, rest)
    if dot and head == "traits":
        own, carried = _below(head, rest), _below("context", path)
        return lambda body: own(body) if "traits" in body else carried(body)
    return _below("properties", path)


def _below(field: str, path: str) -> Reader:
    keys = tuple(path.split("."))

    def read(body: Mapping[str, Any]) -> Any:
        holder = body.get(field)
        if not isinstance(holder, dict):
            return None
        value = holder.get(path)
        if value is not None or len(keys) == 1:
            return value
        return dig(holder, keys)

    return read


def dig(value: Any, keys: tuple[str, ...]) -> Any:
    """Return what stands at `keys`, one below the other; None where something is missing."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
