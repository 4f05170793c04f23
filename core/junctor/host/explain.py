"""`junctor explain`: a dry run of one event. Nothing is stored, nothing is sent.

The event takes the way it would take: the source's translation, the checks of ingest, and the fold
itself, over a state that forgets. Then every destination that gets it builds its request.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx
import orjson
from structlog.typing import FilteringBoundLogger

from junctor.audiences.seen import HUB
from junctor.config.load import LoadedConfig, LoadedRoute
from junctor.host.dry_request import request_of, send_nothing, shown
from junctor.host.mask import Mask
from junctor.host.wiring import (
    destinations_for,
    make_audiences,
    make_program,
    make_router,
)
from junctor.model.membership import TransitionRow
from junctor.model.problems import suggest
from junctor.model.processed import Batch, Processed
from junctor.model.profile import Merge, Profile, public_id
from junctor.model.record import NewRecord, Record
from junctor.pipeline.derived import ENTERED, EXITED
from junctor.pipeline.flow import UNPROCESSABLE, Flow
from junctor.pipeline.identify import Identifiers
from junctor.pipeline.ingest import Intake
from junctor.pipeline.route import CONDITION, SENT, Router, audience_of
from junctor.sdk.context import Clock, Context
from junctor.sdk.destination import Destination, HttpDestination
from junctor.sdk.errors import DeliveryError, MalformedRequest, SourceError, Unauthorized
from junctor.sdk.event import Event
from junctor.sdk.settings import Settings
from junctor.sdk.source import InboundRequest, PushSource, Reply
from junctor.store.port import FoldResult, IdentifierKey, Routed

MESSAGE_ID: Final = "dry-run"
"""Stands for the id that an event without a messageId would be given."""
OTHER_SOURCE: Final = "does not start at this source"
BY_SEND: Final = "by `send` of the audience {}"
DISABLED: Final = "held back: the destination is disabled"
NOT_SHOWN: Final = "sent, but this connector does not build its requests apart from sending them"
_PREFERRED_TYPE: Final = "segment"


class BadEvent(Exception):
    """The event would not be accepted, or can't be explained; the message says why."""


class Known(Protocol):
    """What is known of people so far: the reading half of a store's state."""

    async def resolve(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, int]:
        """Return the profile id of each identifier that is known."""
        ...

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """Return the profiles that exist; they may be changed."""
        ...


class Nobody:
    """Nobody is known: there is no store yet."""

    async def resolve(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, int]:
        """See Known."""
        return {}

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """See Known."""
        return {}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of an event.

    `event` is canonical, `profile` the person after it. `transitions` are the audiences that it
    lets somebody enter or leave, with `audience`, `subject`, `entered`, `reason`, and
    `destinations`, who is told of it; `signals` the names of events that the hub would make of it.
    `routes` tells of each route whether the event takes it, `route_reasons` why not; `destinations`
    of each destination whether it gets the event, `reasons` why not or what to know. `requests`
    have destination, method, url, headers and body (decompressed, and parsed where it is JSON),
    every secret replaced by `***`.
    """

    source: str
    event: Mapping[str, Any]
    profile: Mapping[str, Any]
    audiences: Mapping[str, bool]
    transitions: Sequence[Mapping[str, Any]]
    signals: Sequence[str]
    routes: Mapping[str, bool]
    route_reasons: Mapping[str, str]
    destinations: Mapping[str, bool]
    reasons: Mapping[str, str]
    requests: Sequence[Mapping[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, the form of `--json`."""
        return {
            "source": self.source,
            "event": self.event,
            "profile": self.profile,
            "audiences": self.audiences,
            "transitions": self.transitions,
            "signals": self.signals,
            "routes": self.routes,
            "route_reasons": self.route_reasons,
            "destinations": self.destinations,
            "reasons": self.reasons,
            "requests": self.requests,
        }


async def explain(
    loaded: LoadedConfig,
    body: Any,
    *,
    source: str | None = None,
    people: Known,
    offset: int,
    clock: Clock,
    logger: FilteringBoundLogger,
) -> Explanation:
    """Return what would become of the event `body` if it came now at offset `offset` of the log.

    `source` is the id of a source, or `junctor` for an event that the hub made. None takes
    `junctor` for an entry into an audience or an exit, else the first enabled source of type
    segment, else the first enabled one. A source with its own address (a webhook) reads `body` as
    it would read a request's, unless it wants a signature: then, and for all others, `body` is the
    Segment-shaped event that the source makes.

    Raises:
        BadEvent: the event would not be accepted.
    """
    id = _choose_source(loaded, source, body)
    async with httpx.AsyncClient(transport=httpx.MockTransport(send_nothing)) as http:
        record = _accepted(loaded, id, body, Context(id, http, logger, clock), offset)
        connectors = destinations_for(loaded, http, clock, logger)
        router = make_router(loaded, connectors)
        item, result = await _fold(loaded, record, router, people, clock, logger)
        if any(reason == UNPROCESSABLE for _, reason in item.decision):
            raise BadEvent("the event could not be processed")
        return _explained(loaded, item, result, router, connectors, clock.now())


