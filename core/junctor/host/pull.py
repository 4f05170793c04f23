"""Pull sources: ask again and again, commit each page with its cursor."""

from collections.abc import Set
from random import Random
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.api.keep import leave_out
from junctor.delivery.backoff import Backoff
from junctor.pipeline.ingest import Intake
from junctor.sdk.context import Clock
from junctor.sdk.settings import Settings
from junctor.sdk.source import PullSource
from junctor.store.port import EventLog
from junctor.telemetry.metrics import Metrics

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 300.0


class Puller:
    """Runs one pull source."""

    def __init__(
        self,
        id: str,
        source: PullSource[Settings],
        log: EventLog,
        max_event: int,
        *,
        suppressed: Set[str] = frozenset(),
        clock: Clock,
        random: Random,
        metrics: Metrics,
        logger: FilteringBoundLogger,
    ) -> None:
        """Write the pages of `source` to `log`, without what `suppressed` users did."""
        self._id = id
        self._source = source
        self._log = log
        self._suppressed = suppressed
        self._intake = Intake(max_event)
        self._clock = clock
        self._backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT, random)
        self._metrics = metrics
        self._logger = logger

    async def run(self) -> None:
        """Pull for ever; a failure waits longer each time and starts at the last stored cursor."""
        failures = 0
        while True:
            try:
                await self.pull()
            except Exception as error:
                failures += 1
                wait = self._backoff.seconds(failures)
                self._logger.warning("pull failed", error=type(error).__name__, retry_in=wait)
                await self._clock.sleep(wait)
            else:
                failures = 0
                await self._clock.sleep(self._source.interval)

    async def pull(self) -> None:
        """Take in all pages there are now."""
        cursor = await self._log.source_cursor(self._id)
        async for page in self._source.pull(cursor):
            records, rejections = self._intake.records(
                self._id, page.records, (), round(self._clock.now() * 1000), corrects_clock=False
            )
            kept, suppressed = leave_out(self._suppressed, records)
            duplicates = await self._log.append(kept, rejections, cursor=(self._id, page.cursor))
            self._metrics.ingested(self._id, "accepted", len(kept) - duplicates)
            self._metrics.ingested(self._id, "suppressed", suppressed)
            self._metrics.ingested(self._id, "duplicate", duplicates)
            self._metrics.ingested(self._id, "rejected", len(rejections))
