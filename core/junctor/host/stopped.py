"""A hub that does not run: what its store can still answer about audiences."""

import orjson

from junctor.api.audience_operations import AudienceOperations
from junctor.api.audience_source import AudienceSource
from junctor.audiences.engine import Engine
from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.config.model import Identity
from junctor.pipeline.audience import Audiences
from junctor.pipeline.backfill import SERVED
from junctor.pipeline.identify import Identifiers
from junctor.sdk.context import Clock
from junctor.store.port import Store


async def stopped_stage(store: Store, clock: Clock) -> Audiences:
    """Return the stage that served when the hub stopped; it is not to fold anything."""
    notes = await store.state.notes([SERVED])
    definitions, problems = parse_definitions(orjson.loads(notes.get(SERVED, "{}")))
    if problems:  # another version of junctor wrote them
        definitions = Definitions()
    return Audiences(Engine(Program(definitions)), store.log.fetch, clock)


def stopped_audiences(
    store: Store, stage: Audiences, identity: Identity, clock: Clock
) -> AudienceOperations:
    """Return what answers about audiences out of `store` as `stage` served them."""
    identifiers = Identifiers(identity)
    return AudienceOperations(
        AudienceSource(store, lambda: stage, lambda: None, lambda: identifiers, Program, clock)
    )
