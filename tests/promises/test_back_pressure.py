"""More than the hub will hold: 503 with Retry-After, bounded, and every 200 is delivered.

JUNCTOR_SECONDS sets for how long twice its capacity is offered (default 15).
"""

import asyncio
import os
import re
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
import pytest

from tests.support.client import HubClient, Reply, basic, until
from tests.support.daemon import Daemon, free_port
from tests.support.events import track
from tests.support.hub import (
    NEVER_LOGGED,
    WRITE_KEY,
    RunningHub,
    config_text,
    everything_to,
    running_hub,
    webhook,
)
from tests.support.load import OpenLoad, Shoppers
from tests.support.receiver import Receiver, receiving
from tests.support.usage import Usage, usage_of
from tests.support.weather import Vendor

MAX_PENDING = 64 * 2**10
PADDING = "x" * 5_000
MOST_TAKEN = MAX_PENDING // len(PADDING)
COUNT = 90

_REFUSED: Final = re.compile(r'^junctor_requests_total{.*status="503"} (\S+)', re.MULTILINE)
SECONDS: Final = float(os.environ.get("JUNCTOR_SECONDS", "15"))
MEASURE_SECONDS: Final = 3.0
REQUESTS_A_SECOND: Final = 40
TRIES: Final = 3
SLACK: Final = 8.0
"""Seconds: two cores carry hub, senders and receiver."""
PATIENCE: Final = 10.0
"""Seconds that a request waits for the pipeline at most."""
MOST_MEMORY: Final = 512 * 2**20
"""Bytes of all processes: 160 MiB of code and what their caches and queues may hold."""


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


async def looking(daemon: Daemon, client: HubClient, store: Path, looks: list[Usage]) -> None:
    while True:
        looks.append(await usage_of(daemon, client, store))
        await asyncio.sleep(0.5)


async def capacity_of(client: HubClient, load: OpenLoad) -> float:
    """Return how many events a second are accepted and delivered."""
    started = time.monotonic()
    await load.flat_out(8, MEASURE_SECONDS)
    await client.settled(60)
    return load.offered / (time.monotonic() - started)


async def refused_of(client: HubClient) -> int:
    """Return how many requests the metrics count as answered 503."""
    async with client.session.get(client.admin + "/metrics") as response:
        return round(sum(map(float, _REFUSED.findall(await response.text()))))


@pytest.mark.case(15)
@pytest.mark.slow
@pytest.mark.timeout(TRIES * SECONDS + 240)
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are watched by /proc")
async def test_twice_the_capacity_is_refused_in_bounded_memory_and_is_over_in_seconds(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """If nothing was refused, the capacity was measured at a bad moment: then twice that."""
    sink, looks = Vendor(Random(15)), list[Usage]()
    people = Shoppers(Random(15), few=300, most=1_000)
    sections = webhook("sink", sink.address, batch=True) + everything_to("sink")
    config = config_text(sections, server='max_pending = "4MiB"', ports=(free_port(), free_port()))
    async with (
        sink.listening(),
        aiohttp.ClientSession() as session,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as sending,
    ):
        daemon = Daemon(tmp_path, config, session)
        client = await daemon.start()
        try:
            senders = HubClient(client.ingest, client.admin, sending)

            def load(name: str, events: float, *, again: bool = False) -> OpenLoad:
                batch = max(1, round(events / REQUESTS_A_SECOND))
                return OpenLoad(senders, batch=batch, call=people.call, again=again, name=name)

            capacity = rate = await capacity_of(client, load("before", 2_000, again=True))
            watching = asyncio.create_task(looking(daemon, client, tmp_path / "data", looks))
            flood = load("m", 2 * capacity)
            while not flood.refusals and rate < capacity * 2**TRIES:
                rate *= 2
                await flood.run(rate, SECONDS)
            watching.cancel()
            ended = time.monotonic()
            await until(lambda: is_folded(client), 60)
            caught_up = time.monotonic() - ended
            after = load("after", capacity / 4)
            await after.run(capacity / 4, 2.0)
            ledger = await client.settled(120)
            settled = time.monotonic() - ended
            counted = await refused_of(client)
        finally:
            await daemon.close()
    latencies = sorted(one.seconds for one in flood.sent if one.status == 200)
    report = {
        "capacity, events/s": round(capacity), "offered, events/s": round(rate),
        "events offered": flood.offered, "accepted": sum(flood.stored),
        "requests refused": dict(flood.refusals), "of requests": len(flood.sent),
        "latency of accepted, s": [
            round(latencies[int((len(latencies) - 1) * share)], 3) for share in (0.5, 0.9, 0.99, 1)
        ],
        "most memory": round(max(look.memory for look in looks) / 2**20),
        "most behind": max(look.behind for look in looks),
        "most pending": max(look.pending for look in looks),
        "folded after, s": round(caught_up, 2), "delivered after, s": round(settled, 2),
        "latency afterwards, s": round(max(one.seconds for one in after.sent), 3),
    }  # fmt: skip
    for name, value in report.items():
        record_property(name, value)
        print(f"{name}: {value}")
    assert flood.refusals.keys() == {"overloaded"}
    assert flood.unheeding == 0, "a refusal says when to come again"
    assert counted == flood.refusals.total(), "the metrics show it"
    assert max(look.memory for look in looks) <= MOST_MEMORY
    assert latencies[-1] <= PATIENCE + SLACK
    assert caught_up <= SLACK
    assert not after.refusals
    assert max(one.seconds for one in after.sent) <= SLACK
    # what was answered 200 arrives, what was refused does not
    assert sink.taken.ljust(flood.offered, b"\0") == flood.stored
    assert len(sink.others) == ledger["sink"]["delivered"] - sum(flood.stored)
    assert not [line for line in daemon.log if any(text in line for text in NEVER_LOGGED)]


async def is_folded(client: HubClient) -> bool:
    return bool((await client.get("/api/status"))["log"]["behind"] == 0)
