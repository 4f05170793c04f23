"""What the hub tells of a person carries the person's consent, whoever or whatever caused it."""

import tomllib
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from junctor.audiences.behavior import MOST_CONSENT_BYTES
from junctor.audiences.engine import Engine
from junctor.audiences.language import parse_definitions
from junctor.audiences.program import Program
from junctor.pipeline.audience import Audiences
from junctor.pipeline.route import CONSENT, NO_ROUTE, SENT, Router, Target
from junctor.sdk.context import SystemClock

from .bodies import T0, track
from .town import ALL, Town, finish, no_records

TOML = """
[audiences.keen]
event = "Pricing Viewed"
within = "1h"
[audiences.abandoner]
sequence = [ { event = "Product Added" }, { not = { event = "Order Completed" }, for = "1h" } ]
hold = "1d"
[audiences.big_account]
key = "account"
event = "Order Completed"
within = "1d"
"""
YES, NO = [{"categoryPreferences": {"marketing": agreed}} for agreed in (True, False)]
HOUR = 3_600_000


@pytest.fixture
def town() -> Town:
    definitions, problems = parse_definitions(tomllib.loads(TOML))
    assert not problems
    town = Town()
    town.flow.audiences = Audiences(Engine(Program(definitions)), no_records, SystemClock())
    return town


def does(town: Town, event: str, consent: object = None, **more: Any) -> None:
    """Let something be done; None stands for no consent object."""
    context = {} if consent is None else {"consent": consent}
    town.see(track(event=event, context=context, **more))


def told(town: Town) -> list[tuple[str, Any]]:
    """Return (audience, consent) of what was told since it was last asked for."""
    bodies = [orjson.loads(record.json) for record in town.state.made]
    town.state.made.clear()
    return [(b["properties"]["audience_key"], b["context"].get("consent")) for b in bodies]


@pytest.mark.parametrize("consent", [YES, NO, {}, None])
def test_an_entry_carries_the_consent_of_the_event_that_caused_it(
    town: Town, consent: Mapping[str, Any] | None
) -> None:
    does(town, "Pricing Viewed", consent)
    assert told(town) == [("keen", consent)]


def test_what_time_brings_about_carries_the_consent_last_given(town: Town) -> None:
    does(town, "Product Added", YES)
    does(town, "Pricing Viewed", NO)
    assert told(town) == [("keen", NO)]
    finish(town.flow.pass_time(T0 + 3 * HOUR, len(town.log), 10))
    assert told(town) == [("abandoner", NO), ("keen", NO)]


def test_an_event_without_a_consent_object_changes_nothing(town: Town) -> None:
    does(town, "Seen", NO)
    does(town, "Pricing Viewed")
    does(town, "Seen", "no object")
    assert told(town) == [("keen", NO)]


def test_consent_is_that_of_the_newest_event_not_of_the_last_to_come(town: Town) -> None:
    does(town, "Seen", NO)
    does(town, "Seen", YES, timestamp="2023-11-14T00:00:00Z")
    does(town, "Pricing Viewed")
    assert told(town) == [("keen", NO)]


@pytest.mark.parametrize("user_refuses", [True, False])
def test_of_two_who_are_one_the_newer_consent_counts(town: Town, user_refuses: bool) -> None:
    halves: list[dict[str, Any]] = [{"user": None, "anonymous": "a-1"}, {"user": "u-1"}]
    does(town, "Seen", YES, **halves[not user_refuses])
    does(town, "Seen", NO, **halves[user_refuses])
    town.see({"type": "identify", "userId": "u-1", "anonymousId": "a-1"})
    assert len(town.people) == 1
    does(town, "Pricing Viewed")
    assert told(town) == [("keen", NO)]


def test_an_account_is_told_of_with_the_consent_of_its_members(town: Town) -> None:
    does(town, "Order Completed", NO, groupId="g-1")
    assert told(town) == [("big_account", NO)]


def test_a_consent_object_that_is_too_large_is_consent_to_nothing(town: Town) -> None:
    large = {"categoryPreferences": {"x" * MOST_CONSENT_BYTES: True, "marketing": True}}
    does(town, "Pricing Viewed", large)
    assert told(town) == [("keen", {"categoryPreferences": {}})]


@pytest.mark.case(23)
@pytest.mark.parametrize(("consent", "reason"), [(YES, SENT), (NO, CONSENT), (None, SENT)])
def test_a_destination_that_needs_consent_is_not_told_without(
    town: Town, consent: Mapping[str, Any] | None, reason: str
) -> None:
    targets = [Target("crm", ALL, consent=("marketing",)), Target("other", ALL)]
    router = Router([], targets, {"keen": frozenset({"crm"})})
    does(town, "Pricing Viewed", consent)
    body = orjson.loads(town.state.made[0].json)
    assert router.decide(body, "junctor", None) == (("crm", reason), ("other", NO_ROUTE))
