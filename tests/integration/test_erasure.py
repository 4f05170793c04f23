"""A person is erased: here for good, and told to destinations that can delete."""

import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from junctor.host.hub import Hub
from junctor.model.erasure import Erasure
from junctor.store.erasures import Traces
from junctor.testkit import answers
from tests.support.client import HubClient, until
from tests.support.events import track
from tests.support.hub import (
    SHARED_SECRET,
    WRITE_KEY,
    RunningHub,
    config_text,
    everything_to,
    load,
    running_hub,
    webhook,
)
from tests.support.receiver import Receiver, receiving

ADA: Final = "ada@people.example"
VALUES: Final = (ADA, "u-ada", "anon-ada", "m-ada")
REFUSED: Final = answers.Answer(400)
DOWN: Final = answers.Answer(503)


def of_ada(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "type": "track", "event": "Seen", "userId": "u-ada", "anonymousId": "anon-ada",
        "messageId": f"m-ada-{number}", "properties": {"email": ADA}, **fields,
    }  # fmt: skip


def on_the_disk(folder: Path) -> bytes:
    """Return all that the store has on the disk."""
    return b"".join(file.read_bytes() for file in (folder / "data").iterdir() if file.is_file())


def assert_nothing_left(folder: Path) -> None:
    found = on_the_disk(folder)
    assert [value for value in VALUES if value.encode() in found] == []


async def staged(running: RunningHub, id: int, stage: str) -> dict[str, Any]:
    """Wait until an erasure is at a stage; return what is told of it."""
    told: dict[str, Any] = {}

    async def there() -> bool:
        told.update(await running.client.get(f"/api/erasures/{id}"))
        return bool(told["stage"] == stage)

    await until(there)
    return told


async def ask(running: RunningHub, kind: str, value: str, **options: Any) -> dict[str, Any]:
    """Ask the admin side to erase somebody."""
    body = {"kind": kind, "value": value, **options}
    async with running.client.session.post(
        running.client.admin + "/api/erasures", json=body
    ) as response:
        answer: dict[str, Any] = orjson.loads(await response.read())
        assert response.status == (200 if options.get("dry_run") else 202), answer
    return answer


def sent(receiver: Receiver, path: str) -> list[dict[str, Any]]:
    return [event for request in receiver.at(path) for event in request.events]


@pytest.mark.case(16)
async def test_an_erased_person_is_nowhere_in_the_store_and_destinations_are_told(
    tmp_path: Path,
) -> None:
    theirs = [
        of_ada(0, type="identify", traits={"email": ADA, "pad": "x" * 9_000}),
        *(of_ada(number) for number in range(1, 30)),
        of_ada(30, type="nothing"),
    ]
    others = [track(userId="u-bob") for _ in range(30)]
    async with receiving() as receiver:
        config = config_text(
            webhook("crm", receiver.address + "/crm", batch=True) + everything_to("crm")
        )
        async with running_hub(tmp_path, config) as running:
            client = running.client
            assert (await client.batch([*theirs, *others], WRITE_KEY)).status == 200
            await client.settled()
            assert ADA.encode() in on_the_disk(tmp_path)
            dry = await ask(running, "email", ADA.upper(), dry_run=True)
            assert (dry["profile"], dry["identifiers"], dry["events"], dry["rejections"]) == (
                "p-1", 3, 30, 1,
            )  # fmt: skip
            assert dry["destinations"] == ["crm"]
            assert dry["known_by"] == {
                "user_id": ["u-ada"], "anonymous_id": ["anon-ada"], "email": [ADA],
            }  # fmt: skip
            asked = await ask(running, "email", ADA.upper())
            told = await staged(running, asked["id"], "done")
            assert (told["events"], told["rejections"], told["waits_for"]) == (30, 1, [])
            assert_nothing_left(tmp_path)
            assert b"u-bob" in on_the_disk(tmp_path)
            assert (await client.settled())["crm"]["delivered"] == 61
            [known] = (await client.get(f"/api/erasures?kind=email&value={ADA}"))["erasures"]
            assert known["id"] == asked["id"]
    [delete] = [event for event in sent(receiver, "/crm") if event["type"] == "delete"]
    assert (delete["userId"], delete["anonymousId"]) == ("u-ada", "anon-ada")
    assert [one["id"] for one in delete["context"]["externalIds"]] == [ADA]


