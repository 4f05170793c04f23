"""Every request of the corpus gets its answer, and what is stored of it arrives whole everywhere.

The hub has all built-in destinations, audiences and a function of the user's. Slack's pace and that
of Statsig's console are left out: what counts here is what they are sent.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio
from yarl import URL

from junctor.config.load import LoadedConfig
from junctor.host.explain import BadEvent, Nobody, explain
from junctor.sdk import parse_json
from junctor.sdk.context import SystemClock
from junctor.telemetry.log import make_logger
from junctor_connectors.slack.destination import Slack
from junctor_connectors.statsig_segment.destination import StatsigSegment
from tests.fuzz.hostile import FOLDER, Hostile, cases, exact, whole
from tests.fuzz.world import World, secrets, whole_hub
from tests.support import wire
from tests.support.client import Reply
from tests.support.events import track
from tests.support.hub import WRITE_KEY, load
from tests.support.vendors import CRM, LAKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FILES = [
    pytest.param("json", marks=pytest.mark.case(1, 2)),
    pytest.param("numbers", marks=pytest.mark.case(2)),
    pytest.param("encodings", marks=pytest.mark.case(4)),
    pytest.param("batches", marks=pytest.mark.case(3, 5)),
    pytest.param("fields", marks=pytest.mark.case(6, 24)),
    pytest.param("ids", marks=pytest.mark.case(6, 8)),
    pytest.param("times", marks=pytest.mark.case(7)),
    pytest.param("http", marks=pytest.mark.case(9, 17)),
]
KEPT = ("event", "name", "category", "properties", "traits", "integrations", "_metadata", "channel")
"""Fields of a call that no part of the hub has to do with."""
PLAIN = ("raw", "plain")
"""Keys of requests that HTTP's own parser may refuse, in plain text."""
MOST_COMPARED = 20
"""Calls of one request that are looked up again."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        for connector in (Slack, StatsigSegment):
            patch.setattr(
                connector, "manifest", connector.manifest.model_copy(update={"rate": None})
            )
        async with whole_hub(tmp_path_factory.mktemp("hub")) as world:
            yield world


async def answered(address: str, case: Hostile) -> Reply | None:
    """Send a request as it is; return the first answer, None if there is none."""
    async with wire.connection(address) as (reader, writer):
        sending = asyncio.create_task(_send(writer, case.request()))
        try:
            async with asyncio.timeout(20):
                return await wire.answer(reader, head=case.table.get("method") == "HEAD")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _send(writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    await writer.drain()


def calls_of(case: Hostile) -> Iterator[list[tuple[str, Any]]]:
    """Yield the calls in a body, exact; none of a body that is no JSON."""
    try:
        body = exact(case.content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return
    batch = dict(body).get("batch", [body]) if is_object(body) else body
    for call in batch if isinstance(batch, list) else []:
        if is_object(call):
            yield call


def is_object(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, tuple) for one in value)


async def count(world: World) -> tuple[int, int]:
    outcomes = await world.client.outcomes()
    return outcomes["accepted"], outcomes["rejected"]


def test_every_table_of_the_corpus_is_sent() -> None:
    tables = {file.stem for file in FOLDER.glob("*.toml")}
    assert {one.values[0] for one in FILES} == tables


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("file", FILES)
async def test_hostile_requests_get_their_answers_and_what_is_stored_of_them_arrives_whole(
    world: World, file: str
) -> None:
    sent: dict[str, Any] = {}
    config = (world.folder / "junctor.toml").read_text()
    loaded = load(world.folder, config, secrets(world.receiver))
    wrong = [
        f"{case.name}: {problem}"
        for case in cases(file)
        if (problem := await problem_with(world, case, sent) or await unexplained(loaded, case))
    ]
    assert wrong == []

    ledger = await world.client.settled(60)
    letters = (await world.client.get("/api/dead-letters?limit=1000"))["dead_letters"]
    assert {letter["code"] for letter in letters} <= {"invalid_payload"}, letters
    assert [ledger[id]["dead"] for id in ("statsig", "crm", "lake", "alerts")] == [0] * 4
    assert (await world.client.get("/api/status"))["healthy"]
    delivered = events_at(world, LAKE, CRM)
    for id, call in sent.items():
        kept = await served(world, id)
        assert_kept(call, kept, ("context", "timestamp"))
        if not is_held_back(kept):
            assert_kept(call, delivered[id], ("context",))


async def problem_with(world: World, case: Hostile, sent: dict[str, Any]) -> str:
    """Return what is wrong with what the hub does, "" if nothing is.

    `sent` gets the calls that must have been stored, exact, by message id.
    """
    stored, rejected = await count(world)
    reply = await answered(world.client.ingest, case)
    now_stored, now_rejected = await count(world)
    if (status := reply.status if reply is not None else 0) not in case.statuses:
        return f"{status}: {reply}"
    if reply is not None and reply.body and not is_clear(reply, case):
        return f"not clear: {reply}"
    if case.stored not in (None, now_stored - stored) or now_rejected - rejected != case.rejected:
        return f"{now_stored - stored} stored, {now_rejected - rejected} rejected"
    if now_stored > stored and not case.rejected:
        for call in islice(calls_of(case), MOST_COMPARED):
            id = dict(call).get("messageId")
            if isinstance(id, str) and id.strip():
                sent.setdefault(whole(id), call)
    alive = await world.client.batch([track()], WRITE_KEY)
    return "" if (alive.status, alive.json) == (200, {"success": True}) else f"then: {alive}"


def is_clear(reply: Reply, case: Hostile) -> bool:
    """Whether an error says what is wrong, for machines and people; HTTP's parser has its own."""
    kind = reply.headers["content-type"].partition(";")[0]
    if reply.status < 400 or (kind == "text/plain" and not case.table.keys().isdisjoint(PLAIN)):
        return True
    said = reply.json if kind == "application/json" else {}
    return (
        said.keys() == {"success", "code", "message", "error"}
        and (said["success"], said["error"]) == (False, said["message"])
        and case.says in said["message"] != ""
        and (reply.status != 405 or bool(reply.headers["allow"]))
    )


