"""The kit without pytest's command line: run every rule, say which tier is proven."""

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pytest

from junctor.sdk import Destination, PullSource, PushSource
from junctor.testkit.base import UNPROVEN, Connector, ConnectorConformance
from junctor.testkit.destination import DestinationConformance
from junctor.testkit.rules import Rule, Tier
from junctor.testkit.source import PullSourceConformance, PushSourceConformance


class Outcome(StrEnum):
    """What became of one rule."""

    PASSED = "passed"
    FAILED = "failed"
    EXEMPT = "exempt"
    NOT_APPLICABLE = "not applicable"
    UNPROVEN = "unproven"


_PROVES: Final = frozenset({Outcome.PASSED, Outcome.EXEMPT, Outcome.NOT_APPLICABLE})


@dataclass(frozen=True, slots=True)
class Result:
    """One rule's outcome; `detail` says what is wrong, missing or exempted."""

    rule: Rule
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one connector; `seconds` is how long the kit took."""

    results: Sequence[Result]
    seconds: float

    @property
    def failed(self) -> list[Result]:
        """The broken rules."""
        return [result for result in self.results if result.outcome is Outcome.FAILED]

    @property
    def tier(self) -> Tier | None:
        """The highest tier of which, and below which, every rule is proven."""
        proven: Tier | None = None
        for tier in Tier:
            of_tier = [result for result in self.results if result.rule.tier is tier]
            if not all(result.outcome in _PROVES for result in of_tier):
                break
            proven = tier
        return proven


def suite_of(connector: type[Connector], **attributes: Any) -> type[ConnectorConformance]:
    """Return a conformance class for a connector, with these class attributes.

    Raises:
        TypeError: it is neither a destination nor a source.
    """
    bases: Mapping[type[Any], tuple[type[ConnectorConformance], str]] = {
        Destination: (DestinationConformance, "destination"),
        PushSource: (PushSourceConformance, "source"),
        PullSource: (PullSourceConformance, "source"),
    }
    for base, (suite, name) in bases.items():
        if issubclass(connector, base):
            return type(f"Test{connector.__name__}", (suite,), {name: connector, **attributes})
    raise TypeError(f"{connector.__name__} is neither a destination nor a source")


async def run_suite(suite: type[ConnectorConformance]) -> Report:
    """Check every rule of a conformance class, each on a fresh instance and stand-in.

    Fixtures of the class are not run: a stand-in of its own comes from `make_service`.
    """
    started = time.perf_counter()
    results = [await _run(suite, rule) for rule in suite.rules()]
    return Report(results, time.perf_counter() - started)


async def _run(suite: type[ConnectorConformance], rule: Rule) -> Result:
    if rule.name in suite.exempt:
        return Result(rule, Outcome.EXEMPT, suite.exempt[rule.name])
    instance = suite()
    check = getattr(instance, rule.method)
    needs_service = "service" in inspect.signature(check).parameters
    try:
        await check(*([instance.make_service()] if needs_service else []))
    except pytest.skip.Exception as skipped:
        reason = str(skipped.msg)
        if reason.startswith(UNPROVEN):
            return Result(rule, Outcome.UNPROVEN, reason.removeprefix(UNPROVEN))
        return Result(rule, Outcome.NOT_APPLICABLE, reason)
    except AssertionError as error:
        return Result(rule, Outcome.FAILED, str(error).partition("\n")[0])
    except Exception as error:
        return Result(rule, Outcome.FAILED, f"{type(error).__name__}: {error}")
    return Result(rule, Outcome.PASSED)
