"""The run of the demo: set the scene, let the shop trade, let the hub finish, judge."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import Final, TextIO

import aiohttp
from rich.console import Console
from rich.live import Live

from junctor.config.load import load_config
from junctor.demo.books import Books
from junctor.demo.journal import Journal, Kind
from junctor.demo.picture import (
    AudienceRow,
    Picture,
    look_at_audiences,
    look_at_hub,
    look_at_vendor,
)
from junctor.demo.sdks import Post, Sdks
from junctor.demo.setting import Secrets, configuration, environment
from junctor.demo.shop import Shop
from junctor.demo.vendors import Crm, Slack, Statsig, Vendor
from junctor.demo.verdict import problems
from junctor.demo.view import View
from junctor.host.hub import Hub
from junctor.host.registry import Registry
from junctor.sdk.context import Clock, SystemClock
from junctor.telemetry.log import make_logger

SEED: Final = 7
_TICK: Final = 0.25
_TICKS_ONCE: Final = 26
_OUTAGE_EVERY: Final = 120
_OUTAGE_FROM: Final = 8
_OUTAGE_TO: Final = 18
"""In ticks: when the CRM fails, and when it is back, in every round of _OUTAGE_EVERY."""
_REFRESH: Final = 0.2
_PROGRESS_EVERY: Final = 1.0
_LONGEST_SETTLING: Final = 15.0
_DRAIN: Final = 5.0


def run_demo(*, once: bool, seed: int = SEED, out: TextIO | None = None) -> int:
    """Run the demo; with `once` it ends by itself after some ten seconds, else with Ctrl-C.

    The same seed gives the same shop. Writes to `out`, standard output by default: a live board
    on a terminal, lines elsewhere. Returns the exit code: 0 only if the ledger balances, nothing
    is pending and each vendor saw exactly what was delivered; 130 when interrupted for good.
    """
    console = Console(file=out if out is not None else sys.stdout)
    folder = Path(tempfile.mkdtemp(prefix="junctor-demo-"))
    found: list[str] = []
    try:
        found = asyncio.run(_Demo(folder, console, seed, SystemClock(), once=once).run())
    except KeyboardInterrupt:
        return 130
    finally:
        if not found:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if found else 0


class _Demo:
    def __init__(
        self, folder: Path, console: Console, seed: int, clock: Clock, *, once: bool
    ) -> None:
        self._folder = folder
        self._console = console
        self._view = View(console)
        self._random = Random(seed)
        self._clock = clock
        self._once = once
        self._journal = Journal()
        self._books = Books()
        self._moved: dict[tuple[str, str], int] = {}
        self._phase = ""
        self._stop = asyncio.Event()
        self._secrets = secrets = Secrets.made_by(self._random)
        self._crm = Crm(clock, secrets.crm_secret)
        self._vendors: list[Vendor] = [
            Statsig(clock, secrets.statsig_key),
            Slack(clock, secrets.alerts_path),
            Slack(clock, secrets.growth_path, "growth"),
            self._crm,
        ]

    async def run(self) -> list[str]:
        """Play the demo from beginning to end; return what was wrong."""
        async with AsyncExitStack() as stack:
            for vendor in self._vendors:
                await vendor.start()
                stack.push_async_callback(vendor.stop)
            self._hub = await self._start_hub(stack)
            self._session = await stack.enter_async_context(aiohttp.ClientSession())
            self._began = self._clock.monotonic()
            stack.enter_context(_Interrupt(self._stop))
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._watch()), group.create_task(self._show())]
                await self._trade()
                await self._settle()
                self._phase = "done"
                for task in beside:
                    task.cancel()
            picture = await self._look()
        found = problems(picture, self._books, self._vendors)
        self._view.summary(picture, found, self._folder)
        if not found:
            self._view.farewell()
        return found

    async def _start_hub(self, stack: AsyncExitStack) -> Hub:
        statsig, alerts, growth, crm = [vendor.url for vendor in self._vendors]
        text = configuration(statsig=statsig, crm=crm)
        path = self._folder / "junctor.toml"
        path.write_text(text, encoding="utf-8")
        environ = environment(self._secrets, alerts=alerts, growth=growth)
        loaded = load_config(path, Registry.discover(), environ)
        log = stack.enter_context((self._folder / "hub.log").open("w", encoding="utf-8"))
        hub = Hub(loaded, make_logger(stream=log), clock=self._clock, random=self._random)
        await hub.start()
        stack.push_async_callback(hub.stop, _DRAIN)
        self._view.opening(path, text, hub.ingest_address, hub.admin_address)
        return hub

    # -- acts ------------------------------------------------------------------------------------

    async def _trade(self) -> None:
        """Let the shop trade, one tick after another, until it is time to stop."""
        self._phase = "trading" if self._once else "trading; Ctrl-C ends it"
        sdks = Sdks(
            self._random,
            write_key=self._secrets.write_key,
            segment_secret=self._secrets.segment_secret,
        )
        shop = Shop(self._random, sdks)
        tick = 0
        while not self._stop.is_set() and not (self._once and tick >= _TICKS_ONCE):
            self._disturb(tick % _OUTAGE_EVERY)
            await self._send(shop.tick(self._clock.now()))
            tick += 1
            wait = self._began + tick * _TICK - self._clock.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), max(0.0, wait))
        await self._send(shop.flush(self._clock.now()))

    async def _send(self, posts: Sequence[Post]) -> None:
        await asyncio.gather(*(self._post(post) for post in posts))

    async def _post(self, post: Post) -> None:
        self._books.sending(post, self._clock.monotonic())
        url = self._hub.ingest_address + post.path
        try:
            async with self._session.post(url, data=post.body, headers=post.headers) as response:
                await response.read()
        except aiohttp.ClientError as error:
            self._books.failed(type(error).__name__)
            return
        if response.status == 200:
            self._books.accepted(post)
        else:
            self._books.failed(f"HTTP {response.status}")

    def _disturb(self, tick: int) -> None:
        if tick == _OUTAGE_FROM:
            self._crm.fail()
            self._note(
                "crm (vendor)", "goes down; its last answer is lost on the way", Kind.TROUBLE
            )
        elif tick == _OUTAGE_TO:
            self._recover()

    def _recover(self) -> None:
        if self._crm.failing:
            self._crm.recover()
            self._note("crm (vendor)", "is back", Kind.GOOD)

    async def _settle(self) -> None:
        """Wait until nothing is pending any more, and nobody comes or goes."""
        self._phase = "the shop is closed; the hub delivers what is left"
        self._recover()
        deadline = self._clock.monotonic() + _LONGEST_SETTLING
        while self._clock.monotonic() < deadline:
            picture = await self._look()
            if not picture.pending and not problems(picture, self._books, self._vendors):
                return
            await self._clock.sleep(_REFRESH)

    # -- beside them -----------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Write what the hub tells into the journal."""
        breakers: dict[str, str] = {}
        async for kind, notice in self._hub.live.watch():
            if kind == "ingest":
                self._note_ingest(notice["source"], notice["duplicates"], notice["rejected"])
                continue
            id, error = notice["destination"], notice["error"]
            if notice["delivered"]:
                self._note(id, "delivered", Kind.GOOD, notice["delivered"])
            if notice["retry"]:
                self._note(id, f"to be tried again: {error}", Kind.TROUBLE, notice["retry"])
            if notice["dead"]:
                self._note(id, f"dead letters: {error}", Kind.TROUBLE, notice["dead"])
            if notice["breaker"] != breakers.setdefault(id, "closed"):
                breakers[id] = notice["breaker"]
                closed = notice["breaker"] == "closed"
                text = "the vendor is left alone for a while, then probed"
                self._note(
                    id,
                    "breaker closed: the vendor works again" if closed else f"breaker open: {text}",
                    Kind.GOOD if closed else Kind.TROUBLE,
                )

    def _note_ingest(self, source: str, duplicates: int, rejected: int) -> None:
        if duplicates:
            self._note(source, "sent again by the client, known already", count=duplicates)
        if rejected:
            self._note(source, "rejected, kept with its reason; the batch goes on", count=rejected)

    def _note(
        self, place: str, text: str, kind: Kind = Kind.PLAIN, count: int | None = None
    ) -> None:
        self._journal.write(self._clock.monotonic() - self._began, place, text, kind, count=count)

    async def _show(self) -> None:
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            await self._print_lines()
            return
        picture = await self._look()
        with Live(self._view.board(picture), console=self._console, auto_refresh=False) as live:
            try:
                while True:
                    await self._clock.sleep(_REFRESH)
                    live.update(self._view.board(await self._look()), refresh=True)
            finally:
                live.update(self._view.board(await self._look()), refresh=True)

    async def _print_lines(self) -> None:
        try:
            while True:
                await self._clock.sleep(_PROGRESS_EVERY)
                picture = await self._look()
                pending = ", ".join(
                    f"{row.id} {row.pending}" for row in picture.destinations if row.pending
                )
                text = f"{picture.accepted} accepted, pending: {pending or 'none'}"
                self._journal.write(picture.elapsed, "hub", text)
                self._view.entries(self._journal.finished(picture.elapsed))
        finally:
            self._view.entries(self._journal.finished(float("inf")))

    async def _look(self) -> Picture:
        sources, destinations = await look_at_hub(self._hub)
        audiences = await look_at_audiences(self._hub, self._clock.now())
        self._note_moves(audiences)
        return Picture(
            self._clock.monotonic() - self._began,
            self._phase,
            sources,
            destinations,
            {vendor.id: look_at_vendor(vendor, self._books.sent) for vendor in self._vendors},
            self._journal.last(40),
            audiences,
        )

    def _note_moves(self, rows: Sequence[AudienceRow]) -> None:
        """Write into the journal who came and went since the last look."""
        for row in rows:
            for text, count in (("entered", row.entered), ("left", row.left)):
                more = count - self._moved.get((row.id, text), 0)
                if more > 0:
                    self._note(row.id, text, count=more)
                    self._moved[row.id, text] = count


class _Interrupt:
    """Makes the first Ctrl-C (or SIGTERM) set an event; the second one interrupts as usual."""

    _SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        for number in self._SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; other threads
                asyncio.get_running_loop().add_signal_handler(number, self._asked)

    def __exit__(self, *_: object) -> None:
        for number in self._SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().remove_signal_handler(number)

    def _asked(self) -> None:
        self._stop.set()
        self.__exit__()
