"""kill -9 under load, again and again: every event that was answered 200 arrives everywhere.

JUNCTOR_KILLS sets how often (default 5).
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import aiohttp
import pytest

from tests.support.daemon import Daemon, free_port
from tests.support.hub import NEVER_LOGGED, config_text, webhook
from tests.support.load import Load
from tests.support.receiver import ACCEPTED, Receiver, receiving

KILLS = int(os.environ.get("JUNCTOR_KILLS", "5"))
SENDERS = 4
PATHS = {"statsig": "/v1/log_event", "single": "/single", "list": "/list"}


def config(receiver: Receiver, ports: tuple[int, int]) -> str:
    receiver.always(PATHS["statsig"], ACCEPTED)
    statsig = f"""
[destinations.statsig]
type = "statsig"
settings.server_secret = {{ env = "STATSIG_SERVER_SECRET" }}
settings.endpoint = "{receiver.address}{PATHS["statsig"]}"
[routes.everything]
to = ["statsig", "single", "list"]
"""
    single = webhook("single", receiver.address + PATHS["single"])
    several = webhook("list", receiver.address + PATHS["list"], batch=True)
    return config_text(single + several + statsig, ports=ports)


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * KILLS)
async def test_what_was_answered_200_arrives_after_any_kill(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    random = Random(20)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        daemon = Daemon(tmp_path, config(receiver, (free_port(), free_port())), session)
        client = await daemon.start()
        try:
            load = Load(client, random, batch=20, users=50)
            sending = asyncio.create_task(load.run(SENDERS))
            for _ in range(KILLS):
                await asyncio.sleep(random.uniform(0.2, 2.0))
                await daemon.kill()
                await daemon.start()
            load.end()
            await sending
            ledger = await client.settled(60)
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
    report = {"kills": KILLS, "events": len(load.stored), "sent again": load.sent_again}
    for name, value in {**report, "duplicates": duplicates}.items():
        record_property(name, value)
        print(f"{name}: {value}")


def share(counts: Counter[str]) -> str:
    """Return how many arrivals were repetitions, and their share of all."""
    repeated = counts.total() - len(counts)
    return f"{repeated} ({repeated / counts.total():.2%})"
