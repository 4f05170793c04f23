"""One delivery: call the connector, read its error, split a refused batch down to the poison."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from junctor.delivery.queue import pieces
from junctor.model.processed import Processed
from junctor.sdk.context import Clock
from junctor.sdk.errors import (
    DeliveryError,
    DestinationUnavailable,
    Disposition,
    PartialFailure,
)
from junctor.sdk.event import Event
from junctor.telemetry.log import place_of

_REFUSALS: Final = (Disposition.DEAD_LETTER, Disposition.DISCARD)


class ConnectorBug(DeliveryError):
    """The connector raised something that is no DeliveryError: tried a few times, then dead."""

    code = "connector_bug"
    place = ""
    """Where it came from, innermost first; see telemetry.log.place_of."""


class CallLost(DestinationUnavailable):
    """The process that made the call ended meanwhile: that says nothing of the destination."""


Mask = Callable[[str], str]


class Deliverer(Protocol):
    """What of a destination is called: the connector itself, or who calls it elsewhere."""

    async def start(self) -> None:
        """See Destination."""
        ...

    async def stop(self) -> None:
        """See Destination."""
        ...

    async def deliver(self, events: Sequence[Event]) -> None:
        """See Destination."""
        ...


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One request: which events it carried and how it ended (None: delivered).

    `at` is epoch milliseconds, `duration` milliseconds.
    """

    at: int
    duration: int
    events: Sequence[Processed]
    error: DeliveryError | None


@dataclass(slots=True)
class Result:
    """What became of the events: each is in exactly one of the lists."""

    calls: list[CallRecord] = field(default_factory=list)
    delivered: list[Processed] = field(default_factory=list)
    dead: list[tuple[Processed, DeliveryError]] = field(default_factory=list)
    discarded: list[tuple[Processed, DeliveryError]] = field(default_factory=list)
    again: list[Processed] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    """Offsets of those in `again` that were in the failing call; the others only stand behind."""
    error: DeliveryError | None = None
    """Why those in `failed` are to be tried again; None when the rest was only not begun."""


async def deliver(
    destination: Deliverer,
    events: Sequence[Processed],
    *,
    time_limit: float,
    clock: Clock,
    mask: Mask = str,
    most: tuple[int, int] | None = None,
    before_call: Callable[[], float | None] | None = None,
) -> Result:
    """Deliver `events` in order, in one call or, where a batch is refused, in several.

    `time_limit` is for one call, in seconds; `most` are events and bytes of a call, where `events`
    may be over them. `before_call` is asked before every further call: it returns the seconds to
    wait, or None to make no more calls. `mask` hides secrets in what errors say.
    """
    result = Result()
    parts = [list(events)] if most is None else pieces(events, *most)
    while parts:
        if result.calls and before_call is not None:
            wait = before_call()
            if wait is None:
                result.again += [item for rest in parts for item in rest]
                break
            if wait > 0:
                await clock.sleep(wait)
        part = parts.pop(0)
        error = await _call(destination, part, time_limit, clock, mask, result)
        if error is None:
            result.delivered += part
        elif isinstance(error, PartialFailure):
            parts[:0] = _sort(error, part, result)
        elif error.disposition in (Disposition.RETRY, Disposition.PAUSE) and not (
            isinstance(error, ConnectorBug) and len(part) > 1
        ):
            result.again += part
            result.failed.update(item.event.offset for item in part)
            result.error = error
        elif len(part) > 1:
            middle = len(part) // 2
            parts[:0] = [part[:middle], part[middle:]]
        elif error.disposition is Disposition.DISCARD:
            result.discarded.append((part[0], error))
        else:
            result.dead.append((part[0], error))
        if result.error is not None:  # no use to go on, and later events must not overtake
            result.again += [item for rest in parts for item in rest]
            break
    return result


def _forget_frames(error: BaseException) -> None:
    """Frames hold events and bodies, and this error: a circle that only the collector finds."""
    error.__traceback__ = error.__cause__ = error.__context__ = None


async def _call(
    destination: Deliverer,
    events: Sequence[Processed],
    time_limit: float,
    clock: Clock,
    mask: Mask,
    result: Result,
) -> DeliveryError | None:
    at, started = clock.now(), clock.monotonic()
    error: DeliveryError | None = None
    try:
        async with asyncio.timeout(time_limit):
            await destination.deliver([item.event for item in events])
    except DeliveryError as raised:
        error = raised
    except TimeoutError:
        error = DestinationUnavailable(f"no answer within {time_limit:g} s")
    except asyncio.CancelledError as raised:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        error = bug_of(raised)  # a task of the connector's own was canceled, not this one
    except Exception as raised:
        error = bug_of(raised)
    if isinstance(error, PartialFailure):
        error = sensible(error, len(events))
    if error is not None:
        for one in (error, *(error.errors.values() if isinstance(error, PartialFailure) else ())):
            one.message = mask(str(one.message))  # a vendor may repeat the key it was sent
            _forget_frames(one)
    duration = round((clock.monotonic() - started) * 1000)
    result.calls.append(CallRecord(round(at * 1000), duration, events, error))
    return error


def bug_of(raised: BaseException) -> ConnectorBug:
    """Return what is kept of an exception that no connector should raise: never its text."""
    error = ConnectorBug(f"{type(raised).__name__} in the connector")
    error.place = place_of(raised)
    return error


def sensible(failure: PartialFailure, events: int) -> DeliveryError:
    """Return the failure of a call with so many events, or what it is if it makes no sense."""
    if failure.errors.keys() <= set(range(events)) and all(
        isinstance(error, DeliveryError) and not isinstance(error, PartialFailure)
        for error in failure.errors.values()
    ):
        return failure
    return ConnectorBug("PartialFailure does not give items of the batch an error each")


def _sort(
    failure: PartialFailure, events: Sequence[Processed], result: Result
) -> list[list[Processed]]:
    """Give every item of a partly failed batch its own fate; return parts to try by themselves.

    Items that share one refusal were refused as a batch: that says nothing of each.
    """
    shared = Counter(id(error) for error in failure.errors.values())
    refused: list[Processed] = []
    for index, item in enumerate(events):
        error = failure.errors.get(index)
        if error is None:
            result.delivered.append(item)
        elif shared[id(error)] > 1 and error.disposition in _REFUSALS:
            refused.append(item)
        elif error.disposition is Disposition.DEAD_LETTER:
            result.dead.append((item, error))
        elif error.disposition is Disposition.DISCARD:
            result.discarded.append((item, error))
        else:
            result.again.append(item)
            result.failed.add(item.event.offset)
            if result.error is None or error.disposition is Disposition.PAUSE:
                result.error = error
    if result.error is not None:  # there will be another try, and that keeps their order
        result.again += refused
        result.failed.update(item.event.offset for item in refused)
        return []
    middle = (len(refused) + 1) // 2
    return [part for part in (refused[:middle], refused[middle:]) if part]
