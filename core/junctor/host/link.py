"""How two processes of the hub talk: questions, answers and notices, over one socket.

What is said is plain data as `marshal` writes it, which is the fastest there is and fit for two
processes of one interpreter. Both ends can ask.
"""

import asyncio
import marshal
import socket
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from itertools import count
from typing import Any, Final, cast

from structlog.typing import FilteringBoundLogger

from junctor.telemetry.log import place_of

_LENGTH: Final = 4
_VERSION: Final = 4
_UNWIND_SECONDS: Final = 10.0
"""Longest that work which was canceled is waited for."""

_ASK, _ANSWER, _FAIL, _TELL, _CANCEL = range(5)

Answering = Mapping[str, Callable[[Any], Coroutine[Any, Any, Any]]]
"""By name what is called with a question, in the order of their coming, and awaited then."""
Hearing = Mapping[str, Callable[[Any], None]]


class LinkLost(ConnectionError):
    """The other process is gone: what became of a question is not known."""


class AnswerFailed(Exception):
    """The other process could not answer, by a fault of its own."""


class Link(asyncio.Protocol):
    """One end: asks and tells, and answers what the other end asks.

    Everything that is said must be plain: None, numbers, text, bytes, tuples, lists and dicts.
    """

    def __init__(
        self, answering: Answering, hearing: Hearing, logger: FilteringBoundLogger
    ) -> None:
        """Answer and hear by name; whatever an answering function raises is a bug of this end."""
        self._answering = answering
        self._hearing = hearing
        self._logger = logger
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._working: dict[int, asyncio.Task[None]] = {}
        self._numbers = count()
        self.lost = asyncio.Event()
        """Set once the other end is gone."""

    async def open(self, end: socket.socket) -> None:
        """Talk over `end`, which is this link's from now on."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=end)

    async def ask(self, what: str, said: Any = None) -> Any:
        """Return the answer; who is canceled while waiting cancels the work at the other end.

        And waits until that has ended, as with work at this end.

        Raises:
            LinkLost: the other process is gone.
            AnswerFailed: it could not answer.
        """
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._send((_ASK, number, what, said))
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not self.lost.is_set():
                self._send((_CANCEL, number))
                await asyncio.wait([future], timeout=_UNWIND_SECONDS)
            raise
        finally:
            del self._asked[number]
            if future.done() and not future.cancelled():
                future.exception()  # whoever waited has heard it, or has gone

    def tell(self, what: str, said: Any = None) -> None:
        """Say something that needs no answer.

        Raises:
            LinkLost: the other process is gone.
        """
        self._send((_TELL, what, said))

    def waiting(self) -> int:
        """Return the bytes that the other process has not read yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def close(self) -> None:
        """Say no more; what was said is still sent."""
        if self._transport is not None:
            self._transport.close()

    def _send(self, message: tuple[Any, ...]) -> None:
        if self._transport is None or self.lost.is_set():
            raise LinkLost("the other process is gone")
        text = marshal.dumps(message, _VERSION)
        self._transport.write(len(text).to_bytes(_LENGTH) + text)

    # -- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.lost.set()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(LinkLost("the other process is gone"))
        for task in list(self._working.values()):
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        received = self._received
        received += data
        start = 0
        while len(received) - start >= _LENGTH:
            end = start + _LENGTH + int.from_bytes(received[start : start + _LENGTH])
            if end > len(received):
                break
            with memoryview(received) as view:
                message = marshal.loads(view[start + _LENGTH : end])
            start = end
            self._take(message)
        del received[:start]

    def _take(self, message: tuple[Any, ...]) -> None:
        kind, *parts = message
        if kind == _TELL:
            self._hearing[parts[0]](parts[1])
        elif kind == _ASK:
            number, what, said = parts
            try:
                work = self._answering[what](said)
            except Exception as error:
                self._fail(number, what, error)
                return
            task = asyncio.create_task(self._answer(number, what, work))
            self._working[number] = task
            task.add_done_callback(partial(self._answered, number, work))
        elif kind == _CANCEL:
            if (working := self._working.get(parts[0])) is not None:
                working.cancel()
        elif (future := self._asked.get(parts[0])) is not None and not future.done():
            if kind == _ANSWER:
                future.set_result(parts[1])
            else:
                future.set_exception(AnswerFailed(parts[1]))

    def _answered(
        self, number: int, work: Coroutine[Any, Any, Any], task: asyncio.Task[None]
    ) -> None:
        work.close()  # who was canceled before has not begun
        del self._working[number]
        if task.cancelled() and not self.lost.is_set():
            self._send((_FAIL, number, "canceled"))

    def _fail(self, number: int, what: str, error: Exception) -> None:
        self._logger.error("a process of the hub can't answer", question=what, exc_info=error)
        if not self.lost.is_set():
            self._send((_FAIL, number, f"{type(error).__name__} < {place_of(error)}"))

    async def _answer(self, number: int, what: str, work: Coroutine[Any, Any, Any]) -> None:
        try:
            answer = await work
            if not self.lost.is_set():
                self._send((_ANSWER, number, answer))
        except Exception as error:
            self._fail(number, what, error)
