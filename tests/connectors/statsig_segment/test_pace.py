"""Requests stay within every limit at once."""

from hypothesis import given
from hypothesis import strategies as st

from junctor.testkit import ManualClock
from junctor_connectors.statsig_segment.pace import Pace

LIMITS = ((3, 10.0), (5, 60.0))


def test_as_many_as_the_limit_go_at_once_and_the_next_waits() -> None:
    clock = ManualClock()
    pace = Pace(LIMITS, clock.monotonic)
    for _ in range(3):
        assert pace.wait() == 0
        pace.started()
        clock.tick(1)
    assert pace.wait() == 7
    clock.tick(7)
    assert pace.wait() == 0


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=40))
def test_no_limit_is_ever_passed_and_no_wait_is_longer_than_needed(gaps: list[float]) -> None:
    clock = ManualClock()
    pace = Pace(LIMITS, clock.monotonic)
    sent: list[float] = []
    for gap in gaps:
        clock.tick(gap)
        wait = pace.wait()
        if wait:
            assert any(
                len(sent) >= most and sent[-most] + seconds - clock.monotonic() == wait
                for most, seconds in LIMITS
            )
            clock.tick(wait + 1e-6)
        assert pace.wait() == 0
        pace.started()
        sent.append(clock.monotonic())
        for most, seconds in LIMITS:
            assert sum(at > sent[-1] - seconds for at in sent) <= most
