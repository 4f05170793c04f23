"""What the shop knows of its shoppers: who must have come and gone, case by case."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from junctor.demo.shoppers import Move, Shoppers

START = 1_795_294_800.0
VIEW, ADD, CHECKOUT, ORDER = (
    "Product Viewed", "Product Added", "Checkout Started", "Order Completed"
)  # fmt: skip


def moves(*done: tuple[float, str]) -> dict[str, list[bool]]:
    """Return entries and exits by audience of one who did this, each at its second."""
    shoppers = Shoppers()
    for second, name in done:
        at = datetime.fromtimestamp(START + second, UTC).isoformat()
        shoppers.saw({"type": "track", "event": name, "userId": "u-1", "timestamp": at})
    found: dict[str, list[bool]] = {}
    for move, count in shoppers.moves.items():
        assert move.person == "u-1"
        found.setdefault(move.audience, []).extend([move.entered] * count)
    return {audience: sorted(told, reverse=True) for audience, told in found.items()}


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ([(0, VIEW), (1, VIEW)], {}),
        ([(0, VIEW), (1, VIEW), (2, VIEW)], {"high_intent": [True]}),
        ([(0, VIEW), (1, VIEW), (2, VIEW), (3, VIEW), (4, ORDER)], {"high_intent": [True, False]}),
        ([(0, VIEW), (1, VIEW), (2, ORDER), (3, VIEW)], {}),
        ([(0, ADD), (1.9, CHECKOUT), (9, ORDER)], {}),
        ([(0, ADD), (1.9, ADD)], {"cart_abandoner": [True]}),
        ([(0, ADD), (2, CHECKOUT)], {"cart_abandoner": [True]}),
        ([(0, ADD), (5, ADD), (9, CHECKOUT)], {"cart_abandoner": [True]}),
        ([(0, ADD), (5, CHECKOUT), (6, ORDER)], {"cart_abandoner": [True, False]}),
        ([(0, ADD), (5, ORDER), (6, ADD)], {"cart_abandoner": [True, True, False]}),
        ([(0, ADD), (0.5, ORDER)], {}),
        ([(0, ADD), (1, VIEW), (1.5, ORDER)], {}),
        ([(0, "click"), (0.1, "click")], {}),
        ([(0, "click"), (0.1, "click"), (0.2, "click")], {"frustrated": [True, False]}),
    ],
)
def test_a_shopper_comes_and_goes(
    done: list[tuple[float, str]], expected: dict[str, list[bool]]
) -> None:
    assert moves(*done) == expected
    assert moves(*reversed(done)) == expected, "the order of arrival is nothing to go by"


def test_a_shopper_is_one_before_and_after_the_login() -> None:
    shoppers = Shoppers()
    at = "2026-11-21T21:00:00.000Z"
    for ids in ({"anonymousId": "a-1"}, {"userId": "u-1"}, {"anonymousId": "a-1"}):
        shoppers.saw({"type": "track", "event": VIEW, "timestamp": at, **ids})
    assert not shoppers.moves
    shoppers.saw({"type": "identify", "userId": "u-1", "anonymousId": "a-1"})
    entered = Move("high_intent", True, "a-1")
    assert shoppers.moves == Counter([entered])
    assert shoppers.name(Move("high_intent", True, "u-1")) == entered
    assert str(entered) == "high_intent entered a-1"


def test_nobody_s_events_are_no_shopper_s() -> None:
    shoppers = Shoppers()
    shoppers.saw({"type": "track", "event": ADD, "timestamp": "2026-11-21T21:00:00Z"})
    assert not shoppers.moves
