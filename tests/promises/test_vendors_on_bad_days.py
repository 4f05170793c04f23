"""Whatever a vendor says or does, each event meets the right fate, and none is lost.

A whole hub against a vendor on loopback; the waits are short, the rest is as ever.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from junctor.testkit import Answer, Received, answers, flapping_in_time
from junctor.testkit.chaos import ELSEWHERE, LOOPBACK
from tests.support.client import HubClient, until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.receiver import CUT, OK, Receiver, receiving

PATH = "/sink"
IMPATIENT = {
    "timeout": '"5s"',
    "flush_interval": '"20ms"',
    "pause_probe": '"50ms"',
    "retry": '{ initial = "10ms", max = "40ms" }',
    "breaker": "{ failures = 1000 }",
}


@dataclass
class Bench:
    """A hub with one webhook `sink`, and its vendor."""

    vendor: Receiver
    client: HubClient
    said: Callable[[str], int]
    """How often the hub logged a line."""

    async def send(self, *ids: str, user: str = "") -> None:
        """Send an event for each message id, all of one person, or each of another."""
        calls = [track(messageId=id, userId=user or f"u-{id}") for id in ids]
        assert (await self.client.batch(calls, WRITE_KEY)).status == 200

    async def settled(self) -> tuple[int, int]:
        """Wait until nothing is left to do; return how many were delivered and how many died."""
        row = (await self.client.settled())["sink"]
        return row["delivered"], row["dead"]

    async def attempts(self, id: str) -> list[tuple[str, str | None, int | None]]:
        """Return outcome, code and status of an event's attempts."""
        (event,) = (await self.client.get(f"/api/events/{id}"))["events"]
        rows = event["destinations"].get("sink", {"attempts": []})["attempts"]
        return [(row["outcome"], row["code"], row["status"]) for row in rows]

    async def paused(self) -> str | None:
        """Return who paused the destination."""
        by: str | None = (await self.client.get("/api/status"))["destinations"]["sink"]["paused_by"]
        return by

    @property
    def keys(self) -> list[str]:
        """The idempotency keys of all requests."""
        return [request.headers["webhook-id"] for request in self.vendor.requests]

    @property
    def tried(self) -> list[list[str]]:
        """The message ids of all requests."""
        return [request.message_ids for request in self.vendor.requests]


Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    @asynccontextmanager
    async def begin(*, batch: bool = False, url: str = "", **policy: str) -> AsyncIterator[Bench]:
        delivery = ", ".join(f"{key} = {value}" for key, value in (IMPATIENT | policy).items())
        async with receiving() as vendor:
            address = url or vendor.address + PATH
            sink = webhook("sink", address, batch=batch, delivery=delivery)
            async with running_hub(tmp_path, config_text(sink + everything_to("sink"))) as running:
                yield Bench(
                    vendor,
                    running.client,
                    lambda line: sum(entry["event"] == line for entry in running.log.entries),
                )

    return begin


# -- 28: nobody knows whether it arrived --------------------------------------------------------


@pytest.mark.case(28)
@pytest.mark.parametrize(
    "answer",
    [CUT, answers.RESET_IN_THE_BODY, answers.NEVER],
    ids=["reset", "reset in the body", "time-out after the send"],
)
async def test_an_unknown_outcome_is_tried_again_under_the_same_key(
    start: Start, answer: Answer
) -> None:
    async with start(timeout='"500ms"') as bench:
        bench.vendor.script(PATH, [answer, answer])
        await bench.send("m-1")
        assert await bench.settled() == (1, 0)
        assert bench.tried == [["m-1"]] * 3
        assert len(set(bench.keys)) == 1
        unknown = ("retry", "destination_unavailable", None)
        assert await bench.attempts("m-1") == [unknown, unknown, ("delivered", None, None)]


@pytest.mark.case(28)
async def test_a_batch_of_unknown_outcome_is_the_same_batch_again(start: Start) -> None:
    async with start(batch=True) as bench:
        bench.vendor.script(PATH, [answers.RESET_IN_THE_BODY])
        await bench.send("m-1", "m-2", "m-3")
        assert await bench.settled() == (3, 0)
        assert bench.tried == [["m-1", "m-2", "m-3"]] * 2
        assert len(set(bench.keys)) == 1


@pytest.mark.case(28)
async def test_a_refused_connection_is_tried_until_somebody_listens(start: Start) -> None:
    async with start() as bench:
        await bench.vendor.down()
        await bench.send("m-1")
        await until(lambda: tries(bench, "m-1", 3))
        await bench.vendor.up()
        assert await bench.settled() == (1, 0)
        assert bench.tried == [["m-1"]]


async def tries(bench: Bench, id: str, count: int) -> bool:
    """Whether an event was tried so often, and could not be brought to the destination."""
    rows = await bench.attempts(id)
    assert set(rows) <= {("retry", "destination_unavailable", None)}
    return len(rows) >= count


