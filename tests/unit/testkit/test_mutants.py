"""Each rule catches the connector that breaks it, and blames no other rule for it."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from junctor.testkit import RULES, Kind, run_suite
from junctor.testkit.base import ConnectorConformance

from .mutants import bronze, gatecrasher, gold, healthy, impatient, silver, sources
from .suites import BatchSuite, ContactsSuite, HookSuite, WebhookSuite


class MisnamedSuite(WebhookSuite):
    """Webhook, installed under another name."""

    entry_points = (
        EntryPoint("hook2", f"{healthy.Webhook.__module__}:Webhook", "junctor.destinations"),
    )


MUTANTS: list[tuple[str, type[ConnectorConformance], type[Any]]] = [
    ("manifest-valid", WebhookSuite, bronze.UnreadableRate),
    ("type-matches-entry-point", MisnamedSuite, healthy.Webhook),
    ("settings-documented", WebhookSuite, bronze.UndocumentedSetting),
    ("secrets-are-secret", WebhookSuite, bronze.PlainCredential),
    ("unknown-settings-refused", WebhookSuite, bronze.MisspeltSettingIgnored),
    ("settings-model-agrees", WebhookSuite, bronze.SettingsDisagree),
    ("no-io-in-init", WebhookSuite, bronze.OpensFile),
    ("stop-unstarted", WebhookSuite, bronze.StopNeedsStart),
    ("stop-twice", WebhookSuite, bronze.StopsOnce),
    ("secrets-never-printed", WebhookSuite, bronze.LogsItsSecret),
    ("secrets-never-printed", WebhookSuite, bronze.RaisesItsSecret),
    ("secrets-never-printed", WebhookSuite, bronze.PrintsItsSecret),
    ("imports-only-sdk", WebhookSuite, impatient.RetriesItself),
    ("imports-only-sdk", WebhookSuite, gatecrasher.KnowsTheHub),
    ("delivers-2xx", WebhookSuite, silver.OnlyExactly200),
    ("errors-typed", WebhookSuite, silver.Swallows500),
    ("retry-after-kept", WebhookSuite, silver.ForgetsRetryAfter),
    ("retry-idempotent", WebhookSuite, silver.RandomKey),
    ("retry-idempotent", WebhookSuite, silver.ClockInBuild),
    ("retry-idempotent", WebhookSuite, silver.ComputersClockInBuild),
    ("events-not-mutated", WebhookSuite, silver.ChangesEvent),
    ("batch-limit-kept", BatchSuite, silver.DropsLast),
    ("cancellation-clean", WebhookSuite, silver.LeavesTask),
    ("cancellation-clean", WebhookSuite, silver.SwallowsCancellation),
    ("concurrent-delivery", WebhookSuite, silver.SharesRequest),
    ("redirect-not-followed-with-credentials", WebhookSuite, silver.FollowsRedirect),
    ("redirect-not-followed-with-credentials", WebhookSuite, silver.RedirectIsFine),
    ("corpus-survives", WebhookSuite, silver.AsciiOnly),
    ("corpus-survives", WebhookSuite, silver.IdInHeader),
    ("check-proves-credentials", BatchSuite, gold.CheckIsAlwaysHappy),
    ("partial-failure-mapped", BatchSuite, gold.AllOrNothing),
    ("golden-requests", WebhookSuite, gold.RenamedHeader),
    ("manifest-valid", HookSuite, sources.UnreadableRateHook),
    ("secrets-never-printed", HookSuite, sources.LogsItsKey),
    ("signature-refused", HookSuite, sources.TrustsEverybody),
    ("signature-refused", HookSuite, sources.TrustsTheHeader),
    ("replayed-request-deduped", HookSuite, sources.FreshIds),
    ("records-normalize", HookSuite, sources.UnknownType),
    ("empty-is-quiet", HookSuite, sources.PingIsAnEvent),
    ("corpus-survives", HookSuite, sources.CrashesOnText),
    ("corpus-survives", HookSuite, sources.ComparesText),
    ("errors-typed", ContactsSuite, sources.EndsOn500),
    ("cursor-resumes", ContactsSuite, sources.CursorAhead),
    ("pages-ordered", ContactsSuite, sources.NewestFirst),
    ("empty-is-quiet", ContactsSuite, sources.Heartbeat),
    ("records-normalize", ContactsSuite, sources.NobodysRecords),
]


@pytest.mark.parametrize(
    ("rule", "suite", "mutant"), MUTANTS, ids=[mutant.__name__ for _, _, mutant in MUTANTS]
)
async def test_a_mutant_breaks_exactly_its_rule(
    rule: str, suite: type[ConnectorConformance], mutant: type[Any]
) -> None:
    attributes: dict[str, Any] = {
        "source" if issubclass(suite, HookSuite | ContactsSuite) else "destination": mutant
    }
    if rule != "golden-requests":
        attributes["golden"] = None
    report = await run_suite(type("Mutant", (suite,), attributes))
    assert {result.rule.name: result.detail for result in report.failed}.keys() == {rule}
    assert all(result.detail for result in report.failed)


def test_every_rule_has_a_mutant() -> None:
    assert {rule for rule, _, _ in MUTANTS} == {rule.name for rule in RULES}


def test_every_rule_of_sources_alone_has_a_mutant_of_its_kind() -> None:
    caught = {(rule, suite.kind) for rule, suite, _ in MUTANTS}
    for rule in RULES:
        if Kind.DESTINATION not in rule.kinds:
            assert {(rule.name, kind) for kind in rule.kinds} <= caught
