"""A preview is what a build then gives; what the log no longer has is said."""

import random
import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from junctor.api.operations import NotFound
from junctor.audiences import behavior
from junctor.audiences.shares import wilson
from junctor.pipeline.backfill import Backfill
from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, RunningHub, config_text, load, running_hub

BEFORE = """
[audiences.viewers]
event = "Viewed"
count = ">=2"
within = "30d"
"""
AFTER = """
[scores.interest]
half_life = "14d"
rules = [ { add = 2, event = "Viewed" }, { add = -1, event = "Bought" } ]

[audiences.viewers]
event = "Viewed"
count = ">=3"
within = "30d"

[audiences.quiet]
all = [ { event = "Viewed" }, { event = "Bought", count = 0, within = "30d" } ]

[audiences.path]
sequence = [ { event = "Viewed" }, { event = "Bought" } ]
within = "30d"

[audiences.both]
all = [ { audience = "path" }, { audience = "viewers" } ]

[audiences.warm]
score = "interest"
is = ">=1.5"

[audiences.later]
event = "Viewed"
settle = "1h"

[audiences.visits]
key = "session"
event = "Bought"

[audiences.teams]
key = "account"
event = "Bought"
count = ">=2"

[audiences.held]
any = [ { event = "Viewed", count = ">=4", within = "1d" }, { trait = "plan", is = "pro" } ]
hold = "1d"
exit = { event = "Bought" }

[audiences.fresh]
event = "Opened"
backfill = false
"""

START = time.time() - 3600


def history(seed: int, people: int = 50, events: int = 200) -> list[dict[str, Any]]:
    """Return events of some people, who are at first not known by their user ids."""
    chance = random.Random(seed)
    made = []
    for number in range(events):
        person = chance.randrange(people)
        who: dict[str, Any] = {"anonymousId": f"a-{person}", "userId": None}
        if chance.random() < 0.2:
            who["userId"] = f"u-{person // 2}"
        at = START - number * 7 % 251
        context: dict[str, Any] = {}
        if chance.random() < 0.5:
            context = {
                "sessionId": f"s-{person}-{chance.randrange(2)}",
                "groupId": f"g-{person % 4}",
            }
        if chance.random() < 0.2:
            context["traits"] = {"plan": chance.choice(["pro", "free"])}
        made.append(
            track(
                messageId=f"m-{number}", event=chance.choice(["Viewed", "Bought", "Opened"]),
                context=context, timestamp=datetime.fromtimestamp(at, UTC).isoformat(), **who,
            )
        )  # fmt: skip
    return made


async def folded(hub: RunningHub) -> bool:
    return bool((await hub.client.get("/api/status"))["log"]["behind"] == 0)


async def built(hub: RunningHub) -> bool:
    told = (await hub.client.get("/api/status"))["audiences"]
    return not told["building"] and not told["reviewing"]


async def fill(hub: RunningHub, events: list[dict[str, Any]]) -> None:
    await hub.client.batch(events, WRITE_KEY)
    await until(lambda: folded(hub))


async def preview(
    hub: RunningHub, tables: Mapping[str, Any], name: str, sample: float = 1.0
) -> dict[str, Any]:
    return await hub.hub.audiences.preview(tables, name, sample)


@pytest.mark.parametrize("seed", range(2))
async def test_a_preview_is_what_the_build_then_gives(tmp_path: Path, seed: int) -> None:
    async with running_hub(tmp_path, config_text(BEFORE)) as hub:
        await fill(hub, history(seed))
        after = load(tmp_path, config_text(AFTER))
        tables = {"audiences": after.config.audiences, "scores": after.config.scores}
        names = list(after.config.audiences)
        previews = {name: await preview(hub, tables, name) for name in names}
        assert [one["name"] for one in await hub.hub.audiences.list()] == ["viewers"]
        await hub.hub.reload(after)
        await until(lambda: built(hub))
        await until(lambda: folded(hub))
        listed = {one["name"]: one["members"] for one in await hub.hub.audiences.list()}
        counted = {name: one["count"] - one["later"] for name, one in previews.items()}
        assert counted == listed
        assert previews["fresh"]["count"] == 0
        assert previews["later"]["later"] > 0
        assert 0 < listed["quiet"] < previews["quiet"]["population"]
        again = {name: await preview(hub, tables, name) for name in names}
        assert {name: one["count"] for name, one in again.items()} == {
            name: one["count"] for name, one in previews.items()
        }
        assert not any(one["events_read"] for one in again.values()), "all states are kept"


async def test_a_sample_is_scaled_and_says_how_sure_it_is(tmp_path: Path) -> None:
    async with running_hub(tmp_path, config_text(BEFORE)) as hub:
        await fill(hub, history(9, people=300, events=600))
        tables = {"audiences": {"new": {"event": "Bought"}}}
        whole = await preview(hub, tables, "new")
        assert whole["interval"] is None
        assert whole["counts_from"] is None, "the log is whole, and read in many pieces"
        part = await preview(hub, tables, "new", 0.5)
        assert part["population"] == whole["population"]
        assert part["sample"] == 0.5
        assert whole["population"] * 0.3 < part["looked_at"] < whole["population"] * 0.7
        low, high = part["interval"]
        assert low <= part["count"] <= high
        assert low <= whole["count"] <= high
        nobody = await preview(hub, tables, "new", 1e-9)
        assert (nobody["looked_at"], nobody["count"]) == (0, 0)
        assert nobody["interval"] == [round(end * whole["population"]) for end in wilson(0.0, 0)]


