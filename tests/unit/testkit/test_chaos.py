"""The vendor that misbehaves does so exactly as it is told, and keeps what came."""

import asyncio
import errno
import gzip
import math
import ssl
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from junctor.testkit import (
    Answer,
    ChaosReceiver,
    ManualClock,
    Received,
    answers,
    by_message,
    by_user,
    flapping,
    flapping_in_time,
)
from junctor.testkit.chaos import ELSEWHERE, LOOPBACK
from junctor.testkit.doubles import START

PATH = "/events"


@pytest.fixture
async def vendor() -> AsyncIterator[ChaosReceiver]:
    async with ChaosReceiver() as one:
        yield one


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(auto_decompress=False, connector=connector) as one:
        yield one


async def post(
    session: aiohttp.ClientSession, vendor: ChaosReceiver, body: Any, path: str = PATH
) -> tuple[int, bytes]:
    async with session.post(vendor.address + path, json=body, allow_redirects=False) as reply:
        return reply.status, await reply.read()


async def refused(session: aiohttp.ClientSession, vendor: ChaosReceiver) -> None:
    with pytest.raises(aiohttp.ClientConnectorError) as failed:
        await post(session, vendor, event("refused"))
    assert failed.value.errno == errno.ECONNREFUSED


def event(id: str, user: str = "u-1") -> dict[str, str]:
    return {"messageId": id, "userId": user}


