"""The wall clock is set while the hub runs, or the computer slept: no wait gets shorter or longer,
nothing is lost, nothing is told twice.

Asleep is the same as set ahead: the time that waits are measured by stands still meanwhile.
"""

import asyncio
import re
import time
from collections import Counter
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from junctor.sdk.context import SystemClock
from tests.support.client import HubClient, until
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

HOUR = 3600.0
STEPS = {"an hour back": -HOUR, "an hour ahead": HOUR, "asleep for eight hours": 8 * HOUR}
USERS = 20
AWAY = """
[audiences.away]
event = "Seen"
count = 0
within = "1s"
send = ["told"]
"""
pytestmark = pytest.mark.slow


class SetClock(SystemClock):
    """A wall clock that somebody may set; the time that waits are measured by goes on evenly."""

    ahead = 0.0
    """Seconds."""

    def now(self) -> float:
        """Return the wall time, epoch seconds."""
        return super().now() + self.ahead


def config(receiver: Receiver, ports: tuple[int, int] = (0, 0), audiences: str = "") -> str:
    waits = 'retry = { initial = "2s", max = "2s" }, breaker = { failures = 10000 }'
    return config_text(
        webhook("works", receiver.address + "/works")
        + webhook("down", receiver.address + "/down", delivery=waits)
        + webhook("told", receiver.address + "/told")
        + everything_to("works", "down"),
        sources=audiences,
        ports=ports,
    )


def seen() -> list[dict[str, Any]]:
    """Return an event of each user."""
    return [track(userId=f"u-{n}", event="Seen") for n in range(USERS)]


@pytest.mark.case(39)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_waits_are_kept_duplicates_are_known_and_nothing_is_lost(
    tmp_path: Path, step: float
) -> None:
    clock, before, after = SetClock(), seen(), seen()
    async with receiving() as receiver:
        receiver.always("/down", Answer(503))
        async with running_hub(tmp_path, config(receiver), clock=clock) as running:
            client = running.client
            assert (await client.batch(before, WRITE_KEY)).status == 200
            await receiver.until(lambda: len(tries(receiver)) == USERS)
            clock.ahead = step
            assert (await client.batch(before, WRITE_KEY)).status == 200
            assert (await client.outcomes())["duplicate"] == USERS
            sent = time.monotonic()
            assert (await client.batch(after, WRITE_KEY)).status == 200
            await receiver.until(lambda: len(receiver.counts("/works")) == 2 * USERS)
            assert time.monotonic() - sent < 10

            # Each waits a second or two between its tries, as it did before.
            await receiver.until(lambda: min(tries(receiver).values()) >= 3)
            assert len(tries(receiver)) == USERS, "the later event of a user waits for the first"
            for one in before:
                times = [r.at for r in receiver.requests if one["messageId"] in r.message_ids
                         and r.path == "/down"]  # fmt: skip
                waits = [later - earlier for earlier, later in pairwise(times)]
                assert all(0.9 < wait < 10 for wait in waits), waits
            receiver.always("/down", OK)
            ledger = await client.settled()
            assert (await client.ask("GET", "/health/ready")).status == 200
            assert not [entry for entry in running.log.entries if entry["log_level"] == "error"]
    once_each = Counter(call["messageId"] for call in before + after)
    assert receiver.counts("/works") == receiver.counts("/down") == once_each
    assert all(ledger[id]["delivered"] == 2 * USERS for id in ("works", "down"))


async def shows(client: HubClient, step: float) -> bool:
    """Return whether the daemon's clock is `step` seconds ahead."""
    now = datetime.fromisoformat((await client.get("/api/status"))["now"]).timestamp()
    return abs(now - time.time() - step) < 60


def has_more(receiver: Receiver, count: int) -> bool:
    """Return whether more than so many events have arrived."""
    return len(receiver.counts("/works")) > count


def tries(receiver: Receiver) -> Counter[str]:
    """Return how often each event was sent to the destination that is down."""
    return Counter(id for r in receiver.requests if r.path == "/down" for id in r.message_ids)


@pytest.mark.case(39)
@pytest.mark.parametrize("steps", [(8 * HOUR,), (-HOUR, 0.0), (HOUR, 0.0)])
async def test_what_is_due_by_time_alone_is_told_once_however_the_clock_is_set(
    tmp_path: Path, steps: tuple[float, ...]
) -> None:
    clock = SetClock()
    async with receiving() as receiver:
        text = config(receiver, audiences=AWAY)
        async with running_hub(tmp_path, text, clock=clock) as running:
            assert (await running.client.batch(seen(), WRITE_KEY)).status == 200
            for step in steps:
                clock.ahead = step
                assert (await running.client.batch([track(event="Other")], WRITE_KEY)).status == 200
                await asyncio.sleep(0.3)  # what is due is looked for in between
            await receiver.until(lambda: len(receiver.counts("/told")) == USERS)
            await asyncio.sleep(1.0)
            await running.client.settled()
            assert not [entry for entry in running.log.entries if entry["log_level"] == "error"]
    told = [event for request in receiver.at("/told") for event in request.events]
    assert Counter((e["userId"], e["event"]) for e in told) == {
        (f"u-{n}", "Audience Entered"): 1 for n in range(USERS)
    }


@pytest.mark.case(39)
@needs_faults
async def test_a_daemon_whose_clock_is_set_under_load_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    faults = Faults(tmp_path)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        text = config(receiver, (free_port(), free_port()))
        daemon = Daemon(tmp_path, text, session, faults.environ)
        client = await daemon.start()
        try:
            load = Load(client, Random(5), batch=10, users=50)
            sending = asyncio.create_task(load.run(2))
            for step in (-HOUR, 8 * HOUR, 0.0):
                some = len(receiver.counts("/works")) + 100
                await receiver.until(partial(has_more, receiver, some))
                faults.set(clock_ahead=round(step * 1000))
                await until(partial(shows, client, step))
            load.end()
            await sending
            ledger = await client.settled()
            async with session.get(client.admin + "/metrics") as reply:
                metrics = await reply.text()
            assert await daemon.terminate() == 0
        finally:
            await daemon.close()
    once_each = Counter(dict.fromkeys(load.stored, 1))
    assert receiver.counts("/works") == receiver.counts("/down") == once_each
    assert ledger["works"]["delivered"] == ledger["works"]["accepted"] == len(load.stored)
    assert not [line for line in daemon.log if any(text in line for text in NEVER_LOGGED)]
    assert re.findall(r"^junctor_\S+ -\S+$", metrics, re.M) == [], "nothing counts below zero"
