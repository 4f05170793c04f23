"""A sample shop: visitors who browse, some of whom say who they are, and some of whom buy.

The same seed gives the same visitors in the same order; only times come from outside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from junctor.demo.sdks import Call, Post, Sdks
from junctor.demo.setting import COMPARED

NEWCOMERS: Final = 2
"""Visitors who come in with each tick."""
_FLUSH: Final = 4
"""The servers' SDKs send what has gathered in every fourth tick."""
_MOBILE: Final = 5
"""Every fifth visitor uses the mobile app, whose events come by way of Segment."""
_BIG: Final = 11
"""Every eleventh visitor places a big order, which is rare enough for Slack."""
_COMPARES: Final = 6
"""Every sixth visitor looks at several products."""
_UNDECIDED: Final = 8
"""Every eighth visitor fills the cart and leaves; every other of these comes back."""
_AWAY: Final = 14
"""Ticks after which who comes back is here again."""
_STUCK: Final = 16
"""Every sixteenth visitor clicks a button that does nothing, in anger, and leaves."""
_BETWEEN_CLICKS: Final = 0.12
"""Seconds between clicks in anger."""
_CATALOG: Final = (
    ("sku-101", "Teapot", "Kitchen", 34.5),
    ("sku-102", "Cups, set of 4", "Kitchen", 22.0),
    ("sku-203", "Wool blanket", "Living", 79.0),
    ("sku-204", "Reading lamp", "Living", 58.9),
    ("sku-305", "Notebook", "Desk", 9.95),
    ("sku-306", "Fountain pen", "Desk", 45.0),
)
_ARMCHAIR: Final = ("sku-900", "Armchair", "Living", 289.0)
_NAMES: Final = ("Ada", "Ben", "Chloe", "Dan", "Eve", "Finn", "Grace", "Hugo", "Iris", "Jack")
_NOTE: Final = "for Tom & Jerry <3"
"""A gift note with characters that Slack gives a meaning to."""
FORBIDDEN_NAME: Final = "Terms & Conditions Viewed"
"""An everyday event name that Statsig drops for its `&`, unless a connector replaces it."""

Product = tuple[str, str, str, float]


@dataclass(frozen=True, slots=True)
class Step:
    """Something a visitor does, and the client that tells of it.

    `times`: how often in quick succession, in a browser.
    """

    client: str
    call: Call
    times: int = 1


_OVER: Final = Step("", {})
Visit = Iterator[Step | None]
"""A step a tick; None while the visitor does nothing."""


