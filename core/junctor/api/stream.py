"""Transitions as they happen, to whoever listens: server-sent events.

One task takes the engine's transitions and hands each to the listeners of that person; one lets all
of them know now and then that the line still stands. A listener that does not keep up is cut off:
it comes again and reads anew, while the hub never waits and never piles up. One that comes again
with the id of the last event it got is first told what it missed.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Final

import orjson
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from junctor.api.history import History
from junctor.api.ids import Id
from junctor.api.keep import Overloaded
from junctor.api.reads import Reads, Transition
from junctor.sdk.context import Clock
from junctor.sdk.errors import SourceError
from junctor.sdk.event import iso_time

HEARTBEAT_SECONDS: Final = 15.0
_MOST_LISTENERS: Final = 1_000
_MOST_WAITING: Final = 100
MOST_MISSED: Final = 1_000
"""Transitions that one who comes again is told of, the newest."""
MOST_OF_ONE_ID: Final = 10
"""Streams that one signed id may hold: a browser's tabs share one."""

Encode = Callable[[Transition], bytes | None]
"""From a transition to the text of its event; None is not sent."""


def transition_event(transition: Transition) -> bytes:
    """Return the text of a transition in `GET /v1/stream`."""
    sent = {
        "audience": transition.audience,
        "entered": transition.entered,
        "at": iso_time(transition.at),
        "reason": transition.reason,
        "profile": transition.profile,
    }
    if transition.session:
        sent["session"] = transition.session
    id = b"id: %d\n" % transition.id if transition.id else b""
    return b"event: transition\ndata: %b\n%b\n" % (orjson.dumps(sent), id)


class TooManyStreams(SourceError):
    """One who may have some streams wants more."""

    code: ClassVar[str] = "too_many_streams"
    status: ClassVar[int] = 429


@dataclass(frozen=True, slots=True)
class Subscription:
    """What somebody listens to: the transitions of whoever has one of `ids`.

    `signed` is the reader and the id that it signed, of a browser. With `resumes` events have ids
    to go on from; `after` is that of the last one that the client got, None if it got none.
    """

    ids: Sequence[Id]
    encode: Encode
    signed: tuple[str, Id] | None = None
    resumes: bool = False
    after: int | None = None


@dataclass(eq=False, slots=True)
class _Listener:
    request: web.Request
    to: Subscription
    waiting: asyncio.Queue[tuple[int, bytes] | None] = field(
        default_factory=lambda: asyncio.Queue(_MOST_WAITING)
    )

    def tell(self, text: bytes, id: int = 0) -> bool:
        """Queue `text`, of the transition `id`; False if too much waits already."""
        with suppress(asyncio.QueueFull):
            self.waiting.put_nowait((id, text))
            return True
        return False

    def end(self) -> None:
        """End the stream in order, without what still waits if there is much of it."""
        if self.waiting.full():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)

    def cut(self) -> None:
        """End the stream at once, although its client does not read."""
        if self.request.transport is not None:
            self.request.transport.abort()
        self.end()


class Streams:
    """All streams that are open."""

    def __init__(
        self,
        clock: Clock,
        logger: FilteringBoundLogger,
        history: History | None = None,
        *,
        most: int = _MOST_LISTENERS,
    ) -> None:
        """Start without listeners; there may be `most` of them.

        `history` is where it stands what they missed; without it nobody can go on.
        """
        self._clock = clock
        self._logger = logger
        self._history = history
        self._most = most
        self._reads: Reads | None = None
        self._listeners: set[_Listener] = set()
        self._by_id: dict[Id, set[_Listener]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def __len__(self) -> int:
        """Return how many listen."""
        return len(self._listeners)

    def follow(self, reads: Reads) -> None:
        """Take transitions from `reads` from now on."""
        if reads is not self._reads:
            self._reads = reads
            if self._listeners:
                self._restart()

    def end_all(self) -> None:
        """End every stream; clients come again and have to prove themselves again."""
        for listener in self._listeners:
            listener.end()

    def close(self) -> None:
        """End every stream and open no other."""
        self._closed = True
        self.end_all()

    async def serve(
        self, request: web.Request, headers: Mapping[str, str], to: Subscription
    ) -> web.StreamResponse:
        """Answer with what somebody listens to, until the client goes.

        Raises:
            Overloaded: too many listen, or the hub is stopping.
            TooManyStreams: too many listen by the same signed id.
            StoreError: what was missed can't be read now.
        """
        if self._closed:
            raise Overloaded("the hub is stopping; come again")
        if len(self._listeners) >= self._most:
            raise Overloaded(f"{self._most} streams are open, more are not served; come again")
        if to.signed is not None:
            open_now = sum(one.to.signed == to.signed for one in self._listeners)
            if open_now >= MOST_OF_ONE_ID:
                raise TooManyStreams(f"{open_now} streams of this signed id are open; close one")
        response = web.StreamResponse(headers={**headers, "content-type": "text/event-stream"})
        listener = _Listener(request, to)
        self._add(listener)  # before what was missed is read, so that nothing falls in between
        try:
            last, missed = await self._missed(to)
            with suppress(ConnectionResetError):  # the client went away
                await response.prepare(request)
                await response.write(b": listening\n\n")
                for text in missed:
                    await response.write(text)
                while (told := await listener.waiting.get()) is not None:
                    id, text = told
                    if not 0 < id <= last:
                        await response.write(text)
        finally:
            self._remove(listener)
        return response

    async def _missed(self, to: Subscription) -> tuple[int, list[bytes]]:
        """Return the id up to which nothing more is to be told, and what is to be told first.

        Who comes for the first time is told the id alone, to come again with.
        """
        if self._history is None or not to.resumes:
            return 0, []
        newest = await self._history.newest()
        if to.after is None or to.after > newest:  # an id of another store says nothing here
            return newest, [b"id: %d\n\n" % newest]
        missed = await self._history.after(to.after, to.ids, MOST_MISSED)
        last = missed[-1].id if missed else to.after
        return last, [text for one in missed if (text := to.encode(one)) is not None]

    def _add(self, listener: _Listener) -> None:
        self._listeners.add(listener)
        for id in listener.to.ids:
            self._by_id.setdefault(id, set()).add(listener)
        if not self._tasks or self._tasks[0].done():
            self._restart()

    def _remove(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        for id in listener.to.ids:
            others = self._by_id.get(id, set())
            others.discard(listener)
            if not others:
                self._by_id.pop(id, None)
        if not self._listeners:
            self._stop()

    def _restart(self) -> None:
        self._stop()
        self._tasks = [asyncio.create_task(self._pass_on()), asyncio.create_task(self._beat())]

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def _pass_on(self) -> None:
        """Hand out transitions; when there come no more, clients had better come again."""
        try:
            if self._reads is not None:
                async for transition in self._reads.watch():
                    self._hand_out(transition)
        except Exception:
            self._logger.exception("transitions can't be streamed")
        self.end_all()

    def _hand_out(self, transition: Transition) -> None:
        found = {
            listener
            for kind, values in transition.ids.items()
            for value in values
            for listener in self._by_id.get((kind, value), ())
        }
        for listener in found:
            text = listener.to.encode(transition)
            if text is not None:
                self._tell(listener, text, transition.id)

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_SECONDS)
            for listener in self._listeners:
                self._tell(listener, b": still listening\n\n")

    def _tell(self, listener: _Listener, text: bytes, id: int = 0) -> None:
        if not listener.tell(text, id):
            listener.cut()
