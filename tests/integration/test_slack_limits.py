"""Slack through a whole hub: one message a second, none too long, none that pings; archived."""

from itertools import pairwise
from pathlib import Path

import pytest

from junctor.testkit import Answer
from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub
from tests.support.receiver import receiving

HOOK = "/services/T0/B0/hook"
NAMES = ("<!channel> &lt;!here&gt; @everyone", "<https://evil.example|your bank>", "&" * 50_000)
ARCHIVED = Answer(410, b"channel_is_archived")


@pytest.mark.case(45, 31)
async def test_slack_is_neither_hurried_nor_shouted_at_and_an_archived_channel_is_left_alone(
    tmp_path: Path,
) -> None:
    config = config_text(
        '[destinations.alerts]\ntype = "slack"\nsettings.webhook_url = { env = "HOOK" }\n'
        'settings.text = "*{{event}}*"\ndelivery = { pause_probe = "50ms" }\n'
        + everything_to("alerts")
    )
    async with receiving() as receiver:
        receiver.script(HOOK, [Answer()] * len(NAMES))
        receiver.always(HOOK, ARCHIVED)
        hook = {"HOOK": receiver.address + HOOK}
        async with running_hub(tmp_path, config, hook) as running:
            events = [track(userId=f"u-{n}", event=name) for n, name in enumerate([*NAMES, "More"])]
            assert (await running.client.batch(events, WRITE_KEY)).status == 200

            async def gone() -> bool:
                status = (await running.client.get("/api/status"))["destinations"]["alerts"]
                return bool(status["paused_by"] == "gone")

            await until(gone)
            await running.client.batch([track()], WRITE_KEY)
            asked = len(receiver.requests)
            ledger = (await running.client.ledger())["alerts"]
            assert (ledger["delivered"], ledger["pending"], ledger["dead"]) == (len(NAMES), 2, 0)
            assert asked == len(NAMES) + 1, "an archived channel is not probed"
            await running.hub.operations.resume("alerts")
            receiver.always(HOOK, Answer())
            assert (await running.client.settled())["alerts"]["delivered"] == len(NAMES) + 2
    times = [request.at for request in receiver.requests]
    assert times[asked - 1] - times[0] > asked - 1.3
    assert all(after - before > 0.7 for before, after in pairwise(times[:asked]))
    texts = sorted((request.json["text"] for request in receiver.requests), key=len)
    assert len(texts[-1]) <= 40_000
    assert not [text for text in texts if "<" in text or "@everyone" in text]
    assert "*&lt;!channel&gt; &amp;lt;!here&amp;gt; @\u200beveryone*" in texts
