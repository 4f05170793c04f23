"""A fault of the hub's own: it shows, what was answered 200 is kept, and a restart delivers it."""

from pathlib import Path

import pytest

from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.receiver import receiving


async def test_when_the_fold_breaks_the_hub_is_not_ready_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    calls = [track() for _ in range(10)]
    async with receiving() as receiver:
        config = config_text(
            webhook("sink", receiver.address + "/sink", batch=True) + everything_to("sink")
        )
        async with running_hub(tmp_path, config) as running:
            client = running.client
            monkeypatch.setattr(running.hub._folding.flow, "work_out", broken)
            assert (await client.batch(calls[:5], WRITE_KEY)).status == 200

            async def not_ready() -> bool:
                return (await client.ask("GET", "/health/ready")).status == 503

            await until(not_ready)
            assert "fold broke" in (await client.ask("GET", "/health/ready")).json["problem"]
            assert (await client.batch(calls[5:], WRITE_KEY)).status == 200
            (complaint,) = [e for e in running.log.entries if e["log_level"] == "error"]
            assert complaint["event"] == "a part of the hub broke"
            running.log.entries.clear()
        async with running_hub(tmp_path, config) as running:
            await running.client.settled()
            assert (await running.client.ask("GET", "/health/ready")).status == 200
    assert receiver.counts("/sink") == dict.fromkeys((call["messageId"] for call in calls), 1)
