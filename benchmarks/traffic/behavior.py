"""Audiences and traffic for benchmarks: made by number, the same from run to run.

Traffic has 200 event names, some far more frequent than others, and events of about 1 KB whose
properties vary. Audiences ask for the same names as often as they occur, each by three leaves, most
of them with a value that few events have: that is what audiences of a real shop look like.
"""

import json
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import Final

NAMES: Final = tuple(f"Event {number:03}" for number in range(200))
_CUMULATED: Final = tuple(accumulate(1 / (rank + 10) for rank in range(len(NAMES))))
_CATEGORIES: Final = 50
_SECTIONS: Final = 40
_PLANS: Final = ("free", "starter", "pro", "enterprise")
EVENTS_OF_A_VISIT: Final = 20
_TEXTS: Final = 4_000
"""Event texts made ahead, so that the load costs little; only ids and times differ later."""


def _name(random: Random) -> str:
    return random.choices(NAMES, cum_weights=_CUMULATED)[0]


# -- audiences -----------------------------------------------------------------------------------


def audiences(number: int, send: str = "", *, broad: bool = False) -> str:
    """Return `number` audiences of three leaves each, as TOML; `send` is a destination's id.

    If `broad`, they ask for events by name only, so that each concerns many people.
    """
    return "\n".join(_audience(which, send, broad) for which in range(number))


def _audience(which: int, send: str, broad: bool) -> str:
    random = Random(f"audience {which}")
    first, second, third, fourth = (_event(random, broad) for _ in range(4))
    leaves = (
        [_count(random, first), _absence(random, second), _plan(random)],
        [_sequence(first, second), _count(random, third), _absence(random, fourth)],
        [_days(random, first), _count(random, second), _plan(random)],
        [_sum(random, first), _distinct(random, second), _absence(random, third)],
        [_count(random, first), _sequence(second, third), _plan(random)],
    )[which % 5]
    lines = [f"[audiences.a{which:04}]", "all = [", *(f"  {leaf}," for leaf in leaves), "]"]
    if send:
        lines.append(f'send = ["{send}"]')
    return "\n".join(lines) + "\n"


def _where(random: Random) -> str:
    if random.random() < 0.75:
        return f'category = "c-{random.randrange(_CATEGORIES)}"'
    return f'path = "/section-{random.randrange(_SECTIONS)}/*"'


def _event(random: Random, broad: bool) -> str:
    name, where = _name(random), _where(random)
    return f'event = "{name}"' if broad else f'event = "{name}", where = {{ {where} }}'


def _count(random: Random, event: str) -> str:
    within = random.choice(("1h", "24h", "48h", "7d", "30d"))
    return f'{{ {event}, count = ">={random.randint(1, 4)}", within = "{within}" }}'


def _absence(random: Random, event: str) -> str:
    return f'{{ {event}, count = 0, within = "{random.choice(("24h", "7d", "30d"))}" }}'


def _days(random: Random, event: str) -> str:
    return f'{{ {event}, days = ">={random.randint(1, 3)}", within = "10d" }}'


def _sum(random: Random, event: str) -> str:
    least = random.choice((50, 100, 500))
    return f'{{ {event}, sum = {{ prop = "value", is = ">={least}" }}, within = "30d" }}'


def _distinct(random: Random, event: str) -> str:
    least = random.randint(1, 3)
    distinct = f'{{ prop = "product_id", is = ">={least}" }}'
    return f'{{ {event}, distinct = {distinct}, within = "7d" }}'


def _sequence(first: str, second: str) -> str:
    return f'{{ sequence = [{{ {first} }}, {{ {second}, within = "7d" }}], hold = "14d" }}'


def _plan(random: Random) -> str:
    return f'{{ trait = "plan", is = "{random.choice(_PLANS)}" }}'


# -- traffic -------------------------------------------------------------------------------------


class Visits:
    """Event texts of many visitors; each has a plan and an address of its own."""

    def __init__(self, run: str, users: int, over: float = 0, active: int = 0) -> None:
        """Make events of `users` people; `run` makes message ids differ from run to run.

        They happened within the last `over` seconds, 0: just now. With `active`, so many people at
        a time are there, each for about 20 events; else each event is of anybody.
        """
        self._over = over
        self._run = run
        self._users = users
        self._random = Random(run)
        self._active = [self._random.randrange(users) for _ in range(active)]
        self._texts = [_text(which) for which in range(_TEXTS)]
        self._made = 0

    def one(self, sent: int) -> bytes:
        """Return the next event, made at `sent`, in nanoseconds of the epoch."""
        self._made += 1
        user = self._user()
        head, tail = self._texts[int(self._random.random() * _TEXTS)]
        now = datetime.fromtimestamp(sent / 1e9 - self._over * self._random.random(), UTC)
        own = (
            f'{{"userId":"u-{user}","anonymousId":"a-{user}","messageId":"{self._run}-{self._made}",'
            f'"timestamp":"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",'
            f'"context":{{"traits":{{"email":"user-{user}@example.com",'
            f'"plan":"{_PLANS[user % 4]}"}},'
        )
        stamp = f'"bench_sent":"{sent}"'
        return b"".join((own.encode(), head, stamp.encode(), tail))

    def _user(self) -> int:
        random = self._random
        if not self._active:
            return random.randrange(self._users)
        place = random.randrange(len(self._active))
        if random.random() * EVENTS_OF_A_VISIT < 1:
            self._active[place] = random.randrange(self._users)
        return self._active[place]


def _text(which: int) -> tuple[bytes, bytes]:
    """Return the parts of an event's text that come before and after the time of its making."""
    random = Random(f"event {which}")
    section, page = random.randrange(_SECTIONS), random.randrange(200)
    path = f"/section-{section}/page-{page}"
    context = {
        "ip": f"203.0.113.{random.randrange(256)}",
        "locale": random.choice(("en-US", "en-GB", "de-AT", "fr-FR")),
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        "page": {"path": path, "title": f"Page {page}", "url": f"https://shop.example{path}"},
        "library": {"name": "analytics.js", "version": "next-1.84.1"},
    }
    properties = {
        "category": f"c-{random.randrange(_CATEGORIES)}",
        "path": path,
        "value": round(random.expovariate(1 / 40), 2),
        "product_id": f"p-{random.randrange(2_000)}",
        "step": random.randrange(6),
        "currency": "USD",
        "products": [
            {"product_id": f"p-{random.randrange(2_000)}", "sku": f"sku-{i:05}",
             "name": "A fine pair of boots", "price": 19.5 + i, "quantity": 1 + i}
            for i in range(2)
        ],
    }  # fmt: skip
    context_text = json.dumps(context, separators=(",", ":"))[1:]
    rest = json.dumps(properties, separators=(",", ":"))[1:]
    head = f'{context_text},"type":"track","event":"{_name(random)}","properties":{{'
    return head.encode(), f",{rest}}}".encode()
