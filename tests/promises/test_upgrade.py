"""A store of an earlier version under a hub of this one: nothing is lost, nothing is done again."""

from pathlib import Path

import pytest

from junctor.sdk.context import SystemClock
from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, running_hub, webhook
from tests.support.receiver import receiving
from tests.unit.store.versions import MADE_AT, VERSIONS, restore

AUDIENCE = """
[audiences.seen]
event = "Seen"
count = ">=1"
within = "30d"
"""
EVENTS = [f"m-{n}" for n in range(12)]


class Then(SystemClock):
    """Shows the time at which the stores were made, two hours later: what waited is due."""

    def __init__(self) -> None:
        """Go on from there."""
        self._ahead = MADE_AT + 7_200 - super().now()

    def now(self) -> float:
        """Return the wall time, epoch seconds."""
        return super().now() + self._ahead


@pytest.mark.case(51)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_store_of_an_earlier_version_goes_on_where_it_stopped(
    tmp_path: Path, version: int
) -> None:
    restore(version, tmp_path / "data")
    async with receiving() as receiver:
        vendors = "".join(
            webhook(id, f"{receiver.address}/{id}") for id in ("works", "down", "refuses")
        )
        routes = '[routes.everything]\nfrom = ["web"]\nto = ["works", "down"]\n'
        text = config_text(vendors + routes, sources=AUDIENCE)
        async with running_hub(tmp_path, text, clock=Then()) as running:
            client, new = running.client, track(userId="u-9", event="Seen")
            again = track(userId="u-0", event="Seen", messageId="m-0")
            assert (await client.batch([new, again], WRITE_KEY)).status == 200
            ledger = await client.settled()

            async def built() -> bool:
                found = await client.get("/api/audiences/seen/members")
                return len(found["members"]) == 5  # u-0 to u-3 by the old log, u-9

            await until(built)
            person = await client.get("/api/profiles/user_id/u-0")
            letters = (await client.get("/api/dead-letters"))["dead_letters"]
    assert receiver.counts("/works") == {new["messageId"]: 1}
    assert receiver.counts("/down") == dict.fromkeys([*EVENTS, new["messageId"]], 1)
    assert ledger["down"]["delivered"] == ledger["works"]["delivered"] == 13
    assert ledger["refuses"]["dead"] == 1
    assert person["traits"] == {"email": "u0@example.com", "plan": "free"}
    assert [letter["message_id"] for letter in letters] == ["m-11"]
