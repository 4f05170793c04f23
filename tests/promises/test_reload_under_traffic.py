"""The configuration changes while events are on their way: nothing is lost, nothing comes twice."""

import asyncio
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.support.hub import config_text, everything_to, load, running_hub, webhook
from tests.support.load import Load
from tests.support.receiver import Receiver, receiving

RELOADS = 6


def has_taken(receiver: Receiver, count: int) -> bool:
    return len(receiver.taken) >= count


@pytest.mark.case(21)
async def test_destinations_come_and_go_and_those_that_stay_get_everything_once(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver:
        stay = webhook("single", receiver.address + "/single")
        stay += webhook("list", receiver.address + "/list", batch=True)
        few = config_text(stay + everything_to("single", "list"))
        guest = webhook("guest", receiver.address + "/guest", batch=True)
        more = config_text(stay + guest + everything_to("single", "list", "guest"))
        async with running_hub(tmp_path, few) as running:
            traffic = Load(running.client, Random(5), batch=10, users=20)
            sending = asyncio.create_task(traffic.run(3))
            for number in range(RELOADS):
                await receiver.until(partial(has_taken, receiver, len(receiver.taken) + 20))
                await running.hub.reload(load(tmp_path, more if number % 2 == 0 else few))
            traffic.end()
            await sending
            await running.hub.reload(load(tmp_path, more))
            ledger = await running.client.settled()
    once_each = dict.fromkeys(traffic.stored, 1)
    assert receiver.counts("/single") == once_each
    assert receiver.counts("/list") == once_each
    # The guest is sent what was routed to it while it was configured, and that once.
    assert receiver.counts("/guest").total() == len(receiver.counts("/guest"))
    assert ledger["guest"]["delivered"] == len(receiver.counts("/guest")) > 0
    assert traffic.sent_again == 0
