"""A person's events reach a destination in their order, and nobody waits for another person."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.receiver import CUT, OK, Answer, Received, Receiver, batches, receiving

USERS = 20
EACH = 30
IMPATIENT = """concurrency = 8, flush_interval = "5ms",
  retry = { initial = "20ms", max = "200ms" }, breaker = { failures = 5, cooldown = "20ms" }"""
MISHAPS = [Answer(503), Answer(500), Answer(429, headers={"retry-after": "0"}), CUT]


def config(receiver: Receiver, *, batch: bool) -> str:
    delivery = " ".join(IMPATIENT.split())
    sink = webhook("sink", receiver.address + "/sink", batch=batch, delivery=delivery)
    return config_text(sink + everything_to("sink"))


def shuffled_calls(random: Random) -> list[dict[str, Any]]:
    """Return numbered calls of all users, mixed, each user's in order."""
    turns = [user for user in range(USERS) for _ in range(EACH)]
    random.shuffle(turns)
    numbers = [iter(range(EACH)) for _ in range(USERS)]
    return [track(userId=f"u-{user}", properties={"number": next(numbers[user])}) for user in turns]


def numbers_by_user(requests: Iterable[Received]) -> dict[str, list[int]]:
    """Return the numbers of each user's events as they came."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for request in requests:
        for event in request.events:
            numbers[event["userId"]].append(event["properties"]["number"])
    return numbers


IN_ORDER = {f"u-{user}": list(range(EACH)) for user in range(USERS)}


@pytest.mark.case(36)
@pytest.mark.parametrize("batch", [False, True], ids=["one a request", "in batches"])
@pytest.mark.parametrize("seed", range(3))
async def test_failures_and_a_restart_change_no_order(
    tmp_path: Path, batch: bool, seed: int
) -> None:
    random = Random(seed)
    calls = shuffled_calls(random)

    async def moody(_: Received) -> Answer:
        return random.choice(MISHAPS) if random.random() < 0.3 else OK

    async with receiving() as receiver:
        receiver.judge("/sink", moody)
        text = config(receiver, batch=batch)
        async with running_hub(tmp_path, text) as running:
            for piece in batches(calls[: len(calls) // 2], 25):
                assert (await running.client.batch(piece, WRITE_KEY)).status == 200
            await receiver.until(lambda: len(receiver.requests) > 3)
        async with running_hub(tmp_path, text) as running:
            for piece in batches(calls[len(calls) // 2 :], 25):
                assert (await running.client.batch(piece, WRITE_KEY)).status == 200
            ledger = await running.client.settled()
    assert len(receiver.requests) > len(receiver.taken)
    assert numbers_by_user(receiver.taken) == IN_ORDER
    assert ledger["sink"]["delivered"] == len(calls)


@pytest.mark.case(36)
async def test_one_person_whose_events_fail_holds_up_nobody_else(tmp_path: Path) -> None:
    calls = shuffled_calls(Random(7))
    stuck = True

    async def picky(request: Received) -> Answer:
        refused = stuck and request.events[0]["userId"] == "u-0"
        return Answer(503) if refused else OK

    async with receiving() as receiver:
        receiver.judge("/sink", picky)
        async with running_hub(tmp_path, config(receiver, batch=False)) as running:
            for piece in batches(calls, 100):
                assert (await running.client.batch(piece, WRITE_KEY)).status == 200

            async def only_theirs_pending() -> bool:
                return bool((await running.client.ledger())["sink"]["pending"] == EACH)

            others = len(calls) - EACH
            await receiver.until(lambda: len(receiver.taken) == others)
            assert "u-0" not in numbers_by_user(receiver.taken)
            await until(only_theirs_pending)
            stuck = False
            await running.client.settled()
    assert numbers_by_user(receiver.taken) == IN_ORDER
