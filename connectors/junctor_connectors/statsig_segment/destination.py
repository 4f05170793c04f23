"""Audiences as ID-list segments at Statsig, through its Console API."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from typing import Final

from junctor.sdk import (
    AudienceSync,
    AuthenticationFailed,
    Context,
    DeliveryError,
    Destination,
    DestinationUnavailable,
    Drift,
    Event,
    EventType,
    Manifest,
    PartialFailure,
    ProfileView,
    RateLimited,
    compile_template,
)
from junctor_connectors.statsig_segment.changes import Change, changes_of
from junctor_connectors.statsig_segment.console import Console, SegmentBusy
from junctor_connectors.statsig_segment.id_list import IdList
from junctor_connectors.statsig_segment.identifier import Identifier
from junctor_connectors.statsig_segment.naming import segment_id
from junctor_connectors.statsig_segment.settings import StatsigSegmentSettings

_BATCH: Final = 1000
"""Most ids of a request; Statsig takes 100,000."""
_TRIES: Final = 10
"""How often a repair tries one request that Statsig puts off."""
_PUT_OFF: Final = 10.0
"""Seconds until a repair tries again, where Statsig does not say."""


class StatsigSegment(Destination[StatsigSegmentSettings], AudienceSync):
    """Keeps an ID-list segment equal to each audience.

    It takes the transitions of audiences: those of the hub, and Segment Engage's track and identify
    calls. In a batch the last state of a person counts; adding who is there and removing who is not
    changes nothing, so that a delivery can be repeated.

    Statsig allows 12 updates of lists in 10 seconds and 900 in 15 minutes, for a project as a
    whole. A delivery makes at most two for each audience in it. What is over the limits waits at
    the hub, where it is collected into larger updates.
    """

    manifest = Manifest(
        type="statsig_segment",
        title="Statsig Segments",
        summary="ID-list segments at Statsig, kept equal to audiences.",
        accepts=frozenset({EventType.TRACK, EventType.IDENTIFY}),
        max_batch=_BATCH,
        ordering="per_profile",
        rate="1/s",  # with one update each, 900 in 15 min; more than one is paced by the console
        keeps_audiences=True,
        stability="beta",
    )
    settings_model = StatsigSegmentSettings

    def __init__(self, settings: StatsigSegmentSettings, ctx: Context) -> None:
        """Compile what the settings decide."""
        super().__init__(settings, ctx)
        self._console = Console(settings, ctx)
        self._identifier = Identifier(settings.kind())
        self._describe = compile_template(settings.description)
        self._lists: dict[str, IdList] = {}

    async def check(self) -> None:
        """Ask for one segment, which needs the key and leaves nothing behind."""
        await self._console.prove()

    async def deliver(self, events: Sequence[Event]) -> None:
        """Bring the segments of all audiences in `events` to the last state of each person.

        A segment that can't be updated keeps back no other, unless Statsig as a whole can't be
        reached.

        Raises:
            Rejected: the event is about no audience, or its person has no id of the kind.
            RateLimited: the limits are reached, by Statsig's count or by the connector's own.
            Misconfigured: a segment is of another kind, or can't be created.
            PartialFailure: some events failed, or not all by the same error.
            DeliveryError: as Statsig answers.
        """
        changes = changes_of(events, self._identifier)
        failed = changes.refused
        outage: DeliveryError | None = None
        for audience, members in changes.of.items():
            segment = self._list(audience)
            for update, entered in ((segment.add, True), (segment.remove, False)):
                chosen = {id: one for id, one in members.items() if one.entered is entered}
                if not chosen:
                    continue
                error = outage or await _error_of(update, list(chosen))
                if error is None:
                    continue
                if _concerns_all(error):
                    outage = error
                failed.update(dict.fromkeys(_events(chosen), error))
        _raise(failed, len(events))

    def member_id(self, profile: ProfileView) -> str | None:
        """Return the id by which a person stands in the lists, None for who can't."""
        return self._identifier.of_profile(profile)

    async def compare(self, audience: str, expected: AsyncIterable[str] | Iterable[str]) -> Drift:
        """Read the whole list of an audience and tell how it differs from the `expected` ids.

        What is being delivered meanwhile may count as drift.

        Raises:
            Misconfigured: the segment is of another kind.
            DeliveryError: as Statsig answers.
        """
        wanted = (
            {id async for id in expected} if isinstance(expected, AsyncIterable) else set(expected)
        )
        remote = {id async for id in self._list(audience).members()}
        return Drift(tuple(sorted(wanted - remote)), tuple(sorted(remote - wanted)), len(remote))

    async def repair(self, audience: str, drift: Drift) -> None:
        """Add who is missing and remove who is extra, waiting where Statsig asks for it.

        It may be stopped and begun again: what was done already changes nothing.

        Raises:
            DeliveryError: as for `deliver`; also RateLimited, when waiting did not help.
        """
        segment = self._list(audience)
        for update, ids in ((segment.add, drift.missing), (segment.remove, drift.extra)):
            for start in range(0, len(ids), _BATCH):
                await self._patiently(update, ids[start : start + _BATCH])

    async def _patiently(self, update: "Update", ids: Sequence[str]) -> None:
        """Update; nobody else would try again in a repair."""
        for tries_left in reversed(range(_TRIES)):
            try:
                return await update(ids)
            except (RateLimited, SegmentBusy) as error:
                if not tries_left:
                    raise
                await self.ctx.clock.sleep(error.retry_after or _PUT_OFF)

    def _list(self, audience: str) -> IdList:
        if audience not in self._lists:
            settings = self.settings
            self._lists[audience] = IdList(
                segment_id(audience, settings.segments),
                self._console,
                self.ctx.log.bind(audience=audience),
                id_type=settings.id_type,
                description=self._describe({"audience": audience}) if settings.create else None,
            )
        return self._lists[audience]


Update = Callable[[Sequence[str]], Awaitable[None]]


async def _error_of(update: Update, ids: Sequence[str]) -> DeliveryError | None:
    """Update, and return what went wrong."""
    try:
        await update(ids)
    except DeliveryError as error:
        return error
    return None


def _concerns_all(error: DeliveryError) -> bool:
    """Whether the other segments would fail alike."""
    alike = isinstance(error, AuthenticationFailed | RateLimited | DestinationUnavailable)
    return alike and not isinstance(error, SegmentBusy)


def _events(members: dict[str, Change]) -> list[int]:
    return [index for one in members.values() for index in one.events]


def _raise(failed: dict[int, DeliveryError], events: int) -> None:
    """Raise the one error that all events share, or each its own."""
    if not failed:
        return
    first = next(iter(failed.values()))
    if len(failed) == events and all(error is first for error in failed.values()):
        raise first
    raise PartialFailure(failed)
