"""What is logged of an exception: its type and place, never its text."""

import io
import json

import pytest

from junctor.telemetry.log import make_logger


def failing() -> None:
    raise ValueError("somebody@example.com")


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
