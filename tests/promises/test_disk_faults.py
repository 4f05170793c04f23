"""A disk that is full, broken or read-only: no false 200, and all goes on when it is well again."""

import asyncio
import errno
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
import pytest

from tests.support.client import HubClient, Reply, until
from tests.support.daemon import Daemon, free_port
from tests.support.events import track
from tests.support.faults import Faults, needs_faults
from tests.support.hub import (
    NEVER_LOGGED,
    WRITE_KEY,
    config_text,
    everything_to,
    running_hub,
    webhook,
)
from tests.support.load import Load
from tests.support.receiver import OK, Answer, Receiver, receiving

FAULTS: Final = {
    "full": {"grow_error": errno.ENOSPC},
    "full in the middle of a write": {"halves": 1},
    "write fails": {"write_error": errno.EIO},
    "read-only": {"write_error": errno.EROFS},
    "sync fails and what was written is dropped": {"sync_error": errno.EIO},
    "neither read nor written": {"read_error": errno.EIO, "write_error": errno.EIO},
}
READER: Final = """
[readers.app]
key = { env = "STATSIG_SERVER_SECRET" }
"""
pytestmark = [pytest.mark.slow, needs_faults]


def config(receiver: Receiver) -> str:
    sink = webhook("sink", receiver.address + "/sink", batch=True)
    return config_text(
        sink + everything_to("sink"), sources=READER, ports=(free_port(), free_port())
    )


async def is_ready(client: HubClient) -> bool:
    return (await client.ask("GET", "/health/ready")).status == 200


async def is_not_ready(client: HubClient) -> bool:
    return not await is_ready(client)


async def trouble(client: HubClient) -> str:
    """Return what the status says is wrong."""
    status = await client.get("/api/status")
    return str(status["error"]["message"] if "error" in status else status["problem"])


def assert_refused(reply: Reply) -> None:
    assert (reply.status, reply.json["code"]) == (503, "store_unavailable")
    assert int(reply.headers["retry-after"]) >= 1


def assert_no_bug(daemon: Daemon) -> None:
    assert not [line for line in daemon.log if any(text in line for text in NEVER_LOGGED)]


@pytest.mark.case(13, 14)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_of_the_disk_is_answered_503_heals_by_itself_and_survives_a_kill(
    tmp_path: Path, fault: dict[str, int]
) -> None:
    """What a failing write has left on the disk is not taken for what was stored."""
    faults, random = Faults(tmp_path), Random(7)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        daemon = Daemon(tmp_path, config(receiver), session, faults.environ)
        client = await daemon.start()
        try:
            load = Load(client, random, batch=20, users=50)
            sending = asyncio.create_task(load.run(2))
            await receiver.until(lambda: len(receiver.counts("/sink")) > 100)

            faults.set(**fault)
            await until(lambda: is_not_ready(client))
            stored = set(load.stored)
            for _ in range(5):
                assert_refused(await client.batch([track()], WRITE_KEY))
            reply = await client.ask("GET", "/health/ready")
            assert reply.headers["retry-after"]
            assert "the store can't" in reply.json["problem"]
            assert "the store can't" in await trouble(client)
            assert load.stored == stored, "answered 200 while nothing could be stored"
            assert faults.now.fired > 0

            faults.heal()
            await until(lambda: is_ready(client))
            load.end()
            await sending
            ledger = await client.settled()
            assert receiver.counts("/sink") == dict.fromkeys(load.stored, 1)
            assert ledger["sink"]["delivered"] == ledger["sink"]["accepted"] == len(load.stored)

            again = Load(client, random, batch=20, users=50)
            sending = asyncio.create_task(again.run(2))
            await receiver.until(lambda: len(receiver.counts("/sink")) > len(load.stored) + 100)
            faults.set(**fault)
            await until(lambda: is_not_ready(client))
            await asyncio.sleep(random.uniform(0, 0.3))
            await daemon.kill()
            faults.heal()
            await daemon.start()
            again.end()
            await sending
            ledger = await client.settled()
        finally:
            await daemon.close()
    stored = load.stored | again.stored
    assert receiver.counts("/sink").keys() == stored
    assert ledger["sink"]["delivered"] == ledger["sink"]["accepted"] == len(stored)
    assert_no_bug(daemon)


@pytest.mark.case(13)
async def test_a_backlog_that_can_not_be_read_shows_and_is_delivered_once_it_can(
    tmp_path: Path,
) -> None:
    faults = Faults(tmp_path)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        daemon = Daemon(tmp_path, config(receiver), session, faults.environ)
        client = await daemon.start()
        try:
            receiver.always("/sink", Answer(503))
            padding = {"padding": "x" * 20_000}
            stored = []
            for _ in range(10):  # more than is kept in memory
                calls = [track(properties=padding) for _ in range(50)]
                assert (await client.batch(calls, WRITE_KEY)).status == 200
                stored += [call["messageId"] for call in calls]
            await daemon.terminate()
            await daemon.start()  # with nothing in memory
            faults.set(read_error=errno.EIO)
            receiver.always("/sink", OK)
            await until(lambda: is_not_ready(client))
            assert "the store can't read" in await trouble(client)
            faults.heal()
            await until(lambda: is_ready(client))
            await client.settled()
        finally:
            await daemon.close()
    assert receiver.counts("/sink") == dict.fromkeys(stored, 1)
    assert_no_bug(daemon)


@pytest.mark.case(13)
async def test_a_store_that_somebody_else_locks_is_answered_503_until_they_let_go(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver, running_hub(tmp_path, config(receiver)) as running:
        client, first = running.client, track()
        await running.hub.store.writer.call(lambda c: c.execute("pragma busy_timeout = 200"))
        with closing(sqlite3.connect(tmp_path / "data/junctor.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            assert_refused(await client.batch([first], WRITE_KEY))
            assert "locked" in (await client.ask("GET", "/health/ready")).json["problem"]
            assert "locked" in await trouble(client)
            other.execute("rollback")
        assert (await client.batch([first], WRITE_KEY)).status == 200
        await until(lambda: is_ready(client))
        await client.settled()
    assert receiver.counts("/sink") == {first["messageId"]: 1}


@pytest.mark.case(13)
async def test_a_disk_that_can_not_be_written_at_the_start_is_named(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        daemon = Daemon(tmp_path, config(receiver), session, faults.environ)
        faults.set(write_error=errno.EROFS)
        code, said = await daemon.refused()
        place = tmp_path / "data" / "junctor.db"
        assert code == 1
        assert said == f"junctor: the store {place} can't be opened: disk I/O error"
        faults.heal()
        await daemon.start()
        assert await daemon.terminate() == 0
