"""However deep an accepted event is, what is kept of it can be written."""

from typing import Any, Final

import pytest

from junctor.audiences.behavior import Behavior
from junctor.pipeline.ingest import DEEPEST, Intake
from junctor.sdk.errors import MalformedRequest

from .lively import HOUR, Lively

AGGREGATIONS: Final = (
    "counter", "sum", "min", "max", "mean", "first", "last", "most_frequent", "least_frequent",
    "unique_list", "category_count", "approx_count_distinct", "time_since_last",
)  # fmt: skip
KEYS: Final = ("user", "session", "account", "user_id")

EVENTS: Final = """
[states.deep]
set = [{ event = "Seen", to = "$deep" }]
per = "session"
[signals.twice]
event = "Seen"
count = ">=2"
within = "1h"
same = ["deep"]
[scores.points]
half_life = "1d"
rules = [{ add = 1, event = "Seen" }]
"""
CONDITIONS: Final = """
any = [
  { event = "Seen", distinct = { prop = "deep", is = ">=2" } },
  { event = "Seen", count = ">=2", within = "1h", same = ["deep"] },
  { event = "Seen", count = ">=9" },
  { event = "Seen", sum = { prop = "deep", is = ">=2" } },
  { sequence = [{ event = "Seen", as = "s" },
                { event = "Seen", where = { deep = "$s.deep" } }], within = "1h" },
  { sequence = [{ event = "Seen" }, { event = "Seen" }], within = "1h", same = ["deep"] },
  { trait = "deep", is = "x" },
  { trait = "deep.a", is = "x" },
  { trait = "context.deep", is = "x" },
  { trait = "deep", is = "x", changed_within = "1h" },
]
"""


def definitions() -> str:
    """Return the text of a configuration in which everything takes in a property `deep`."""
    text = EVENTS
    for key in KEYS:
        text += f'[audiences.by_{key}]\nkey = "{key}"\n{CONDITIONS}'
    for agg in AGGREGATIONS:
        prop = "" if agg in ("counter", "time_since_last") else 'prop = "deep"\n'
        for more in ("", 'period = "7d"\n'):
            name = f"{agg}_{'ever' if not more else 'lately'}"
            text += f'[attributes.{name}]\nagg = "{agg}"\nevent = "Seen"\n{prop}{more}'
    return text + (
        '[attributes.either]\nagg = "last"\nevent = "Seen"\n'
        'prop = { coalesce = ["none", "deep"] }\n'
    )


def nested(levels: int, inner: Any, *, lists: bool) -> Any:
    for _ in range(levels):
        inner = [inner] if lists else {"a": inner}
    return inner


def accepted(body: dict[str, Any]) -> bool:
    try:
        Intake(10**6).record("web", dict(body), 1, corrects_clock=False)
    except MalformedRequest:
        return False
    return True


@pytest.mark.parametrize("lists", [True, False])
def test_the_deepest_events_are_kept_like_any_others(lists: bool) -> None:
    town = Lively(definitions())
    for n, who in enumerate(["x", "y", "x", "x"]):
        value = nested(DEEPEST - 2, n % 2, lists=lists)
        at_home = nested(DEEPEST - 3, n % 2, lists=lists)
        bodies: list[dict[str, Any]] = [
            {"type": "track", "event": "Seen", "properties": {"deep": value}},
            {"type": "identify", "traits": {"deep": value}},
            {"type": "identify", "context": {"traits": {"deep": at_home}}},
            {"type": "group", "groupId": "acme", "traits": {"deep": value}},
            {"type": "track", "event": "Seen", "context": {"deep": value}},
            {"type": "track", "event": "Seen", "context": {"consent": {"deep": at_home}}},
        ]
        for body in bodies:
            body["anonymousId"] = who
            body.setdefault("context", {}).update(sessionId=f"s-{n}", groupId="acme")
            assert accepted({**body, "messageId": "m"})
        town.happens(*bodies)
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "y"})
    town.passes(2 * HOUR)
    assert town.state.merged
    assert not town.state.rejections
    ada = town.who("ada")
    assert depth(ada.behavior.decode()) > DEEPEST, "it is in there"
    assert Behavior.decode(ada.behavior).encode()
    assert {key.partition(":")[0] for key in town.state.others} == {"account", "user_id"}


def test_a_level_more_is_not_accepted() -> None:
    for lists in (True, False):
        for room in (DEEPEST - 2, DEEPEST - 1):
            properties = {"deep": nested(room, 1, lists=lists)}
            body = {"type": "track", "event": "Seen", "userId": "a", "properties": properties}
            assert accepted(body) is (room == DEEPEST - 2)


def depth(text: str) -> int:
    """Return how deep a text of JSON nests, which has no brackets in its texts."""
    deepest = level = 0
    for letter in text:
        level += (letter in "[{") - (letter in "]}")
        deepest = max(deepest, level)
    return deepest
