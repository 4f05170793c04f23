"""An event that makes the fold raise leaves nothing behind, and what is around it is complete."""

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from junctor.audiences.engine import Engine
from junctor.audiences.seen import HUB
from junctor.pipeline.flow import UNPROCESSABLE

from .lively import Lively

TOML = """
[audiences.hot]
event = "Seen"
count = ">=2"
within = "1h"
[audiences.big]
key = "account"
event = "Seen"
count = ">=3"
within = "1h"
outcome = { goal = { event = "Seen" }, within = "1h" }
[audiences.visit]
key = "session"
event = "Seen"
count = ">=2"
within = "1h"
[audiences.pro]
trait = "plan"
is = "pro"
[signals.twice]
event = "Seen"
count = ">=2"
within = "1h"
"""


class Bug(Exception):
    """Raised by a stage in the middle of its work."""


def spoil(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Let the engine raise on the event `Bad`, before or after it has put it into the states."""
    observe: Callable[..., Any] = Engine.observe

    def raising(
        self: Engine, profile: Any, behavior: Any, seen: Any, *args: Any, **more: Any
    ) -> Any:
        bad = seen.body.get("properties", {}).get("bad") == when
        if bad and when == "before":
            raise Bug
        found = observe(self, profile, behavior, seen, *args, **more)
        if bad and (when == "after" or more.get("key") == when):
            raise Bug
        return found

    monkeypatch.setattr(Engine, "observe", raising)


def body(who: str, *, bad: str = "", **more: Any) -> dict[str, Any]:
    return {
        "type": "track", "event": "Seen", "anonymousId": who,
        "properties": {"bad": bad}, "context": {"groupId": "acme", "sessionId": "s"}, **more,
    }  # fmt: skip


def lived(bodies: list[dict[str, Any]], size: int) -> Lively:
    town = Lively(TOML)
    for number, one in enumerate(bodies):
        town.happens({"messageId": f"n-{number}", **one}, fold=False)
        town.clock.tick(1)
    with capture_logs():
        town.folds(size)
    return town


def known(town: Lively) -> Any:
    """Return all that is known after the fold, whatever was rejected; offsets are the same."""
    state = town.state
    return [
        state.identifiers, state.people, state.behaviors, state.others, state.merged, state.seen,
        state.reached, state.moved, town.told,
    ]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after", "account"])
@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_it_is_as_if_the_event_had_not_come(
    monkeypatch: pytest.MonkeyPatch, when: str, size: int
) -> None:
    spoil(monkeypatch, when)
    good = [
        body("x"), body("y"), body("x"), body("z"),
        body("y", type="identify", userId="ada", traits={"plan": "pro"}), body("x"),
    ]  # fmt: skip
    bad = {**body("x", bad=when, userId="ada"), "context": {"groupId": "acme", "traits": {"a": 1}}}
    nothing = {**body("nobody"), "event": "Nothing", "source": HUB}
    for place in range(len(good) + 1):
        town = lived([*good[:place], bad, *good[place:]], size)
        assert [rejection.reason for rejection in town.state.rejections] == [UNPROCESSABLE]
        assert known(town) == known(lived([*good[:place], nothing, *good[place:]], 1_000))
        processed = [item.event.offset for batch in town.batches for item in batch.events]
        assert processed == list(range(1, len(town.log) + 1))


def test_many_of_them_cost_no_more_than_a_few_folds_each(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, "after")
    asked = 0
    bodies = [body(f"p-{n}", bad="after" if n % 2 else "") for n in range(400)]
    town = Lively(TOML)
    normalize = town.flow._normalize

    def counted(record: Any) -> Any:
        nonlocal asked
        asked += 1
        return normalize(record)

    monkeypatch.setattr(town.flow, "_normalize", counted)
    for one in bodies:
        town.happens(one, fold=False)
    with capture_logs() as logs:
        town.folds()
    assert len(town.state.rejections) == len(logs) == 200
    assert asked <= 40 * len(bodies)
