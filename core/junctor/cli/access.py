"""The way from a command to a hub: the running daemon, or its store where no daemon runs."""

import http.client
import json
import os
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from junctor.cli.errors import CommandError
from junctor.config.address import parse_address
from junctor.config.messages import problems_of
from junctor.config.model import Config
from junctor.config.secrets import Resolver
from junctor.config.toml_hints import told
from junctor.model.problems import ConfigError, Problem

if TYPE_CHECKING:
    from junctor.api.operations import Operations

_SECTIONS: Final = ("admin", "store")
_TIMEOUT: Final = 30.0
_SEARCH: Final = 600.0
"""Seconds that reading through the log for a person may take."""
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_START: Final = "start it with `junctor run`"


class NotThere(CommandError):
    """The hub has no such thing."""


class Access(Protocol):
    """What commands ask of a hub; times are epoch milliseconds. See Operations for each."""

    async def status(self) -> dict[str, Any]:
        """Return how the hub is."""
        ...

    async def ledger(self) -> dict[str, Any]:
        """Return the ledger of every destination."""
        ...

    async def profile(self, kind: str, value: str) -> dict[str, Any]:
        """Return a person by any identifier."""
        ...

    async def dead_letters(
        self,
        destination: str | None = None,
        *,
        code: str | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return dead letters, newest first."""
        ...

    async def dead_letter(self, id: int) -> dict[str, Any]:
        """Return one dead letter with its event."""
        ...

    async def rejections(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        """Return what could not be an event, newest first."""
        ...

    async def purge_dead(
        self,
        ids: Sequence[int] | None,
        destination: str | None,
        code: str | None,
        since: int | None,
        *,
        dry_run: bool = False,
    ) -> int:
        """Remove dead letters for good."""
        ...


@dataclass(frozen=True)
class HubConfig:
    """What a command needs of the configuration; the rest may be faulty, its secrets not set."""

    path: Path
    config: Config

    @property
    def store(self) -> Path:
        """The store's folder."""
        return self.path.absolute().parent / self.config.store.path.expanduser()


def read_config(path: Path, environ: Mapping[str, str], *also: str) -> HubConfig:
    """Read where the hub of the configuration file `path` is to be found, and `also` sections.

    Raises:
        CommandError: the file can't be read.
        ConfigError: what stands there of admin listener and store can't be used.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path} can't be read ({error.strerror}); see --config") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is no TOML: {error}") from None
    try:
        raw = tomllib.loads(text)
    except ValueError as error:
        raise CommandError(f"{path} is no TOML: {told(text, error)}") from None
    wanted = {name: raw[name] for name in (*_SECTIONS, *also) if name in raw}
    resolved = Resolver(environ, path.absolute().parent).resolve(
        wanted, Config, (), everywhere=False
    )
    problems: list[Problem] = list(resolved.problems)
    try:
        config = Config.model_validate(resolved.value)
    except ValidationError as error:
        found = problems_of(error, Config, resolved.value, trusted=True)
        raise ConfigError([*problems, *(problem for _, problem in found)]) from None
    if problems:
        raise ConfigError(problems)
    return HubConfig(path, config)


class Daemon:
    """A running hub, over its admin listener."""

    def __init__(self, config: Config) -> None:
        """Speak to the admin listener of this configuration."""
        host, port = parse_address(config.admin.listen)
        token = config.admin.token
        self.address = config.admin.listen
        self._host, self._port = _LOOPBACK.get(host, host), port
        self._headers = {"content-type": "application/json"}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token.get_secret_value()}"

    def runs(self) -> bool:
        """Whether a hub answers there.

        Raises:
            CommandError: something else does, or nothing in time.
        """
        if self._port == 0:
            return False
        try:
            status, answer = self._request("GET", "/health/live")
        except ConnectionRefusedError:
            return False
        if status != 200 or not isinstance(answer, dict) or answer.get("status") != "live":
            raise CommandError(
                f"what answers at {self.address} is no junctor; is admin.listen the daemon's?"
            )
        return True

    async def status(self) -> dict[str, Any]:
        """See Access."""
        return self.ask("GET", "/api/status")

    async def ledger(self) -> dict[str, Any]:
        """See Access."""
        return self.ask("GET", "/api/ledger")

    async def profile(self, kind: str, value: str, *, record: bool = False) -> dict[str, Any]:
        """See Access; with `record` also as it is stored."""
        path = f"/api/profiles/{quote(kind, safe='')}/{quote(value, safe='')}"
        return self.ask("GET", path, {"record": "true"} if record else None)

    async def dead_letters(
        self,
        destination: str | None = None,
        *,
        code: str | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """See Access."""
        query = given(
            destination=destination, code=code, since=iso(since), before=before, limit=limit
        )
        found: list[dict[str, Any]] = self.ask("GET", "/api/dead-letters", query)["dead_letters"]
        return found

    async def dead_letter(self, id: int) -> dict[str, Any]:
        """See Access."""
        return self.ask("GET", f"/api/dead-letters/{id}")

    async def rejections(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        """See Access."""
        query = given(limit=limit, before=before)
        found: list[dict[str, Any]] = self.ask("GET", "/api/rejections", query)["rejections"]
        return found

    async def replay_dead(
        self,
        ids: Sequence[int] | None,
        destination: str | None,
        code: str | None,
        since: int | None,
        *,
        dry_run: bool = False,
    ) -> int:
        """Try dead letters again; return how many."""
        body = given(ids=ids, destination=destination, code=code, since=iso(since), dry_run=dry_run)
        return int(self.ask("POST", "/api/dead-letters/replay", body=body)["replayed"])

    async def purge_dead(
        self,
        ids: Sequence[int] | None,
        destination: str | None,
        code: str | None,
        since: int | None,
        *,
        dry_run: bool = False,
    ) -> int:
        """See Access."""
        body = given(ids=ids, destination=destination, code=code, since=iso(since), dry_run=dry_run)
        return int(self.ask("POST", "/api/dead-letters/purge", body=body)["purged"])

    async def replay(
        self, destination: str, since: int, until: int | None, *, dry_run: bool
    ) -> dict[str, Any]:
        """Send again what a destination got between two times."""
        body = given(destination=destination, since=iso(since), until=iso(until), dry_run=dry_run)
        return self.ask("POST", "/api/replays", body=body)

    async def erase(
        self, kind: str, value: str, *, suppress: bool, dry_run: bool
    ) -> dict[str, Any]:
        """Forget a person, or only say what that would be."""
        body = given(kind=kind, value=value, suppress=suppress, dry_run=dry_run)
        timeout = _SEARCH if dry_run else _TIMEOUT
        return self.ask("POST", "/api/erasures", body=body, timeout=timeout)

    async def erasure(self, id: int) -> dict[str, Any]:
        """Return how far an erasure is."""
        return self.ask("GET", f"/api/erasures/{id}")

    async def stop_replay(self, id: int) -> None:
        """End a replay where it is."""
        self.ask("POST", f"/api/replays/{id}/stop", body={})

    async def pause(self, destination: str, reason: str) -> None:
        """Pause a destination."""
        path = f"/api/destinations/{quote(destination, safe='')}/pause"
        self.ask("POST", path, body=given(reason=reason or None))

    async def resume(self, destination: str) -> None:
        """Resume a destination."""
        self.ask("POST", f"/api/destinations/{quote(destination, safe='')}/resume", body={})

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float = _TIMEOUT,
    ) -> dict[str, Any]:
        """Return the answer, which may take up to `timeout` seconds.

        Raises:
            CommandError: the hub says no; the message is its own.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        status, answer = self._request(method, target, body, timeout)
        if status == 401:
            raise CommandError(f"the daemon at {self.address} refuses this admin.token")
        if not isinstance(answer, dict):
            raise CommandError(f"the daemon at {self.address} answered HTTP {status} and no JSON")
        if status >= 400:
            said = answer.get("error")
            if not isinstance(said, dict):
                raise CommandError(f"{self.address} is not the admin side; see admin.listen")
            error = NotThere if status == 404 else CommandError
            raise error(str(said.get("message")))
        return answer

    def _request(
        self,
        method: str,
        target: str,
        body: Mapping[str, Any] | None = None,
        timeout: float = _TIMEOUT,
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        content = None if body is None else json.dumps(body)
        try:
            connection.request(method, target, content, self._headers)
            response = connection.getresponse()
            text = response.read()
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise CommandError(f"the daemon at {self.address} does not answer: {why}") from None
        finally:
            connection.close()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, None


class StoppedHub:
    """A hub that does not run: its store, read and tidied directly."""

    def __init__(self, operations: "Operations") -> None:
        """Ask `operations`, which has no dispatcher."""
        self._operations = operations
        self.ledger = operations.ledger
        self.profile = operations.profile
        self.dead_letters = operations.dead_letters
        self.dead_letter = operations.dead_letter
        self.rejections = operations.rejections
        self.purge_dead = operations.purge_dead

    async def status(self) -> dict[str, Any]:
        """See Access; every destination that is not paused is stopped."""
        status = await self._operations.status()
        for destination in status["destinations"].values():
            destination["state"] = "paused" if destination["paused"] else "stopped"
        return {**status, "daemon": False}


def running(hub: HubConfig) -> Daemon:
    """Return the running daemon.

    Raises:
        CommandError: none runs.
    """
    daemon = Daemon(hub.config)
    if not daemon.runs():
        raise CommandError(f"no daemon answers at {daemon.address}; {_START}")
    return daemon


@asynccontextmanager
async def reach(hub: HubConfig) -> AsyncIterator[Access]:
    """Reach the daemon, or open the store while none runs.

    Raises:
        CommandError: there is neither, or the hub says no.
    """
    daemon = Daemon(hub.config)
    if daemon.runs():
        yield daemon
        return
    from junctor.api.operations import NotFound, Operations
    from junctor.host.stopped import stopped_audiences, stopped_stage
    from junctor.sdk.context import SystemClock
    from junctor.store.port import StoreError

    clock = SystemClock()
    try:
        async with opened_store(hub, daemon.address) as store:
            stage = await stopped_stage(store, clock)
            operations = Operations(
                store,
                lambda: None,
                clock=clock,
                sources=lambda: (),
                figures=stage.figures,
                audiences=stopped_audiences(store, stage, hub.config.identity, clock).state,
            )
            yield StoppedHub(operations)
    except (NotFound, StoreError) as error:
        raise CommandError(str(error)) from None


@asynccontextmanager
async def opened_store(hub: HubConfig, address: str) -> AsyncIterator[Any]:
    """Open the store of a hub that does not run; `address` is where its daemon would answer.

    Raises:
        CommandError: there is none, or somebody else has it.
    """
    from junctor.store.port import StoreLocked
    from junctor.store.sqlite import SqliteStore

    if not has_store(hub):
        raise CommandError(
            f"no daemon answers at {address}, and there is no store at {hub.store}; {_START}"
        )
    try:
        store = SqliteStore.open(hub.store, dedupe_window=hub.config.store.dedupe_window)
    except StoreLocked:
        raise CommandError(
            f"a daemon owns the store {hub.store}, but none answers at {address}:"
            " is admin.listen of this file the one it was started with?"
        ) from None
    try:
        yield store
    finally:
        await store.close()


def has_store(hub: HubConfig) -> bool:
    """Whether the hub has ever stored anything."""
    from junctor.store.sqlite.store import FILE

    return (hub.store / FILE).exists()


def environment() -> Mapping[str, str]:
    """Return the variables that references in the configuration may name."""
    return os.environ


def given(**values: Any) -> dict[str, Any]:
    """Return those of `values` that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def iso(milliseconds: int | None) -> str | None:
    """Return epoch milliseconds as ISO-8601 text."""
    if milliseconds is None:
        return None
    from junctor.pipeline.normalize import format_time

    return format_time(milliseconds)
