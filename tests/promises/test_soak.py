"""Long under load with faults everywhere: flat, and the ledger is exact.

JUNCTOR_SOAK sets for how many seconds (default 30), JUNCTOR_SOAK_SHARE at how much of the capacity
that is measured first (default 0.35: with faults, and with audiences whose windows have filled, a
hub can do about half of what it could in its first seconds), JUNCTOR_SOAK_SEED which faults
(default 53).
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
import pytest

from junctor.host.workers import worker_count
from tests.support.client import HubClient, until
from tests.support.daemon import Daemon, free_port
from tests.support.hub import NEVER_LOGGED, config_text, webhook
from tests.support.load import OpenLoad, Shoppers
from tests.support.usage import Usage, middle, module_of, quarter, usage_of
from tests.support.weather import FAIR, POISON, Vendor, changing

SECONDS: Final = float(os.environ.get("JUNCTOR_SOAK", "30"))
SHARE: Final = float(os.environ.get("JUNCTOR_SOAK_SHARE", "0.35"))
SEED: Final = int(os.environ.get("JUNCTOR_SOAK_SEED", "53"))
MEASURE_SECONDS: Final = 8.0
"""Long enough for what becomes due by time to be part of it."""
SENDERS: Final = 8
BATCH: Final = 25
PEOPLE: Final = (300, 1_500)
FLAT: Final = 1.1
FILLING: Final = 48 * 2**20 if SECONDS < 300 else 0
"""Bytes by which caches may still fill in a short run."""
SPARED_SECONDS: Final = 75.0
TOLERANCE: Final = 0.1
"""Seconds: other tests run beside this one."""
FEW: Final = 32
"""Files, threads and tasks that may be more at rest: connections to vendors are kept a while."""
MOST_WAL: Final = 96 * 2**20
"""Bytes: the store's 64 MiB of journal_size_limit and what one long commit adds."""
SETTLE_SECONDS: Final = 90.0
VENDORS: Final = ("list", "statsig", "orders", "audiences")
CHILDREN: Final = 1 + worker_count("auto")
"""The process of reads, and workers."""
DELIVERY: Final = (
    'timeout = "1s", retry = { initial = "100ms", max = "1s" },'
    ' breaker = { failures = 5, cooldown = "200ms" }'
)
# Windows are short: what an event costs grows until they are full, and is measured at the start.
DEFINITIONS: Final = """
[store.retention]
age = "15s"
[readers.app]
key = { env = "STATSIG_SERVER_SECRET" }
[audiences.evaluating]
event = "page_view"
where = { path = "/pricing*" }
count = ">=2"
within = "5s"
send = ["audiences"]
[audiences.big_spender]
event = "Order Completed"
sum = { prop = "revenue", is = ">=300" }
within = "5s"
send = ["audiences"]
[audiences.undecided]
event = "Product Added"
same = ["product_id"]
count = ">=2"
within = "5s"
[audiences.cart_abandoner]
sequence = [
  { event = "Product Added" },
  { not = { event = ["Order Completed", "page_view"] }, for = "2s" },
]
hold = "3s"
exit = { event = "Order Completed" }
send = ["audiences"]
[signals.nav_loop]
event = "page_view"
count = ">=3"
within = "5s"
same = ["path"]
[scores.readiness]
half_life = "5s"
range = [0, 100]
rules = [
  { add = 5, event = "page_view", where = { path = "/pricing*" } },
  { add = 10, event = "Order Completed" },
]
"""


def config(vendors: dict[str, Vendor], ports: tuple[int, int]) -> str:
    lists = {"list": True, "orders": False, "audiences": False}
    sections = "".join(
        webhook(id, vendors[id].address, batch=batch, delivery=DELIVERY)
        for id, batch in lists.items()
    )
    statsig = f"""
[destinations.statsig]
type = "statsig"
settings.server_secret = {{ env = "STATSIG_SERVER_SECRET" }}
settings.endpoint = "{vendors["statsig"].address}"
settings.audiences = ["evaluating"]
settings.scores = ["readiness"]
delivery = {{ {DELIVERY} }}
[routes.everything]
from = ["web"]
to = ["list", "statsig"]
[routes.orders]
from = ["web"]
to = ["orders"]
when = 'event = "Order Completed"'
"""
    return config_text(sections + statsig, sources=DEFINITIONS, ports=ports)


