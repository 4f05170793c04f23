"""The conformance class of destinations: silver and gold rules."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from time import time
from typing import Any, ClassVar, Final
from unittest.mock import patch

import httpx
import orjson

from junctor.sdk import (
    AuthenticationFailed,
    DeliveryError,
    Destination,
    DestinationUnavailable,
    Event,
    EventType,
    HttpDestination,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    RateLimited,
    Rejected,
    Response,
)
from junctor.sdk.http import utc
from junctor.testkit import golden
from junctor.testkit.base import (
    PATIENCE,
    Bench,
    Connector,
    ConnectorConformance,
    finish,
    leftovers,
    not_applicable,
    unproven,
)
from junctor.testkit.corpus import corpus
from junctor.testkit.doubles import entries_text
from junctor.testkit.rules import Kind
from junctor.testkit.samples import event_of, marks, sample_body
from junctor.testkit.secrets import Watch
from junctor.testkit.service import ELSEWHERE, Fault, HttpService, body_of, fingerprint, text_of

ERRORS: Final[Mapping[int | str, type[DeliveryError]]] = {
    400: InvalidPayload,
    401: AuthenticationFailed,
    403: AuthenticationFailed,
    408: DestinationUnavailable,
    413: InvalidPayload,
    422: InvalidPayload,
    429: RateLimited,
    500: DestinationUnavailable,
    503: DestinationUnavailable,
    Fault.REFUSED: DestinationUnavailable,
    Fault.RESET: DestinationUnavailable,
    Fault.TIMEOUT: DestinationUnavailable,
}
"""What each failure of a vendor means, unless a conformance class says otherwise."""

_LARGEST_BATCH: Final = 200
_AT_ONCE: Final = 8
_TURNS: Final = 1000


@dataclass(frozen=True, slots=True)
class PartialReply:
    """A vendor's answer to a batch of `batch` events of which some failed.

    `failed` maps the index in the batch to the class that this item's error must have.
    """

    reply: Response
    failed: Mapping[int, type[DeliveryError]]
    batch: int


class DestinationConformance(ConnectorConformance):
    """Subclass it as `TestX` with `destination` and `settings`; see docs/rules.md for the rules.

    Optional: `golden`, a folder of expected requests; `partial_reply`; `errors`, where the vendor's
    statuses mean something else; `sample`, where ordinary events are not enough.
    """

    kind = Kind.DESTINATION
    destination: ClassVar[type[Destination[Any]]]
    golden: ClassVar[Path | None] = None
    partial_reply: ClassVar[PartialReply | None] = None
    errors: ClassVar[Mapping[int | str, type[DeliveryError]]] = ERRORS

    @classmethod
    def connector_class(cls) -> type[Connector]:
        """Return the destination under test."""
        return cls.destination

    def sample(self, type: EventType, number: int) -> dict[str, Any]:
        """Return a complete event body that this destination delivers."""
        return sample_body(type, number)

    def event(self, number: int = 0, type: EventType | None = None) -> Event:
        """Return sample event `number`, of the first accepted type unless told otherwise."""
        accepted = [one for one in EventType if one in self.destination.manifest.accepts]
        return event_of(self.sample(type or accepted[0], number))

    @asynccontextmanager
    async def running(
        self, service: Any, settings: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Bench]:
        """Build and start the destination; stop it in the end."""
        async with self.bench(service, settings) as bench:
            await bench.connector.start()
            try:
                yield bench
            finally:
                await bench.connector.stop()

    async def provoke(self, service: Any, settings: Mapping[str, Any], watch: Watch) -> None:
        """Let everything fail: delivery, check, a vendor that talks nonsense."""
        async with self.running(service, settings) as bench:
            watch.text("repr of the destination", f"{bench.connector!r} {bench.connector}")
            for failure in (*self.errors, None):
                service.fail_with(failure)
                said = f"the vendor fails with {failure}" if failure else "all is well"
                watch.error(await finish(bench.connector.deliver([self.event()])), said)
                watch.error(await finish(bench.connector.check()), f"check, {said}")
            if isinstance(service, HttpService):
                service.answer(Response(200, b"<html>nonsense</html>"))
                watch.error(await finish(bench.connector.deliver([self.event()])), "nonsense")
        watch.text("ctx.log", entries_text(bench.log))

    async def test_stop_unstarted(self, service: Any) -> None:
        """`stop` without `start` does no harm."""
        async with self.bench(service) as bench:
            error = await finish(bench.connector.stop())
        assert error is None, f"stop() without start() raised {error!r}"

    async def test_stop_twice(self, service: Any) -> None:
        """A second `stop` does no harm."""
        async with self.bench(service) as bench:
            await bench.connector.start()
            await bench.connector.stop()
            error = await finish(bench.connector.stop())
        assert error is None, f"the second stop() raised {error!r}"

    async def test_delivers_2xx(self, service: Any) -> None:
        """Every accepted type arrives, unless it is declined; every 2xx is a success."""
        async with self.running(service) as bench:
            for type in sorted(self.destination.manifest.accepts):
                before = len(service.received())
                error = _single(await finish(bench.connector.deliver([self.event(0, type)])))
                if isinstance(error, Rejected):
                    continue
                assert error is None, f"a {type} event: deliver raised {error!r}"
                assert len(service.received()) > before, f"a {type} event: nothing was sent"
            assert service.received(), "every sample event was declined; override `sample`"
            if isinstance(service, HttpService):
                for status in (201, 202, 204) if not self.ok.content else (201, 202):
                    service.answer(Response(status, self.ok.content, self.ok.headers))
                    error = await finish(bench.connector.deliver([self.event()]))
                    assert error is None, f"HTTP {status} is a success; deliver raised {error!r}"

    async def test_errors_typed(self, service: Any) -> None:
        """Each failure of the vendor is raised as the class that is its fate."""
        async with self.running(service) as bench:
            for failure, expected in self.errors.items():
                service.fail_with(failure)
                error = _single(await finish(bench.connector.deliver([self.event()])))
                assert error is not None, f"{failure}: deliver returned as if all were well"
                assert isinstance(error, expected), (
                    f"{failure} must be {expected.__name__}, is {type(error).__name__}: {error}"
                )

    async def test_retry_after_kept(self, service: Any) -> None:
        """The wait that a 429 asks for reaches the hub, in seconds."""
        if not isinstance(service, HttpService):
            not_applicable("no HTTP")
        async with self.running(service) as bench:
            later = utc(bench.clock.now()) + timedelta(seconds=90)
            for value, seconds in (("17", 17), (format_datetime(later, usegmt=True), 90)):
                service.answer(Response(429, headers={"retry-after": value}))
                error = _single(await finish(bench.connector.deliver([self.event()])))
                kept = getattr(error, "retry_after", None)
                close = kept is not None and abs(kept - seconds) <= 1
                assert close, f"Retry-After: {value} is {seconds} s; retry_after is {kept!r}"

    async def test_retry_idempotent(self, service: Any) -> None:
        """Two attempts differ in nothing but what `stamp` adds."""
        attempts, built = [], []
        stamped = _overrides(self.destination, "stamp", HttpDestination)
        moves_clock = issubclass(self.destination, HttpDestination) and not stamped
        for _restart in range(2):
            async with self.running(service) as bench:
                if isinstance(service, HttpService):
                    service.fail_with(503)
                for later in (0.0, 3600.0):
                    bench.clock.tick(later if moves_clock else 0.0)
                    before = len(service.received())
                    with patch("time.time", return_value=time() + later):
                        await finish(bench.connector.deliver([self.event()]))
                        if isinstance(bench.connector, HttpDestination):
                            built.append(bench.connector.build([self.event()]))
                    attempts.append([fingerprint(item) for item in service.received()[before:]])
        assert attempts[0], "nothing was sent"
        for attempt in attempts[1:]:
            assert attempt == attempts[0], "another attempt differs from the first on the wire"
        for request in built[1:]:
            assert request == built[0], "build() is not pure: two calls differ"

    async def test_events_not_mutated(self, service: Any) -> None:
        """Events come back as they went in."""
        async with self.running(service) as bench:
            events = [self.event(number) for number in range(_largest(bench.connector))]
            before = [_frozen(event) for event in events]
            await finish(bench.connector.deliver(events))
        for event, frozen in zip(events, before, strict=True):
            assert _frozen(event) == frozen, f"deliver changed {event!r}"

    async def test_batch_limit_kept(self, service: Any) -> None:
        """One event goes out, and so does each of a full batch."""
        traceable = True  # until a payload turns out to name nobody
        async with self.running(service) as bench:
            for size in sorted({1, _largest(bench.connector)}):
                before = len(service.received())
                events = [self.event(number) for number in range(size)]
                error = await finish(bench.connector.deliver(events))
                assert error is None, f"a batch of {size}: deliver raised {error!r}"
                sent = "\n".join(text_of(item) for item in service.received()[before:])
                lost = [event for event in events if not _arrived(event, sent)]
                traceable = traceable and (size > 1 or not lost)
                assert not lost or not traceable, f"{len(lost)} of {size} events were never sent"

    async def test_cancellation_clean(self, service: Any) -> None:
        """A cancelled delivery ends, leaves no task, and spoils nothing."""
        async with self.running(service) as bench:
            before = asyncio.all_tasks()
            service.hang()
            task = asyncio.ensure_future(bench.connector.deliver([self.event()]))
            for _ in range(_TURNS):
                await asyncio.sleep(0)
                if service.received() or task.done():
                    break
            task.cancel()
            _, pending = await asyncio.wait({task}, timeout=PATIENCE)
            ended = not pending and task.cancelled()
            left = await leftovers(before)
            service.fail_with(None)
            again = await finish(bench.connector.deliver([self.event(1)]))
        assert ended, "deliver swallowed its cancellation; let CancelledError pass"
        assert not left, f"{left} tasks outlived the cancelled delivery"
        assert again is None, f"the delivery after a cancelled one raised {again!r}"

    async def test_concurrent_delivery(self, service: Any) -> None:
        """Several deliveries at once each send their own event."""
        events = [self.event(number) for number in range(_AT_ONCE)]
        async with self.running(service) as bench:
            errors = await asyncio.gather(
                *(finish(bench.connector.deliver([event])) for event in events)
            )
            count = len(service.received())
            sent = "\n".join(text_of(item) for item in service.received())
        assert errors == [None] * _AT_ONCE, f"of {_AT_ONCE} deliveries at once: {errors}"
        lost = [event for event in events if not _arrived(event, sent)]
        traceable = len(lost) < _AT_ONCE  # else the payload names nobody
        assert not lost or not traceable, f"{lost} never arrived: others were sent in their place"
        assert count >= _AT_ONCE, f"{count} requests for {_AT_ONCE} deliveries"

    async def test_redirect_not_followed_with_credentials(self, service: Any) -> None:
        """Nothing goes to where a redirect points, and the event is not delivered."""
        if not isinstance(service, HttpService):
            not_applicable("no HTTP")
        async with self.running(service) as bench:
            for status in (301, 302, 307):
                service.answer(Response(status, headers={"location": f"https://{ELSEWHERE}/in"}))
                error = await finish(bench.connector.deliver([self.event()]))
                hosts = {request.url.host for request in service.received()}
                assert ELSEWHERE not in hosts, f"HTTP {status}: followed to another host"
                assert error is not None, f"HTTP {status} was taken for a success"

    async def test_corpus_survives(self, service: Any) -> None:
        """Every hostile event is delivered or declined, and harms nobody else."""
        async with self.running(service) as bench:
            for hostile in corpus():
                before = len(service.received())
                event = event_of(hostile.body)
                error = _single(await finish(bench.connector.deliver([event])))
                assert error is None or isinstance(error, InvalidPayload | Rejected), (
                    f"{hostile.name}: must be delivered, InvalidPayload or Rejected, not {error!r}"
                )
                for item in service.received()[before:]:
                    assert _readable(item), f"{hostile.name}: what was sent is no JSON"

    async def test_check_proves_credentials(self, service: Any) -> None:
        """`check` is quiet when all is well, and says so when a key is refused."""
        if not _overrides(self.destination, "check", Destination):
            unproven("check() is not implemented")
        async with self.running(service) as bench:
            error = await finish(bench.connector.check())
            assert error is None, f"all is well, but check raised {error!r}"
            for failure, expected in self.errors.items():
                if expected is AuthenticationFailed:
                    service.fail_with(failure)
                    error = await finish(bench.connector.check())
                    assert isinstance(error, AuthenticationFailed | Misconfigured), (
                        f"credentials were refused with {failure}, check said {error!r}"
                    )

    async def test_partial_failure_mapped(self, service: Any) -> None:
        """Each item of a partly refused batch meets its own fate."""
        partial = self.partial_reply
        if self.destination.manifest.max_batch == 1 or not isinstance(service, HttpService):
            not_applicable("one event a delivery")
        if partial is None:
            unproven("give `partial_reply`, or exempt the rule if the API has no such answer")
        events = [self.event(number) for number in range(partial.batch)]
        async with self.running(service) as bench:
            service.answer(partial.reply)
            error = await finish(bench.connector.deliver(events))
        assert isinstance(error, PartialFailure), f"must be PartialFailure, is {error!r}"
        said = {index: type(one).__name__ for index, one in error.errors.items()}
        expected = {index: one.__name__ for index, one in partial.failed.items()}
        assert said == expected, f"items failed as {said}, should as {expected}"

    async def test_golden_requests(self, service: Any) -> None:
        """The request of each event type is the one in the golden folder."""
        if not issubclass(self.destination, HttpDestination):
            not_applicable("not built on HttpDestination")
        if self.golden is None:
            unproven("give `golden`, a folder of expected requests")
        async with self.running(service) as bench:
            for type in sorted(self.destination.manifest.accepts):
                try:
                    built = bench.connector.build([self.event(0, type)])
                except Rejected as declined:
                    request = {"rejected": declined.message}
                else:
                    stamped = bench.connector.stamp(built, bench.clock.now())
                    request = golden.plain(stamped, bench.connector.settings)
                problem = golden.difference(self.golden / f"{type}.json", request)
                assert problem is None, problem


def _largest(connector: Destination[Any]) -> int:
    """Return the size of the batches that the rules send; settings may have lowered it."""
    return min(connector.batch_limit(), _LARGEST_BATCH)


def _single(error: BaseException | None) -> BaseException | None:
    """Return the one item's error of a batch of one."""
    if isinstance(error, PartialFailure) and set(error.errors) == {0}:
        return error.errors[0]
    return error


def _arrived(event: Event, sent: str) -> bool:
    """Whether anything that only this event has was sent."""
    return any(mark in sent for mark in marks(event))


def _frozen(event: Event) -> tuple[Any, ...]:
    profile = event.profile
    return (
        event.json, deepcopy(dict(event.body)), event.message_id, event.type, event.timestamp,
        event.received_at, event.source, event.offset, repr(profile.as_dict()),
    )  # fmt: skip


def _overrides(connector: type[Any], method: str, base: type[Any]) -> bool:
    """Whether a class has its own version of a base's method."""
    return getattr(connector, method, None) is not getattr(base, method)


def _readable(item: object) -> bool:
    """Whether what calls itself JSON is JSON."""
    if isinstance(item, httpx.Request) and "json" in item.headers.get("content-type", ""):
        try:
            orjson.loads(body_of(item))
        except orjson.JSONDecodeError:
            return False
    return True