def _explained(
    loaded: LoadedConfig,
    item: Processed,
    result: FoldResult,
    router: Router,
    connectors: Mapping[str, Destination[Settings]],
    now: float,
) -> Explanation:
    event = item.event
    route_reasons = {
        route.id: reason
        for route in loaded.routes.values()
        if (reason := _why_not(route, event, loaded))
    }
    reasons = {id: reason for id, reason in item.decision if reason != SENT}
    gets = {id: reason == SENT for id, reason in item.decision}
    if event.source == HUB:
        routed = {to for id, one in loaded.routes.items() if id not in route_reasons
                  for to in one.destinations}  # fmt: skip
        for id in router.sends_of(event.body) - routed:
            reasons.setdefault(id, BY_SEND.format(audience_of(event.body)))
    requests: list[dict[str, Any]] = []
    for id in [id for id, wanted in gets.items() if wanted]:
        one, connector = loaded.destinations[id], connectors[id]
        if not one.section.enabled:
            reasons[id] = DISABLED
        if not isinstance(connector, HttpDestination):
            reasons.setdefault(id, NOT_SHOWN)
            continue
        mask = Mask(one.settings)
        try:
            request = request_of(connector, event, now)
        except DeliveryError as error:
            gets[id] = False
            reasons[id] = f"{error.code}: {mask.text(error.message)}"
        else:
            requests.append({"destination": id, **shown(request, mask)})
    return Explanation(
        source=event.source,
        event=event.body,
        profile=event.profile.as_dict(),
        audiences=dict(event.profile.audiences),
        transitions=[
            {
                "audience": row.audience,
                "subject": public_id(row.profile) if row.profile else row.subject,
                "entered": row.entered,
                "reason": row.reason,
                "destinations": _told(row, result, router),
            }
            for row in result.transitions
        ],
        signals=[
            made["event"]
            for made in map(_body, result.derived)
            if made["event"] not in (ENTERED, EXITED)
        ],
        routes={id: id not in route_reasons for id in loaded.routes},
        route_reasons=route_reasons,
        destinations=gets,
        reasons=reasons,
        requests=requests,
    )


def _told(row: TransitionRow, result: FoldResult, router: Router) -> list[str]:
    """Return the destinations that are told of a transition."""
    named = f"{row.audience}/{'entered' if row.entered else 'exited'}/{row.subject}/{row.version}/"
    return [
        id
        for made in result.derived
        if made.message_id.startswith(named)
        for id, reason in router.decide(_body(made), HUB, result.profiles.get(row.profile))
        if reason == SENT
    ]


def _body(made: NewRecord) -> dict[str, Any]:
    body: dict[str, Any] = made.body or orjson.loads(made.json)
    return body


# -- the way in ----------------------------------------------------------------------------------


def _choose_source(loaded: LoadedConfig, wanted: str | None, body: Any) -> str:
    if wanted == HUB or (wanted is None and _is_of_an_audience(body)):
        return HUB
    if wanted is not None:
        if wanted not in loaded.sources:
            hint = suggest(wanted, loaded.sources)
            raise BadEvent(f'there is no source "{wanted}"' + (f"; {hint}" if hint else ""))
        if not loaded.sources[wanted].section.enabled:
            raise BadEvent(f'the source "{wanted}" is disabled: it takes no events')
        return wanted
    enabled = [one for one in loaded.sources.values() if one.section.enabled]
    enabled.sort(key=lambda one: one.section.type != _PREFERRED_TYPE)
    if not enabled:
        raise BadEvent("no source is enabled; name one with --source")
    return enabled[0].id


def _is_of_an_audience(body: Any) -> bool:
    """Whether `body` is an event that the hub makes when somebody enters or leaves an audience."""
    context = body.get("context") if isinstance(body, dict) else None
    personas = context.get("personas") if isinstance(context, dict) else None
    return isinstance(personas, dict) and personas.get("namespace") == HUB