@pytest.mark.case(28)
@pytest.mark.parametrize("certificate", [LOOPBACK, ELSEWHERE, None], ids=lambda c: c and c.stem)
async def test_without_tls_that_can_be_trusted_nothing_is_sent_and_nothing_lost(
    start: Start, certificate: Path | None
) -> None:
    """A certificate that nobody vouches for, another host's, and a port that speaks plain HTTP."""
    async with Receiver(certificate=certificate) as vendor:
        https = vendor.address.replace("http://", "https://") + PATH
        async with start(url=https) as bench:
            await bench.send("m-1")
            await until(lambda: tries(bench, "m-1", 2))
            assert (await bench.client.ledger())["sink"]["pending"] == 1
        assert not vendor.requests


# -- 29: success, or what looks like it ---------------------------------------------------------


@pytest.mark.case(29)
@pytest.mark.parametrize(
    "answer", [Answer(201), Answer(202, b""), Answer(204, b""), answers.json({"ok": False})]
)
async def test_any_2xx_of_a_webhook_is_success_whatever_its_body(
    start: Start, answer: Answer
) -> None:
    async with start(batch=True) as bench:
        bench.vendor.always(PATH, answer)
        await bench.send("m-1", "m-2")
        assert await bench.settled() == (2, 0)
        assert bench.tried == [["m-1", "m-2"]]


@pytest.mark.case(29, 30)
async def test_a_207_gives_each_item_its_own_fate(start: Start) -> None:
    async with start(batch=True) as bench:
        bench.vendor.script(PATH, [answers.per_item([200, 400, 503, 201])])
        await bench.send("m-1", "m-2", "m-3", "m-4")
        assert await bench.settled() == (3, 1)
        assert bench.tried == [["m-1", "m-2", "m-3", "m-4"], ["m-3"]]
        assert await bench.attempts("m-2") == [("dead_letter", "invalid_payload", 400)]
        assert (await bench.attempts("m-3"))[0] == ("retry", "destination_unavailable", 503)


@pytest.mark.case(29)
@pytest.mark.parametrize("statuses", [[200], [200, 400, 200], []])
async def test_a_207_with_other_items_than_were_sent_is_no_success(
    start: Start, statuses: list[int]
) -> None:
    async with start(batch=True) as bench:
        bench.vendor.script(PATH, [answers.per_item(statuses)])
        await bench.send("m-1", "m-2")
        assert await bench.settled() == (2, 0)
        assert bench.tried == [["m-1", "m-2"]] * 2
        assert len(set(bench.keys)) == 1


@pytest.mark.case(29)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_to_another_host(start: Start, status: int) -> None:
    async with receiving() as other, start() as bench:
        bench.vendor.always(PATH, answers.redirect(other.address + PATH, status))
        await bench.send("m-1")
        await until(lambda: is_paused(bench))
        bench.vendor.always(PATH, OK)
        assert await bench.settled() == (1, 0)
        assert not other.requests


async def is_paused(bench: Bench, by: str = "error") -> bool:
    return await bench.paused() == by


# -- 30: refusals -------------------------------------------------------------------------------


@pytest.mark.case(30)
@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("batch", [True, False])
async def test_what_is_refused_is_a_dead_letter_and_its_company_delivered(
    start: Start, status: int, batch: bool
) -> None:
    def picky(request: Received) -> Answer:
        return Answer(status) if "poison" in request.message_ids else OK

    ids = [*(f"m-{n}" for n in range(5)), "poison", "after"]
    async with start(batch=batch) as bench:
        bench.vendor.judge(PATH, picky)
        await bench.send(*ids, user="u-1")
        assert await bench.settled() == (6, 1)
        (letter,) = (await bench.client.get("/api/dead-letters"))["dead_letters"]
        assert letter["message_id"] == "poison"
    ids.remove("poison")
    assert [id for request in bench.vendor.taken for id in request.message_ids] == ids


# -- 31: credentials and addresses --------------------------------------------------------------


@pytest.mark.case(31)
@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_refused_destination_keeps_its_events_and_says_so_once(
    start: Start, status: int
) -> None:
    async with start() as bench:
        bench.vendor.always(PATH, Answer(status))
        await bench.send("m-1", user="u-1")
        by = "gone" if status == 410 else "error"

        await until(lambda: is_paused(bench, by))
        await bench.send("m-2", "m-3", user="u-1")
        if status != 410:  # which is for good
            await bench.vendor.until(lambda: len(bench.vendor.requests) >= 4)
        assert set(map(tuple, bench.tried)) == {("m-1",)}, "one event asks, the others wait"
        ledger = (await bench.client.ledger())["sink"]
        assert (ledger["pending"], ledger["dead"]) == (3, 0)
        assert bench.said("destination paused") == 1
        bench.vendor.always(PATH, OK)
        if status == 410:
            resume = f"{bench.client.admin}/api/destinations/sink/resume"
            async with bench.client.session.post(resume, json={}) as reply:
                assert reply.status == 200
        assert await bench.settled() == (3, 0)
        assert [request.message_ids for request in bench.vendor.taken] == [
            ["m-1"], ["m-2"], ["m-3"],
        ]  # fmt: skip


