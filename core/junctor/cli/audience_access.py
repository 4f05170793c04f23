"""The way from a command to what a hub knows of audiences: as access.py."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import quote

from junctor.cli.access import Daemon, HubConfig, given, iso, opened_store
from junctor.cli.errors import CommandError

_LONG: Final = 3600.0
"""Seconds that a look at everybody may take: it goes slowly beside live events."""


class AudienceAccess(Protocol):
    """What commands ask of audiences. See AudienceOperations for each."""

    async def list(self) -> list[dict[str, Any]]:
        """Return all audiences."""
        ...

    async def members(self, name: str, after: str, limit: int) -> dict[str, Any]:
        """Return a page of members."""
        ...

    async def explain(self, name: str, kind: str, value: str) -> dict[str, Any]:
        """Return why somebody is in, or not."""
        ...

    async def preview(
        self, tables: Mapping[str, Any], name: str, fraction: float = 1.0
    ) -> dict[str, Any]:
        """Return what an audience would be."""
        ...

    async def report(
        self, name: str, since: int | None = None, until: int | None = None
    ) -> dict[str, Any]:
        """Return what became of who entered."""
        ...


class DaemonAudiences:
    """Those of a running hub, over its admin listener."""

    def __init__(self, daemon: Daemon) -> None:
        """Ask this daemon."""
        self._daemon = daemon

    async def list(self) -> list[dict[str, Any]]:
        """See AudienceAccess."""
        found: list[dict[str, Any]] = self._daemon.ask("GET", "/api/audiences")["audiences"]
        return found

    async def members(self, name: str, after: str, limit: int) -> dict[str, Any]:
        """See AudienceAccess."""
        query = given(after=after or None, limit=limit)
        return self._daemon.ask("GET", f"{_path(name)}/members", query)

    async def explain(self, name: str, kind: str, value: str) -> dict[str, Any]:
        """See AudienceAccess."""
        who = f"{quote(kind, safe='')}/{quote(value, safe='')}"
        return self._daemon.ask("GET", f"{_path(name)}/explain/{who}")

    async def preview(
        self, tables: Mapping[str, Any], name: str, fraction: float = 1.0
    ) -> dict[str, Any]:
        """See AudienceAccess."""
        body = {"audience": name, "tables": tables, "sample": fraction}
        return self._daemon.ask("POST", "/api/audiences/preview", body=body, timeout=_LONG)

    async def report(
        self, name: str, since: int | None = None, until: int | None = None
    ) -> dict[str, Any]:
        """See AudienceAccess."""
        query = given(since=iso(since), until=iso(until))
        return self._daemon.ask("GET", f"{_path(name)}/report", query, timeout=_LONG)


@asynccontextmanager
async def reach_audiences(hub: HubConfig) -> AsyncIterator[AudienceAccess]:
    """Reach the daemon, or open the store while none runs.

    Raises:
        CommandError: there is neither, or the hub says no.
    """
    daemon = Daemon(hub.config)
    if daemon.runs():
        yield DaemonAudiences(daemon)
        return
    from junctor.api.operations import NotFound
    from junctor.host.stopped import stopped_audiences, stopped_stage
    from junctor.sdk.context import SystemClock
    from junctor.store.port import StoreError

    clock = SystemClock()
    try:
        async with opened_store(hub, daemon.address) as store:
            stage = await stopped_stage(store, clock)
            yield stopped_audiences(store, stage, hub.config.identity, clock)
    except (NotFound, StoreError) as error:
        raise CommandError(str(error)) from None


def _path(name: str) -> str:
    return f"/api/audiences/{quote(name, safe='')}"
