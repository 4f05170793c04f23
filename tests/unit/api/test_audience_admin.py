"""The admin side's calls about audiences: true to the document, and to what happened."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from yarl import URL

from junctor.model.profile import Profile
from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, RunningHub, config_text, running_hub
from tests.unit.api.test_openapi import assert_true, content

AUDIENCES = """
[scores.interest]
rules = [ { add = 2, event = "Viewed" } ]

[attributes.spent]
agg = "sum"
event = "Bought"
prop = "revenue"

[audiences.viewers]
about = "Looks around"
event = "Viewed"
count = ">=2"
within = "7d"
outcome = { goal = { event = "Bought" }, within = "1d", value = "revenue" }

[audiences.hot]
all = [ { audience = "viewers" }, { trait = "plan", is = "pro" } ]

[audiences.slow]
event = "Viewed"
settle = "1h"

[audiences.visits]
key = "session"
event = "Viewed"

[audiences.teams]
key = "account"
event = "Viewed"

[audiences.cold]
event = "Bought"
count = 0
within = "7d"
exit = { all = [ { trait = "plan", is = "free" } ] }
"""
PRO = {"traits": {"plan": "pro"}}
VIEWED = [
    track(
        event="Viewed",
        userId="ada",
        messageId="v-1",
        context={**PRO, "sessionId": 7, "groupId": "acme"},
    ),
    track(event="Viewed", userId="ada", messageId="v-2", context=PRO),
    track(event="Viewed", userId="bob", messageId="v-3", context={"traits": {"plan": "free"}}),
    track(event="Bought", userId="ada", messageId="b-1", properties={"revenue": 12.5}),
    track(event="Opened", userId="eve", messageId="o-1"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path_factory.mktemp("hub"), config_text(AUDIENCES)) as running:
        await running.client.batch(VIEWED, WRITE_KEY)

        async def folded() -> bool:
            log = (await running.client.get("/api/status"))["log"]
            return bool(log["behind"] == 0 and log["head"] > len(VIEWED))

        await until(folded)
        yield running


async def ask(
    hub: RunningHub, path: str, body: Any = None, *, status: int = 200, method: str = ""
) -> Any:
    """Ask the admin side; the answer must be as documented."""
    method = method or ("GET" if body is None else "POST")
    url = URL(hub.client.admin + path, encoded=True)
    async with hub.client.session.request(method, url, **content(body)) as answer:
        text = await answer.read()
        assert answer.status == status, text
        assert_true(path, method, status, answer.content_type, text)
        return await answer.json()


def tables(**audiences: Any) -> dict[str, Any]:
    return {"audiences": audiences}


loop = pytest.mark.asyncio(loop_scope="module")


@loop
async def test_all_audiences_are_listed_with_how_they_are(hub: RunningHub) -> None:
    found = {one["name"]: one for one in (await ask(hub, "/api/audiences"))["audiences"]}
    assert list(found) == ["viewers", "hot", "slow", "visits", "teams", "cold"]
    viewers = found["viewers"]
    assert viewers["about"] == "Looks around"
    assert (viewers["state"], viewers["members"], viewers["key"]) == ("serving", 1, "user")
    assert viewers["last_transition"] is not None
    assert viewers["counts_from"] is None
    assert {name: one["members"] for name, one in found.items()} == {
        "viewers": 1, "hot": 1, "slow": 0, "visits": 1, "teams": 1, "cold": 1,
    }  # fmt: skip


@loop
async def test_members_come_with_their_ids_page_by_page(hub: RunningHub) -> None:
    found = await ask(hub, "/api/audiences/viewers/members")
    [member] = found["members"]
    assert member["ids"] == {"user_id": "ada"}
    assert (member["profile"], found["next"]) == ("p-1", None)
    [visit] = (await ask(hub, "/api/audiences/visits/members"))["members"]
    assert (visit["subject"], visit["session"]) == ("1/7", "7")
    [team] = (await ask(hub, "/api/audiences/teams/members?limit=1"))["members"]
    assert (team["subject"], team["profile"]) == ("account:acme", None)
    page = await ask(hub, "/api/audiences/teams/members?limit=1")
    assert page["next"] == "account:acme"
    assert (await ask(hub, "/api/audiences/teams/members?after=account:acme"))["members"] == []
    for before, count in (("p-0", 1), ("0", 1), ("p-1", 0), ("1", 0)):
        page = await ask(hub, f"/api/audiences/viewers/members?after={before}")
        assert len(page["members"]) == count
    await ask(hub, "/api/audiences/nothing/members", status=404)
    await ask(hub, "/api/audiences/viewers/members?limit=x", status=400)


@loop
async def test_who_is_in_is_explained_with_the_events_behind_it(hub: RunningHub) -> None:
    found = await ask(hub, "/api/audiences/viewers/explain/user_id/ada")
    assert (found["member"], found["standing"]) == (True, "in")
    assert found["since"] is not None
    condition = found["condition"]
    assert condition["holds"]
    assert condition["value"] == 2
    assert [one["message_id"] for one in condition["evidence"]] == ["v-1", "v-2"]
    assert condition["changes_at"] is not None
    assert not condition["by_silence"]
    found = await ask(hub, "/api/audiences/hot/explain/user_id/ada")
    assert [item["holds"] for item in found["condition"]["items"]] == [True, True]
    assert found["condition"]["value"] == "2 of 2"


@loop
async def test_who_is_out_is_told_why(hub: RunningHub) -> None:
    found = await ask(hub, "/api/audiences/viewers/explain/user_id/bob")
    assert (found["member"], found["standing"]) == (False, "out")
    assert (found["condition"]["holds"], found["condition"]["value"]) == (False, 1)
    found = await ask(hub, "/api/audiences/slow/explain/user_id/bob")
    assert (found["standing"], found["condition"]["holds"]) == ("settling", True)
    assert found["until"] is not None
    found = await ask(hub, "/api/audiences/cold/explain/user_id/bob")
    assert (found["standing"], found["exit"]["holds"]) == ("kept out", True)


@loop
async def test_sessions_and_accounts_are_explained_by_their_own_ids(hub: RunningHub) -> None:
    found = await ask(hub, "/api/audiences/visits/explain/session_id/7")
    assert (found["member"], found["session"], found["subject"]) == (True, "7", "p-1")
    found = await ask(hub, "/api/audiences/visits/explain/user_id/ada")
    assert found["session"] == "7"
    await ask(hub, "/api/audiences/visits/explain/user_id/bob", status=404)
    found = await ask(hub, "/api/audiences/teams/explain/account/acme")
    assert (found["member"], found["subject"]) == (True, "account:acme")
    assert (await ask(hub, "/api/audiences/teams/explain/group_id/acme"))["member"]
    await ask(hub, "/api/audiences/teams/explain/user_id/ada", status=404)
    await ask(hub, "/api/audiences/viewers/explain/user_id/nobody", status=404)
    await ask(hub, "/api/audiences/nothing/explain/user_id/ada", status=404)


@loop
async def test_a_report_tells_what_members_reached_and_how_many_there_were(
    hub: RunningHub,
) -> None:
    found = await ask(hub, "/api/audiences/viewers/report?since=1h")
    outcome = found["outcome"]
    still_open = outcome["still_open"]
    assert (outcome["entered"], still_open["people"], still_open["reached"]) == (1, 1, 1)
    assert still_open["first"] == still_open["last"] > outcome["judged_until"]
    assert outcome["members"]["people"] == 0, "their time is not over"
    assert (outcome["difference"], outcome["value"]) == (None, "revenue")
    assert found["sizes"][-1]["members"] == 1
    assert (await ask(hub, "/api/audiences/hot/report"))["outcome"] is None
    await ask(hub, "/api/audiences/nothing/report", status=404)
    await ask(hub, "/api/audiences/viewers/report?since=soon", status=400)


@loop
async def test_a_preview_tells_how_many_and_what_each_criterion_keeps(hub: RunningHub) -> None:
    new = {"all": [{"event": "Viewed", "count": ">=1"}, {"trait": "plan", "is": "pro"}]}
    found = await ask(hub, "/api/audiences/preview", {"audience": "new", "tables": tables(new=new)})
    assert (found["count"], found["population"], found["interval"]) == (1, 3, None)
    assert [(one["kept"], one["so_far"]) for one in found["criteria"]] == [(2, 2), (1, 1)]
    assert {"audience": "viewers", "count": 1, "share": 1.0} in found["overlap"]
    assert found["users"] == [{"profile": "p-1", "ids": {"user_id": "ada"}}]
    names = {one["name"] for one in (await ask(hub, "/api/audiences"))["audiences"]}
    assert "new" not in names, "nothing is stored"


@loop
async def test_a_preview_of_what_serves_gives_its_members(hub: RunningHub) -> None:
    import tomllib

    whole = tomllib.loads(AUDIENCES)
    for name in ("viewers", "hot", "visits", "teams", "cold"):
        found = await ask(hub, "/api/audiences/preview", {"audience": name, "tables": whole})
        assert (found["count"], found["events_read"]) == (1, 0), name
    found = await ask(hub, "/api/audiences/preview", {"audience": "slow", "tables": whole})
    assert (found["count"], found["later"]) == (2, 2)


@loop
async def test_a_preview_that_can_not_be_understood_says_all_that_is_wrong(
    hub: RunningHub,
) -> None:
    wrong = tables(new={"event": "Viewed", "cuont": 1, "within": 3})
    found = await ask(
        hub, "/api/audiences/preview", {"audience": "new", "tables": wrong}, status=400
    )
    assert "audiences.new.cuont" in found["error"]["message"]
    assert "audiences.new.within" in found["error"]["message"]
    for body in (
        {}, {"audience": 1, "tables": {}}, {"audience": "x", "tables": {"sources": {}}},
        {"audience": "x", "tables": {}, "sample": 0},
        {"audience": "x", "tables": {}, "sample": True},
    ):  # fmt: skip
        await ask(hub, "/api/audiences/preview", body, status=400)
    await ask(hub, "/api/audiences/preview", {"audience": "x", "tables": {}}, status=404)


@loop
async def test_status_says_how_far_audiences_are(hub: RunningHub) -> None:
    found = (await ask(hub, "/api/status"))["audiences"]
    assert (found["defined"], found["building"], found["error"]) == (6, [], None)
    assert found["degraded"] == 0
    assert found["due_lag_seconds"] < 60


@loop
async def test_an_account_is_shown_as_a_person_is(hub: RunningHub) -> None:
    found = await ask(hub, "/api/profiles/account/acme")
    assert (found["id"], found["audiences"]) == ("account:acme", {"teams": True})
    await ask(hub, "/api/profiles/account/other", status=404)


@loop
async def test_a_profile_has_its_figures_and_as_it_is_stored_if_asked(hub: RunningHub) -> None:
    found = await ask(hub, "/api/profiles/user_id/ada")
    assert found["attributes"] == {"spent": 12.5}
    assert found["scores"] == {"interest": 4.0}
    assert found["audiences"]["viewers"] is True
    assert "record" not in found
    found = await ask(hub, "/api/profiles/user_id/ada?record=true")
    profile = Profile.decode(1, base64.b64decode(found["record"]))
    assert profile.identifiers == {"user_id": ["ada"]}
    assert base64.b64decode(found["behavior"])
    await ask(hub, "/api/profiles/user_id/ada?record=1", status=400)


@loop
async def test_metrics_count_members_and_transitions(hub: RunningHub) -> None:
    await hub.hub._observe_sizes()
    async with hub.client.session.get(hub.client.admin + "/metrics") as answer:
        text = await answer.text()
    assert 'junctor_audience_transitions_total{audience="viewers",entered="true"} 1.0' in text
    assert 'junctor_audience_members{audience="viewers"}' in text
    assert "junctor_audience_due_lag_seconds" in text
