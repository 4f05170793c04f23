"""The process of reads: it follows the hub, ends with it, and is replaced when it ends early."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from tests.support.daemon import Daemon, free_port
from tests.support.hub import RunningHub, config_text, load, running_hub

ENVIRON = {"READ_KEY": "read-key"}
READERS = """
[readers.app]
key = { env = "READ_KEY" }
"""
BUYER = """
[audiences.buyer]
event = "Order Completed"
"""
READ = {"authorization": "Bearer read-key"}
WRITE = ("web-write-key", "")


def text(*sections: str) -> str:
    return config_text("", sources="".join(sections))


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    config = text(READERS, BUYER)
    async with running_hub(tmp_path, config, ENVIRON, reads_apart=True) as running:
        await served_apart(running)
        yield running


async def served_apart(running: RunningHub) -> None:
    async with asyncio.timeout(20):
        await running.hub.readers.served_apart.wait()


async def decide(hub: RunningHub, user: str = "u") -> httpx.Response:
    """Ask over a connection of its own."""
    async with httpx.AsyncClient(base_url=hub.hub.ingest_address) as client:
        return await client.post("/v1/decide", json={"ids": {"user_id": user}}, headers=READ)


async def track(hub: RunningHub, user: str = "u") -> None:
    async with httpx.AsyncClient(base_url=hub.hub.ingest_address) as client:
        event = {"userId": user, "event": "Order Completed"}
        assert (await client.post("/v1/track", json=event, auth=WRITE)).status_code == 200


async def until(hub: RunningHub, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask until the answer is as wanted."""
    async with asyncio.timeout(10):
        while True:
            answer = await decide(hub)
            found: dict[str, Any] = answer.json()
            if answer.status_code == 200 and holds(found):
                return found
            await asyncio.sleep(0.01)


def children() -> set[int]:
    """Return the processes of reads that this process has started and that still run."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in map(int, (task / "children").read_text().split()):
            with_arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"junctor.host.read_process" in with_arguments:
                found.add(pid)
    return found


pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found by /proc")


async def test_nobody_reads_means_no_process(tmp_path: Path) -> None:
    before = children()
    async with running_hub(tmp_path, text(BUYER), reads_apart=True) as running:
        await track(running)
        assert children() == before


async def test_the_process_ends_with_the_hub(tmp_path: Path) -> None:
    before = children()
    async with running_hub(tmp_path, text(READERS, BUYER), ENVIRON, reads_apart=True) as running:
        await served_apart(running)
        assert len(children() - before) == 1
    assert children() == before
    assert not (tmp_path / "data" / "reads.sock").exists()


async def test_a_process_that_is_killed_is_replaced_and_the_hub_answers_meanwhile(
    hub: RunningHub,
) -> None:
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    for _ in range(1_000):
        if not hub.hub.readers.served_apart.is_set():
            break
        await asyncio.sleep(0.005)
    await track(hub)
    await until(hub, lambda found: bool(found["audiences"]["buyer"]))
    await served_apart(hub)
    assert children() != {pid}
    assert (await decide(hub)).json()["audiences"] == {"buyer": True}


async def test_a_process_that_hangs_is_replaced_so_that_events_come_in(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("junctor.host.read_child.PULSE_SECONDS", 0.1)
    (pid,) = children()
    os.kill(pid, signal.SIGSTOP)
    async with asyncio.timeout(20):
        await track(hub)
    await served_apart(hub)
    assert pid not in children()
    assert [e["event"] for e in hub.log.entries if e["log_level"] == "error"][:1] == [
        "the process of reads does not listen; it is started again"
    ]


async def test_new_readers_and_new_audiences_are_told_to_the_process(
    hub: RunningHub, tmp_path: Path
) -> None:
    await track(hub)
    await until(hub, lambda found: bool(found["audiences"]["buyer"]))
    await hub.hub.reload(
        load(tmp_path, text(READERS, BUYER, BUYER.replace("buyer", "again")), ENVIRON)
    )
    found = await until(hub, lambda found: found["ready"] and "again" in found["audiences"])
    assert found["audiences"] == {"buyer": True, "again": True}
    await hub.hub.reload(load(tmp_path, text(READERS, BUYER), {"READ_KEY": "another-key"}))
    for _ in range(1_000):
        answer = await decide(hub)
        if answer.status_code == 401:
            break
        await asyncio.sleep(0.01)
    assert answer.status_code == 401


async def test_readers_that_come_later_get_a_process(tmp_path: Path) -> None:
    async with running_hub(tmp_path, text(BUYER), ENVIRON, reads_apart=True) as running:
        await running.hub.reload(load(tmp_path, text(READERS, BUYER), ENVIRON))
        await served_apart(running)
        await track(running)
        await until(running, lambda found: bool(found["audiences"]["buyer"]))


async def test_events_and_reads_in_turn_over_many_connections_lose_nothing(
    hub: RunningHub,
) -> None:
    """Each connection begins with a read or an event, by turns, and goes on with both."""

    async def turns(which: int) -> int:
        limits = httpx.Limits(max_connections=1)
        taken = 0
        async with httpx.AsyncClient(base_url=hub.hub.ingest_address, limits=limits) as client:
            for number in range(25):
                if which % 2 or number:
                    body = {"ids": {"user_id": f"u-{which}"}}
                    answer = await client.post("/v1/decide", json=body, headers=READ)
                    assert answer.status_code == 200, answer.text
                event = {"userId": f"u-{which}", "event": "E", "messageId": f"{which}-{number}"}
                answer = await client.post("/v1/track", json=event, auth=WRITE)
                assert answer.status_code == 200, answer.text
                taken += 1
        return taken

    before = await hub.hub.store.log.head()
    taken = sum(await asyncio.gather(*(turns(which) for which in range(12))))
    assert await hub.hub.store.log.head() == before + taken == before + 300


async def test_a_hub_that_is_killed_leaves_no_process_and_its_address_is_free(
    tmp_path: Path,
) -> None:
    ports = (free_port(), free_port())
    config = config_text("", sources=READERS + BUYER, ports=ports).replace(
        "READ_KEY", "WEB_WRITE_KEY"
    )
    async with aiohttp.ClientSession() as session:
        daemon = Daemon(tmp_path, config, session)
        for number in range(5):
            client = await daemon.start()
            async with httpx.AsyncClient(base_url=client.ingest) as http:
                event = {"userId": "u", "event": "E", "messageId": f"m-{number}"}
                assert (await http.post("/v1/track", json=event, auth=WRITE)).status_code == 200
            await daemon.kill()
        await daemon.start()
        assert await daemon.terminate() == 0
    assert not any("address already in use" in line for line in daemon.log)
