"""Metrics stay few whatever comes in: labels are ids of the configuration and codes."""

from pathlib import Path

import pytest

from tests.support.client import HubClient, basic
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.receiver import receiving

NAMES, BATCH = 10_000, 2_500


async def series(client: HubClient) -> set[str]:
    """Return the names and labels of everything that is measured."""
    async with client.session.get(client.admin + "/metrics") as response:
        lines = (await response.text()).splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


async def send(client: HubClient, numbers: range) -> None:
    """Send events, calls and addresses that all have names of their own."""
    events = [
        track(event=f"Event {n}", userId=f"user-{n}", anonymousId=f"device-{n}",
              properties={f"property_{n}": n})
        for n in numbers
    ]  # fmt: skip
    events[0] |= {"type": f"type-{numbers[0]}"}
    assert (await client.batch(events, WRITE_KEY)).status == 200
    strange = numbers[0]
    await client.ask("GET", f"/path-{strange}")
    await client.ask(f"METHOD{strange}", "/v1/track", None, basic(WRITE_KEY))
    await client.ask("POST", f"/hooks/source-{strange}", b"{}")
    await client.ask("POST", "/v1/track", b"{}", basic(f"key-{strange}"))
    async with client.session.get(f"{client.admin}/api/profiles/kind-{strange}/x") as response:
        assert response.status == 404
    await client.settled()


@pytest.mark.case(52)
async def test_ten_thousand_event_names_and_people_are_no_more_series_than_one(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver:
        config = config_text(
            webhook("sink", f"{receiver.address}/sink", batch=True, delivery="max_batch = 500")
            + everything_to("sink")
        )
        async with running_hub(tmp_path, config) as running:
            await send(running.client, range(1))
            await send(running.client, range(1, 3))
            few = await series(running.client)
            for start in range(BATCH, NAMES + BATCH, BATCH):
                await send(running.client, range(start, start + BATCH))
            assert await series(running.client) == few
            assert (await running.client.ledger())["sink"]["delivered"] > NAMES - 10
    assert len(few) < 200
    told = [one for one in few if any(word in one.lower() for word in ("user-", "event ", "key-"))]
    assert not told
    places = {part.partition("=")[0] for one in few for part in one.partition("{")[2].split(",")}
    assert places <= {"", "source", "destination", "status", "outcome", "code", "le", "audience",
                      "entered", "reason"}  # fmt: skip
