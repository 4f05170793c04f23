"""What is logged of an exception: its type and place, never its text."""

import asyncio
import gc
import io
import json
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from junctor.telemetry.log import make_logger, quieted_libraries

SECRET = "somebody@example.com"


def failing() -> None:
    raise ValueError(SECRET)


@pytest.mark.parametrize("format", ["json", "pretty"])
def test_an_exception_s_text_is_not_printed_since_it_may_hold_event_data(format: str) -> None:
    out = io.StringIO()
    logger = make_logger("info", format, out)
    try:
        failing()
    except ValueError as error:
        logger.exception("first")
        logger.error("second", exc_info=error)
    said = out.getvalue()
    assert "somebody" not in said
    assert said.count("ValueError") == 2
    assert said.count("failing") == 2


def test_json_lines_are_json() -> None:
    out = io.StringIO()
    make_logger("warning", "json", out).warning("hello", number=1)
    entry = json.loads(out.getvalue())
    assert (entry["event"], entry["level"], entry["number"]) == ("hello", "warning", 1)


def test_what_is_below_the_level_is_not_printed() -> None:
    out = io.StringIO()
    make_logger("warning", "json", out).info("hello")
    assert out.getvalue() == ""


# -- what libraries say --------------------------------------------------------------------------


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """All that libraries say, and what nobody catches, at the lowest level there is."""
    out = io.StringIO()
    with quieted_libraries(make_logger("debug", "json", out)):
        yield out


async def _a_task_that_nobody_awaits() -> None:
    async def connect() -> None:
        failing()

    task = asyncio.create_task(connect())
    await asyncio.wait([task])
    del task
    gc.collect()


async def _a_callback() -> None:
    def called(argument: str) -> None:
        failing()

    asyncio.get_running_loop().call_soon(called, SECRET)
    await asyncio.sleep(0)


async def _a_thread() -> None:
    thread = threading.Thread(target=failing)
    thread.start()
    thread.join()


async def _a_finalizer() -> None:
    class Connection:
        def __del__(self) -> None:
            failing()

    Connection()
    gc.collect()


async def _a_library() -> None:
    logging.getLogger("vendor.sdk").error("%s was refused", SECRET)
    logging.getLogger("vendor.sdk").warning("call failed (%s)", SECRET)
    try:
        failing()
    except ValueError:
        logging.getLogger("vendor.sdk").exception("it failed")


@pytest.mark.case(42)
@pytest.mark.parametrize(
    "breaks", [_a_task_that_nobody_awaits, _a_callback, _a_thread, _a_finalizer, _a_library]
)
async def test_what_breaks_beside_the_hub_is_told_without_its_text(
    said: io.StringIO, breaks: Callable[[], Awaitable[None]]
) -> None:
    await breaks()
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert lines, "it is told"
    assert SECRET not in said.getvalue()
    told = [line for line in lines if "exception" in line]
    assert [line["exception"] for line in told] == ["ValueError"]
    assert "failing" in told[0]["place"]


def test_senders_of_what_is_no_http_do_not_fill_the_log(said: io.StringIO) -> None:
    try:
        raise BadHttpMessage("SECRET /garbage")
    except BadHttpMessage:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", "1.2.3.4")
    assert said.getvalue() == ""


def test_what_a_library_says_below_a_warning_is_not_printed(said: io.StringIO) -> None:
    """Httpx names the address of every request, which is a secret where it is a hook's."""
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("httpx").info("HTTP Request: %s", SECRET)
    logging.getLogger("plugin").debug("the key is " + SECRET)
    assert said.getvalue() == ""


def test_what_a_command_quiets_is_as_before_afterwards() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    with quieted_libraries(make_logger()):
        assert sys.excepthook is not before[2]
    assert (root.handlers[:], root.level, sys.excepthook, threading.excepthook) == before
