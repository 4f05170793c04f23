"""Connectors and workers that misbehave in a process of their own: their events fare as at home."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.test_workers import (
    at_work,
    children,
    environment,
    fresh,
    to_sink,
    until,
    working,
)
from tests.support.client import basic
from tests.support.events import track
from tests.support.hub import (
    WRITE_KEY,
    RunningHub,
    config_text,
    everything_to,
    load,
    running_hub,
    webhook,
)
from tests.support.receiver import receiving

__all__ = ["environment"]

HEAD = '''
import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from junctor.sdk import (
    Destination, DestinationUnavailable, Event, InvalidPayload, Manifest, PartialFailure, Settings,
)

FLAG = Path(__file__).with_suffix(".flag")


class P(Destination[Settings]):
    """Does as the test wants."""

    manifest = Manifest(type="p", title="P", summary="Does as the test wants.")
    settings_model = Settings
'''
STARTS_ONCE = (
    HEAD
    + """
    async def start(self) -> None:
        if FLAG.exists():
            raise DestinationUnavailable("no token now")
        self._token = "t"

    async def deliver(self, events: Sequence[Event]) -> None:
        assert self._token
"""
)
HANGS_LATER = (
    HEAD
    + """
    async def start(self) -> None:
        if FLAG.exists():
            await asyncio.sleep(3600)

    async def deliver(self, events: Sequence[Event]) -> None:
        pass
"""
)
ODD = {
    "a status of the standard library's": (
        "        raise InvalidPayload('no', status=HTTPStatus.BAD_REQUEST)\n",
        "invalid_payload",
    ),
    "an error that is none for an item": (
        "        raise PartialFailure({0: ValueError('x')})\n",
        "connector_bug",
    ),
}
NOT_ASYNC = (
    HEAD
    + """
    def deliver(self, events: Sequence[Event]) -> object:
        events[0].properties["nope"]
        return asyncio.sleep(0)
"""
)
SLOW_TO_END = (
    HEAD
    + """
    async def deliver(self, events: Sequence[Event]) -> None:
        with FLAG.open("a") as flag:
            flag.write("begin ")
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.3)
            with FLAG.open("a") as flag:
                flag.write("end ")
