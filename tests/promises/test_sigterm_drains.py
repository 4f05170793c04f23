"""Stopping: nothing more is taken in, calls in flight end, the rest waits for the next start."""

import asyncio
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import aiohttp
import pytest

from tests.support.client import HubClient, basic, until
from tests.support.daemon import Daemon, end_of, free_port
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.load import Load
from tests.support.receiver import OK, Answer, Received, Receiver, batches, receiving
from tests.support.wire import connection, request, status

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


@pytest.mark.case(38)
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


# -- everything at once --------------------------------------------------------------------------

GRACE = 1.5
MOST = 2 * GRACE + 2.0
"""Seconds for requests, the fold, and calls, one after the other."""
PEOPLE = 100
DOWN = 'retry = { initial = "8s" }, breaker = { failures = 1000 }'
BEFORE = 3_000
BUILT = """
[audiences.seen]
event = "Tested"
count = ">=1"
within = "30d"
[audiences.away]
event = "Fresh"
count = 0
within = "2s"
send = ["told"]
"""


def crowded(receiver: Receiver, ports: tuple[int, int], audiences: str = "") -> str:
    """Return a configuration with a slow destination, one that is down, and one that works."""
    return config_text(
        webhook("works", receiver.address + "/works", batch=True, delivery="max_batch = 50")
        + webhook("slow", receiver.address + "/slow", delivery=f"concurrency = {IN_FLIGHT}")
        + webhook("down", receiver.address + "/down", delivery=DOWN)
        + webhook("told", receiver.address + "/told")
        + everything_to("works")
        + '[routes.fresh]\nto = ["slow", "down"]\nwhen = \'event = "Fresh"\'\n',
        sources=audiences,
        server=f'drain_timeout = "{GRACE:g}s"',
        ports=ports,
    )


def due_times(folder: Path) -> dict[str, float]:
    """Return when each event that waits for `down` is due, epoch seconds, as the store has it."""
    select = (
        "select message_id, retry_at / 1000.0 from parked join log on offset = first"
        " where destination = 'down'"
    )
    with closing(sqlite3.connect(folder / "data" / "junctor.db")) as store:
        return dict(store.execute(select))


async def members(client: HubClient, audience: str) -> int:
    found = await client.get(f"/api/audiences/{audience}/members?limit=1000")
    return len(found["members"])


@pytest.mark.case(38)
@pytest.mark.slow
async def test_whatever_is_under_way_at_a_sigterm_goes_on_after_the_restart(
    tmp_path: Path,
) -> None:
    """Slow calls, tries that wait, a half-read request, a replay, a backfill, and due absences."""
    ports = free_port(), free_port()
    old = [track(userId=f"u-{n % PEOPLE}") for n in range(BEFORE)]
    fresh = [track(userId=f"u-{n}", event="Fresh") for n in range(40)]
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        daemon = Daemon(tmp_path, crowded(receiver, ports), session)
        client = await daemon.start()
        try:
            for some in batches(old, 500):
                assert (await client.batch(some, WRITE_KEY)).status == 200
            await client.settled()
            assert await daemon.terminate() == 0

            async def slowly(_: Received) -> Answer:
                await asyncio.sleep(1.0)
                return OK

            receiver.judge("/slow", slowly)
            receiver.always("/down", Answer(503))
            daemon = Daemon(tmp_path, crowded(receiver, ports, BUILT), session)
            client = await daemon.start()
            assert (await client.batch(fresh, WRITE_KEY)).status == 200
            body = {"destination": "works", "since": "1h"}
            async with session.post(client.admin + "/api/replays", json=body) as reply:
                assert reply.status == 202
            await receiver.until(lambda: sum(r.path == "/down" for r in receiver.requests) > 0)

            async with connection(client.ingest) as (reader, writer):
                half = request(b'{"userId":"u-1","event', "Content-Length: 500",
                               f"Authorization: {basic(WRITE_KEY)['authorization']}")  # fmt: skip
                writer.write(half)
                children, started = daemon.children(), time.monotonic()
                assert await daemon.terminate() == 0
                assert time.monotonic() - started < MOST + 3
                assert await status(reader) in (0, 400, 408, 503)
            await end_of(children)
            wall = time.time() - time.monotonic()
            due = due_times(tmp_path)
            assert due
            assert IN_FLIGHT <= receiver.counts("/slow").total() < len(fresh)
            receiver.always("/down", OK)
            receiver.always("/slow", OK)
            await daemon.start()
            restarted = time.time()
            assert due_times(tmp_path) == due, "the next tries keep their due times"
            ledger = await client.settled()

            async def all_done() -> bool:
                replays = (await client.get("/api/replays"))["replays"]
                told = len(receiver.counts("/told"))
                built = await members(client, "seen"), await members(client, "away")
                return (not replays, told, *built) == (True, len(fresh), PEOPLE, PEOPLE)

            await until(all_done)
            assert await daemon.terminate() == 0
        finally:
            await daemon.close()
    once_each = Counter(call["messageId"] for call in fresh)
    assert receiver.counts("/slow") == once_each, "calls in flight had time to end"
    assert receiver.counts("/down") == once_each
    assert receiver.counts("/works") == (
        once_each + receiver.counts("/told") + Counter({call["messageId"]: 2 for call in old})
    )
    assert {row["pending"] for row in ledger.values()} == {0}
    for request_to_down in receiver.at("/down"):
        [id] = request_to_down.message_ids
        if id in due:
            at = request_to_down.at + wall
            assert due[id] - 0.1 < at < max(due[id], restarted) + 5, "tried again when it was due"
