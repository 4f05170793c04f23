"""A tier is proven by its rules and those below it, never declared."""

from typing import Any

import pytest

from junctor.testkit import RULES, Kind, Outcome, Report, Result, Tier, run_suite, suite_of

from .mutants import healthy, silver
from .suites import WebhookSuite

OF_DESTINATIONS = [rule for rule in RULES if Kind.DESTINATION in rule.kinds]


def report(**outcomes: Outcome) -> Report:
    results = [
        Result(rule, outcomes.get(rule.name.replace("-", "_"), Outcome.PASSED))
        for rule in OF_DESTINATIONS
    ]
    return Report(results, 0.1)


@pytest.mark.parametrize(
    ("outcomes", "tier"),
    [
        ({}, Tier.GOLD),
        ({"golden_requests": Outcome.UNPROVEN}, Tier.SILVER),
        ({"errors_typed": Outcome.FAILED}, Tier.BRONZE),
        ({"errors_typed": Outcome.EXEMPT}, Tier.GOLD),
        ({"errors_typed": Outcome.NOT_APPLICABLE}, Tier.GOLD),
        ({"stop_twice": Outcome.FAILED, "golden_requests": Outcome.UNPROVEN}, None),
    ],
)
def test_one_rule_short_is_one_tier_short(outcomes: dict[str, Outcome], tier: Tier | None) -> None:
    assert report(**outcomes).tier == tier


async def test_an_exempted_rule_is_not_run() -> None:
    attributes: dict[str, Any] = {
        "destination": silver.Swallows500,
        "golden": None,
        "exempt": {"errors-typed": "the vendor has no 500"},
    }
    result = await run_suite(type("Exempted", (WebhookSuite,), attributes))
    assert result.failed == []
    (exempt,) = (one for one in result.results if one.rule.name == "errors-typed")
    assert (exempt.outcome, exempt.detail) == (Outcome.EXEMPT, "the vendor has no 500")


async def test_a_source_that_can_not_be_asked_properly_is_unproven_not_well() -> None:
    result = await run_suite(suite_of(healthy.Hook, settings={"shared_secret": "x"}))
    assert result.failed == []
    assert result.tier is None
    unproven = {one.rule.name for one in result.results if one.outcome is Outcome.UNPROVEN}
    assert {"signature-refused", "empty-is-quiet", "corpus-survives"} <= unproven


def test_only_connectors_have_a_suite() -> None:
    with pytest.raises(TypeError, match="neither"):
        suite_of(int)  # type: ignore[arg-type]