"""
)


def config(folder: Path, code: str, *, delivery: str = "", more: str = "") -> str:
    """Return a configuration with the destination `p`, and `more` of them."""
    (folder / "p.py").write_text(code)
    delivery = ", ".join(filter(None, ['retry = { initial = "10ms" }', delivery]))
    one = f'[destinations.p]\ntype = "p"\ndelivery = {{ {delivery} }}\n{more}'
    to = ["p", "sink"] if more else ["p"]
    return 'plugins = ["p.py"]\n' + config_text(one + everything_to(*to))


async def dead(running: RunningHub) -> list[str]:
    letters = (await running.client.get("/api/dead-letters"))["dead_letters"]
    return [letter["code"] for letter in letters]


async def replaced(running: RunningHub) -> None:
    """End the worker, and wait until the next one is there."""
    [pid] = children()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: running.hub._workers.running == 0)


async def test_events_wait_for_a_destination_that_a_new_worker_can_not_start(
    tmp_path: Path,
) -> None:
    async with working(tmp_path, config(tmp_path, STARTS_ONCE)) as running:
        (tmp_path / "p.flag").touch()
        await replaced(running)
        await at_work(running)
        assert await fresh(running, track(messageId="m-1")) == 200
        await until(lambda: running.hub._dispatcher.workers["p"].standing.trouble != "")
        assert await dead(running) == []
        (tmp_path / "p.flag").unlink()
        ledger = await running.client.settled(20)
        assert (ledger["p"]["delivered"], ledger["p"]["dead"]) == (1, 0)


async def test_a_destination_that_does_not_start_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("junctor.host.workers._START_SECONDS", 0.5)
    monkeypatch.setattr("junctor.host.link._UNWIND_SECONDS", 0.1)
    async with receiving() as receiver:
        sink = webhook("sink", receiver.address + "/sink")
        async with working(tmp_path, config(tmp_path, HANGS_LATER, more=sink)) as running:
            (tmp_path / "p.flag").touch()
            await replaced(running)
            assert await fresh(running, track(messageId="m-1")) == 200
            await until(lambda: receiver.counts("/sink") == {"m-1": 1})
            running.log.entries.clear()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("odd", ODD)
async def test_odd_errors_mean_the_same_in_a_worker(tmp_path: Path, odd: str, workers: int) -> None:
    line, code = ODD[odd]
    text = HEAD + f"\n    async def deliver(self, events: Sequence[Event]) -> None:\n{line}"
    async with working(tmp_path, config(tmp_path, text), workers) as running:
        assert await fresh(running, track(messageId="m-1")) == 200
        await running.client.settled(20)
        assert await dead(running) == [code]
        running.log.entries.clear()


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_connector_that_raises_at_once_does_not_end_its_worker(
    tmp_path: Path, workers: int
) -> None:
    async with working(tmp_path, config(tmp_path, NOT_ASYNC), workers) as running:
        before = children()
        assert await fresh(running, track(messageId="m-1")) == 200
        await running.client.settled(20)
        assert await dead(running) == ["connector_bug"]
        assert children() == before
        running.log.entries.clear()


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_call_that_took_too_long_has_ended_before_the_next_begins(
    tmp_path: Path, workers: int
) -> None:
    text = config(tmp_path, SLOW_TO_END, delivery='timeout = "100ms"')
    async with working(tmp_path, text, workers) as running:
        assert await fresh(running, track(messageId="m-1")) == 200
        flag = tmp_path / "p.flag"
        await until(lambda: flag.exists() and flag.read_text().count("begin") == 3)
        said = flag.read_text().split()
        assert said[: len(said) // 2 * 2] == ["begin", "end"] * (len(said) // 2)
        running.log.entries.clear()


async def test_a_worker_that_hangs_while_it_is_configured_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver, working(tmp_path, to_sink(receiver)) as running:
        monkeypatch.setattr("junctor.host.workers.PULSE_SECONDS", 0.05)
        workers, [pid] = running.hub._workers, children()
        configure = workers.configure

        async def hangs_first(loaded: Any) -> None:
            os.kill(pid, signal.SIGSTOP)
            await configure(loaded)

        monkeypatch.setattr(workers, "configure", hangs_first)
        async with asyncio.timeout(20):
            await running.hub.reload(load(tmp_path, to_sink(receiver)))
        await at_work(running)
        assert await fresh(running, track(messageId="m-1")) == 200
        await running.client.settled()
    assert receiver.counts("/sink") == {"m-1": 1}


@pytest.mark.parametrize("workers", [0, 2])
async def test_a_body_within_its_limit_gets_in_however_many_workers_there_are(
    tmp_path: Path, workers: int
) -> None:
    text = config_text("", server='max_pending = "10MiB"')
    async with (
        working(tmp_path, text, workers) as running,
        httpx.AsyncClient(base_url=running.hub.ingest_address, timeout=20) as client,
    ):
        for n in range(3):
            events = [
                track(messageId=f"{n}-{i}", properties={"x": "y" * 100_000}) for i in range(60)
            ]
            answer = await client.post(
                "/v1/batch", json={"batch": events}, headers=basic(WRITE_KEY)
            )
            assert answer.status_code == 200


@pytest.mark.parametrize("workers", [0, 1])
async def test_who_is_suppressed_while_their_event_waits_is_not_stored(
    tmp_path: Path, workers: int
) -> None:
    async with working(tmp_path, config_text(""), workers) as running:
        tail = running.hub._tail
        assert await tail.room(2 * tail._enough_bytes, 0)
        sending = asyncio.create_task(fresh(running, track(messageId="m-1", userId="u-1")))
        await until(lambda: len(tail._waiting) == 1)
        await running.hub.operations.suppress(["u-1"], suppressed=True)
        tail.come(2 * tail._enough_bytes)
        assert await sending == 200
        assert await running.hub.store.log.read(0, 10) == []


async def test_no_process_to_be_had_keeps_the_hub_waiting_for_no_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("junctor.host.workers.start_process", none)
    async with receiving() as receiver:
        several = "".join(webhook(f"s{n}", receiver.address + "/s") for n in range(4))
        async with asyncio.timeout(5), running_hub(tmp_path, config_text(several), workers=1):
            pass


async def test_the_end_of_a_worker_opens_no_breaker(tmp_path: Path) -> None:
    slow = HEAD + (
        "\n    async def deliver(self, events: Sequence[Event]) -> None:\n"
        "        if not FLAG.exists():\n            await asyncio.sleep(60)\n"
    )
    text = config(tmp_path, slow, delivery="concurrency = 8")
    async with working(tmp_path, text) as running:
        for n in range(8):
            assert await fresh(running, track(messageId=f"m-{n}", userId=f"u-{n}")) == 200
        worker = running.hub._dispatcher.workers["p"]
        await until(lambda: worker.in_flight == 8)
        (tmp_path / "p.flag").touch()
        await replaced(running)
        assert worker.standing.breaker.state == "closed"
        ledger = await running.client.settled(20)
        assert ledger["p"]["delivered"] == 8
