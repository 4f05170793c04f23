"""The daemon as a process: signals, reloads, what it refuses, and that it loses nothing."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.support.client import HubClient, until
from tests.support.events import track
from tests.support.hub import ENVIRON, WRITE_KEY, config_text, everything_to, webhook
from tests.support.receiver import OK, Answer, Received, Receiver, receiving

JUNCTOR = (sys.executable, "-m", "junctor.cli.main")
BROKEN = """
[destinations.extra]
type = "webhok"
[routes.broken]
to = ["nowhere"]
when = "type ="
"""
PLACES = ("destinations.extra.type", "routes.broken.to[0]", "routes.broken.when")


@dataclass
class Daemon:
    """A running `junctor run`; `log` is what it wrote to standard error."""

    process: Process
    client: HubClient
    config: Path
    stderr: Path

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = self.stderr.read_bytes().splitlines()
        return [orjson.loads(line) for line in lines if line.endswith(b"}")]

    async def logged(self, event: str) -> dict[str, Any]:
        """Wait until it logged `event`; return the newest such entry."""

        async def there() -> bool:
            return any(entry["event"] == event for entry in self.log)

        await until(there, 10)
        return next(entry for entry in reversed(self.log) if entry["event"] == event)

    def reload(self, text: str) -> None:
        self.config.write_text(text)
        self.process.send_signal(signal.SIGHUP)

    async def ended(self, *signals: signal.Signals) -> int:
        """Send signals, wait for the end, return the exit code."""
        for one in signals:
            self.process.send_signal(one)
        async with asyncio.timeout(15):
            return await self.process.wait()


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


async def start(config: Path, stderr: Path, *command: str) -> Process:
    with stderr.open("wb") as file:
        return await asyncio.create_subprocess_exec(
            *JUNCTOR,
            *(command or ("run",)),
            "--config",
            str(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, **ENVIRON},
        )


async def refused(config: Path, *command: str) -> tuple[int, str]:
    """Run a command that is expected to end; return its exit code and all it said."""
    output = config.with_suffix(".out")
    process = await start(config, output, *command)
    async with asyncio.timeout(15):
        return await process.wait(), output.read_text()


@asynccontextmanager
async def running(folder: Path, text: str, ports: tuple[int, int]) -> AsyncIterator[Daemon]:
    """Run the daemon; afterwards it has ended, and has logged no secret and no bug."""
    config, stderr = folder / "junctor.toml", folder / "stderr.jsonl"
    config.write_text(text)
    process = await start(config, stderr)
    ingest, admin = (f"http://127.0.0.1:{port}" for port in ports)
    try:
        async with aiohttp.ClientSession() as session:
            daemon = Daemon(process, HubClient(ingest, admin, session), config, stderr)

            async def ready() -> bool:
                assert process.returncode is None, stderr.read_text()
                try:
                    return bool((await daemon.client.get("/health/ready"))["status"] == "ready")
                except aiohttp.ClientConnectorError:
                    return False

            await until(ready, 15)
            yield daemon
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = stderr.read_text()
    assert not [entry for entry in daemon.log if "exception" in entry], said
    assert not [secret for secret in ENVIRON.values() if secret in said]


def to_vendor(receiver: Receiver, ports: tuple[int, int], *, route: str = "sink") -> str:
    """Return a configuration with two destinations, and a route to one of them."""
    destinations = "".join(
        webhook(id, f"{receiver.address}/{id}", delivery='retry = { initial = "50ms" }')
        for id in ("sink", "other")
    )
    return config_text(destinations + everything_to(route), ports=ports)


async def send(daemon: Daemon, count: int) -> Sequence[str]:
    events = [track(userId=f"u-{n}") for n in range(count)]
    assert (await daemon.client.batch(events, WRITE_KEY)).status == 200
    return [event["messageId"] for event in events]


@pytest.mark.case(21)
async def test_sighup_takes_a_good_file_and_refuses_a_broken_one(tmp_path: Path) -> None:
    ports = free_ports()
    async with receiving() as receiver:
        text = to_vendor(receiver, ports)
        async with running(tmp_path, text, ports) as daemon:
            [first] = await send(daemon, 1)
            await receiver.until(lambda: receiver.counts("/sink")[first] == 1)

            daemon.reload(text + BROKEN)
            told = await daemon.logged("not reloaded: the old configuration stays")
            problems = [e["problem"] for e in daemon.log if e["event"] == "configuration"]
            assert told["problems"] == len(PLACES)
            for place in PLACES:
                assert any(problem.startswith(place) for problem in problems)
            [second] = await send(daemon, 1)
            await receiver.until(lambda: receiver.counts("/sink")[second] == 1)

            daemon.reload(to_vendor(receiver, ports, route="other"))
            await daemon.logged("configuration reloaded")
            [third] = await send(daemon, 1)
            await receiver.until(lambda: receiver.counts("/other")[third] == 1)
            assert receiver.counts("/sink").keys() == {first, second}
            assert await daemon.ended(signal.SIGTERM) == 0


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_with_events_in_flight_loses_nothing(
    tmp_path: Path, signal_number: signal.Signals
) -> None:
    ports = free_ports()
    calls = asyncio.Semaphore(0)

    async def slowly(_: Received) -> Answer:
        calls.release()
        await asyncio.sleep(0.3)
        return OK

    async with receiving() as receiver:
        receiver.judge("/sink", slowly)
        text = to_vendor(receiver, ports)
        async with running(tmp_path, text, ports) as daemon:
            sent = await send(daemon, 40)
            await calls.acquire()
            assert await daemon.ended(signal_number) == 0
            assert daemon.log[-1]["event"] == "stopped"
        before = receiver.counts("/sink")
        assert 0 < len(before) < 40, "calls in flight ended, no new ones began"
        receiver.always("/sink", OK)
        async with running(tmp_path, text, ports) as daemon:
            ledger = await daemon.client.settled()
            assert ledger["sink"]["delivered"] == ledger["sink"]["accepted"] == 40
            assert await daemon.ended(signal.SIGTERM) == 0
        assert receiver.counts("/sink") == dict.fromkeys(sent, 1)


@pytest.mark.case(38)
async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    ports = free_ports()
    stuck = asyncio.Event()

    async def forever(_: Received) -> Answer:
        stuck.set()
        await asyncio.Event().wait()
        return OK

    async with receiving() as receiver:
        receiver.judge("/sink", forever)
        text = to_vendor(receiver, ports)
        async with running(tmp_path, text, ports) as daemon:
            sent = await send(daemon, 1)
            await stuck.wait()
            daemon.process.send_signal(signal.SIGTERM)
            await daemon.logged("stopping")
            assert await daemon.ended(signal.SIGTERM) == 1
        receiver.always("/sink", OK)
        async with running(tmp_path, text, ports) as daemon:
            await receiver.until(lambda: receiver.counts("/sink")[sent[0]] == 1)
            assert await daemon.ended(signal.SIGTERM) == 0


@pytest.mark.case(40)
async def test_what_can_not_start_says_why_and_exits_with_1(tmp_path: Path) -> None:
    ports = free_ports()
    async with (
        receiving() as receiver,
        running(tmp_path, to_vendor(receiver, ports), ports) as daemon,
    ):
        config = tmp_path / "second.toml"
        config.write_text(to_vendor(receiver, free_ports()))
        code, said = await refused(config, "run")
        assert code == 1
        assert f"in use by another junctor (process {daemon.process.pid})" in said
        assert said.splitlines()[-1].startswith("junctor: ")

        config.write_text(to_vendor(receiver, ports).replace('"data"', '"other"'))
        code, said = await refused(config, "run")
        assert code == 1
        assert "server.listen" in said
        assert str(ports[0]) in said
        assert "in use" in said

        config.write_text(to_vendor(receiver, ports) + BROKEN)
        for command in ("run", "check"):
            code, said = await refused(config, command)
            assert code == 1
            for place in PLACES:
                assert place in said
            assert "Traceback" not in said
            assert not [secret for secret in ENVIRON.values() if secret in said]
        assert await daemon.ended(signal.SIGTERM) == 0