class Scene:
    """A daemon, vendors with weather, and shoppers."""

    def __init__(
        self, daemon: Daemon, client: HubClient, senders: HubClient, vendors: dict[str, Vendor]
    ) -> None:
        self.daemon = daemon
        self.client = client
        self.senders = senders
        self.vendors = vendors
        random = Random(SEED)
        self._random = random
        self._shoppers = Shoppers(random, few=PEOPLE[0], most=PEOPLE[1])
        self.load = OpenLoad(senders, batch=BATCH, call=self._call)
        self.reloads = self.kills = 0

    def _call(self, id: str) -> dict[str, Any]:
        call = self._shoppers.call(id)
        if self._random.randrange(2_000) == 0:
            call = {**call, "type": "track", "event": POISON}
        return call

    async def capacity(self) -> float:
        """Return how many events a second the hub accepts and delivers."""
        started, before = time.monotonic(), self.load.offered
        await self.load.flat_out(SENDERS, MEASURE_SECONDS)
        await self.client.settled(SETTLE_SECONDS)
        return (self.load.offered - before) / (time.monotonic() - started)

    async def disturb(self) -> None:
        """Let the process suffer, for ever: a reload, or the end of one of its children.

        One that ends again and again is given ever more time before it is started anew.
        """
        spared: dict[str, float] = {}
        while True:
            await asyncio.sleep(self._random.uniform(5.0, 15.0))
            now = time.monotonic()
            victims = [
                (pid, what)
                for pid in self.daemon.children()
                if spared.get(what := module_of(pid), 0.0) < now
            ]
            if victims and self._random.random() < 0.3:
                pid, what = self._random.choice(victims)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                spared[what] = now + SPARED_SECONDS
                self.kills += 1
            else:
                self.daemon.send_signal(signal.SIGHUP)
                self.reloads += 1

    async def exact_ledger(self) -> dict[str, dict[str, Any]]:
        """Wait until nothing is pending and the vendors have what was delivered; return the ledger.

        It never stands still: memberships end by time, and that is told.
        """
        await self.client.settled(SETTLE_SECONDS)
        ledger: dict[str, dict[str, Any]] = {}

        async def exact() -> bool:
            ledger.update(await self.client.ledger())
            return all(
                row["accepted"] == row["delivered"] + row["filtered"] + row["dead"]
                and row["delivered"] == self.vendors[id].count
                for id, row in ledger.items()
            )

        with suppress(TimeoutError):
            await until(exact)
        return ledger

    async def at_rest(self, store: Path) -> Usage:
        """Look at the daemon once all its processes run."""

        async def complete() -> bool:
            return len(self.daemon.children()) == CHILDREN

        await until(complete, SETTLE_SECONDS)
        return await usage_of(self.daemon, self.client, store)

    async def watch(self, store: Path, looks: list[Usage]) -> None:
        """Look at the daemon once a second, for ever."""
        while True:
            looks.append(await usage_of(self.daemon, self.client, store))
            await asyncio.sleep(1.0)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    random = Random(SEED)
    vendors = {id: Vendor(Random(random.random())) for id in VENDORS}
    async with AsyncExitStack() as stack:
        for vendor in vendors.values():
            await stack.enter_async_context(vendor.listening())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        connector = aiohttp.TCPConnector(limit=0)
        sending = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        daemon = Daemon(folder, config(vendors, (free_port(), free_port())), session)
        stack.push_async_callback(daemon.close)
        client = await daemon.start()
        yield Scene(daemon, client, HubClient(client.ingest, client.admin, sending), vendors)