async def test_what_is_no_longer_in_the_log_is_said(tmp_path: Path) -> None:
    """A hub without audiences, whose first events are gone when they are defined."""
    async with running_hub(tmp_path, config_text("")) as hub:
        await fill(hub, history(1, events=20))
    database = sqlite3.connect(tmp_path / "data" / "junctor.db")
    database.execute("delete from log where offset <= 5")
    database.execute("update log set received_at = received_at - 3600000 where offset = 6")
    database.commit()
    database.close()
    definitions = """
        [audiences.ever]
        event = "Viewed"
        [audiences.lately]
        event = "Viewed"
        within = "1h"
        [audiences.month]
        event = "Viewed"
        within = "30d"
        [audiences.pro]
        trait = "plan"
        is = "pro"
    """
    async with running_hub(tmp_path, config_text(definitions)) as hub:
        await until(lambda: built(hub))
        found = {one["name"]: one for one in await hub.hub.audiences.list()}
        assert found["ever"]["counts_from"] is not None
        assert found["ever"]["complete_from"] is None, "it never will be"
        assert found["month"]["counts_from"] == found["ever"]["counts_from"]
        assert found["month"]["complete_from"] > found["month"]["counts_from"]
        assert found["lately"]["counts_from"] is None, "all that it looks at is there"
        assert found["pro"]["counts_from"] is None
        tables = {"audiences": {"new": {"event": "Opened", "within": "30d"}}}
        assert (await preview(hub, tables, "new"))["counts_from"] == found["ever"]["counts_from"]


async def test_goals_are_recorded_from_when_the_outcome_is_defined(tmp_path: Path) -> None:
    outcome = 'outcome = { goal = { event = "Bought" }, within = "1h" }\n'
    async with running_hub(tmp_path, config_text(BEFORE)) as hub:
        await fill(hub, history(2, events=30))
        assert (await hub.hub.audiences.report("viewers"))["outcome"] is None
        await hub.hub.reload(load(tmp_path, config_text(BEFORE + outcome)))
        await until(lambda: built(hub))
        first = (await hub.hub.audiences.report("viewers"))["outcome"]
        assert (first["entered"], first["backfilled"]) == (0, 0), "who entered before"
        other = outcome.replace("Bought", "Opened")
        await hub.hub.reload(load(tmp_path, config_text(BEFORE + other + 'about = "x"\n')))
        await until(lambda: built(hub))
        second = (await hub.hub.audiences.report("viewers"))["outcome"]
        assert second["recorded_since"] > first["recorded_since"], "the goal is another"
        await hub.hub.reload(load(tmp_path, config_text(BEFORE + other)))
        third = (await hub.hub.audiences.report("viewers"))["outcome"]
        assert third["recorded_since"] == second["recorded_since"]


async def test_a_report_counts_those_who_reached_the_goal_and_days(tmp_path: Path) -> None:
    outcome = 'outcome = { goal = { event = "Bought" }, within = "1ms", value = "revenue" }\n'
    async with running_hub(tmp_path, config_text(BEFORE + outcome)) as hub:
        await fill(hub, [track(event="Viewed", userId=f"u-{n}") for n in range(4)])
        await fill(hub, [track(event="Viewed", userId=f"u-{n}") for n in range(3)])
        found = await hub.hub.audiences.report("viewers")
        outcome_found = found["outcome"]
        assert (outcome_found["entered"], outcome_found["members"]["people"]) == (3, 3)
        assert (outcome_found["others"]["people"], outcome_found["unmatched"]) == (1, 0)
        assert outcome_found["difference"] == 0
        [today] = [day for day in found["sizes"] if day["entered"]]
        assert (today["members"], today["exited"]) == (3, 0)
        assert found["sizes"][0]["members"] == 0 or len(found["sizes"]) == 1


async def test_who_takes_too_much_room_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behavior, "HARD_BYTES", 150)
    async with running_hub(tmp_path, config_text(BEFORE)) as hub:
        for _ in range(4):
            await fill(hub, [track(event="Viewed", userId="ada"), track(userId="bob")])
        async with hub.client.session.get(hub.client.admin + "/metrics") as answer:
            metrics = await answer.text()
        assert "junctor_profiles_degraded_total 1.0" in metrics.splitlines()


async def test_what_is_being_built_is_listed_and_not_yet_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_hub(tmp_path, config_text(BEFORE)) as hub:
        await fill(hub, [track(event="Viewed", userId="ada")])
        new = BEFORE + '[audiences.new]\nevent = "Bought"\n'

        async def nothing(*_: Any) -> bool:
            return True

        monkeypatch.setattr(Backfill, "step", nothing)
        await hub.hub.reload(load(tmp_path, config_text(new)))
        found = {one["name"]: one["state"] for one in await hub.hub.audiences.list()}
        assert found == {"viewers": "reviewing", "new": "waiting"}
        assert (await hub.client.get("/api/status"))["audiences"]["building"] == ["new"]
        with pytest.raises(NotFound, match="is being built"):
            await hub.hub.audiences.explain("new", "user_id", "ada")
        with pytest.raises(NotFound, match="is being built"):
            await hub.hub.audiences.report("new")
        assert (await hub.hub.audiences.members("new", "", 10))["members"] == []
        monkeypatch.undo()
        await until(lambda: built(hub))
        found = {one["name"]: one["state"] for one in await hub.hub.audiences.list()}
        assert found == {"viewers": "serving", "new": "serving"}