async def test_what_came_is_kept_in_order_and_counted(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    vendor.script(PATH, [Answer(500), answers.json({"ok": False})])
    assert await post(session, vendor, event("a")) == (500, b"ok")
    assert await post(session, vendor, event("a")) == (200, b'{"ok":false}')
    assert await post(session, vendor, [event("b"), event("c"), "no event", {}]) == (200, b"ok")
    assert await post(session, vendor, event("z"), "/other") == (200, b"ok")
    assert [request.message_ids for request in vendor.requests] == [["a"], ["a"], ["b", "c"], ["z"]]
    assert [request.answer.status for request in vendor.requests if request.answer] == [
        500, 200, 200, 200,
    ]  # fmt: skip
    assert vendor.sends(PATH) == {"a": 2, "b": 1, "c": 1}
    assert vendor.counts(PATH) == {"a": 1, "b": 1, "c": 1}
    assert vendor.requests[0].at <= vendor.requests[-1].at
    assert vendor.requests[0].headers["content-type"] == "application/json"


async def test_a_body_that_is_no_json_has_no_events(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    async with session.post(vendor.address, data=b"\xff") as reply:
        assert reply.status == 200
    assert vendor.requests[0].events == []


async def test_other_shapes_than_segments_can_be_told_apart(session: aiohttp.ClientSession) -> None:
    class Acme(ChaosReceiver):
        def events_of(self, request: Received) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = request.json["rows"]
            return rows

        def message_id(self, event: Mapping[str, Any]) -> str:
            return str(event["key"])

    async with Acme() as vendor:
        await post(session, vendor, {"rows": [{"key": 1}, {"key": 2}]})
        assert vendor.counts(PATH) == {"1": 1, "2": 1}


# -- who decides --------------------------------------------------------------------------------


async def test_each_message_of_a_user_gets_the_users_answers_from_the_first(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    vendor.judge(PATH, by_user({"u-1": [Answer(500), Answer(429), answers.OK]}))
    said = {
        id: [(await post(session, vendor, event(id, user)))[0] for _ in range(4)]
        for id, user in (("a", "u-1"), ("b", "u-1"), ("c", "u-2"))
    }
    assert said == {"a": [500, 429, 200, 200], "b": [500, 429, 200, 200], "c": [200] * 4}


async def test_a_list_is_answered_by_its_first_event_that_is_not_taken(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    scripts = {"a": [answers.OK], "b": [Answer(500), answers.OK], "c": [Answer(503), Answer(400)]}
    vendor.judge(PATH, by_message(lambda event: scripts[event["messageId"]]))
    batch = [event(id) for id in "abc"]
    said = [(await post(session, vendor, batch))[0] for _ in range(3)]
    assert said == [500, 400, 400]
    assert (await post(session, vendor, batch[:2]))[0] == 200


async def test_it_flaps_by_count(vendor: ChaosReceiver, session: aiohttp.ClientSession) -> None:
    vendor.judge(PATH, flapping(2, 1, ill=Answer(503)))
    said = [(await post(session, vendor, event("a")))[0] for _ in range(6)]
    assert said == [200, 200, 503, 200, 200, 503]


def test_it_flaps_by_the_clock() -> None:
    judge = flapping_in_time(3, 2)
    vendor = ChaosReceiver()
    said = [judge(Received(PATH, {}, b"", 100.0 + second, vendor)) for second in range(10)]
    assert [answer is answers.OK for answer in said] == [*[True] * 3, *[False] * 2] * 2
    assert answers.RESET in said


async def test_a_decision_may_take_its_time(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    released = asyncio.Event()

    async def later(_: Received) -> Answer:
        await released.wait()
        return Answer(204, b"")

    vendor.judge(PATH, later)
    asking = asyncio.create_task(post(session, vendor, event("a")))
    await vendor.until(lambda: vendor.open == 1)
    assert not vendor.taken
    released.set()
    assert await asking == (204, b"")


# -- time ---------------------------------------------------------------------------------------


class Bedside(ManualClock):
    """A clock that tells when somebody lies down: what comes by a socket takes an unknown time."""

    def __init__(self) -> None:
        super().__init__()
        self._slept = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self._slept.set()
        await super().sleep(seconds)

    async def somebody_sleeps(self) -> None:
        await asyncio.wait_for(self._slept.wait(), 5)
        self._slept.clear()


async def test_an_answer_may_come_late(session: aiohttp.ClientSession) -> None:
    clock = Bedside()
    async with ChaosReceiver(clock=clock) as vendor:
        vendor.always(PATH, Answer(after=2))
        asking = asyncio.create_task(post(session, vendor, event("a")))
        await clock.somebody_sleeps()
        assert not vendor.taken
        await clock.advance(2)
        assert await asking == (200, b"ok")
        assert vendor.counts(PATH) == {"a": 1}


async def test_a_body_may_drip(session: aiohttp.ClientSession) -> None:
    clock = Bedside()
    async with ChaosReceiver(clock=clock) as vendor:
        vendor.always(PATH, answers.drip(b"abcde", 1, 2))
        async with session.post(vendor.address + PATH, json=event("a")) as reply:
            for piece in (b"ab", b"cd", b"e"):
                assert await reply.content.read(10) == piece
                await clock.somebody_sleeps()
                await clock.advance(1)
            assert await reply.content.read() == b""


async def test_a_black_hole_takes_the_request_and_notices_who_leaves(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    vendor.always(PATH, answers.NEVER)
    asking = asyncio.create_task(post(session, vendor, event("a")))
    await vendor.until(lambda: vendor.open == 1)
    asking.cancel()
    await vendor.until(lambda: vendor.open == 0)
    assert vendor.sends(PATH) == {"a": 1}
    assert not vendor.taken


# -- connections --------------------------------------------------------------------------------


async def test_a_reset_comes_before_the_answer_or_in_its_body(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    vendor.script(PATH, [answers.RESET])
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await post(session, vendor, event("a"))
    vendor.script(PATH, [answers.RESET_IN_THE_BODY])
    async with session.post(vendor.address + PATH, json=event("a")) as reply:
        assert reply.status == 200
        with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
            await reply.read()
    assert not vendor.taken, "the sender can't know"


async def test_a_port_that_is_closed_refuses_and_opens_again(
    session: aiohttp.ClientSession,
) -> None:
    async with ChaosReceiver() as vendor:
        address = vendor.address
        assert (await post(session, vendor, event("a")))[0] == 200
        await vendor.down()
        await vendor.down()
        await refused(session, vendor)
        await vendor.up()
        await vendor.up()
        assert vendor.address == address
        assert (await post(session, vendor, event("c")))[0] == 200
        assert vendor.sends(PATH) == {"a": 1, "c": 1}
    await refused(session, vendor)


async def test_going_down_cuts_who_waits_for_an_answer(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    vendor.always(PATH, answers.NEVER)
    asking = asyncio.create_task(post(session, vendor, event("a")))
    await vendor.until(lambda: vendor.open == 1)
    await vendor.down()
    with pytest.raises(aiohttp.ClientError):
        await asking


@pytest.mark.parametrize(
    ("certificate", "said"),
    [(LOOPBACK, "self-signed certificate"), (ELSEWHERE, "self-signed certificate")],
    ids=["its own", "another's"],
)
async def test_nobody_vouches_for_its_certificates(
    session: aiohttp.ClientSession, certificate: Path, said: str
) -> None:
    async with ChaosReceiver(certificate=certificate) as vendor:
        with pytest.raises(aiohttp.ClientConnectorCertificateError, match=said):
            await post(session, vendor, event("a"))
        assert not vendor.requests


async def test_who_trusts_its_certificate_is_served_and_a_wrong_host_is_not() -> None:
    trusting = ssl.create_default_context()
    trusting.load_verify_locations(LOOPBACK)
    trusting.load_verify_locations(ELSEWHERE)
    connector = aiohttp.TCPConnector(ssl=trusting)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with ChaosReceiver(certificate=LOOPBACK) as vendor:
            assert vendor.address.startswith("https://")
            assert await post(session, vendor, event("a")) == (200, b"ok")
        async with ChaosReceiver(certificate=ELSEWHERE) as vendor:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="IP address"):
                await post(session, vendor, event("a"))


# -- answers ------------------------------------------------------------------------------------


async def test_what_is_said_arrives_as_it_is(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    said = {
        "/huge": answers.huge(3_000_000),
        "/bomb": answers.gzip_bomb(2),
        "/items": answers.per_item([200, 400]),
        "/elsewhere": answers.redirect("http://elsewhere.invalid/", 302),
        "/slow": answers.slow_down("7"),
    }
    for path, answer in said.items():
        vendor.always(path, answer)
        assert await post(session, vendor, event("a"), path) == (answer.status, answer.body)
    assert [one.status for one in said.values()] == [200, 200, 207, 302, 429]
    assert gzip.decompress(said["/bomb"].body) == bytes(2 * 2**20)
    assert len(said["/bomb"].body) < 10_000
    assert said["/items"].body == b'[{"status":200},{"status":400}]'
    assert said["/slow"].headers == {"retry-after": "7"}
    assert answers.slow_down(status=503).headers == {}


async def test_an_endless_redirect_leads_to_itself(
    vendor: ChaosReceiver, session: aiohttp.ClientSession
) -> None:
    vendor.always(PATH, answers.redirect())
    with pytest.raises(aiohttp.TooManyRedirects):
        await session.post(vendor.address + PATH, json=event("a"))
    assert {request.path for request in vendor.requests} == {PATH}
    assert len(vendor.requests) > 5


def test_retry_after_comes_in_all_forms() -> None:
    forms = answers.retry_afters(START)
    assert parsedate_to_datetime(forms["date"]).timestamp() == START + 2
    assert parsedate_to_datetime(forms["past date"]).timestamp() < START
    assert float(forms["seconds"]) == 2
    assert float(forms["negative"]) < 0
    assert float(forms["huge"]) > 1e20
    assert math.isinf(float(forms["endless"]))
    with pytest.raises(ValueError, match="could not convert"):
        float(forms["garbage"])


@pytest.mark.parametrize(
    ("answer", "takes"),
    [
        (answers.OK, True),
        (Answer(204), True),
        (Answer(302), False),
        (Answer(500), False),
        (answers.RESET, False),
        (answers.RESET_IN_THE_BODY, False),
        (Answer(after=60), True),
        (answers.NEVER, False),
    ],
)
def test_only_a_2xx_that_arrives_takes(answer: Answer, takes: bool) -> None:
    assert answer.takes is takes
