"""The rules are data, and the page, the classes and the data agree."""

from pathlib import Path

import pytest

from junctor.testkit import (
    RULES,
    DestinationConformance,
    Kind,
    PullSourceConformance,
    PushSourceConformance,
    Tier,
    rules_page,
)
from junctor.testkit.base import ConnectorConformance

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"


def test_the_page_of_rules_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == rules_page(), (
        "run: python -m junctor.testkit docs/rules.md"
    )


@pytest.mark.parametrize(
    "suite", [DestinationConformance, PushSourceConformance, PullSourceConformance]
)
def test_each_rule_is_one_test_method_and_each_test_method_one_rule(
    suite: type[ConnectorConformance],
) -> None:
    promised = {rule.method for rule in suite.rules()}
    assert {name for name in dir(suite) if name.startswith("test_")} == promised


def test_names_are_unique_and_every_rule_says_why_and_for_whom() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.why.endswith(".")
        assert rule.kinds <= set(Kind)
        assert rule.kinds
    assert {rule.tier for rule in RULES} == set(Tier)


def test_the_rules_come_in_the_order_of_the_tiers() -> None:
    tiers = list(Tier)
    positions = [tiers.index(rule.tier) for rule in RULES]
    assert positions == sorted(positions)


@pytest.mark.parametrize("exempt", [{"no-such-rule": "why"}, {"errors-typed": " "}])
def test_an_exemption_names_a_rule_and_a_reason(exempt: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="exempt"):
        type("TestX", (DestinationConformance,), {"exempt": exempt})
