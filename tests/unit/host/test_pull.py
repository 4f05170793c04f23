"""Pull sources in the hub: each page is stored with its cursor, a failure goes on from there."""

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from junctor.host.pull import Puller
from junctor.sdk import Context, DestinationUnavailable, Manifest, Page, PullSource, Settings
from junctor.store.sqlite import SqliteStore
from junctor.telemetry.log import make_logger
from junctor.telemetry.metrics import Metrics
from junctor.testkit.doubles import ManualClock

PAGES = {
    None: Page([{"type": "identify", "userId": "u-1", "messageId": "c-1"}], "1"),
    "1": Page(
        [{"type": "identify", "userId": "u-2", "messageId": "c-2"}, {"type": "nonsense"}], "2"
    ),
    "2": Page([{"type": "identify", "userId": "u-3", "messageId": "c-3"}], "3"),
}


class NoSettings(Settings):
    """None."""


class Contacts(PullSource[Settings]):
    """Three pages; fails as often as it is told before a page."""

    manifest = Manifest(type="contacts", title="Contacts", summary="Test.")
    settings_model = NoSettings

    def __init__(self, settings: Settings, ctx: Context) -> None:
        super().__init__(settings, ctx)
        self.asked: list[str | None] = []
        self.failures: Iterator[str] = iter(())

    async def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        self.asked.append(cursor)
        while cursor in PAGES:
            if cursor == next(self.failures, "none"):
                raise DestinationUnavailable("down")
            page = PAGES[cursor]
            cursor = page.cursor
            yield page


class Bench:
    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.suppressed: set[str] = set()
        self.clock = ManualClock()
        self.logger = make_logger("error", "json", io.StringIO())
        context = Context("crm", httpx.AsyncClient(), self.logger, self.clock)
        self.source = Contacts(NoSettings(), context)
        self.puller = Puller(
            "crm", self.source, store.log, 1_000_000, suppressed=self.suppressed,
            clock=self.clock, random=Random(1), metrics=Metrics(), logger=self.logger,
        )  # fmt: skip

    async def stored(self) -> list[str]:
        return [record.message_id for record in await self.store.log.read(0, 100)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = SqliteStore.open(tmp_path / "data")
    yield Bench(store)
    await store.close()


async def test_all_pages_are_stored_and_what_is_no_event_is_kept_with_its_reason(
    bench: Bench,
) -> None:
    await bench.puller.pull()
    assert await bench.stored() == ["c-1", "c-2", "c-3"]
    assert await bench.store.log.source_cursor("crm") == "3"
    assert [r.source for r in await bench.store.log.rejections(10)] == ["crm"]


async def test_a_failure_between_pages_goes_on_from_the_last_stored_page(bench: Bench) -> None:
    bench.source.failures = iter(("none", "1"))
    with pytest.raises(DestinationUnavailable):
        await bench.puller.pull()
    assert await bench.store.log.source_cursor("crm") == "1"
    await bench.puller.pull()
    assert bench.source.asked == [None, "1"]
    assert await bench.stored() == ["c-1", "c-2", "c-3"]


async def test_a_restart_starts_at_the_stored_cursor(bench: Bench, tmp_path: Path) -> None:
    await bench.puller.pull()
    await bench.store.close()
    again = Bench(SqliteStore.open(tmp_path / "data"))
    await again.puller.pull()
    assert again.source.asked == ["3"]
    assert await again.stored() == ["c-1", "c-2", "c-3"]
    await again.store.close()


@pytest.mark.case(16)
async def test_what_suppressed_users_did_is_not_stored_and_the_cursor_goes_on(
    bench: Bench,
) -> None:
    bench.suppressed.add("u-2")
    await bench.puller.pull()
    assert await bench.stored() == ["c-1", "c-3"]
    assert await bench.store.log.source_cursor("crm") == "3"