@pytest.mark.case(16)
async def test_what_waits_for_a_destination_is_filtered_and_the_delete_is_not(
    tmp_path: Path,
) -> None:
    """At one destination events are parked, at one they are dead letters, one is paused."""

    def refuses(request: Any) -> answers.Answer:
        return answers.OK if sole_type(request.events) == "delete" else REFUSED

    async with receiving() as receiver:
        receiver.always("/down", DOWN)
        receiver.judge("/refuses", refuses)
        names = ("down", "refuses", "paused")
        config = config_text(
            "".join(webhook(name, f"{receiver.address}/{name}") for name in names)
            + everything_to(*names)
        )
        async with running_hub(tmp_path, config) as running:
            client, operations = running.client, running.hub.operations
            await operations.pause("paused", "")
            events = [of_ada(number) for number in range(5)]
            assert (await client.batch(events, WRITE_KEY)).status == 200
            assert (await client.batch([track(userId="u-bob")], WRITE_KEY)).status == 200

            async def stuck() -> bool:
                ledger = await client.ledger()
                tried = bool(receiver.sends("/down"))
                return tried and ledger["refuses"]["dead"] == 6

            await until(stuck)
            asked = await ask(running, "user_id", "u-ada")
            told = await staged(running, asked["id"], "telling")
            assert (told["events"], told["dead_letters"]) == (5, 5)
            assert told["waits_for"] == ["down", "paused"]
            ledger = await client.ledger()
            assert all(row["balanced"] for row in ledger.values()), ledger
            assert [ledger[name]["filtered"] for name in names] == [5, 0, 5]
            assert [ledger[name]["pending"] for name in names] == [2, 0, 2], "bob and the delete"
            assert ledger["refuses"]["dead"] == 6, "they still count"
            assert b"m-ada" not in on_the_disk(tmp_path)
            running.hub._erasing._waits.clear()
            await running.hub._erasing.step()
            assert (await client.get(f"/api/erasures/{asked['id']}"))["stage"] == "telling"
            receiver.always("/down", answers.OK)
            for name in ("down", "paused"):
                await operations.resume(name)
            await staged(running, asked["id"], "done")
            assert_nothing_left(tmp_path)
            ledger = await client.settled()
            assert [ledger[name]["delivered"] for name in names] == [2, 1, 2]
    for name in ("down", "paused"):
        taken = sent(receiver, f"/{name}")
        assert sorted(str(event["userId"]) for event in taken) == ["u-ada", "u-bob"], name
        assert {event["type"] for event in taken} == {"delete", "track"}


@pytest.mark.case(16)
async def test_why_a_destination_is_paused_names_no_erased_person(tmp_path: Path) -> None:
    def refuses(request: Any) -> answers.Answer:
        return answers.json({"error": f"no access for {request.events[0]['messageId']}"}, 401)

    async with receiving() as receiver:
        receiver.judge("/crm", refuses)
        config = config_text(webhook("crm", receiver.address + "/crm") + everything_to("crm"))
        async with running_hub(tmp_path, config) as running:
            client = running.client
            assert (await client.batch([of_ada(1)], WRITE_KEY)).status == 200

            async def paused() -> bool:
                return bool((await client.get("/api/status"))["destinations"]["crm"]["paused"])

            await until(paused)
            assert b"m-ada" in orjson.dumps(await client.get("/api/status"))
            asked = await ask(running, "user_id", "u-ada")
            await staged(running, asked["id"], "telling")
            assert b"m-ada" not in on_the_disk(tmp_path)
            status = await client.get("/api/status")
            assert b"m-ada" not in orjson.dumps(status)
            assert "authentication_failed" in orjson.dumps(status["destinations"]["crm"]).decode()
        async with running_hub(tmp_path, config) as running:
            receiver.always("/crm", answers.OK)
            await running.hub.operations.resume("crm")
            await staged(running, asked["id"], "done")
            assert_nothing_left(tmp_path)


@pytest.mark.case(16)
async def test_a_replay_sends_nothing_of_who_is_just_being_erased(tmp_path: Path) -> None:
    """It is asked for when all that waited is withdrawn, and nothing is removed yet."""
    async with receiving() as receiver:
        config = config_text(webhook("crm", receiver.address + "/crm") + everything_to("crm"))
        async with running_hub(tmp_path, config) as running:
            client, hub = running.client, running.hub
            events = [*(of_ada(number) for number in range(10)), track(userId="u-bob")]
            assert (await client.batch(events, WRITE_KEY)).status == 200
            await client.settled()
            usual = hub.store.erasures.traces

            async def later(erasure: Erasure, offsets: Sequence[int]) -> Traces:
                if not erasure.erased_at:
                    await hub._dispatcher.open_replay("crm", 0, offsets[-1] + 1)
                    await until(lambda: waits_or_is_over(hub))
                return await usual(erasure, offsets)

            hub.store.erasures.traces = later  # type: ignore[method-assign]
            asked = await ask(running, "user_id", "u-ada")
            await staged(running, asked["id"], "done")
            await until(lambda: over(hub))
            assert (await client.settled())["crm"]["delivered"] == 13
            assert_nothing_left(tmp_path)
    assert [str(event["userId"]) for event in sent(receiver, "/crm")].count("u-bob") == 2


