"""A hub in this process, on free ports of the loopback, with a configuration written as text."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from structlog.testing import LogCapture

from junctor.config.load import LoadedConfig, load_config
from junctor.host.hub import Hub
from junctor.host.registry import Registry
from junctor.testkit.doubles import capturing_log
from tests.support.client import HubClient

WRITE_KEY: Final = "web-write-key"
SHARED_SECRET: Final = "topsecret"
SIGNING_SECRET: Final = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
STATSIG_SECRET: Final = "secret-statsig"
ENVIRON: Final = {
    "WEB_WRITE_KEY": WRITE_KEY,
    "SEGMENT_SHARED_SECRET": SHARED_SECRET,
    "CRM_SIGNING_SECRET": SIGNING_SECRET,
    "STATSIG_SERVER_SECRET": STATSIG_SECRET,
}

NEVER_LOGGED: Final = (
    "request failed",
    "a part of the hub broke",
    "delivery broke",
    "connector bug",
    "event could not be processed",
)
"""Said only when the hub itself is at fault."""


@dataclass
class RunningHub:
    """A hub, how to talk to it, and what it logged."""

    hub: Hub
    client: HubClient
    log: LogCapture


def config_text(
    destinations: str, *, server: str = "", sources: str = "", ports: tuple[int, int] = (0, 0)
) -> str:
    """Return a configuration: the source `web`, and what the caller adds."""
    return f"""
[server]
listen = "127.0.0.1:{ports[0]}"
{server}
[admin]
listen = "127.0.0.1:{ports[1]}"
[store]
path = "data"
[egress]
allow = ["127.0.0.0/8"]
[sources.web]
type = "segment"
settings.write_key = {{ env = "WEB_WRITE_KEY" }}
{sources}
{destinations}
"""


def webhook(id: str, url: str, *, batch: bool = False, delivery: str = "") -> str:
    """Return the section of a webhook destination; `delivery` is the inside of its table."""
    return f"""
[destinations.{id}]
type = "webhook"
settings.url = "{url}"
settings.batch = {str(batch).lower()}
delivery = {{ {delivery} }}
"""


def everything_to(*ids: str) -> str:
    """Return a route of every event to these destinations."""
    return f"[routes.everything]\nto = {list(ids)}\n"


def load(folder: Path, config: str, environ: Mapping[str, str] | None = None) -> LoadedConfig:
    """Write the configuration into `folder` and load it."""
    path = folder / "junctor.toml"
    path.write_text(config, "utf-8")
    return load_config(path, Registry.discover(), {**os.environ, **ENVIRON, **(environ or {})})


@asynccontextmanager
async def running_hub(
    folder: Path, config: str, environ: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[RunningHub]:
    """Run a hub whose store is in `folder`; at the end it must not have complained of itself."""
    log = LogCapture()
    hub = Hub(load(folder, config, environ), capturing_log(log), **options)
    await hub.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield RunningHub(hub, HubClient(hub.ingest_address, hub.admin_address, session), log)
    finally:
        await hub.stop()
    complaints = [entry for entry in log.entries if entry["event"] in NEVER_LOGGED]
    assert not complaints, complaints
