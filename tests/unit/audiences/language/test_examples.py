"""The worked examples of the language."""

import tomllib
from pathlib import Path
from typing import Final

from junctor.audiences.comparison import Compare, Glob
from junctor.audiences.language import order, parse_definitions
from junctor.audiences.nodes import (
    AudienceCondition,
    EventCondition,
    Group,
    Pattern,
    SequenceCondition,
    Silence,
    StateCondition,
)
from tests.unit.audiences.language.reading import read

DAY: Final = 86_400_000
EXAMPLES: Final = Path(__file__).with_name("examples.toml").read_text(encoding="utf-8")


def test_every_example_loads() -> None:
    raw = tomllib.loads(EXAMPLES)

    definitions, problems = parse_definitions(raw)

    assert problems == []
    for section in ("audiences", "signals", "states", "scores", "attributes", "services"):
        assert [one.name for one in getattr(definitions, section)] == list(raw[section])


def test_examples_mean_what_they_say() -> None:
    found = {one.name: one for one in read(EXAMPLES).audiences}

    high = found["high_intent"].condition
    assert isinstance(high, Group)
    pricing = high.items[0]
    assert isinstance(pricing, EventCondition)
    assert pricing.pattern == Pattern(("page_view",), (("path", Glob("/pricing*")),))
    assert (pricing.count, pricing.window.within) == (Compare("gte", 3), 2 * DAY)
    assert found["high_intent"].send == ("statsig", "slack")

    cart = found["cart_abandoner"].condition
    assert isinstance(cart, SequenceCondition)
    awaited = Pattern(("Checkout Started", "Product Added", "page_view"))
    assert cart.sequence.silence == Silence(awaited, 3 * DAY)
    assert (cart.hold, cart.exit) == (14 * DAY, Pattern(("Order Completed",)))

    loop = found["payment_loop"].condition
    assert isinstance(loop, SequenceCondition)
    assert loop.sequence.steps[0].count == 3
    assert loop.hold == loop.sequence.within == 1_800_000

    slow = found["slow_buyers"].condition
    assert isinstance(slow, StateCondition)
    assert slow.spent is not None
    assert (slow.spent.low, slow.within) == (300_000, 7 * DAY)


def test_audiences_come_after_those_that_they_name() -> None:
    definitions = read(
        """
        [audiences.c]
        any = [{ audience = "b" }, { none = [{ audience = "a" }] }]
        [audiences.b]
        event = "x"
        exit = { audience = "a" }
        [audiences.d]
        event = "x"
        [audiences.a]
        event = "x"
        """
    )

    ordered = order(definitions)

    assert sorted(ordered) == ["a", "b", "c", "d"]
    assert ordered.index("a") < ordered.index("b") < ordered.index("c")
    examples = order(read(EXAMPLES))
    assert examples.index("churn_risk") < examples.index("survey_target")


def test_a_long_chain_of_audiences_is_put_in_order() -> None:
    raw = {f"a{number}": {"audience": f"a{number + 1}"} for number in range(3000)}
    definitions, problems = parse_definitions({"audiences": {**raw, "a3000": {"known": "1d"}}})

    assert problems == []
    assert order(definitions) == [f"a{number}" for number in range(3000, -1, -1)]
    last = definitions.audiences[2999].condition
    assert last == AudienceCondition("a3000")
