"""A destination was dead for long and comes back: it is not flooded, and nobody else notices.

JUNCTOR_BACKLOG sets how many events it has missed by then (default 4000).
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
import pytest

from tests.support.client import HubClient, until
from tests.support.daemon import Daemon, free_port
from tests.support.hub import config_text, everything_to, webhook
from tests.support.load import OpenLoad, Shoppers
from tests.support.receiver import Receiver, receiving
from tests.support.weather import FAIR, Vendor

BACKLOG: Final = int(os.environ.get("JUNCTOR_BACKLOG", "4000"))
WATCHED_SECONDS: Final = 3.0
RATE: Final = 200
BATCH: Final = 5
TRIES: Final = 3
TOLERANCE: Final = 0.1
"""Seconds on top of a fifth more: two cores carry hub, senders, receivers and other tests."""
CALLS_A_SECOND: Final = 20
CONCURRENCY: Final = 3
DELIVERY: Final = (
    f'max_batch = 50, concurrency = {CONCURRENCY}, rate = "{CALLS_A_SECOND}/s",'
    ' retry = { initial = "100ms", max = "500ms" }, breaker = { cooldown = "200ms" }'
)


def p99(receiver: Receiver, load: OpenLoad, since: int) -> float:
    """Return the lag in seconds that 99 of 100 events kept from number `since` on."""
    arrived: dict[str, float] = {}
    for request in receiver.at("/healthy"):
        for id in request.message_ids:
            arrived.setdefault(id, request.at)
    lags = sorted(
        arrived[f"m-{number}"] - batch.at
        for batch in load.sent
        if batch.first >= since
        for number in range(batch.first, batch.first + BATCH)
    )
    return lags[round(len(lags) * 0.99) - 1]


async def scene(folder: Path) -> dict[str, Any]:
    """Let a backlog grow and be worked off; return what was seen."""
    dead = Vendor(Random(34))
    people = Shoppers(Random(34), few=300, most=600)
    async with receiving() as receiver, aiohttp.ClientSession() as session, dead.listening():
        await dead.change("down")
        sections = webhook("healthy", receiver.address + "/healthy", batch=True)
        sections += webhook("dead", dead.address, batch=True, delivery=DELIVERY)
        sections += everything_to("healthy", "dead")
        config = config_text(sections, ports=(free_port(), free_port()))
        daemon = Daemon(folder, config, session)
        client = await daemon.start()
        try:
            early = OpenLoad(client, batch=100, call=people.call, name="early")
            while early.offered < BACKLOG:
                await early.flat_out(4, 0.1)
            await until(lambda: is_through(client, "healthy"), 60)
            load = OpenLoad(client, batch=BATCH, call=people.call)
            await load.run(RATE, WATCHED_SECONDS)
            await until(lambda: is_through(client, "healthy"))
            without = p99(receiver, load, 0)
            backlog = (await client.ledger())["dead"]["pending"]
            assert backlog == early.offered + load.offered, "it has got nothing"

            await dead.change(FAIR)
            await until(lambda: has_come(dead))
            calls, started, before = dead.calls, time.monotonic(), load.offered
            await load.run(RATE, WATCHED_SECONDS)
            caught_up = dead.count
            a_second = (dead.calls - calls) / (time.monotonic() - started)
            await until(lambda: is_through(client, "healthy"))
            beside = p99(receiver, load, before)
            ledger = await client.settled(90)
        finally:
            await daemon.close()
    offered = early.offered + load.offered
    assert dead.count == len(receiver.counts("/healthy")) == offered
    assert {row["delivered"] for row in ledger.values()} == {offered}
    return {
        "backlog": backlog, "of it caught up meanwhile": caught_up, "calls a second": a_second,
        "most calls at once": dead.most_at_once,
        "p99 lag of its neighbor, s": (round(without, 4), round(beside, 4)),
    }  # fmt: skip


async def is_through(client: HubClient, id: str) -> bool:
    return not (await client.ledger())[id]["pending"]


async def has_come(vendor: Vendor) -> bool:
    return vendor.count > 0


@pytest.mark.case(34)
@pytest.mark.slow
@pytest.mark.timeout(TRIES * (BACKLOG / 400 + 120))
async def test_who_comes_back_gets_the_backlog_at_its_rate_and_slows_nobody(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """What the hub does wrong shows in every try; what the machine does beside it does not."""
    for number in range(TRIES):
        (folder := tmp_path / str(number)).mkdir()
        found = await scene(folder)
        for name, value in found.items():
            record_property(name, value)
            print(f"{name}: {value}")
        assert found["most calls at once"] <= CONCURRENCY
        assert found["calls a second"] <= 1.2 * CALLS_A_SECOND
        assert found["of it caught up meanwhile"] < found["backlog"], "the backlog is too short"
        without, beside = found["p99 lag of its neighbor, s"]
        if beside <= 1.2 * without + TOLERANCE:
            return
    pytest.fail("the one that catches up slows its neighbor")