# -- 32: later ----------------------------------------------------------------------------------


@pytest.mark.case(32)
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_who_asks_for_patience_gets_it_in_order(start: Start, status: int) -> None:
    async with start() as bench:
        bench.vendor.script(PATH, [OK, Answer(status), Answer(status)])
        await bench.send("m-1", "m-2", "m-3", user="u-1")
        assert await bench.settled() == (3, 0)
        assert bench.tried == [["m-1"], ["m-2"], ["m-2"], ["m-2"], ["m-3"]]
        assert [row[2] for row in await bench.attempts("m-2")] == [status, status, None]


# -- 33: slow, endless, huge --------------------------------------------------------------------

SLOW = [Answer(after=30), answers.NEVER, answers.drip(b"x" * 1000, 0.02)]


@pytest.mark.case(33)
@pytest.mark.parametrize("answer", SLOW, ids=["30 s", "never", "drip feed"])
async def test_a_call_has_a_deadline_and_frees_its_slot(start: Start, answer: Answer) -> None:
    def slow(request: Received) -> Answer:
        return answer if request.message_ids == ["slow"] else OK

    async with start(concurrency="1", timeout='"300ms"') as bench:
        bench.vendor.judge(PATH, slow)
        await bench.send("slow")
        await bench.vendor.until(lambda: bench.vendor.open == 1)
        await bench.send("other")
        await bench.vendor.until(lambda: "other" in bench.vendor.counts(PATH), 5)
        bench.vendor.always(PATH, OK)
        assert await bench.settled() == (2, 0)
        assert (await bench.attempts("slow"))[0] == ("retry", "destination_unavailable", None)
        await bench.vendor.until(lambda: bench.vendor.open == 0)


@pytest.mark.case(33)
@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize(
    ("big", "piece"), [(answers.huge(), 2**21), (answers.gzip_bomb(), 2**14)], ids=["10 MB", "bomb"]
)
async def test_no_more_of_an_answer_is_read_than_a_mebibyte(
    start: Start, big: Answer, piece: int, status: int
) -> None:
    """Its first piece is more than that; who waits for the second waits too long."""
    async with start(concurrency="1") as bench:
        endless = Answer(status, big.body, big.headers, pause=30, piece=piece)
        bench.vendor.script(PATH, [endless])
        await bench.send("m-1", "m-2", user="u-1")
        assert await bench.settled() == ((1, 1) if status == 400 else (2, 0))
        again = [["m-1"]] if status == 503 else []
        assert bench.tried == [["m-1"], *again, ["m-2"]]
        assert (await bench.attempts("m-1"))[0][2] == (None if status == 200 else status)
        await bench.vendor.until(lambda: bench.vendor.open == 0)


@pytest.mark.case(33)
async def test_an_endless_redirect_is_one_request(start: Start) -> None:
    async with start(pause_probe='"1h"') as bench:
        bench.vendor.always(PATH, answers.redirect())
        await bench.send("m-1")
        await until(lambda: is_paused(bench))
        assert bench.tried == [["m-1"]]
        assert bench.vendor.open == 0


# -- 35: up and down ----------------------------------------------------------------------------


@pytest.mark.case(35)
@pytest.mark.parametrize("ill", [CUT, Answer(503)], ids=["reset", "503"])
async def test_a_flapping_vendor_gets_everything_in_order_and_is_left_alone_while_down(
    start: Start, ill: Answer
) -> None:
    ids = [f"m-{n}" for n in range(60)]
    breaker = '{ failures = 3, cooldown = "40ms" }'
    async with start(breaker=breaker, concurrency="2", flush_interval="0") as bench:
        bench.vendor.judge(PATH, flapping_in_time(0.05, 0.15, ill=ill))
        for n in range(0, 60, 2):
            await bench.send(ids[n], user="u-1")
            await bench.send(ids[n + 1], user="u-2")
        assert await bench.settled() == (60, 0)
        taken = [id for request in bench.vendor.taken for id in request.message_ids]
        assert [id for id in taken if id in ids[::2]] == ids[::2]
        assert [id for id in taken if id in ids[1::2]] == ids[1::2]
        opened, closed = bench.said("breaker opened"), bench.said("breaker closed")
        assert opened == closed > 0
        failed = len(bench.vendor.requests) - len(taken)
        assert failed <= opened * (3 + 2 + 5), "those that open it, those in flight, a few probes"
