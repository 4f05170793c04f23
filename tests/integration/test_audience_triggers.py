"""Audiences reach destinations: what a message says, who is told what, and how often."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.support.client import HubClient
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, running_hub, webhook
from tests.support.receiver import Receiver, receiving

SLACK_PATH = "/services/T0/B0/x"
DEFINITIONS = """
[scores.readiness]
rules = [ { add = 5, event = "Pricing Viewed" }, { add = 2.5, event = "Demo Watched" } ]

[attributes.ltv_band]
agg = "sum"
event = "Order Completed"
prop = "revenue"
bands = { low = 0, mid = 100, high = 500 }

[audiences.high_intent]
about = "Evaluating now"
sequence = [ { event = "Pricing Viewed" } ]
hold = "14d"
exit = { event = "Order Completed" }
cooldown = "1h"
send = ["slack", "hook"]

[audiences.eager]
sequence = [ { event = "Pricing Viewed" } ]
hold = "14d"
exit = { event = "Order Completed" }
send = ["hook"]
"""
TEXT = (
    "{{profile.traits.email | somebody}} {{event}} {{properties.audience_key}}"
    " because of {{properties.reason}}: score {{scores.readiness}},"
    " ltv {{attributes.ltv_band | none}}, member {{audiences.high_intent | no}}"
)
ROUTES = """
[routes.entries]
to = ["entries"]
when = 'event = "Audience Entered" and properties.audience_key = "high_intent"'
[routes.all]
from = ["web"]
to = ["statsig"]
"""


def destinations(address: str) -> str:
    """Return a Slack channel, two webhooks and Statsig, all at the receiver."""
    return f"""
{DEFINITIONS}
[destinations.slack]
type = "slack"
settings.webhook_url = {{ env = "SLACK_WEBHOOK_URL" }}
settings.text = "{TEXT}"
[destinations.statsig]
type = "statsig"
settings.server_secret = {{ env = "STATSIG_SERVER_SECRET" }}
settings.endpoint = "{address}/statsig"
settings.gzip = false
settings.audiences = ["high_intent", "nobody_s"]
settings.attributes = ["ltv_band"]
settings.scores = "all"
delivery = {{ max_batch = 1 }}
{webhook("hook", address + "/hook")}
consent = ["marketing"]
{webhook("entries", address + "/entries")}
{ROUTES}
"""


@dataclass
class Scene:
    """A hub with audiences, and all its destinations in one receiver."""

    client: HubClient
    receiver: Receiver

    async def happens(self, name: str, **more: Any) -> None:
        """Let Ada do something; wait for all that follows."""
        reply = await self.client.batch([track(event=name, **more)], WRITE_KEY)
        assert reply.status == 200
        await self.client.settled()

    def told(self, path: str) -> list[tuple[str, str]]:
        """Return what a webhook was told: (event, audience)."""
        return [
            (event["event"], event["properties"]["audience_key"])
            for request in self.receiver.at(path)
            for event in request.events
        ]

    @property
    def texts(self) -> list[str]:
        """The messages that Slack got."""
        return [request.json["text"] for request in self.receiver.at(SLACK_PATH)]

    @property
    def custom(self) -> list[Mapping[str, Any]]:
        """StatsigUser.custom of each event that Statsig got."""
        return [
            event["user"].get("custom", {})
            for request in self.receiver.at("/statsig")
            for event in request.events
        ]


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with receiving() as receiver:
        keys = {"SLACK_WEBHOOK_URL": receiver.address + SLACK_PATH}
        config = config_text(destinations(receiver.address))
        async with running_hub(tmp_path, config, keys) as running:
            yield Scene(running.client, receiver)


async def test_a_message_sees_profile_figures_membership_and_reason(scene: Scene) -> None:
    await scene.happens("Demo Watched", context={"traits": {"email": "ada@example.com"}})
    assert scene.texts == []
    await scene.happens("Pricing Viewed")
    await scene.happens("Order Completed", properties={"revenue": 120})
    assert scene.texts == [
        "ada@example.com Audience Entered high_intent because of event:"
        " score 7.5, ltv none, member true",
        "ada@example.com Audience Exited high_intent because of event:"
        " score 7.5, ltv mid, member no",
    ]


async def test_an_audience_in_its_cooldown_is_silent_and_others_are_not(scene: Scene) -> None:
    for name in ("Pricing Viewed", "Order Completed", "Pricing Viewed"):
        await scene.happens(name, properties={"revenue": 1})
    told = scene.told("/hook")
    assert [word for word, audience in told if audience == "high_intent"] == [
        "Audience Entered", "Audience Exited"
    ]  # fmt: skip
    assert [word for word, audience in told if audience == "eager"] == [
        "Audience Entered", "Audience Exited", "Audience Entered"
    ]  # fmt: skip
    assert len(scene.texts) == 2


async def test_a_route_can_choose_the_entries_of_one_audience(scene: Scene) -> None:
    for name in ("Pricing Viewed", "Order Completed", "Pricing Viewed"):
        await scene.happens(name, properties={"revenue": 1})
    assert scene.told("/entries") == [("Audience Entered", "high_intent")]


async def test_statsig_s_user_is_in_the_audience_from_the_event_on_that_entered(
    scene: Scene,
) -> None:
    for name in ("Demo Watched", "Pricing Viewed", "Order Completed"):
        await scene.happens(name, properties={"revenue": 700})
    assert [custom["high_intent"] for custom in scene.custom] == [False, True, False]
    assert [custom["readiness"] for custom in scene.custom] == [2.5, 7.5, 7.5]
    assert [custom.get("ltv_band") for custom in scene.custom] == [None, None, "high"]
    assert not any(custom["nobody_s"] for custom in scene.custom)


async def test_who_gave_no_consent_is_not_told_of_where_it_is_needed(scene: Scene) -> None:
    refused = {"consent": {"categoryPreferences": {"marketing": False}}}
    await scene.happens("Pricing Viewed", context=refused)
    await scene.happens("Order Completed", properties={"revenue": 1})  # says nothing of consent
    assert len(scene.texts) == 2
    assert scene.told("/hook") == []
    given = {"consent": {"categoryPreferences": {"marketing": True}}}
    await scene.happens("Pricing Viewed", context=given)
    assert scene.told("/hook") == [("Audience Entered", "eager")]
