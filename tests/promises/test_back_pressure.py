"""More than the hub will hold: 503 with Retry-After, bounded, and every 200 is delivered."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.client import Reply, basic
from tests.support.events import track
from tests.support.hub import (
    WRITE_KEY,
    RunningHub,
    config_text,
    everything_to,
    running_hub,
    webhook,
)
from tests.support.receiver import Receiver, receiving

MAX_PENDING = 64 * 2**10
PADDING = "x" * 5_000
MOST_TAKEN = MAX_PENDING // len(PADDING)
COUNT = 90


def config(receiver: Receiver) -> str:
    sink = webhook("sink", receiver.address + "/sink", batch=True)
    return config_text(sink + everything_to("sink"), server=f"max_pending = {MAX_PENDING}")


async def send(running: RunningHub, id: str) -> Reply:
    call = track(messageId=id, properties={"padding": PADDING})
    return await running.client.batch([call], WRITE_KEY)


async def test_while_the_disk_stalls_the_hub_takes_what_it_can_hold_and_refuses_the_rest(
    tmp_path: Path,
) -> None:
    stalled, go_on = asyncio.Event(), threading.Event()

    async with receiving() as receiver, running_hub(tmp_path, config(receiver)) as running:
        loop = asyncio.get_running_loop()

        def stall(_: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(stalled.set)
            go_on.wait(20)

        stalling = asyncio.create_task(running.hub.store.writer.call(stall))
        await stalled.wait()
        sending = {f"m-{n}": asyncio.create_task(send(running, f"m-{n}")) for n in range(COUNT)}
        done, waiting = await asyncio.wait(sending.values(), timeout=1)
        assert 0 < len(waiting) <= MOST_TAKEN
        for task in done:
            reply = task.result()
            assert (reply.status, reply.json["code"]) == (503, "overloaded")
            assert int(reply.headers["retry-after"]) >= 1
        assert (await running.client.ask("GET", "/health/live")).status == 200

        go_on.set()
        await stalling
        replies = {id: await task for id, task in sending.items()}
        stored = {id for id, reply in replies.items() if reply.status == 200}
        assert len(stored) == len(waiting)
        # The room is free again: whoever sends again, one after the other, is served.
        for id in replies.keys() - stored:
            assert (await send(running, id)).status == 200
        await running.client.settled()
    assert receiver.counts("/sink") == dict.fromkeys(replies, 1)


async def test_a_body_counts_while_it_comes(tmp_path: Path) -> None:
    """Many slow senders with large bodies must not fill the memory before the first is done."""
    async with receiving() as receiver, running_hub(tmp_path, config(receiver)) as running:
        go_on = asyncio.Event()

        async def slowly(id: str) -> Reply:
            async def body() -> AsyncIterator[bytes]:
                yield b'{"padding":"' + b"x" * (MAX_PENDING // 4)
                await go_on.wait()
                yield f'","userId":"u-1","event":"Tested","messageId":"{id}"}}'.encode()

            return await running.client.ask("POST", "/v1/track", body(), basic(WRITE_KEY))

        sending = [asyncio.create_task(slowly(f"m-{n}")) for n in range(12)]
        done, waiting = await asyncio.wait(sending, timeout=1)
        assert 1 <= len(waiting) <= 4
        assert {task.result().status for task in done} == {503}
        go_on.set()
        assert {(await task).status for task in waiting} == {200}
        assert (await send(running, "after")).status == 200
        ledger = await running.client.settled()
        assert ledger["sink"]["delivered"] == len(waiting) + 1
