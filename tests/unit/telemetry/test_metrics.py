"""Metrics: there from the start, also what has not happened yet; never more of them than ids."""

import asyncio

import pytest

from junctor.telemetry.metrics import OTHER, Metrics


def series(metrics: Metrics) -> set[str]:
    """Return the names and labels of everything that is measured."""
    lines = metrics.render().decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


def test_people_who_are_degraded_are_counted_from_zero_on() -> None:
    metrics = Metrics()
    assert b"junctor_profiles_degraded_total 0.0" in metrics.render()
    assert metrics.degraded_subjects() == 0
    metrics.degraded.inc()
    assert metrics.degraded_subjects() == 1


@pytest.mark.case(52)
def test_codes_that_a_plug_in_makes_up_are_bounded() -> None:
    metrics = Metrics()
    metrics.attempt("crm", "rate_limited", 0.1)
    for n in range(1_000):
        metrics.attempt("crm", f"code_{n}", 0.1)
    metrics.attempt("crm", "rate_limited", 0.1)
    found = {one for one in series(metrics) if one.startswith("junctor_delivery_attempts_total")}
    assert len(found) <= 65
    assert f'junctor_delivery_attempts_total{{code="{OTHER}",destination="crm"}}' in found
    assert b'{code="rate_limited",destination="crm"} 2.0' in metrics.render()


@pytest.mark.case(52, 42)
@pytest.mark.parametrize("code", ["ada@example.com", "Bearer s3cret", "x" * 41, "é", 'a"b', "a\nb"])
def test_a_code_that_looks_like_data_is_no_label(code: str) -> None:
    metrics = Metrics()
    metrics.attempt("crm", code, 0.1)
    assert code not in metrics.render().decode()
    assert f'code="{OTHER}"' in metrics.render().decode()


async def test_the_tasks_of_the_loop_are_counted_as_they_are_when_asked() -> None:
    metrics = Metrics()
    before = metrics.registry.get_sample_value("junctor_tasks")
    waiting = asyncio.create_task(asyncio.Event().wait())
    assert before is not None
    assert metrics.registry.get_sample_value("junctor_tasks") == before + 1
    waiting.cancel()


def test_without_a_loop_there_are_no_tasks() -> None:
    assert Metrics().registry.get_sample_value("junctor_tasks") == 0
