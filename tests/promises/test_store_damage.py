"""A store that is damaged, used twice or copied: it is said at the start, or shown by health.

Never is a new store made in the place of one that can't be read.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from tests.support.client import until
from tests.support.daemon import Daemon, free_port
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.receiver import Answer, Receiver, receiving

PAGE = 4_096
pytestmark = pytest.mark.slow


def config(receiver: Receiver) -> str:
    sink = webhook("sink", receiver.address + "/sink", batch=True)
    return config_text(sink + everything_to("sink"), ports=(free_port(), free_port()))


def garble(file: Path, at: int, length: int) -> None:
    """Overwrite a part of a file with what nobody wrote."""
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(os.urandom(length))


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("pragma user_version = 1000")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no database": (lambda file: garble(file, 0, 100), "file is not a database"),
    "an empty schema": (lambda file: garble(file, 100, PAGE - 100), "malformed"),
    "cut off": (lambda file: os.truncate(file, PAGE + PAGE // 2), "malformed"),
    "emptied": (lambda file: os.truncate(file, 0), "is gone or empty"),
    "a version to come": (newer, "upgrade junctor"),
}


@pytest.mark.case(13, 40, 51)
async def test_what_can_not_be_used_is_refused_with_its_reason_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        daemon = Daemon(tmp_path, config(receiver), session)
        client = await daemon.start()
        assert (await client.batch([track()], WRITE_KEY)).status == 200
        await client.settled()
        # A second daemon on the same store.
        (tmp_path / "second").mkdir()
        text = config(receiver).replace('"data"', f'"{tmp_path / "data"}"')
        second = Daemon(tmp_path / "second", text, session)
        code, said = await second.refused()
        assert code == 1
        assert said == (
            f"junctor: the store {tmp_path / 'data'} is in use by another junctor (process"
            f" {daemon.pid}); stop it, or give this one a store.path of its own"
        )
        assert (await client.batch([track()], WRITE_KEY)).status == 200
        await client.settled()
        # The lock of a daemon that was killed is free, whatever the file says.
        await daemon.kill()
        await second.start()
        assert await second.terminate() == 0

        file = tmp_path / "data" / "junctor.db"
        whole = file.read_bytes()
        for damage, why in DAMAGES.values():
            file.write_bytes(whole)
            damage(file)
            damaged = file.read_bytes()
            code, said = await daemon.refused()
            assert code == 1
            assert said.startswith("junctor: the store ")
            assert why in said, said
            assert file.read_bytes() == damaged
        file.write_bytes(whole)
        await daemon.start()
        assert (await client.ledger())["sink"]["delivered"] == 2
        assert await daemon.terminate() == 0


@pytest.mark.case(40)
async def test_a_copy_of_a_store_is_a_store_of_its_own_while_the_first_is_in_use(
    tmp_path: Path,
) -> None:
    """Copied with the lock file, whose number is that of a process that lives."""
    async with receiving() as receiver:
        text = config(receiver)
        async with running_hub(tmp_path, text) as running:
            assert (await running.client.batch([track()], WRITE_KEY)).status == 200
            await running.client.settled()
            copy = tmp_path / "copy" / "data"
            shutil.copytree(tmp_path / "data", copy, ignore=shutil.ignore_patterns("*-shm"))
            assert (copy / "lock").read_text().split()[0] == str(os.getpid())
            async with running_hub(tmp_path / "copy", config(receiver)) as other:
                assert (await other.client.ledger())["sink"]["delivered"] == 1
                assert (await other.client.batch([track()], WRITE_KEY)).status == 200
                await other.client.settled()
            assert (await running.client.batch([track()], WRITE_KEY)).status == 200
            await running.client.settled()
    assert len(receiver.counts("/sink")) == 3


@pytest.mark.case(13)
async def test_a_damaged_page_is_shown_by_health_and_what_can_be_stored_still_is(
    tmp_path: Path,
) -> None:
    """It lies in the middle of the log: the start does not meet it, a destination does."""
    async with receiving() as receiver:
        receiver.always("/sink", Answer(503))
        text = config(receiver)
        padding = {"padding": "x" * 1_000}
        async with running_hub(tmp_path, text) as running:
            for _ in range(4):
                calls = [track(properties=padding) for _ in range(500)]
                assert (await running.client.batch(calls, WRITE_KEY)).status == 200
        file = tmp_path / "data" / "junctor.db"
        garble(file, file.stat().st_size // PAGE // 2 * PAGE, PAGE)
        receiver.always("/sink", Answer(200))
        async with running_hub(tmp_path, text) as running:
            client = running.client

            async def is_shown() -> bool:
                return (await client.ask("GET", "/health/ready")).status == 503

            await until(is_shown)
            problem = (await client.ask("GET", "/health/ready")).json["problem"]
            assert "malformed" in problem
            last = track()
            assert (await client.batch([last], WRITE_KEY)).status in (200, 503)
            for _ in range(30):  # it does not heal, and does not seem to
                assert await is_shown()
                await asyncio.sleep(0.1)
