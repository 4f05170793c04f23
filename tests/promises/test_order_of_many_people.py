"""Ten thousand people, each event with answers of its own: nobody's order changes, nothing is lost.

The method is that of RudderStack's test of its router: what the vendor answers to each try of each
event is drawn beforehand, so that every request can be checked. JUNCTOR_EACH sets how many events
a person has on average, JUNCTOR_PEOPLE how many people there are, JUNCTOR_SEED what is drawn.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from junctor.testkit import Answer, Received, answers, by_message
from tests.support.daemon import Daemon, free_port
from tests.support.hub import WRITE_KEY, config_text, everything_to, webhook
from tests.support.receiver import OK, Receiver, batches, receiving

PEOPLE = int(os.environ.get("JUNCTOR_PEOPLE", "10000"))
EACH = int(os.environ.get("JUNCTOR_EACH", "0"))
SEED = int(os.environ.get("JUNCTOR_SEED", "1"))
IMPATIENT = (
    'concurrency = 16, timeout = "5s", flush_interval = "5ms",'
    ' retry = { initial = "2ms", max = "10ms" }, breaker = { failures = 1000000 }'
)

DOWN, REFUSED = Answer(500), Answer(400)
LIMITED = answers.slow_down("0.002")
SCRIPTS: list[tuple[Sequence[Answer], float]] = [
    ((DOWN, DOWN, OK), 30),
    ((REFUSED,), 30),
    ((LIMITED, OK), 10),
    ((answers.RESET, OK), 10),
    ((answers.RESET_IN_THE_BODY, LIMITED, DOWN, OK), 5),
    ((DOWN, REFUSED), 15),
    ((answers.NEVER, OK), 0.2),
]
"""Answers to the tries of one event that is not simply taken, and how often they are drawn."""


@dataclass(frozen=True)
class Way:
    """How events travel: `trouble` is the share of them that is not simply taken.

    `each` is how many a person has on average, unless JUNCTOR_EACH says it.
    """

    batch: int
    trouble: float
    each: int


ONE_A_REQUEST, LISTS = Way(1, 0.1, 2), Way(20, 0.03, 3)


def drawn(way: Way) -> tuple[list[dict[str, Any]], dict[str, Sequence[Answer]]]:
    """Return numbered calls of all people, mixed, each one's in order, and each call's script."""
    random = Random(SEED)
    more = random.choices(range(PEOPLE), k=PEOPLE * ((EACH or way.each) - 1))
    turns = [*range(PEOPLE), *more]
    random.shuffle(turns)
    troubles, weights = zip(*SCRIPTS, strict=True)
    numbers: Counter[int] = Counter()
    calls, scripts = [], {}
    for person in turns:
        number = numbers[person]
        numbers[person] += 1
        id = f"{person}-{number}"
        calls.append({"type": "track", "event": "Tested", "messageId": id, "userId": f"u-{person}"})
        in_trouble = random.random() < way.trouble
        scripts[id] = random.choices(troubles, weights)[0] if in_trouble else (OK,)
    return calls, scripts


def out_of_order(requests: Sequence[Received]) -> list[str]:
    """Return the messages that were tried before an earlier one of the same person was settled.

    An event is settled when it was taken, or refused all by itself.
    """
    settled: dict[str, int] = defaultdict(int)
    hasty = []
    for request in requests:
        assert request.answer is not None
        here: dict[str, int] = {}
        for id in request.message_ids:
            person, _, number = id.partition("-")
            if int(number) != here.setdefault(person, settled[person]):
                hasty.append(id)
            here[person] += 1
        alone = len(request.message_ids) == 1
        if request.answer.takes or (alone and request.answer is REFUSED):
            settled.update(here)
    return hasty


@pytest.mark.slow
@pytest.mark.timeout(120 + PEOPLE * max(EACH, 3) // 100)
@pytest.mark.case(30, 36)
@pytest.mark.parametrize("way", [ONE_A_REQUEST, LISTS], ids=["one a request", "in lists"])
async def test_no_event_overtakes_another_of_its_person_and_none_is_lost(
    tmp_path: Path, way: Way, record_property: Callable[[str, object], None]
) -> None:
    calls, scripts = drawn(way)
    dead = {id for id, script in scripts.items() if script[-1] is REFUSED}
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        receiver.judge("/sink", by_message(lambda event: scripts[event["messageId"]]))
        ledger = await delivered(tmp_path, receiver, session, calls, way)
    sends, taken = receiver.sends("/sink"), receiver.counts("/sink")
    report = {
        "people": PEOPLE, "events": len(calls), "requests": len(receiver.requests),
        "refused for good": len(dead),
    }  # fmt: skip
    for name, value in report.items():
        record_property(name, value)
        print(f"{name}: {value}")
    assert not out_of_order(receiver.requests)
    assert taken == Counter(scripts.keys() - dead), "each once, and nothing that was refused"
    assert (ledger["delivered"], ledger["dead"]) == (len(calls) - len(dead), len(dead))
    assert ledger["accepted"] == len(calls)
    if way.batch == 1:
        assert sends == {id: len(script) for id, script in scripts.items()}
    else:
        assert all(sends[id] >= len(script) for id, script in scripts.items())


async def delivered(
    folder: Path,
    receiver: Receiver,
    session: aiohttp.ClientSession,
    calls: list[dict[str, Any]],
    way: Way,
) -> dict[str, Any]:
    """Send the calls through a daemon; return the ledger of `sink` when all is settled."""
    delivery = f"{IMPATIENT}, max_batch = {way.batch}"
    sink = webhook("sink", receiver.address + "/sink", batch=way.batch > 1, delivery=delivery)
    config = config_text(sink + everything_to("sink"), ports=(free_port(), free_port()))
    daemon = Daemon(folder, config, session)
    try:
        client = await daemon.start()
        for piece in batches(calls, 500):
            assert (await client.batch(piece, WRITE_KEY)).status == 200
        ledger = await client.settled(60 + len(calls) / 200)
    finally:
        await daemon.close()
    return ledger["sink"]