@asynccontextmanager
async def meanwhile(*work: Any) -> AsyncIterator[None]:
    """Do all of this as long as the block lasts; what goes wrong with it goes wrong here."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in done), done


@pytest.mark.case(53, 50)
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 4 * SETTLE_SECONDS)
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are watched by /proc")
async def test_hours_of_faults_leave_no_trace_but_in_the_exact_ledger(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    random, looks, store = Random(SEED), list[Usage](), tmp_path / "data"
    async with scene(tmp_path) as on:
        load, fresh = on.load, await on.at_rest(store)
        capacity = await on.capacity()
        weather = [
            changing(vendor, Random(random.random()), 4.0, 1.5) for vendor in on.vendors.values()
        ]
        before, started = load.offered, time.monotonic()
        async with meanwhile(*weather, on.disturb(), on.watch(store, looks)):
            async with asyncio.timeout(SECONDS + SETTLE_SECONDS):
                await load.run(SHARE * capacity, SECONDS)
        rate = (load.offered - before) / (time.monotonic() - started)
        for vendor in on.vendors.values():
            await vendor.change(FAIR)
        recovering = time.monotonic()
        ledger = await on.exact_ledger()
        counted = {id: vendor.count for id, vendor in on.vendors.items()}
        recovered = time.monotonic() - recovering
        await on.senders.session.close()
        after = await on.at_rest(store)
        answers = sorted((one for one in load.sent if one.at >= started), key=lambda one: one.at)
        latencies = [middle(one.seconds for one in quarter(answers, n)) for n in range(1, 5)]
        report = {
            "seconds": SECONDS, "capacity, events/s": round(capacity),
            "offered, events/s": round(rate), "events": load.offered, "reloads": on.reloads,
            "kills of a child": on.kills, "refusals, sent again": dict(load.refusals),
            "calls": {id: one.calls for id, one in on.vendors.items()},
            "repetitions": {id: one.repeated for id, one in on.vendors.items()},
            "ledger": ledger, "settled after, s": round(recovered, 1), **figures(looks),
            "latency by quarters, s": [round(one, 4) for one in latencies],
            "at rest before": str(fresh), "at rest after": str(after),
        }  # fmt: skip
        for name, value in report.items():
            record_property(name, value)
            print(f"{name}: {value}")
        assert not [line for line in on.daemon.log if any(text in line for text in NEVER_LOGGED)]
    assert_exact(load, ledger, counted)
    assert_flat(looks)
    assert latencies[3] <= 2 * latencies[1] + TOLERANCE
    for name in ("files", "threads", "tasks"):
        assert getattr(after, name) <= getattr(fresh, name) + FEW, name


def figures(looks: Sequence[Usage]) -> dict[str, object]:
    """Return the course of each figure: the medians of the quarters, and the most; bytes as MB."""
    found: dict[str, object] = {}
    for name in ("memory", "files", "threads", "tasks", "wal", "behind", "pending"):
        unit = 2**20 if name in ("memory", "wal") else 1
        most = max(getattr(look, name) for look in looks)
        course = [middle(getattr(look, name) for look in quarter(looks, n)) for n in range(1, 5)]
        found[name] = f"{[round(one / unit) for one in course]}, most {round(most / unit)}"
    return found


def assert_flat(looks: Sequence[Usage]) -> None:
    """Compare the last quarter with the second: in the first everything still fills."""
    was, became = (middle(look.memory for look in quarter(looks, n)) for n in (2, 4))
    assert became <= FLAT * was + FILLING
    assert max(look.wal for look in looks) <= MOST_WAL


def assert_exact(
    load: OpenLoad, ledger: dict[str, dict[str, Any]], counted: dict[str, int]
) -> None:
    """The hub's own events are accepted as well: `list` and `statsig` filter exactly these."""
    assert sum(load.stored) == load.offered
    assert len({row["accepted"] for row in ledger.values()}) == 1
    for id, row in ledger.items():
        assert row["accepted"] == row["delivered"] + row["filtered"] + row["dead"], id
        assert row["delivered"] == counted[id], id
    assert ledger["list"]["delivered"] + ledger["list"]["dead"] == load.offered
