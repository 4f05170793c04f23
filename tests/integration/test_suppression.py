"""Suppressed users: answered 200, counted, not stored; across restarts, until they are let in."""

from pathlib import Path

import pytest

from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.receiver import receiving


@pytest.mark.case(16)
async def test_events_of_a_suppressed_user_are_answered_and_not_stored(tmp_path: Path) -> None:
    theirs, others = track(userId="u-gone"), track(userId="u-here")
    async with receiving() as receiver:
        config = config_text(
            webhook("sink", receiver.address + "/sink", batch=True) + everything_to("sink")
        )
        async with running_hub(tmp_path, config) as running:
            client = running.client
            await running.hub.operations.suppress(["u-gone"], suppressed=True)
            assert (await client.batch([theirs, others], WRITE_KEY)).status == 200
            await client.settled()
            assert b'outcome="suppressed",source="web"} 1.0' in running.hub.metrics.render()
        async with running_hub(tmp_path, config) as running:
            client = running.client
            assert (await client.batch([theirs], WRITE_KEY)).status == 200
            await client.settled()
            assert receiver.counts("/sink") == {others["messageId"]: 1}
            assert [s["user_id"] for s in await running.hub.operations.suppressions()] == ["u-gone"]
            await running.hub.operations.suppress(["u-gone"], suppressed=False)
            assert (await client.batch([theirs], WRITE_KEY)).status == 200
            await client.settled()
    assert receiver.counts("/sink") == {others["messageId"]: 1, theirs["messageId"]: 1}
