"""Healthy connectors pass every rule, as their authors run them: by plain inheritance."""

from typing import Any, ClassVar

import pytest

from junctor.sdk import Context, DestinationUnavailable
from junctor.testkit import DestinationConformance, Fault, Outcome, run_suite

from .mutants.brokered import Broker, Queue, QueueSettings
from .suites import BatchSuite, ContactsSuite, HookSuite, WebhookSuite


class TestWebhook(WebhookSuite):
    """The webhook of the documentation."""


class TestBatch(BatchSuite):
    """A destination of batches, with a check."""


class TestHook(HookSuite):
    """A push source."""


class TestContacts(ContactsSuite):
    """A pull source."""


class TestQueue(DestinationConformance):
    """A connector without HTTP brings its own stand-in."""

    destination = Queue
    settings: ClassVar = {"queue": "events", "password": "x"}
    errors: ClassVar = {
        Fault.REFUSED: DestinationUnavailable,
        Fault.TIMEOUT: DestinationUnavailable,
    }

    @pytest.fixture
    def service(self) -> Broker:
        return Broker()

    def create(self, settings: QueueSettings, ctx: Context, service: Broker) -> Queue:
        queue = Queue(settings, ctx)
        queue.broker = service
        return queue


class TestExempted(WebhookSuite):
    """A rule that is exempted is skipped, with its reason."""

    exempt: ClassVar = {"corpus-survives": "tried elsewhere"}

    async def test_corpus_survives(self, service: Any) -> None:
        raise AssertionError("exempted rules are not run")

    def test_of_the_authors_own(self, service: Any) -> None:
        assert service.received() == []


@pytest.mark.parametrize("suite", [WebhookSuite, BatchSuite, HookSuite, ContactsSuite])
async def test_a_healthy_connector_passes_every_rule_within_a_second(suite: Any) -> None:
    report = await run_suite(suite)
    assert report.failed == []
    unproven = {one.rule.name for one in report.results if one.outcome is Outcome.UNPROVEN}
    assert unproven <= {"type-matches-entry-point", "check-proves-credentials"}
    assert report.seconds < 1
