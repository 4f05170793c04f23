"""What the processes of a hub hand each other, as plain data and back: records, events, errors."""

import marshal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from itertools import islice
from typing import Any, Final

from junctor.api.keep import Brought, Overloaded
from junctor.delivery.call import ConnectorBug
from junctor.model.profile import Snapshot
from junctor.model.record import NewRecord, Rejection
from junctor.sdk.errors import (
    AuthenticationFailed,
    DeliveryError,
    DestinationUnavailable,
    Disposition,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    RateLimited,
    Rejected,
    SourceError,
)
from junctor.sdk.event import Event, ProfileView, given_profile
from junctor.store.port import StoreError, StoreUnavailable

_FATES: Final = (
    ConnectorBug, DestinationUnavailable, RateLimited, InvalidPayload, Rejected,
    AuthenticationFailed, Misconfigured, DeliveryError,
)  # fmt: skip
"""The errors that the core tells apart, PartialFailure aside; the last is the base of all."""
_PROFILE_FIELDS: Final = tuple(one.name for one in fields(ProfileView))
_MOST_BYTES: Final = 4 * 2**20
"""Packed events that a worker keeps for destinations that have not had them yet."""


# -- what came in --------------------------------------------------------------------------------


def plain_brought(brought: Brought) -> Any:
    """Return what a request brought, without what was parsed of it."""
    records = [
        (r.source, r.message_id, r.received_at, r.corrects_clock, r.dedupe_key, r.json, None,
         r.type, r.user_id)
        for r in brought.records
    ]  # fmt: skip
    rejections = [(r.source, r.received_at, r.reason, r.json) for r in brought.rejections]
    return brought.source, records, rejections


def brought_of(plain: Any) -> Brought:
    """Return what `plain_brought` was given."""
    source, records, rejections = plain
    return Brought(
        source, [NewRecord(*one) for one in records], [Rejection(*one) for one in rejections]
    )


def plain_refusal(error: StoreError | SourceError) -> Any:
    """Return why the hub does not keep what came in."""
    return isinstance(error, StoreError), str(error)


def refusal_of(plain: Any) -> StoreError | SourceError:
    """Return what `plain_refusal` was given, as far as a client is told."""
    of_store, message = plain
    return StoreUnavailable(message) if of_store else Overloaded(message)


# -- what goes out -------------------------------------------------------------------------------


def packed_event(event: Event) -> bytes:
    """Return an event with its profile."""
    profile = given_profile(event)
    fields = profile.plain() if isinstance(profile, Snapshot) else _fields_of(event.profile)
    return marshal.dumps(
        (event.json, event.type, event.message_id, event.timestamp, event.received_at,
         event.source, event.offset, [dict(x) if isinstance(x, Mapping) else x for x in fields])
    )  # fmt: skip


def _fields_of(view: ProfileView) -> list[Any]:
    return [getattr(view, name) for name in _PROFILE_FIELDS]


def event_of(packed: bytes) -> Event:
    """Return what `packed_event` was given."""
    json, type, message_id, timestamp, received_at, source, offset, profile = marshal.loads(packed)
    return Event(
        json, type=type, message_id=message_id, timestamp=timestamp, received_at=received_at,
        source=source, offset=offset, profile=partial(ProfileView, *profile),
    )  # fmt: skip


class SentEvents:
    """The events that a worker has: what goes to several destinations is sent to it once."""

    def __init__(self, numbers: Iterator[int], most_bytes: int = _MOST_BYTES) -> None:
        """Give events `numbers`; let the worker keep about `most_bytes` of them."""
        self._numbers = numbers
        self._most_bytes = most_bytes
        self._sizes: dict[int, int] = {}
        self._bytes = 0

    def plain(self, events: Sequence[Event]) -> Any:
        """Return events as ReceivedEvents takes them, which has to be given all in order.

        How many of the oldest it is to drop, then new ones with their numbers, then the numbers of
        all that are meant.
        """
        sizes, dropped = self._sizes, 0
        while self._bytes > self._most_bytes:
            self._bytes -= sizes.pop(next(iter(sizes)))
            dropped += 1
        new = []
        for event in events:
            if not event.number:
                event.number = next(self._numbers)
            if event.number not in sizes:
                packed = packed_event(event)
                new.append((event.number, packed))
                sizes[event.number] = len(packed)
                self._bytes += len(packed)
        return dropped, new, [event.number for event in events]


class ReceivedEvents:
    """The other end of SentEvents."""

    def __init__(self) -> None:
        """Have none."""
        self._events: dict[int, Event] = {}

    def of(self, plain: Any) -> list[Event]:
        """Return the events that are meant."""
        dropped, new, meant = plain
        events = self._events
        for number in list(islice(events, dropped)):
            del events[number]
        for number, packed in new:
            events[number] = event_of(packed)
        return [events[number] for number in meant]


# -- how it ended --------------------------------------------------------------------------------


def plain_error(error: DeliveryError) -> Any:
    """Return an error of a delivery: its fate, and what the operator is told."""
    if isinstance(error, PartialFailure):
        numbers: dict[int, int] = {}  # items may share one error, which says something: see call.py
        different: list[Any] = []
        for one in error.errors.values():
            if id(one) not in numbers:
                numbers[id(one)] = len(different)
                different.append(_plain_fate(one))
        items = {index: numbers[id(one)] for index, one in error.errors.items()}
        return "partial", items, different, error.status
    return _plain_fate(error)


def _plain_fate(error: DeliveryError) -> Any:
    number = next(n for n, kind in enumerate(_FATES) if isinstance(error, kind))
    of_class = (str(error.code), str(error.disposition), bool(error.costs_attempt))
    more = {name: plain(getattr(error, name)) for name, plain in _OF_A_KIND if hasattr(error, name)}
    place = error.place if isinstance(error, ConnectorBug) else ""
    return "whole", number, str(error.message), _number(error.status), of_class, more, place


def _number(value: Any) -> int | None:
    """Return a status as a plain number; whatever else a plug-in calls so is none."""
    return int(value) if isinstance(value, int) else None


def _seconds(value: Any) -> float | None:
    """Return a wait in seconds, None for what is no number."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def error_of(plain: Any) -> DeliveryError:
    """Return an error that means what the one given to `plain_error` meant."""
    if plain[0] == "partial":
        _, items, different, status = plain
        errors = [error_of(one) for one in different]
        return PartialFailure({index: errors[n] for index, n in items.items()}, status=status)
    _, number, message, status, (code, disposition, costs_attempt), more, place = plain
    error = _FATES[number](message, status=status)
    if isinstance(error, ConnectorBug):
        error.place = place
    # what an error of a plug-in's own says of its class is said of this one alone
    own: dict[str, Any] = {
        "code": code, "disposition": Disposition(disposition), "costs_attempt": costs_attempt,
        **more,
    }  # fmt: skip
    for name, value in own.items():
        if getattr(error, name) != value:
            setattr(error, name, value)
    return error


_OF_A_KIND: Final = (("retry_after", _seconds), ("permanent", bool))
"""What errors of some kinds say besides, and how it is made plain."""
