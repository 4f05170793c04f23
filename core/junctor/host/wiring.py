"""What a configuration is made into: routing, definitions, connectors."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from pydantic import SecretStr
from structlog.typing import FilteringBoundLogger

from junctor.audiences.engine import Engine
from junctor.audiences.nodes import Definitions
from junctor.audiences.program import Program
from junctor.config.load import LoadedConfig, LoadedConnector
from junctor.pipeline.audience import Audiences
from junctor.pipeline.places import Fetch
from junctor.pipeline.route import Router, RouteRule, Target
from junctor.sdk.context import Clock, Context
from junctor.sdk.destination import Destination
from junctor.sdk.settings import Settings
from junctor.sdk.source import PushSource


def make_router(loaded: LoadedConfig, connectors: Mapping[str, Destination[Settings]]) -> Router:
    """Return the routing of a configuration; `connectors` are its destinations by id."""
    routes = [
        RouteRule(
            route.sources if loaded.config.routes[route.id].sources is not None else None,
            frozenset(route.destinations),
            route.when,
            route.when is not None and bool(route.when.reads & {"profile", "audiences"}),
        )
        for route in loaded.routes.values()
    ]
    targets = [
        Target(
            id,
            frozenset(connectors[id].accepts()),
            one.section.consent,
            (one.section.integration or one.cls.manifest.title, id),
            one.cls.manifest.keeps_audiences,
        )
        for id, one in loaded.destinations.items()
    ]
    sends = {one.name: frozenset(one.send) for one in loaded.definitions.audiences}
    return Router(routes, targets, sends)


def make_program(loaded: LoadedConfig, definitions: Definitions) -> Program:
    """Return definitions compiled for the sources of a configuration."""
    return Program(definitions, idles_of(loaded), loaded.functions)


def idles_of(loaded: LoadedConfig) -> dict[str, int]:
    """Return the silence (ms) that ends a presence, by source."""
    sources = loaded.config.sources.items()
    return {
        id: round(source.exit_idle * 1000)
        for id, source in sources
        if source.enabled and source.exit_idle is not None
    }


def make_audiences(
    loaded: LoadedConfig,
    program: Program,
    fetch: Fetch,
    clock: Clock,
    over: Callable[[], None] = lambda: None,
) -> Audiences:
    """Return the stage that runs a program under a configuration; `over` as of Audiences."""
    sources = loaded.config.sources.values()
    lag = max((source.settle_lag for source in sources if source.enabled), default=0.0)
    keeps = any(one.cls.manifest.keeps_audiences for one in loaded.destinations.values())
    return Audiences(Engine(program, round(lag * 1000)), fetch, clock, over, introduces=keeps)


def destinations_for(
    loaded: LoadedConfig, http: httpx.AsyncClient, clock: Clock, logger: FilteringBoundLogger
) -> dict[str, Destination[Settings]]:
    """Return the configured destinations by id; nothing of them is started."""
    return {
        id: one.cls(one.settings, context_for(one, http, clock, logger))
        for id, one in loaded.destinations.items()
    }


def push_sources_for(
    loaded: LoadedConfig, http: httpx.AsyncClient, clock: Clock, logger: FilteringBoundLogger
) -> dict[str, PushSource[Settings]]:
    """Return the configured sources that are called, by id."""
    return {
        id: one.cls(one.settings, context_for(one, http, clock, logger))
        for id, one in loaded.sources.items()
        if one.section.enabled and issubclass(one.cls, PushSource)
    }


def context_for(
    one: LoadedConnector[Any, Any], http: httpx.AsyncClient, clock: Clock,
    logger: FilteringBoundLogger,
) -> Context:  # fmt: skip
    """Return what a connector is lent."""
    return Context(one.id, http, logger.bind(connector=one.id, type=one.section.type), clock)


def fingerprint(settings: Settings) -> str:
    """Return a digest by which a changed setting is noticed; it does not reveal secrets."""

    def plain(value: Any) -> Any:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return str(value)

    text = json.dumps(settings.model_dump(), default=plain, sort_keys=True)
    return hashlib.scrypt(text.encode(), salt=b"junctor settings", n=1024, r=8, p=1).hex()[:32]