class Shop:
    """Turns ticks into the requests of its clients."""

    def __init__(self, random: Random, sdks: Sdks) -> None:
        """Open without visitors."""
        self._random = random
        self._sdks = sdks
        self._visits: list[Visit] = []
        self._visitors = 0
        self._ticks = 0
        self._queues: dict[str, list[tuple[float, Call]]] = {"node": [], "python": []}
        self._unanswered: Post | None = None

    def tick(self, at: float) -> list[Post]:
        """Let every visitor take a step at `at` (epoch seconds); return what the clients send.

        Now and then something goes wrong, as it does: the shop's code forgets the name of an
        event, or a client misses the answer to its request and sends it again.
        """
        self._visits += [self._visit() for _ in range(NEWCOMERS)]
        posts = []
        going = []
        for visit in self._visits:
            if (step := next(visit, _OVER)) is _OVER:
                continue
            going.append(visit)
            if step is not None:
                posts += self._tell(step, at)
        self._visits = going
        if self._ticks % 20 == 10:
            nameless = {"type": "track", "userId": "u-1", "properties": {}}
            self._queues["node"].append((at, nameless))
        if self._unanswered is not None:
            posts.append(self._unanswered.again())
            self._unanswered = None
        if self._ticks % _FLUSH == _FLUSH - 1:
            flushed = self.flush(at)
            posts += flushed
            if flushed and self._ticks % 12 == 11:
                self._unanswered = flushed[-1]
        self._ticks += 1
        return posts

    def flush(self, at: float) -> list[Post]:
        """Return what still waits in the SDKs, as they send it before their process ends."""
        node, python = self._queues["node"], self._queues["python"]
        posts = [self._sdks.node(node, at)] if node else []
        posts += [self._sdks.python(python, at)] if python else []
        self._queues = {"node": [], "python": []}
        return posts

    def _tell(self, step: Step, at: float) -> list[Post]:
        if step.client == "browser":
            ago = [_BETWEEN_CLICKS * number for number in reversed(range(step.times))]
            return [self._sdks.browser(step.call, at - seconds) for seconds in ago]
        if step.client == "segment":
            return [self._sdks.segment(step.call, at)]
        self._queues[step.client].append((at, step.call))
        return []

    def _visit(self) -> Visit:
        self._visitors += 1
        number = self._visitors
        if number % _BIG == 3:
            return self._on_the_web(number, buys=(_ARMCHAIR, *self._choice(1)), note=_NOTE)
        leaves_at = "/cart" if number % _UNDECIDED == 6 else ""
        if number % _STUCK == 7:
            leaves_at = "/login"
        fills_cart = self._random.random() < 0.5 or leaves_at
        buys = self._choice(self._random.randint(1, 2)) if fills_cart else ()
        if number % _MOBILE == 0:
            return self._in_the_app(number, buys)
        return self._on_the_web(number, buys, leaves_at=leaves_at)

    def _choice(self, count: int) -> tuple[Product, ...]:
        return tuple(self._random.sample(_CATALOG, count))

    def _on_the_web(
        self, number: int, buys: tuple[Product, ...], *, note: str = "", leaves_at: str = ""
    ) -> Visit:
        """Browse; who buys logs in first, and the shop's servers tell of the order."""
        ids = {"userId": None, "anonymousId": _anonymous_id(self._random)}
        yield _in_browser(ids, "/", type="page", name="Home", properties={"path": "/"})
        viewed = [(buys or self._choice(1))[0]]
        if number % _COMPARES == 1:
            viewed += self._choice(COMPARED - 1)
        for product in viewed:
            path = f"/products/{product[0]}"
            properties = {**_described(product), "path": path}
            yield _in_browser(
                ids, path, type="track", event="Product Viewed", properties=properties
            )
        if number % 7 == 4:
            yield _in_browser(ids, "/terms", type="track", event=FORBIDDEN_NAME, properties={})
        if not buys:
            return
        for bought in buys:
            properties = {"cart_id": f"c-{number}", **_described(bought), "quantity": 1}
            yield _in_browser(
                ids, "/cart", type="track", event="Product Added", properties=properties
            )
        if leaves_at == "/cart":
            if number % (2 * _UNDECIDED) > _UNDECIDED:
                return
            yield from [None] * _AWAY
        ids["userId"] = f"u-{number}"
        yield _in_browser(ids, "/login", type="identify", traits=self._traits(number))
        if leaves_at == "/login":
            clicked = {"element": "#checkout", "path": "/cart"}
            click = _in_browser(ids, "/cart", type="track", event="click", properties=clicked)
            yield replace(click, times=3)
            return
        order = self._order(number, buys, note)
        user = {"userId": ids["userId"]}
        yield Step("node", {"type": "track", **user, "event": "Checkout Started",
                            "properties": order})  # fmt: skip
        yield Step("python", {"type": "track", **user, "event": "Order Completed",
                              "properties": order})  # fmt: skip

    def _in_the_app(self, number: int, buys: tuple[Product, ...]) -> Visit:
        """Browse and buy in the app; Segment passes all of it on."""
        ids: dict[str, Any] = {"anonymousId": _anonymous_id(self._random).upper()}
        yield Step("segment", {"type": "screen", **ids, "name": "Home", "properties": {}})
        product = (buys or self._choice(1))[0]
        yield Step("segment", {"type": "track", **ids, "event": "Product Viewed",
                               "properties": _described(product)})  # fmt: skip
        if not buys:
            return
        ids["userId"] = f"u-{number}"
        yield Step("segment", {"type": "identify", **ids, "traits": self._traits(number)})
        yield Step("segment", {"type": "track", **ids, "event": "Order Completed",
                               "properties": self._order(number, buys, "")})  # fmt: skip

    def _traits(self, number: int) -> dict[str, Any]:
        name = self._random.choice(_NAMES)
        return {"email": f"{name.lower()}.{number}@example.com", "firstName": name}

    def _order(self, number: int, buys: tuple[Product, ...], note: str) -> dict[str, Any]:
        revenue = round(sum(product[3] for product in buys), 2)
        order = {
            "order_id": f"o-{1000 + number}",
            "revenue": revenue,
            "shipping": 4.9,
            "total": round(revenue + 4.9, 2),
            "currency": "USD",
            "products": [{**_described(product), "quantity": 1} for product in buys],
        }
        return {**order, "note": note} if note else order


def is_event(sent: Mapping[str, Any]) -> bool:
    """Whether what a client sent can be an event: a track call needs a name."""
    return sent["type"] != "track" or bool(sent.get("event"))


def _in_browser(ids: Mapping[str, str | None], path: str, **call: Any) -> Step:
    return Step("browser", {**{key: id for key, id in ids.items() if id}, **call, "path": path})


def _described(product: Product) -> dict[str, Any]:
    sku, name, category, price = product
    return {"product_id": sku, "sku": sku, "name": name, "category": category, "price": price}


def _anonymous_id(random: Random) -> str:
    text = random.randbytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
