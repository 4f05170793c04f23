"""A dead and a slow destination beside three healthy ones, whose lag stays as it was.

Rounds without trouble and rounds with it take turns at one hub, and the medians are compared: what
the machine does beside it happens to both. JUNCTOR_SECONDS sets how long the traffic of a round
runs (default 1.5), JUNCTOR_ROUNDS how many rounds there are of each way to be dead (default 2),
JUNCTOR_TOLERANCE how many seconds of lag are let pass on top of a fifth more (default 0.02).
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp
import pytest

from junctor.testkit import Answer, answers
from tests.support.client import HubClient, until
from tests.support.daemon import Daemon, free_port
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, webhook
from tests.support.receiver import OK, Receiver

SECONDS = float(os.environ.get("JUNCTOR_SECONDS", "1.5"))
ROUNDS = int(os.environ.get("JUNCTOR_ROUNDS", "2"))
BATCHES_A_SECOND = 20
BATCH = 3
"""Little enough that two busy cores have no queue: what waits waits for a neighbor."""
PEOPLE = 100
HEALTHY = ("first", "second", "list")
SLOW = Answer(after=2)
WAYS = ("never answers", "refuses connections", "answers 500")
"""How the dead one is dead."""
GROWTH = 1.2
TOLERANCE = float(os.environ.get("JUNCTOR_TOLERANCE", "0.02"))
"""Seconds on top: two cores carry hub, senders, receivers and other tests."""
TRIES = 3
"""Each adds its rounds to the medians: what the hub does wrong stays, chance goes."""
IMPATIENT = (
    'timeout = "1s", retry = { initial = "100ms", max = "500ms" },'
    ' breaker = { failures = 5, cooldown = "200ms" }'
)


@dataclass(frozen=True)
class Vendors:
    """The three healthy ones, the one that dies, and the one that gets slow."""

    healthy: Receiver
    dead: Receiver
    slow: Receiver

    def config(self) -> str:
        """Return the hub's configuration."""
        sections = "".join(
            webhook(id, f"{self.healthy.address}/{id}", batch=id == "list") for id in HEALTHY
        )
        sections += webhook("dead", self.dead.address + "/dead", delivery=IMPATIENT)
        sections += webhook("slow", self.slow.address + "/slow")
        ids = (*HEALTHY, "dead", "slow")
        return config_text(sections + everything_to(*ids), ports=(free_port(), free_port()))

    async def fail(self, way: str) -> None:
        """Let the dead one die in this way, and the slow one slow down."""
        self.slow.always("/slow", SLOW)
        if way == "refuses connections":
            await self.dead.down()
        else:
            self.dead.always("/dead", answers.NEVER if way == "never answers" else Answer(500))

    async def recover(self) -> None:
        """Let all be well."""
        self.slow.always("/slow", OK)
        self.dead.always("/dead", OK)
        await self.dead.up()


async def traffic(client: HubClient) -> dict[str, float]:
    """Send at a fixed rate, whatever the answers take; return when each event was sent."""
    sent: dict[str, float] = {}
    sending: list[asyncio.Task[int]] = []

    async def send() -> int:
        calls = [track(userId=f"u-{(len(sent) + n) % PEOPLE}") for n in range(BATCH)]
        sent.update(dict.fromkeys((call["messageId"] for call in calls), time.monotonic()))
        return (await client.batch(calls, WRITE_KEY)).status

    started = time.monotonic()
    for turn in range(round(SECONDS * BATCHES_A_SECOND)):
        await asyncio.sleep(max(0.0, started + turn / BATCHES_A_SECOND - time.monotonic()))
        sending.append(asyncio.create_task(send()))
    assert set(await asyncio.gather(*sending)) == {200}
    return sent


def p99(receiver: Receiver, id: str, sent: dict[str, float]) -> float:
    """Return the lag that 99 of 100 events kept on their way to a destination, in seconds."""
    arrived = {
        message: request.at for request in receiver.at(f"/{id}") for message in request.message_ids
    }
    lags = sorted(arrived[message] - at for message, at in sent.items())
    return lags[round(len(lags) * 0.99) - 1]


async def lags(vendors: Vendors, client: HubClient) -> dict[str, float]:
    """Run traffic until the healthy ones have it all; return their p99."""

    async def healthy_are_done() -> bool:
        ledger = await client.ledger()
        return not any(ledger[id]["pending"] for id in HEALTHY)

    sent = await traffic(client)
    await until(healthy_are_done)
    return {id: p99(vendors.healthy, id, sent) for id in HEALTHY}


@dataclass
class Lags:
    """The p99 lags of the healthy ones in each round, without trouble and with each kind of it."""

    without: list[dict[str, float]] = field(default_factory=list)
    beside: dict[str, list[dict[str, float]]] = field(
        default_factory=lambda: {way: [] for way in WAYS}
    )

    async def measure(self, vendors: Vendors, client: HubClient) -> None:
        """Add ROUNDS of each."""
        for way in WAYS * ROUNDS:
            self.without.append(await lags(vendors, client))
            await client.settled()
            before = await client.ledger()
            await vendors.fail(way)
            self.beside[way].append(await lags(vendors, client))
            after = await client.ledger()
            assert after["dead"]["delivered"] == before["dead"]["delivered"]
            assert after["slow"]["pending"] > 0
            await vendors.recover()
            await client.settled(60)

    def medians(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Return both by way and destination."""
        usual = {id: median(some[id] for some in self.without) for id in HEALTHY}
        return {
            (way, id): (usual[id], median(some[id] for some in rounds))
            for way, rounds in self.beside.items()
            for id in HEALTHY
        }

    def stay(self) -> bool:
        """Whether the trouble makes no difference."""
        pairs = self.medians().values()
        return all(beside <= GROWTH * without + TOLERANCE for without, beside in pairs)


@pytest.mark.slow
@pytest.mark.timeout(120 + TRIES * ROUNDS * len(WAYS) * (4 * SECONDS + 10))
@pytest.mark.case(34)
async def test_a_dead_and_a_slow_destination_do_not_slow_their_neighbors(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    async with AsyncExitStack() as stack:
        vendors = Vendors(*[await stack.enter_async_context(Receiver()) for _ in range(3)])
        session = await stack.enter_async_context(aiohttp.ClientSession())
        daemon = Daemon(tmp_path, vendors.config(), session)
        try:
            client = await daemon.start()
            await lags(vendors, client)  # to warm up
            found = Lags()
            for _ in range(TRIES):
                await found.measure(vendors, client)
                if found.stay():
                    break
            ledger = await client.ledger()
        finally:
            await daemon.close()
    everything = vendors.healthy.counts("/first").keys()
    for receiver, id in ((vendors.dead, "dead"), (vendors.slow, "slow")):
        assert receiver.counts(f"/{id}").keys() == everything, "they get everything later"
    assert {row["delivered"] for row in ledger.values()} == {len(everything)}
    medians = found.medians()
    for (way, id), (without, beside) in medians.items():
        print(f"{way}: p99 lag of {id}: {said(without, beside)}: {beside / without:.2f}")
    for id in HEALTHY:
        worst = max((medians[way, id] for way in WAYS), key=lambda pair: pair[1])
        record_property(f"p99 lag of {id}", said(*worst))
    assert found.stay(), found


def said(without: float, beside: float) -> str:
    """Return both lags as text."""
    return f"{without * 1000:.1f} ms, with them {beside * 1000:.1f} ms"