def _accepted(loaded: LoadedConfig, id: str, body: Any, ctx: Context, offset: int) -> Record:
    """Return the record that the log would hold."""
    if not isinstance(body, dict):
        raise BadEvent("an event must be a JSON object")
    received_at = round(ctx.clock.now() * 1000)
    if id == HUB:  # it comes in by no source, and an account's has nobody's id
        message_id = str(body.setdefault("messageId", MESSAGE_ID))
        return Record(offset, HUB, message_id, received_at, False, orjson.dumps(body), body)
    made, corrects_clock = _made_by_source(loaded, id, body, ctx, received_at)
    intake = Intake(loaded.config.server.max_event, lambda: MESSAGE_ID)
    try:
        new = intake.record(id, made, received_at, corrects_clock=corrects_clock)
    except MalformedRequest as error:
        raise BadEvent(error.message) from None
    return Record(
        offset, new.source, new.message_id, received_at, corrects_clock, new.json, new.body
    )


def _made_by_source(
    loaded: LoadedConfig, id: str, body: dict[str, Any], ctx: Context, received_at: int
) -> tuple[dict[str, Any], bool]:
    """Return what the source makes of `body`, and whether the sender's clock is corrected.

    Clients that speak a protocol of their own (sources with mounts) put the write key beside the
    event, which no source keeps, and have clocks of their own.
    """
    one = loaded.sources[id]
    mounted = bool(getattr(one.cls, "mounts", ()))
    as_it_is = {name: value for name, value in body.items() if name != "writeKey"}, mounted
    if mounted or not issubclass(one.cls, PushSource):
        return as_it_is
    request = InboundRequest(
        "POST",
        "",
        orjson.dumps(body),
        {"content-type": "application/json"},
        received_at=received_at,
    )
    try:
        accepted = one.cls(one.settings, ctx).accept(request)
    except Unauthorized:
        return as_it_is
    except SourceError as error:
        raise BadEvent(error.message) from None
    if isinstance(accepted, Reply):
        raise BadEvent(f"the source answers it by itself, with status {accepted.status}")
    if accepted.refused:
        raise BadEvent(accepted.refused[0].reason)
    if len(accepted.records) != 1:
        raise BadEvent(f"the source makes {len(accepted.records)} events of it; give it one")
    return accepted.records[0], accepted.corrects_clock


# -- the fold ------------------------------------------------------------------------------------


class _DryState:
    """A state that knows people and keeps nothing."""

    def __init__(self, people: Known, position: int) -> None:
        self._people = people
        self._position = position
        self.result = FoldResult(position)

    async def position(self) -> int:
        return self._position

    async def resolve(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, int]:
        return await self._people.resolve(keys)

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        return await self._people.profiles(ids)

    async def subjects(self, keys: Sequence[str]) -> dict[str, Profile]:
        return {}

    async def due(self, until: int, limit: int) -> tuple[list[int], list[str]]:
        return [], []

    async def next_due(self) -> int | None:
        return None

    async def profile_ids(self, after: int, limit: int) -> list[int]:
        return []

    async def survivors(self, ids: Sequence[int]) -> dict[int, int]:
        return {}

    async def notes(self, names: Sequence[str]) -> dict[str, str]:
        return {}

    async def commit(self, result: FoldResult) -> None:
        self.result = result

    def submit(self, result: FoldResult) -> Awaitable[None]:
        return self.commit(result)

    def forget(self) -> None:
        """Nothing is kept."""

    async def routed(self, offsets: Sequence[int]) -> dict[int, Routed]:
        return {}

    async def merges(self, profile: int) -> list[Merge]:
        return []


async def _no_records(offsets: Sequence[int]) -> list[Record]:
    return []


async def _fold(
    loaded: LoadedConfig,
    record: Record,
    router: Router,
    people: Known,
    clock: Clock,
    logger: FilteringBoundLogger,
) -> tuple[Processed, FoldResult]:
    folded: list[Batch] = []
    previous = record.offset - 1
    state = _DryState(people, previous)
    flow = Flow(
        state,
        Identifiers(loaded.config.identity),
        make_audiences(loaded, make_program(loaded, loaded.definitions), _no_records, clock),
        router,
        folded.append,
        logger,
    )
    await flow.fold([record], previous)
    return folded[0].events[0], state.result


def _why_not(route: LoadedRoute, event: Event, loaded: LoadedConfig) -> str:
    """Return "" when the event takes the route, else the reason."""
    of_any = event.source == HUB and loaded.config.routes[route.id].sources is None
    if event.source not in route.sources and not of_any:
        return OTHER_SOURCE
    if route.when is not None and not route.when(event.payload()):
        return CONDITION
    return SENT
