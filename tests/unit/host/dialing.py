"""A server on loopback that says what it is told, and remembers who came."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx

Client = Callable[..., httpx.AsyncClient]
"""Makes a guarded client; the argument are the networks that it may dial, else loopback."""


class Server:
    """Answers every connection on loopback with the same bytes, and remembers what it was sent."""

    def __init__(
        self,
        answer: bytes = b"",
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        reset: bool = False,
        greets: bool = False,
        keeps: bool = False,
    ) -> None:
        """`keeps` answers further requests of a connection as well."""
        self.answer = answer
        self.reset = reset
        self.greets = greets
        self.keeps = keeps
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = port
        self._host = host

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                if not self.greets:
                    self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
                await writer.drain()
                if not self.keeps:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        if self.reset:
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            raw: Any = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        writer.close()

    async def __aexit__(self, *args: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/secret-path"


def http(status: str, body: bytes = b"", *headers: str, close: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
