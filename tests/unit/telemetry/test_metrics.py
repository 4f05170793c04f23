"""Metrics: there from the start, also what has not happened yet."""

from junctor.telemetry.metrics import Metrics


def test_people_who_are_degraded_are_counted_from_zero_on() -> None:
    metrics = Metrics()
    assert b"junctor_profiles_degraded_total 0.0" in metrics.render()
    assert metrics.degraded_subjects() == 0
    metrics.degraded.inc()
    assert metrics.degraded_subjects() == 1
