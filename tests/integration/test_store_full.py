"""Disk full: never a false 200, a clear 503, and everything goes on when space returns."""

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from segment.analytics import request as segment_request
from segment.analytics.client import Client

from tests.support.client import until
from tests.support.events import track
from tests.support.hub import (
    WRITE_KEY,
    RunningHub,
    config_text,
    everything_to,
    running_hub,
    webhook,
)
from tests.support.receiver import OK, Answer, Received, Receiver, receiving
from tests.support.shim import shim

PADDING = "x" * 20_000
ENOUGH_PAGES = 2**30


def config(receiver: Receiver) -> str:
    sink = webhook("sink", receiver.address + "/sink", batch=True)
    return config_text(sink + everything_to("sink"))


@contextmanager
def no_file_may_grow(beyond: int) -> Iterator[None]:
    """Let the system refuse this process every write behind so many bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def limit_pages(running: RunningHub, pages: int) -> None:
    """Let the database grow to `pages` pages, or to its present size if that is more."""

    def limit(connection: sqlite3.Connection) -> None:
        connection.execute(f"pragma max_page_count = {pages}")

    await running.hub.store.writer.call(limit)


class Sender:
    """Sends large batches and remembers which were answered 200."""

    def __init__(self, running: RunningHub) -> None:
        self._client = running.client
        self.stored: list[str] = []
        self.refused: list[str] = []

    async def send(self) -> int:
        calls = [track(properties={"padding": PADDING}) for _ in range(10)]
        reply = await self._client.batch(calls, WRITE_KEY)
        ids = [call["messageId"] for call in calls]
        if reply.status == 200:
            self.stored += ids
        else:
            self.refused += ids
            assert reply.status == 503
            assert reply.json["code"] == "store_unavailable"
            assert reply.json["success"] is False
            assert int(reply.headers["retry-after"]) >= 1
        return reply.status

    def check(self, receiver: Receiver) -> None:
        """Check that what was answered 200 arrived once, and nothing else did."""
        assert receiver.counts("/sink") == dict.fromkeys(self.stored, 1)


@pytest.mark.case(13)
async def test_writes_that_fail_are_answered_503_until_they_work_again(tmp_path: Path) -> None:
    async with receiving() as receiver, running_hub(tmp_path, config(receiver)) as running:
        client, sender = running.client, Sender(running)

        async def ready() -> bool:
            reply = await client.ask("GET", "/health/ready")
            assert reply.status in (200, 503)
            return reply.status == 200

        assert await sender.send() == 200
        await client.settled()
        with no_file_may_grow((tmp_path / "data" / "junctor.db-wal").stat().st_size):
            assert [await sender.send() for _ in range(3)] == [503] * 3
            assert not await ready()
            assert (await client.ask("GET", "/health/ready")).headers["retry-after"]
            assert (await client.ask("GET", "/health/live")).status == 200
            assert (await client.get("/api/status"))["healthy"] is False
            # What can't be an event is answered as ever: it needs no disk.
            assert (await client.ask("POST", "/v1/track", b"{")).status == 400
        assert await sender.send() == 200
        await until(ready)
        assert (await client.get("/api/status"))["healthy"] is True
        ledger = await client.settled()
        assert ledger["sink"]["delivered"] == len(sender.stored)
    sender.check(receiver)


@pytest.mark.case(13)
@pytest.mark.slow
async def test_an_sdk_waits_until_there_is_space_and_sends_everything_once(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        running_hub(tmp_path, config(receiver)) as running,
        shim(running.client.ingest, []) as proxy,
    ):
        sender = Sender(running)
        assert await sender.send() == 200
        await running.client.settled()
        errors: list[Exception] = []

        def run() -> None:
            client = Client(
                WRITE_KEY, host=proxy.address, on_error=lambda error, _: errors.append(error)
            )
            for number in range(50):
                client.track("u-1", "Tested", {"padding": "x" * 10_000}, message_id=f"m-{number}")
            client.flush()
            client.join()

        async def refused() -> bool:
            return 503 in proxy.statuses

        with no_file_may_grow((tmp_path / "data" / "junctor.db-wal").stat().st_size):
            sending = asyncio.create_task(asyncio.to_thread(run))
            await until(refused)
        await sending
        await running.client.settled()
    segment_request._session.close()
    assert errors == []
    sender.stored += [f"m-{number}" for number in range(50)]
    sender.check(receiver)


async def test_health_returns_by_itself_with_the_space(tmp_path: Path) -> None:
    """A balancer that has taken the hub out sends nothing that could prove it well again."""
    async with receiving() as receiver, running_hub(tmp_path, config(receiver)) as running:
        sender = Sender(running)
        assert await sender.send() == 200
        await running.client.settled()
        with no_file_may_grow((tmp_path / "data" / "junctor.db-wal").stat().st_size):
            assert await sender.send() == 503
            assert running.hub.operations.problem()
        await running.hub.store.maintain(0)  # as every ten seconds
        assert (await running.client.ask("GET", "/health/ready")).status == 200


async def test_deliveries_that_end_while_nothing_can_be_written_are_not_repeated(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver, running_hub(tmp_path, config(receiver)) as running:
        sender, arrived, go_on = Sender(running), asyncio.Event(), asyncio.Event()

        async def slowly(_: Received) -> Answer:
            arrived.set()
            await go_on.wait()
            return OK

        receiver.judge("/sink", slowly)
        assert await sender.send() == 200
        await arrived.wait()
        with no_file_may_grow((tmp_path / "data" / "junctor.db-wal").stat().st_size):
            go_on.set()
            await receiver.until(lambda: bool(receiver.at("/sink")))
            assert await sender.send() == 503
        await running.client.settled()
    sender.check(receiver)


async def test_a_database_at_its_size_limit_refuses_and_loses_nothing(tmp_path: Path) -> None:
    async with receiving() as receiver, running_hub(tmp_path, config(receiver)) as running:
        sender = Sender(running)
        for _ in range(2):
            assert await sender.send() == 200
        await running.client.settled()
        await limit_pages(running, 1)
        assert [await sender.send() for _ in range(10)][-3:] == [503] * 3
        await limit_pages(running, ENOUGH_PAGES)
        assert await sender.send() == 200
        await running.client.settled()
    sender.check(receiver)
