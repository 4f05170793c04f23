"""Stopping: nothing more is taken in, calls in flight end, the rest waits for the next start."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from random import Random

import aiohttp
import pytest

from tests.support.daemon import Daemon, free_port
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.load import Load
from tests.support.receiver import OK, Answer, Received, Receiver, receiving

IN_FLIGHT = 4
COUNT = 20


def config(receiver: Receiver, server: str = "", ports: tuple[int, int] = (0, 0)) -> str:
    delivery = f"concurrency = {IN_FLIGHT}"
    single = webhook("single", receiver.address + "/single", delivery=delivery)
    several = webhook("list", receiver.address + "/list", batch=True, delivery=delivery)
    return config_text(
        single + several + everything_to("single", "list"), server=server, ports=ports
    )


async def test_calls_in_flight_end_and_the_rest_goes_out_after_the_restart(tmp_path: Path) -> None:
    calls = [track(userId=f"u-{n}") for n in range(COUNT)]
    once_each = Counter({call["messageId"]: 1 for call in calls})
    go_on = asyncio.Event()

    async def slowly(_: Received) -> Answer:
        await go_on.wait()
        return OK

    async with receiving() as receiver:
        receiver.judge("/single", slowly)
        async with running_hub(tmp_path, config(receiver)) as running:
            assert (await running.client.batch(calls, WRITE_KEY)).status == 200
            await receiver.until(lambda: len(receiver.requests) > IN_FLIGHT)
            stopping = asyncio.create_task(running.hub.stop())
            await asyncio.wait([stopping], timeout=0.1)
            assert not stopping.done()
            go_on.set()
            await stopping
        assert receiver.counts("/single").total() == IN_FLIGHT
        async with running_hub(tmp_path, config(receiver)) as running:
            ledger = await running.client.settled()
    assert receiver.counts("/single") == once_each
    assert receiver.counts("/list") == once_each
    assert {row["delivered"] for row in ledger.values()} == {COUNT}


async def test_a_call_that_outlasts_the_grace_is_sent_again_under_the_same_id(
    tmp_path: Path,
) -> None:
    async def never(_: Received) -> Answer:
        await asyncio.Event().wait()
        return OK

    async with receiving() as receiver:
        text = config(receiver, 'drain_timeout = "200ms"')
        receiver.judge("/single", never)
        async with running_hub(tmp_path, text) as running:
            calls = [track(userId=f"u-{n}") for n in range(COUNT)]
            assert (await running.client.batch(calls, WRITE_KEY)).status == 200
            await receiver.until(lambda: len(receiver.requests) > IN_FLIGHT)
            started = time.monotonic()
            await running.hub.stop()
            assert time.monotonic() - started < 5
        cut = {r.headers["webhook-id"] for r in receiver.requests if r.path == "/single"}
        receiver.always("/single", OK)
        async with running_hub(tmp_path, text) as running:
            await running.client.settled()
    taken = Counter(r.headers["webhook-id"] for r in receiver.at("/single"))
    assert cut <= taken.keys()
    assert set(taken.values()) == {1}
    assert receiver.counts("/single").keys() == {call["messageId"] for call in calls}


@pytest.mark.slow
async def test_sigterm_under_load_ends_with_0_and_sends_nothing_twice(tmp_path: Path) -> None:
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        text = config(receiver, ports=(free_port(), free_port()))
        daemon = Daemon(tmp_path, text, session)
        client = await daemon.start()
        try:
            load = Load(client, Random(3), batch=20, users=50)
            sending = asyncio.create_task(load.run(3))
            for _ in range(3):
                await receiver.until(lambda: len(receiver.taken) > 100)
                started = time.monotonic()
                assert await daemon.terminate() == 0
                assert time.monotonic() - started < 10
                receiver.requests.clear()
                await daemon.start()
                await asyncio.sleep(0.5)
            load.end()
            await sending
            await client.settled()
        finally:
            await daemon.close()
    once_each = Counter(dict.fromkeys(load.stored, 1))
    assert receiver.counts("/single") == once_each
    assert receiver.counts("/list") == once_each
