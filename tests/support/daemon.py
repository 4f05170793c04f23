"""`junctor run` in a process of its own, that can be killed."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from tests.support.client import HubClient, until
from tests.support.hub import ENVIRON

_STARTUP_SECONDS: Final = 30.0
_JUNCTOR: Final = "from junctor.cli.main import main; main()"


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def end_of(pids: Iterable[int], seconds: float = 10.0) -> None:
    """Wait until none of the processes runs any more.

    Raises:
        TimeoutError: one still does after so many seconds.
    """

    async def gone() -> bool:
        return not any(runs(pid) for pid in pids)

    await until(gone, seconds)


def runs(pid: int) -> bool:
    """Return whether a process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Daemon:
    """One configuration, run again and again; its addresses stay the same."""

    def __init__(
        self,
        folder: Path,
        config: str,
        session: aiohttp.ClientSession,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Write the configuration, whose listeners must have ports of their own.

        `environ` is added to the usual environment.
        """
        self._path = folder / "junctor.toml"
        self._path.write_text(config, "utf-8")
        self._command = (sys.executable, "-c", _JUNCTOR, "run", "--config", str(self._path))
        self._session = session
        self._environ = {**os.environ, **ENVIRON, **(environ or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.log: list[str] = []
        """What it said on standard error, over all its lives."""

    async def start(self) -> HubClient:
        """Start it and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environ, stderr=asyncio.subprocess.PIPE
        )
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

    async def refused(self) -> tuple[int, str]:
        """Start it where it can't run; return its exit code and the last that it says."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environ, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(_STARTUP_SECONDS):
            _, said = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode().splitlines()[-1]

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    def children(self) -> list[int]:
        """Return the processes that it has started itself and that still run."""
        found = []
        for task in Path(f"/proc/{self.pid}/task").glob("*/children"):
            with suppress(OSError):  # a thread that has ended meanwhile
                found += [int(pid) for pid in task.read_text().split()]
        return found

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, and wait for nothing."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait until it has ended; return its exit code."""
        assert self._process is not None
        code = await self._process.wait()
        if self._reading is not None:
            await self._reading
        return code

    async def kill(self) -> None:
        """End it as a power cut does."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """Ask it to end, as a service manager does; return its exit code."""
        return await self._end(signal.SIGTERM)

    async def close(self) -> None:
        """End it if it runs."""
        if self._process is not None and self._process.returncode is None:
            await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        self.send_signal(number)
        return await self.ended()

    async def _read(self, stderr: asyncio.StreamReader) -> None:
        while line := await stderr.readline():
            self.log.append(line.decode())
