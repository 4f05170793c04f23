"""Audiences keep time: no event is needed for what time brings, and no restart or kill hides it.

JUNCTOR_KILLS sets how often the daemon is killed (default 5).
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
import orjson
import pytest

from junctor.sdk.context import SystemClock
from junctor.store.sqlite import SqliteStore
from tests.support.client import HubClient
from tests.support.daemon import Daemon, free_port
from tests.support.hub import ENVIRON, WRITE_KEY, config_text, running_hub, webhook
from tests.support.receiver import Receiver, receiving

KILLS: Final = int(os.environ.get("JUNCTOR_KILLS", "5"))
READS: Final = 300
USERS: Final = 40
READER: Final = """
[readers.app]
key = { env = "STATSIG_SERVER_SECRET" }
"""
READ: Final = {"authorization": f"Bearer {ENVIRON['STATSIG_SERVER_SECRET']}"}
EAGER: Final = """
[audiences.eager]
event = "Seen"
count = ">=2"
within = "{window}"
send = ["alerts"]
"""
AWAY: Final = """
[audiences.away]
event = "Seen"
count = 0
within = "1s"
send = ["alerts"]
"""


class Elsewhen(SystemClock):
    """A clock that is ahead of the computer's."""

    def __init__(self, ahead: float) -> None:
        """Be `ahead` by so many seconds."""
        self._ahead = ahead

    def now(self) -> float:
        """Return the wall time, epoch seconds."""
        return super().now() + self._ahead


def config(receiver: Receiver, audiences: str, ports: tuple[int, int] = (0, 0)) -> str:
    alerts = webhook("alerts", receiver.address + "/alerts")
    return config_text(alerts, sources=READER + audiences, ports=ports)


def seen(user: str, number: int) -> dict[str, Any]:
    return {"type": "track", "event": "Seen", "userId": user, "messageId": f"{user}-{number}"}


async def sends(client: HubClient, *events: dict[str, Any]) -> None:
    reply = await client.batch(events, WRITE_KEY)
    assert reply.status == 200, reply.body


async def is_in(client: HubClient, user: str, audience: str) -> bool:
    body = orjson.dumps({"ids": {"user_id": user}, "audiences": [audience]})
    reply = await client.ask("POST", "/v1/decide", body, READ)
    assert reply.status == 200, reply.body
    return bool(reply.json["audiences"][audience])


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [event for request in receiver.at("/alerts") for event in request.events]


async def test_what_was_due_while_nobody_was_there_is_told_at_its_own_time(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver:
        text = config(receiver, EAGER.format(window="1h"))
        async with running_hub(tmp_path, text) as running:
            await sends(running.client, seen("ada", 1), seen("ada", 2))
            await receiver.until(lambda: len(told(receiver)) == 1)
        async with running_hub(tmp_path, text, clock=Elsewhen(5 * 3600)) as running:
            await receiver.until(lambda: len(told(receiver)) == 2)
            assert not await is_in(running.client, "ada", "eager")
    entry, leaving = told(receiver)
    assert (entry["event"], leaving["event"]) == ("Audience Entered", "Audience Exited")
    assert leaving["properties"] == {"audience_key": "eager", "eager": False, "reason": "time"}
    assert seconds(leaving) - seconds(entry) == pytest.approx(3600, abs=0.5)


def seconds(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


async def test_time_is_told_within_a_second_of_its_due_with_no_event_arriving(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver:
        text = config(receiver, EAGER.format(window="1s") + AWAY)
        async with running_hub(tmp_path, text) as running:
            await sends(running.client, *(seen(f"u{n % 20}", n) for n in range(40)))
            sent = time.monotonic()
            await receiver.until(lambda: len(told(receiver)) == 60)
    moves = Counter(
        (event["event"], event["properties"]["audience_key"]) for event in told(receiver)
    )
    assert moves == {
        ("Audience Entered", "eager"): 20, ("Audience Exited", "eager"): 20,
        ("Audience Entered", "away"): 20,
    }  # fmt: skip
    for request in receiver.at("/alerts"):
        [event] = request.events
        # Due a second after the last event; a silence a second later, so that stragglers arrive.
        due = {"Audience Exited": 1.0}.get(event["event"], 0.0)
        due = 2.0 if event["properties"]["audience_key"] == "away" else due
        assert request.at - sent - due < 1.0, event["event"]


@pytest.mark.slow
async def test_an_event_that_was_answered_is_read_within_a_tenth_of_a_second(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    waits = []
    async with receiving() as receiver:
        text = config(receiver, EAGER.format(window="1h"))
        async with running_hub(tmp_path, text) as running:
            for number in range(READS):
                user = f"u{number}"
                await sends(running.client, seen(user, 1), seen(user, 2))
                answered = time.monotonic()
                while not await is_in(running.client, user, "eager"):
                    pass
                waits.append(time.monotonic() - answered)
    waits.sort()
    p99 = waits[round(len(waits) * 0.99) - 1]
    for name, value in (("p50", waits[len(waits) // 2]), ("p99", p99), ("worst", waits[-1])):
        record_property(name, value)
        print(f"{name}: {value * 1000:.1f} ms")
    assert p99 < 0.1


@pytest.mark.case(14)
@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * KILLS)
async def test_no_kill_loses_or_doubles_a_coming_or_going(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    random = Random(3)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        ports = free_port(), free_port()
        daemon = Daemon(
            tmp_path, config(receiver, EAGER.format(window="2s") + AWAY, ports), session
        )
        client = await daemon.start()
        try:
            waiting = list(range(USERS))
            for _ in range(KILLS):
                for user in waiting[: USERS // KILLS]:
                    await sends(client, seen(f"u{user}", 1), seen(f"u{user}", 2))
                del waiting[: USERS // KILLS]
                await asyncio.sleep(random.uniform(0.0, 2.5))
                await daemon.kill()
                client = await daemon.start()
            count = 3 * (USERS - len(waiting))
            await receiver.until(lambda: len(receiver.counts("/alerts")) >= count, 30)
            ledger = await client.settled()
        finally:
            await daemon.close()
    moves = await made(tmp_path)
    users = {f"u{user}" for user in range(USERS - len(waiting))}
    assert moves == {
        (user, name, entered): 1
        for user in users
        for name, entered in (("eager", True), ("eager", False), ("away", True))
    }
    assert len(receiver.counts("/alerts")) == 3 * len(users) == ledger["alerts"]["delivered"]
    for name, value in (("kills", KILLS), ("people", len(users)), ("moves", moves.total())):
        record_property(name, value)
        print(f"{name}: {value}")


async def made(folder: Path) -> Counter[tuple[str, str, bool]]:
    """Return how often each user came to or left each audience, by the log."""
    store = SqliteStore.open(folder / "data")
    try:
        records = await store.log.read(0, 100_000)
        events = [orjson.loads(one.json) for one in records if one.source == "junctor"]
        return Counter(
            (event["userId"], key := event["properties"]["audience_key"], event["properties"][key])
            for event in events
        )
    finally:
        await store.close()
