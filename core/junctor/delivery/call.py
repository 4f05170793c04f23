"""One delivery: call the connector, read its error, split a refused batch down to the poison."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from junctor.model.processed import Processed
from junctor.sdk.context import Clock
from junctor.sdk.destination import Destination
from junctor.sdk.errors import (
    DeliveryError,
    DestinationUnavailable,
    Disposition,
    PartialFailure,
)
from junctor.sdk.settings import Settings


class ConnectorBug(DeliveryError):
    """The connector raised something that is no DeliveryError: tried a few times, then dead."""

    code = "connector_bug"


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
    """Why those in `again` are to be tried again."""


async def deliver(
    destination: Destination[Settings],
    events: Sequence[Processed],
    *,
    time_limit: float,
    clock: Clock,
    before_call: Callable[[], float] | None = None,
) -> Result:
    """Deliver `events` in order, in one call or, where a batch is refused, in several.

    `time_limit` is for one call, `before_call` returns the wait before the next, both in seconds.
    """
    result = Result()
    parts = [list(events)]
    while parts:
        part = parts.pop(0)
        if result.calls and before_call is not None and (wait := before_call()) > 0:
            await clock.sleep(wait)
        error = await _call(destination, part, time_limit, clock, result)
        if error is None:
            result.delivered += part
        elif isinstance(error, PartialFailure):
            _sort(error, part, result)
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


async def _call(
    destination: Destination[Settings],
    events: Sequence[Processed],
    time_limit: float,
    clock: Clock,
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
    except Exception as raised:
        error = ConnectorBug(f"{type(raised).__name__} in the connector")
        error.__cause__ = raised
    duration = round((clock.monotonic() - started) * 1000)
    result.calls.append(CallRecord(round(at * 1000), duration, events, error))
    return error


def _sort(failure: PartialFailure, events: Sequence[Processed], result: Result) -> None:
    """Give every item of a partly failed batch its own fate."""
    for index, item in enumerate(events):
        error = failure.errors.get(index)
        if error is None:
            result.delivered.append(item)
        elif error.disposition is Disposition.DEAD_LETTER:
            result.dead.append((item, error))
        elif error.disposition is Disposition.DISCARD:
            result.discarded.append((item, error))
        else:
            result.again.append(item)
            result.failed.add(item.event.offset)
            if result.error is None or error.disposition is Disposition.PAUSE:
                result.error = error
