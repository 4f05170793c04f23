"""The conformance kit: subclass one class, and every promise of a connector is a test.

    from junctor.testkit import DestinationConformance

    class TestAcme(DestinationConformance):
        destination = Acme
        settings = {"url": "https://acme.test", "signing_secret": "x"}

For whole deliveries there is a vendor that misbehaves as told: `ChaosReceiver`, with `answers`.

Needs pytest, pytest-asyncio and respx: `pip install junctor[testkit]`. The rules, one by one:
docs/rules.md.
"""

from junctor.testkit import answers
from junctor.testkit.answers import Answer
from junctor.testkit.chaos import (
    ChaosReceiver,
    Received,
    by_message,
    by_user,
    flapping,
    flapping_in_time,
)
from junctor.testkit.corpus import Hostile, corpus
from junctor.testkit.destination import ERRORS, DestinationConformance, PartialReply
from junctor.testkit.doubles import ManualClock, capturing_log, context
from junctor.testkit.report import Outcome, Report, Result, run_suite, suite_of
from junctor.testkit.rules import RULES, Kind, Rule, Tier, rules_page
from junctor.testkit.samples import event_of, sample_body
from junctor.testkit.service import Fault, HttpService, Service, client
from junctor.testkit.source import PullSourceConformance, PushSourceConformance

__all__ = [
    "ERRORS",
    "RULES",
    "Answer",
    "ChaosReceiver",
    "DestinationConformance",
    "Fault",
    "Hostile",
    "HttpService",
    "Kind",
    "ManualClock",
    "Outcome",
    "PartialReply",
    "PullSourceConformance",
    "PushSourceConformance",
    "Received",
    "Report",
    "Result",
    "Rule",
    "Service",
    "Tier",
    "answers",
    "by_message",
    "by_user",
    "capturing_log",
    "client",
    "context",
    "corpus",
    "event_of",
    "flapping",
    "flapping_in_time",
    "rules_page",
    "run_suite",
    "sample_body",
    "suite_of",
]
