"""Routes and consent change while events wait: what is filtered by then is not sent any more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, load, running_hub, webhook
from tests.support.receiver import OK, Answer, Receiver, receiving

RETRY = 'retry = { initial = "20ms", max = "50ms" }, breaker = { cooldown = "20ms" }'
REFUSES_ADS = {"consent": {"categoryPreferences": {"ads": False}}}
CALLS = [
    track(messageId="small", userId="u-1", properties={"revenue": 5}),
    track(messageId="large", userId="u-2", properties={"revenue": 500}),
    track(messageId="refused", userId="u-3", properties={"revenue": 500}, context=REFUSES_ADS),
    *(track(messageId=f"small-{n}", userId="u-1", properties={"revenue": n}) for n in range(20)),
]
ALL = {call["messageId"] for call in CALLS}


def config(receiver: Receiver, *, consent: str = "", route: str = "") -> str:
    crm = webhook("crm", receiver.address + "/crm", delivery=RETRY)
    crm += f"consent = [{consent}]\n"
    return config_text(f"{crm}\n[routes.all]\nto = ['crm']\n{route}\n")


@pytest.mark.case(21, 22)
@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"route": "when = 'properties.revenue > 100'"}, {"large", "refused"}),
        ({"consent": '"ads"'}, ALL - {"refused"}),
        ({"route": "from = ['junctor']"}, set()),
    ],
    ids=["a condition", "consent", "no route"],
)
@pytest.mark.parametrize("restart", [False, True], ids=["reloaded", "restarted"])
async def test_what_waits_obeys_the_configuration_of_the_moment_it_is_sent(
    tmp_path: Path, change: Mapping[str, str], sent: set[str], restart: bool
) -> None:
    async with receiving() as receiver:
        before, after = config(receiver), config(receiver, **change)
        receiver.always("/crm", Answer(503))
        async with running_hub(tmp_path, before) as running:
            assert (await running.client.batch(CALLS, WRITE_KEY)).status == 200
            await receiver.until(lambda: len(receiver.requests) > 6)
            if not restart:
                await running.hub.reload(load(tmp_path, after))
                await finish(running.client, receiver, sent)
        if restart:
            async with running_hub(tmp_path, after) as running:
                await finish(running.client, receiver, sent)


async def finish(client: Any, receiver: Receiver, sent: set[str]) -> None:
    receiver.always("/crm", OK)
    ledger = await client.settled()
    assert receiver.counts("/crm") == dict.fromkeys(sent, 1)
    assert (ledger["crm"]["delivered"], ledger["crm"]["filtered"]) == (
        len(sent), len(ALL) - len(sent),
    )  # fmt: skip
    for id in ALL - sent:
        [event] = (await client.get(f"/api/events/{id}"))["events"]
        crm = event["destinations"]["crm"]
        assert (crm["fate"], crm["attempts"][-1]["code"]) == ("filtered", "filtered_at_send")


@pytest.mark.case(22)
async def test_a_condition_that_is_taken_back_in_time_filters_nothing(tmp_path: Path) -> None:
    async with receiving() as receiver:
        strict = config(receiver, route="when = 'properties.revenue > 100'")
        receiver.always("/crm", Answer(503))
        async with running_hub(tmp_path, config(receiver)) as running:
            await running.hub.operations.pause("crm", "while we look")
            assert (await running.client.batch(CALLS, WRITE_KEY)).status == 200

            async def folded() -> bool:
                return bool((await running.client.get("/api/status"))["log"]["behind"] == 0)

            await until(folded)
            await running.hub.reload(load(tmp_path, strict))
            await running.hub.reload(load(tmp_path, config(receiver)))
            receiver.always("/crm", OK)
            await running.hub.operations.resume("crm")
            ledger = await running.client.settled()
    assert receiver.counts("/crm") == dict.fromkeys(ALL, 1)
    assert ledger["crm"]["filtered"] == 0
