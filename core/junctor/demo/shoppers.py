"""Who must have entered and left which audience, by what the shop knows of its shoppers.

The audiences once more, in Python, from the shop's own books: what the hub and the vendors say is
held against this. It is true once everything has come to rest: no silence is still running.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from junctor.demo.setting import COMPARED, SILENCE

CLICKS: Final = 3
"""Clicks that make a rage click; nobody clicks more often."""
_CART: Final = ("Product Added", "Checkout Started", "Order Completed")


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody entered an audience, or left it; `person` is a user id or an anonymous id."""

    audience: str
    entered: bool
    person: str

    def __str__(self) -> str:
        """Name it, as in `frustrated entered u-8`."""
        return f"{self.audience} {'entered' if self.entered else 'left'} {self.person}"


class Shoppers:
    """What each shopper did, in event time."""

    def __init__(self) -> None:
        """Begin without shoppers."""
        self._devices: dict[str, str] = {}
        self._done: dict[str, list[tuple[float, str]]] = defaultdict(list)

    def saw(self, event: Mapping[str, Any]) -> None:
        """Note an event that the hub has taken for the first time."""
        user, device = event.get("userId"), event.get("anonymousId")
        if user and device:
            self._devices[user] = device
        person = user or device
        if person and event["type"] == "track":
            at = datetime.fromisoformat(event["timestamp"]).timestamp()
            self._done[person].append((at, event["event"]))

    def name(self, move: Move) -> Move:
        """Return a move with the name of the person by which the shop counts."""
        return Move(move.audience, move.entered, self._devices.get(move.person, move.person))

    @property
    def moves(self) -> Counter[Move]:
        """Every entry and exit that must have been, however it is named."""
        people: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for person, done in self._done.items():
            people[self._devices.get(person, person)] += done
        return Counter(
            Move(audience, entered, person)
            for person, done in people.items()
            for audience, entered in _moves(sorted(done))
        )

    @property
    def signals(self) -> int:
        """How many signals the hub must have made of clicks."""
        return sum(move.entered for move in self.moves if move.audience == "frustrated")


def _moves(done: list[tuple[float, str]]) -> Iterator[tuple[str, bool]]:
    """Yield (audience, entered) of one person in the order of each audience."""
    names = [name for _, name in done]
    yield from _high_intent(names)
    yield from _cart_abandoner([(at, name) for at, name in done if name in _CART])
    if names.count("click") == CLICKS:
        yield from (("frustrated", True), ("frustrated", False))


def _high_intent(names: list[str]) -> Iterator[tuple[str, bool]]:
    bought = "Order Completed" in names
    before = names[: names.index("Order Completed")] if bought else names
    if before.count("Product Viewed") >= COMPARED:
        yield "high_intent", True
        if bought:
            yield "high_intent", False


def _cart_abandoner(done: list[tuple[float, str]]) -> Iterator[tuple[str, bool]]:
    member = False
    following = [*done[1:], (float("inf"), "")]
    for (at, name), (end, _) in zip(done, following, strict=False):
        abandoned = name == "Product Added" and end - at >= SILENCE
        if member and name == "Order Completed":
            yield "cart_abandoner", False
        elif abandoned and not member:
            yield "cart_abandoner", True
        member = abandoned or (member and name != "Order Completed")
