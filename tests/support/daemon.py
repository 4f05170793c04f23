"""`junctor run` in a process of its own, that can be killed."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from tests.support.client import HubClient
from tests.support.hub import ENVIRON

_STARTUP_SECONDS: Final = 30.0
_JUNCTOR: Final = "from junctor.cli.main import main; main()"


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """One configuration, run again and again; its addresses stay the same."""

    def __init__(self, folder: Path, config: str, session: aiohttp.ClientSession) -> None:
        """Write the configuration, whose listeners must have ports of their own."""
        self._path = folder / "junctor.toml"
        self._path.write_text(config, "utf-8")
        self._session = session
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.log: list[str] = []
        """What it said on standard error, over all its lives."""

    async def start(self) -> HubClient:
        """Start it and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _JUNCTOR, "run", "--config", str(self._path),
            env={**os.environ, **ENVIRON}, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        stderr = self._process.stderr
        assert stderr is not None
        async with asyncio.timeout(_STARTUP_SECONDS):
            while line := await stderr.readline():
                self.log.append(line.decode())
                if b'"ready"' in line:
                    said = orjson.loads(line)
                    self._reading = asyncio.create_task(self._read(stderr))
                    return HubClient(said["ingest"], said["admin"], self._session)
        raise AssertionError("".join(self.log))

    async def kill(self) -> None:
        """End it as a power cut does."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """Ask it to end, as a service manager does; return its exit code."""
        await self._end(signal.SIGTERM)
        assert self._process is not None
        assert self._process.returncode is not None
        return self._process.returncode

    async def close(self) -> None:
        """End it if it runs."""
        if self._process is not None and self._process.returncode is None:
            await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self, stderr: asyncio.StreamReader) -> None:
        while line := await stderr.readline():
            self.log.append(line.decode())
