"""Who somebody is can't be read: events are kept and held, and go to the right people later."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from junctor.store.port import StoreUnavailable
from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.receiver import receiving

ANN = {"type": "identify", "messageId": "m-ann", "userId": "ann", "traits": {"email": "ann@x.io"}}
LATER = [
    track(messageId="m-device", userId=None, anonymousId="d-1", properties={"email": "ann@x.io"}),
    track(messageId="m-new", userId="bob"),
    track(messageId="m-again", userId="ann", anonymousId="d-1"),
]


@pytest.mark.case(26)
@pytest.mark.parametrize("broken", ["resolve", "profiles"])
async def test_while_profiles_can_not_be_read_events_are_held_and_nobody_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    async def unreadable(keys: Sequence[Any]) -> None:
        raise StoreUnavailable("disk I/O error")

    async with receiving() as receiver:
        config = config_text(webhook("sink", receiver.address + "/sink") + everything_to("sink"))
        async with running_hub(tmp_path, config) as running:
            client, state = running.client, running.hub.store.state
            assert (await client.batch([ANN], WRITE_KEY)).status == 200
            await client.settled()
            with monkeypatch.context() as fault:
                fault.setattr(state, broken, unreadable)
                assert (await client.batch(LATER, WRITE_KEY)).status == 200

                async def not_ready() -> bool:
                    return (await client.ask("GET", "/health/ready")).status == 503

                await until(not_ready)
                problem = (await client.ask("GET", "/health/ready")).json["problem"]
                assert problem == "the fold waits for the store: disk I/O error"
                assert (await client.get("/api/status"))["log"]["behind"] == len(LATER)
                assert set(receiver.counts("/sink")) == {"m-ann"}
            await client.settled()
            assert (await client.ask("GET", "/health/ready")).status == 200
            assert receiver.counts("/sink") == dict.fromkeys(
                ["m-ann", *(call["messageId"] for call in LATER)], 1
            )
            ann = await client.get("/api/profiles/user_id/ann")
            assert ann["identifiers"] == {
                "user_id": ["ann"], "email": ["ann@x.io"], "anonymous_id": ["d-1"],
            }  # fmt: skip
            assert (await client.get("/api/profiles/anonymous_id/d-1"))["id"] == ann["id"]
            assert len(await state.profile_ids(0, 10)) == 2
