"""Questions, answers and notices between two processes: in order, canceled, and never left open."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import LogCapture

from junctor.host.link import AnswerFailed, Link, LinkLost
from junctor.testkit.doubles import capturing_log


class End:
    """One end that answers, and remembers what it was told."""

    def __init__(self, log: LogCapture) -> None:
        self.heard: list[Any] = []
        self.began: list[Any] = []
        self.canceled: list[Any] = []
        self.begun, self.given_up = asyncio.Event(), asyncio.Event()
        self.go_on = asyncio.Event()
        self.link = Link(
            {"echo": self._echo, "wait": self._wait, "break": self._break},
            {"note": self.heard.append},
            capturing_log(log),
        )

    async def _echo(self, said: Any) -> Any:
        return said

    async def _wait(self, said: Any) -> Any:
        self.began.append(said)
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.canceled.append(said)
            self.given_up.set()
            raise
        return said

    async def _break(self, said: Any) -> Any:
        raise KeyError(said)


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[End, End, LogCapture]]:
    log = LogCapture()
    one, other = End(log), End(log)
    left, right = socket.socketpair()
    await one.link.open(left)
    await other.link.open(right)
    try:
        yield one, other, log
    finally:
        one.link.close()
        other.link.close()
        await one.link.lost.wait()
        await other.link.lost.wait()


async def soon() -> None:
    """Let what was sent arrive."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_both_ends_can_ask_and_what_is_said_arrives_as_it_was() -> None:
    said: Any = (None, True, -1, 2**70, 0.5, "é\ud83d", b"\x00\xff", [1, (2,)], {"a": {1: []}})
    async with linked() as (one, other, _):
        assert await one.link.ask("echo", said) == said
        assert await other.link.ask("echo", said) == said


async def test_large_and_small_messages_keep_their_order() -> None:
    async with linked() as (one, other, _):
        said = [b"x" * size for size in (0, 1, 3_000_000, 5, 70_000, 2)]
        for text in said:
            one.link.tell("note", text)
        assert await one.link.ask("echo", "after") == "after"
        assert other.heard == said


async def test_answers_find_their_questions_whatever_their_order() -> None:
    async with linked() as (one, other, _):
        waiting = asyncio.create_task(one.link.ask("wait", "slow"))
        assert await one.link.ask("echo", "quick") == "quick"
        other.go_on.set()
        assert await waiting == "slow"


async def test_who_gives_up_waiting_ends_the_work_at_the_other_end() -> None:
    async with linked() as (one, other, _):
        waiting = asyncio.create_task(one.link.ask("wait", "late"))
        await other.begun.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await other.given_up.wait()
        assert await one.link.ask("echo", "next") == "next"


async def test_work_that_is_given_up_before_it_began_is_no_trouble() -> None:
    async with linked() as (one, other, log):
        for n in range(50):
            waiting = asyncio.create_task(one.link.ask("wait", n))
            await asyncio.sleep(0)
            waiting.cancel()
        await soon()
        assert await one.link.ask("echo", "next") == "next"
        assert other.began == other.canceled
        assert not log.entries


async def test_a_fault_of_the_other_end_is_told_without_what_was_said() -> None:
    async with linked() as (one, _, log):
        with pytest.raises(AnswerFailed) as failed:
            await one.link.ask("break", "secret of the event")
        assert "KeyError" in str(failed.value)
        assert "secret" not in str(failed.value)
        assert [entry["question"] for entry in log.entries] == ["break"]
        assert await one.link.ask("echo", 1) == 1


async def test_whoever_waits_is_told_when_the_other_process_is_gone() -> None:
    async with linked() as (one, other, _):
        waiting = asyncio.create_task(one.link.ask("wait", 1))
        await other.begun.wait()
        other.link.close()
        with pytest.raises(LinkLost):
            await waiting
        with pytest.raises(LinkLost):
            await one.link.ask("echo", 2)
        with pytest.raises(LinkLost):
            one.link.tell("note", 3)


async def test_a_link_that_was_never_open_says_so() -> None:
    with pytest.raises(LinkLost):
        await End(LogCapture()).link.ask("echo", 1)
