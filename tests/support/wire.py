"""HTTP by hand, for what no client library would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.support.client import Reply


@asynccontextmanager
async def connection(
    address: str,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection to `http://host:port`."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def request(body: bytes, *headers: str, path: str = "/v1/track", method: str = "POST") -> bytes:
    """Return a request with exactly these headers beside Host."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def status(reader: asyncio.StreamReader, seconds: float = 5.0) -> int:
    """Return the status of the next answer; 0 if the connection ends without one."""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionError):
            line = await reader.readline()
            return int(line.split()[1]) if line else 0
    return 0


async def answer(reader: asyncio.StreamReader, *, head: bool = False) -> Reply | None:
    """Return the next answer whole, None if the connection ends without one.

    With `head` it is the answer to a HEAD, which has no body.
    """
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        told = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = told.rstrip().split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        status = int(first.split()[1])
        if status == 100:
            return await answer(reader, head=head)
        length = 0 if head else int(headers.get("content-length", 0))
        return Reply(status, headers, await reader.readexactly(length))
    return None