async def over(hub: Hub) -> bool:
    return not await hub.store.ledger.replays()


async def waits_or_is_over(hub: Hub) -> bool:
    """Whether a replay stands still, or, where nothing holds it, has sent all."""
    return bool(hub._putting_back._waiters) or await over(hub)


@pytest.mark.case(16)
async def test_a_reload_in_the_middle_lets_nothing_be_sent_again(tmp_path: Path) -> None:
    async with receiving() as receiver:
        config = config_text(webhook("crm", receiver.address + "/crm") + everything_to("crm"))
        async with running_hub(tmp_path, config) as running:
            hub, before = running.hub, running.hub._dispatcher
            await hub.reload(load(tmp_path, config.replace("batch = false", "batch = true")))
            assert hub._dispatcher is not before
            assert hub._dispatcher.putting_back is before.putting_back


def sole_type(events: list[dict[str, Any]]) -> str:
    [event] = events
    return str(event["type"])


@pytest.mark.case(16)
async def test_a_destination_that_is_no_more_is_not_waited_for(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.always("/old", DOWN)
        crm, old = (webhook(id, f"{receiver.address}/{id}") for id in ("crm", "old"))
        async with running_hub(
            tmp_path, config_text(crm + old + everything_to("crm", "old"))
        ) as running:
            assert (await running.client.batch([of_ada(1)], WRITE_KEY)).status == 200
            asked = await ask(running, "user_id", "u-ada")
            await staged(running, asked["id"], "telling")
        async with running_hub(tmp_path, config_text(crm + everything_to("crm"))) as running:
            await staged(running, asked["id"], "done")
            assert_nothing_left(tmp_path)
            ledger = await running.client.settled()
            assert (ledger["crm"]["delivered"], ledger["old"]["filtered"]) == (2, 2)


@pytest.mark.case(16)
async def test_a_restart_in_the_middle_takes_an_erasure_up_again(tmp_path: Path) -> None:
    async with receiving() as receiver:
        config = config_text(webhook("crm", receiver.address + "/crm") + everything_to("crm"))
        async with running_hub(tmp_path, config) as running:
            client = running.client
            events = [of_ada(number) for number in range(20)]
            assert (await client.batch(events, WRITE_KEY)).status == 200
            await client.settled()

            async def ends(*_: Any) -> None:
                raise RuntimeError("killed")

            running.hub.store.erasures.remove_events = ends  # type: ignore[method-assign, assignment]
            asked = await ask(running, "user_id", "u-ada")
            await until(lambda: broken(running))
            running.log.entries.clear()
        async with running_hub(tmp_path, config) as running:
            told = await staged(running, asked["id"], "done")
            assert told["events"] == 20
            assert_nothing_left(tmp_path)
            assert (await running.client.settled())["crm"]["delivered"] == 21


async def broken(running: RunningHub) -> bool:
    assert running.hub.operations.problem() == "", "events are taken and sent"
    return "broke (RuntimeError)" in running.hub.operations.warning()


HOOK: Final = """
[sources.cloud]
type = "segment_webhook"
settings.shared_secret = { env = "SEGMENT_SHARED_SECRET" }
"""


@pytest.mark.case(16)
async def test_segment_s_delete_erases_and_one_sent_with_a_write_key_does_not(
    tmp_path: Path,
) -> None:
    notice = {"type": "delete", "userId": "u-ada", "timestamp": "2026-01-01T00:00:00.000Z"}
    async with receiving() as receiver:
        config = config_text(
            webhook("crm", receiver.address + "/crm")
            + '[routes.web]\nfrom = ["web"]\nto = ["crm"]\nwhen = \'type = "track"\'\n',
            sources=HOOK,
        )
        async with running_hub(tmp_path, config) as running:
            client = running.client
            assert (await client.batch([of_ada(1)], WRITE_KEY)).status == 200
            await client.settled()
            assert (await client.batch([notice], WRITE_KEY)).status == 200
            [rejected] = (await client.get("/api/rejections"))["rejections"]
            assert "a write key" in rejected["reason"]
            assert (await client.get("/api/profiles/user_id/u-ada"))["id"] == "p-1"
            body = orjson.dumps(notice)
            signature = hmac.new(SHARED_SECRET.encode(), body, "sha1").hexdigest()
            headers = {"content-type": "application/json", "x-signature": signature}
            assert (await client.ask("POST", "/hooks/cloud", body, headers)).status == 200
            await client.settled()
            [found] = (await client.get("/api/erasures"))["erasures"]
            await staged(running, found["id"], "done")
            assert_nothing_left(tmp_path)
    assert [event["type"] for event in sent(receiver, "/crm")] == ["track", "delete"]


KEEN: Final = """
[audiences.keen]
event = "Seen"
send = ["crm", "list"]
[destinations.list]
type = "keeps_lists"
"""
LISTS: Final = '''
from collections.abc import Sequence

from junctor.sdk import Destination, Event, Manifest, Settings

TAKEN = []


class Lists(Destination[Settings]):
    """Takes all but deletes."""

    manifest = Manifest(type="keeps_lists", title="Lists", summary="Takes no deletes.")
    settings_model = Settings

    async def deliver(self, events: Sequence[Event]) -> None:
        TAKEN.extend(events)
'''


@pytest.mark.case(16)
async def test_who_can_not_delete_is_told_that_the_person_left_the_audience(
    tmp_path: Path,
) -> None:
    (tmp_path / "lists.py").write_text(LISTS)
    async with receiving() as receiver:
        config = 'plugins = ["lists.py"]\n' + config_text(
            webhook("crm", receiver.address + "/crm") + KEEN
        )
        async with running_hub(tmp_path, config) as running:
            client = running.client
            assert (await client.batch([of_ada(1)], WRITE_KEY)).status == 200
            await client.settled()
            await running.hub.operations.pause("list", "")
            asked = await ask(running, "user_id", "u-ada")
            await staged(running, asked["id"], "telling")
            await until(lambda: idle(client, "crm"))
            told = await client.get(f"/api/erasures/{asked['id']}")
            assert (told["stage"], told["waits_for"]) == ("telling", ["list"])
            await running.hub.operations.resume("list")
            await staged(running, asked["id"], "done")
            assert_nothing_left(tmp_path)
            ledger = await client.settled()
            assert (ledger["list"]["delivered"], ledger["crm"]["delivered"]) == (2, 2)
    assert [(event["type"], event.get("event")) for event in sent(receiver, "/crm")] == [
        ("track", "Audience Entered"), ("delete", None),
    ]  # fmt: skip


@pytest.mark.case(16)
async def test_who_comes_again_is_somebody_new_and_who_is_suppressed_does_not_come(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver:
        config = config_text(
            webhook("crm", receiver.address + "/crm", batch=True) + everything_to("crm") + KEEN
        ).replace('type = "keeps_lists"', 'type = "webhook"\nsettings.url = "http://127.0.0.1:9/"')
        async with running_hub(tmp_path, config) as running:
            client = running.client
            first = of_ada(1, type="identify", traits={"plan": "pro"})
            assert (await client.batch([first, of_ada(2)], WRITE_KEY)).status == 200
            asked = await ask(running, "user_id", "u-ada")
            await staged(running, asked["id"], "telling")
            assert (await client.batch([first, of_ada(3, event="Other")], WRITE_KEY)).status == 200
            await until(lambda: known_again(client))
            again = await client.get("/api/profiles/user_id/u-ada")
            assert (again["traits"], again["audiences"], again["merges"]) == ({}, {}, [])
            assert int(again["id"][2:]) > asked["id"]
            asked = await ask(running, "user_id", "u-ada", suppress=True)
            assert asked["suppressed"] == ["u-ada"]
            told = await staged(running, asked["id"], "telling")
            assert told["events"] == 1, "the first was a repetition, and is known as one"
            accepted = await client.stored()
            assert (await client.batch([of_ada(4)], WRITE_KEY)).status == 200
            assert await client.stored() == accepted
            assert b'outcome="suppressed",source="web"} 1.0' in running.hub.metrics.render()
            await running.hub.operations.suppress(["u-ada"], suppressed=False)
            assert (await client.batch([of_ada(5)], WRITE_KEY)).status == 200
            assert await client.stored() == accepted + 1


async def idle(client: HubClient, id: str) -> bool:
    return not (await client.ledger())[id]["pending"]


async def known_again(client: HubClient) -> bool:
    return "id" in await client.get("/api/profiles/user_id/u-ada")
