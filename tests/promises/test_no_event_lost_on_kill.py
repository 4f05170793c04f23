"""kill -9 under load, again and again: every event that was answered 200 arrives everywhere.

The daemon is several processes: now all of them die, now the first alone, now one of the others.
JUNCTOR_KILLS sets how often (default 6).
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from random import Random

import aiohttp
import pytest

from tests.support.client import until
from tests.support.daemon import Daemon, end_of, free_port
from tests.support.hub import NEVER_LOGGED, config_text, webhook
from tests.support.load import Load
from tests.support.receiver import ACCEPTED, Receiver, receiving

KILLS = int(os.environ.get("JUNCTOR_KILLS", "6"))
SENDERS = 4
END_SECONDS = 30.0
PATHS = {"statsig": "/v1/log_event", "single": "/single", "list": "/list"}


def config(receiver: Receiver, ports: tuple[int, int]) -> str:
    receiver.always(PATHS["statsig"], ACCEPTED)
    statsig = f"""
[destinations.statsig]
type = "statsig"
settings.server_secret = {{ env = "STATSIG_SERVER_SECRET" }}
settings.endpoint = "{receiver.address}{PATHS["statsig"]}"
[runtime]
workers = 1
[readers.app]
key = {{ env = "STATSIG_SERVER_SECRET" }}
[routes.everything]
to = ["statsig", "single", "list"]
"""
    single = webhook("single", receiver.address + PATHS["single"])
    several = webhook("list", receiver.address + PATHS["list"], batch=True)
    return config_text(single + several + statsig, ports=ports)


async def children_of(daemon: Daemon, others_than: Collection[int] = ()) -> list[int]:
    """Return the processes that the hub has started, once there is one beside `others_than`."""

    async def there() -> bool:
        return bool(set(daemon.children()) - set(others_than))

    await until(there)
    return daemon.children()


async def kill_the_first(daemon: Daemon) -> None:
    """Kill the hub's own process; the others end with it and hold nothing that the next needs."""
    children = await children_of(daemon)
    async with asyncio.timeout(END_SECONDS):  # it is not over before they let go of its log
        await daemon.kill()
        await end_of(children)
    await daemon.start()


async def kill_all(daemon: Daemon) -> None:
    """Kill all processes at the same moment, as a power cut does."""
    children = await children_of(daemon)
    for pid in (daemon.pid, *children):
        os.kill(pid, signal.SIGKILL)
    await daemon.ended()
    await end_of(children)
    await daemon.start()


async def kill_a_child(daemon: Daemon, random: Random) -> None:
    """Kill one of the processes that the hub has started; the hub starts another."""
    children = await children_of(daemon)
    os.kill(random.choice(children), signal.SIGKILL)
    await children_of(daemon, others_than=children)


@pytest.mark.case(14, 37)
@pytest.mark.slow
@pytest.mark.timeout(120 + 40 * KILLS)
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found by /proc")
async def test_what_was_answered_200_arrives_after_any_kill(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    random = Random(20)
    killed: Counter[str] = Counter()
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        daemon = Daemon(tmp_path, config(receiver, (free_port(), free_port())), session)
        client = await daemon.start()
        try:
            load = Load(client, random, batch=10, users=50)
            sending = asyncio.create_task(load.run(SENDERS))
            for number in range(KILLS):
                await asyncio.sleep(random.uniform(0.2, 2.0))
                what = ("the first", "all", "a child")[number % 3]
                killed[what] += 1
                match what:
                    case "the first":
                        await kill_the_first(daemon)
                    case "all":
                        await kill_all(daemon)
                    case _:
                        await kill_a_child(daemon, random)
            load.end()
            await sending
            ledger = await client.settled(60 + 10 * KILLS)  # the loads of all lives
            children = daemon.children()
            async with asyncio.timeout(END_SECONDS):
                assert await daemon.terminate() == 0
                await end_of(children)
        finally:
            await daemon.close()
    duplicates = {}
    for id, path in PATHS.items():
        counts = receiver.counts(path)
        assert load.stored - counts.keys() == set(), f"lost at {id}"
        assert counts.keys() - load.stored == set(), f"never sent, yet at {id}"
        duplicates[id] = share(counts)
        assert ledger[id]["delivered"] == ledger[id]["accepted"] == len(load.stored)
    assert not [line for line in daemon.log if any(text in line for text in NEVER_LOGGED)]
    report = {"kills": dict(killed), "events": len(load.stored), "sent again": load.sent_again}
    for name, value in {**report, "duplicates": duplicates}.items():
        record_property(name, value)
        print(f"{name}: {value}")


def share(counts: Counter[str]) -> str:
    """Return how many arrivals were repetitions, and their share of all."""
    repeated = counts.total() - len(counts)
    return f"{repeated} ({repeated / counts.total():.2%})"