async def unexplained(loaded: LoadedConfig, case: Hostile) -> str:
    """Return what is wrong with a dry run of the calls that are stored, "" if nothing is."""
    for body in islice(bodies(case), MOST_COMPARED) if case.stored else ():
        with suppress(BadEvent):  # one of those that were refused
            found = await explain(
                loaded, body, source="web", people=Nobody(), offset=1, clock=SystemClock(),
                logger=make_logger(),
            )  # fmt: skip
            orjson.dumps(found.as_dict())
            for request in found.requests:
                told = request["body"] if request["destination"] == "crm" else body
                if told.get("properties") != body.get("properties"):
                    return f"explained as {told}"
    return ""


def bodies(case: Hostile) -> Iterator[dict[str, Any]]:
    body = parse_json(case.content)
    items = body.get("batch", [body]) if isinstance(body, dict) else body
    for item in items:
        if isinstance(item, dict):
            yield {"type": case.table.get("path", "/v1/track").rpartition("/")[2], **item}


async def served(world: World, id: str) -> Any:
    """Return an event as the admin side serves it, exact."""
    url = URL(f"{world.client.admin}/api/events/{quote(id, safe='')}", encoded=True)
    async with world.client.session.get(url) as answer:
        assert answer.status == 200, id
        return dict(dict(exact(await answer.read()))["events"][0])["event"]


def events_at(world: World, *paths: str) -> dict[str, Any]:
    """Return the events that webhooks were sent, exact, by message id."""
    found: dict[str, Any] = {}
    for request in (request for path in paths for request in world.receiver.at(path)):
        body = exact(request.body)
        for event in [body] if is_object(body) else body:
            found.setdefault(dict(event)["messageId"], event)
    return found


def is_held_back(event: Any) -> bool:
    """Whether an event may say that not all destinations get it."""
    integrations = dict(event).get("integrations")
    return is_object(integrations) and bool(integrations)


def assert_kept(call: list[tuple[str, Any]], event: Any, also: Sequence[str]) -> None:
    """What the call said is there, to the digit, in the same order."""
    here = dict(event)
    for name, value in call:
        if name not in (*KEPT, *also) or (value is None and name not in here):
            continue
        if name in ("context", "integrations"):  # what an envelope says for all is put into it
            assert dict(here[name]).items() >= dict(whole(value) or ()).items()
        else:
            assert here[name] == whole(value), name
