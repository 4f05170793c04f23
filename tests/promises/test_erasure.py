"""Promise: an erased person is nowhere, everybody else is as if they had never been.

Traffic of a few people, drawn at random: merges by alias, shared groups, audiences of people and of
groups, events that a destination refuses (dead letters) or does not take now (parked), one that is
paused, items that are no events. One of them is erased, at any time, and the erasure may be cut off
in any step and taken up by another hub on the same store. Sometimes what was sent is being sent
again meanwhile, and dead letters are. In the end no byte of theirs is on the
disk, and the others are as at a hub that never heard of the person.

Set JUNCTOR_ERASURES to run it longer.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from junctor.store.port import StoreUnavailable
from junctor.testkit import Answer, Received, answers
from tests.support.client import HubClient, until
from tests.support.hub import (
    WRITE_KEY,
    RunningHub,
    config_text,
    everything_to,
    running_hub,
    webhook,
)
from tests.support.receiver import Receiver, receiving

ROUNDS: Final = int(os.environ.get("JUNCTOR_ERASURES", "4"))
PEOPLE: Final = 4
ERASED: Final = 0
EVENTS: Final = 60
DESTINATIONS: Final = ("takes", "refuses", "down", "paused")
AUDIENCES: Final = """
[audiences.keen]
event = "Seen"
count = ">=3"
send = ["takes", "paused"]
[audiences.busy]
key = "account"
event = "Seen"
count = ">=2"
[audiences.by_mail]
key = "email"
event = "Seen"
count = ">=2"
[attributes.seen]
event = "Seen"
agg = "counter"
[signals.twice]
event = "Seen"
count = ">=2"
within = "1h"
"""


def name(person: int, what: str) -> str:
    """Return a value that nobody else has, and that nothing else contains."""
    return f"zq{person}-{what}"


def traffic(random: Random) -> list[dict[str, Any]]:
    """Return events of everybody, in the order in which they are sent.

    First all say which devices are theirs: of one that nobody has named, nobody can know.
    """
    made: list[dict[str, Any]] = [
        {"type": "identify", "userId": name(person, "user"), "messageId": name(person, device),
         "anonymousId": name(person, device)}
        for person in range(PEOPLE)
        for device in ("device-0", "device-1", "device-2")
    ]  # fmt: skip
    for number in range(EVENTS):
        person = random.randrange(PEOPLE)
        user, device = name(person, "user"), name(person, f"device-{random.randrange(3)}")
        body: dict[str, Any] = {
            "messageId": name(person, f"message-{number}"), "userId": user, "anonymousId": device,
            "timestamp": f"2026-03-01T10:00:{number % 60:02}.{number:03}Z",
            "properties": {"fate": random.choice(("taken", "refused")),
                           "note": name(person, "note" + "x" * random.choice((1, 6_000)))},
        }  # fmt: skip
        match random.randrange(8):
            case 0:
                body |= {"type": "identify", "traits": {"email": name(person, "mail@x.example")}}
            case 1:
                body |= {"type": "group", "groupId": f"acme-{random.randrange(2)}"}
            case 2:
                body |= {"type": "alias", "previousId": name(person, f"before-{number}")}
                del body["anonymousId"]
            case 3:
                body |= {"type": "no such type"}
            case 4:
                del body["userId"]
                body |= {"type": "track", "event": "Seen"}
            case _:
                groups = {"context": {"groupId": f"acme-{random.randrange(2)}"}}
                body |= {"type": "track", "event": "Seen", **random.choice((groups, {}))}
                body["properties"]["email"] = name(person, "mail@x.example")
        made.append(body)
    return made


def refuses(request: Received) -> Answer:
    """Refuse what asks for it, and say whose it is."""
    [event] = request.events
    if event.get("properties", {}).get("fate") == "refused":
        return answers.json({"error": f"no such user: {event['messageId']}"}, 400)
    return answers.OK


def down(request: Received) -> Answer:
    return answers.json({"error": f"not now: {request.events[0]['messageId']}"}, 503)


def configuration(receiver: Receiver) -> str:
    sections = [
        webhook(id, f"{receiver.address}/{id}", batch=id == "takes", delivery=PATIENT)
        for id in DESTINATIONS
    ]
    return config_text("".join(sections) + everything_to(*DESTINATIONS) + AUDIENCES)


PATIENT: Final = 'retry = { initial = "20ms", max = "100ms" }, breaker = { failures = 1000 }'


async def erased(
    running: RunningHub, kind: str, value: str, *, stage: str = "telling"
) -> dict[str, Any]:
    asked = await running.hub.erasures.erase(kind, value)
    return await reached(running, asked["id"], stage)


async def reached(running: RunningHub, id: int, stage: str) -> dict[str, Any]:
    told: dict[str, Any] = {}

    async def there() -> bool:
        told.update(await running.hub.erasures.erasure(id))
        return told["stage"] in (stage, "done")

    await until(there)
    return told


def cut_off(running: RunningHub, random: Random) -> None:
    """Let the store fail from some step of an erasure on, for good."""
    erasures = running.hub.store.erasures
    left = random.randrange(1, 9)
    usual = {what: getattr(erasures, what) for what in STEPS}

    def failing(what: str) -> Any:
        async def step(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left <= 0:
                raise StoreUnavailable("cut off")
            return await usual[what](*arguments)

        return step

    for what in STEPS:
        setattr(erasures, what, failing(what))


STEPS: Final = ("events", "traces", "remove_traces", "remove_events", "advance", "wipe")


async def everybody(client: HubClient, hub: RunningHub) -> list[Any]:
    """Return what is known of all but the erased one, by what does not depend on offsets."""
    found: list[Any] = []
    for person in range(PEOPLE):
        if person == ERASED:
            continue
        profile = await client.get(f"/api/profiles/user_id/{name(person, 'user')}")
        found.append(
            {key: profile.get(key) for key in ("identifiers", "traits", "audiences", "attributes")}
        )
    accounts = [await client.get(f"/api/profiles/account/acme-{number}") for number in range(2)]
    found.append([one.get("identifiers") for one in accounts])
    members = await hub.hub.store.memberships.sizes()
    found.append({audience: size for audience, size in members.items() if audience != "busy"})
    letters = (await client.get("/api/dead-letters"))["dead_letters"]
    found.append(
        sorted(letter["message_id"] for letter in letters if "/" not in letter["message_id"])
    )
    rejected = (await client.get("/api/rejections"))["rejections"]
    found.append(sorted(one["item"] for one in rejected))
    return found


async def caught_up(client: HubClient, *ids: str) -> None:
    """Wait until all is folded, and these destinations have nothing left to do."""

    async def idle() -> bool:
        status = await client.get("/api/status")
        replays = (await client.get("/api/replays"))["replays"]
        pending = [status["destinations"][id]["pending"] for id in ids]
        return status["log"]["behind"] == 0 and not any(pending) and not replays

    await until(idle)


async def sent_again(running: RunningHub) -> None:
    """Let one destination get again all that it got."""
    head = await running.hub.store.log.head()
    await running.hub._dispatcher.open_replay("takes", 0, head)


def fates(receiver: Receiver, path: str) -> dict[str, int]:
    """Return how often each event that a sender named was taken."""
    counts = receiver.counts(path)
    return {id: count for id, count in counts.items() if id.startswith("zq") and "/" not in id}


def of_others(counts: Mapping[str, int]) -> dict[str, int]:
    return {id: n for id, n in counts.items() if not id.startswith(f"zq{ERASED}-")}


def on_the_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in (folder / "data").iterdir() if file.is_file())


async def send(client: HubClient, events: Sequence[Mapping[str, Any]]) -> None:
    for start in range(0, len(events), 7):
        assert (await client.batch(events[start : start + 7], WRITE_KEY)).status == 200


@pytest.mark.case(16)
@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_nothing_of_an_erased_person_is_left_and_nobody_else_notices(
    tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    events = traffic(random)
    middle = random.randrange(EVENTS // 2, EVENTS)
    before, after = events[:middle], [e for e in events[middle:] if not speaks(e)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with receiving() as receiver:
        receiver.judge("/refuses", refuses)
        receiver.judge("/down", down)
        config = configuration(receiver)
        async with running_hub(tmp_path / "a", config) as running:
            client = running.client
            await running.hub.operations.pause("paused", "")
            await send(client, before)
            again = random.random() < 0.5
            if again:
                await caught_up(client, "takes", "refuses")
                await sent_again(running)
                letters = await running.hub.store.ledger.dead_letters("refuses")
                await running.hub._dispatcher.replay_dead([letter.id for letter in letters])
            cut_off(running, random)
            asked = await running.hub.erasures.erase("user_id", name(ERASED, "user"))
            await send(client, after)
            await caught_up(client, "takes", "refuses")
        async with running_hub(tmp_path / "a", config) as running:
            client = running.client
            told = await reached(running, asked["id"], "telling")
            assert told["waits_for"] == ["down", "paused"]
            assert_balanced(await client.ledger())
            receiver.always("/down", answers.OK)
            for id in told["waits_for"]:
                await running.hub.operations.resume(id)
            await reached(running, asked["id"], "done")
            await caught_up(client, *DESTINATIONS)
            assert name(ERASED, "").encode() not in on_the_disk(tmp_path / "a")
            assert name(1, "user").encode() in on_the_disk(tmp_path / "a")
            assert_balanced(await client.ledger())
            state = await everybody(client, running)
        taken = [of_others(fates(receiver, f"/{id}")) for id in DESTINATIONS]
    async with receiving() as receiver:
        receiver.judge("/refuses", refuses)
        async with running_hub(tmp_path / "b", configuration(receiver)) as running:
            client = running.client
            await send(client, [event for event in before if not speaks(event)])
            if again:
                await caught_up(client, "takes")
                await sent_again(running)
            await send(client, after)
            await caught_up(client, *DESTINATIONS)
            assert state == await everybody(client, running)
        assert taken == [fates(receiver, f"/{id}") for id in DESTINATIONS]


def assert_balanced(ledger: Mapping[str, Mapping[str, Any]]) -> None:
    assert all(row["balanced"] for row in ledger.values()), ledger


def speaks(event: Mapping[str, Any]) -> bool:
    """Whether it is an event of the person who is erased."""
    return str(event["messageId"]).startswith(name(ERASED, ""))
