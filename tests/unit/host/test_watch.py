"""Functions that never end are ended, whatever they are at."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from junctor.audiences.functions import Function, Occurrence, Person
from junctor.host.watch import watching

EVENT = Occurrence("e", datetime(2026, 1, 31, tzinfo=UTC))


def loop() -> None:
    while True:
        pass


def stubborn() -> None:
    while True:
        try:
            loop()
        except Exception:
            continue


@pytest.mark.timeout(20, method="thread")  # the other method has the alarm to itself
@pytest.mark.case(18)
@pytest.mark.parametrize(
    "stuck",
    [loop, stubborn, lambda: time.sleep(30), lambda: re.match("(a+)+$", "a" * 40 + "b")],
    ids=["a loop", "a loop that catches everything", "a sleep", "a regular expression"],
)
def test_a_function_that_never_ends_is_ended(stuck: Callable[[], object]) -> None:
    function = Function("stuck", "1", lambda *_: stuck())
    good = Function("good", "1", lambda *_: True)
    started = time.monotonic()
    with watching(lambda: [good, function], every=0.02):
        assert function.properties(Person(), EVENT) is None
        assert time.monotonic() - started < 10
        assert good.properties(Person(), EVENT) == {}
    assert (function.failures, good.failures) == (1, 0)
    assert function.failure.startswith("TookTooLong (test_watch.py line")
