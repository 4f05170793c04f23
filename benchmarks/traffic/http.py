"""As little HTTP as a benchmark needs, so that the load and the receivers cost next to nothing."""

import asyncio
import re
from collections.abc import Callable
from typing import cast

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n"
    b'{"success":true}'
)
_NOT_NOW = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


class Messages:
    """Cuts a byte stream into (head, body) of messages with a Content-Length."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head = b""
        self._need = -1

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        buffer = self._buffer
        buffer += data
        found: list[tuple[bytes, bytes]] = []
        while True:
            if self._need < 0:
                end = buffer.find(b"\r\n\r\n")
                if end < 0:
                    return found
                self._head = bytes(buffer[:end])
                del buffer[: end + 4]
                length = _LENGTH.search(self._head)
                self._need = int(length[1]) if length else 0
            if len(buffer) < self._need:
                return found
            found.append((self._head, bytes(buffer[: self._need])))
            del buffer[: self._need]
            self._need = -1


class Receiver(asyncio.Protocol):
    """Hands head and body of every request to `took`; answers with success if that is true.

    It answers after `delay` seconds, one request of a connection after the other.
    """

    def __init__(
        self, took: Callable[[bytes, bytes], bool], answer: bytes = ANSWER, delay: float = 0.0
    ) -> None:
        self._took = took
        self._answer = answer
        self._delay = delay
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        for head, body in self._messages.feed(data):
            answer = self._answer if self._took(head, body) else _NOT_NOW
            if self._delay:
                loop = asyncio.get_running_loop()
                loop.call_later(self._delay, self._transport.write, answer)
            else:
                self._transport.write(answer)


class Client(asyncio.Protocol):
    """One connection that sends a request at a time."""

    def __init__(self, authorization: bytes = b"Basic YmVuY2g6") -> None:
        self.authorization = authorization
        self._messages = Messages()
        self.body = b""
        self._answer: asyncio.Future[tuple[bytes, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for answer in self._messages.feed(data):
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("closed"))

    async def ask(self, path: bytes, body: bytes) -> int:
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(
            b"POST %b HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            b"authorization: %b\r\ncontent-length: %d\r\n\r\n"
            % (path, self.authorization, len(body))
            + body
        )
        head, self.body = await self._answer
        return int(head[9:12])
