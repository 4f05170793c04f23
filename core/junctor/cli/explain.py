"""`junctor explain`: reads the event, finds out who is known, prints what would happen."""

import json
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from junctor.cli import show
from junctor.cli.access import Daemon, HubConfig, NotThere, has_store, opened_store
from junctor.cli.errors import CommandError
from junctor.cli.quiet import run_quietly
from junctor.config.load import LoadedConfig, load_config
from junctor.host.explain import BadEvent, Explanation, Known, Nobody, explain
from junctor.host.registry import Registry
from junctor.model.profile import Profile
from junctor.sdk.context import SystemClock
from junctor.store.port import IdentifierKey, StoreError
from junctor.telemetry.log import make_logger


def explain_event(
    file: str, config: Path, environ: Mapping[str, str], *, source: str | None, as_json: bool
) -> None:
    """Print what would become of the event in `file` ("-": standard input).

    Raises:
        ConfigError: the configuration can't be used.
        CommandError: the event can't be read or would not be accepted.
    """
    body = _read(file)
    loaded = load_config(config, Registry.discover(), environ)
    try:
        found = run_quietly(_explain(loaded, body, source))
    except (BadEvent, StoreError) as error:
        raise CommandError(str(error)) from None
    if as_json:
        show.as_json(found.as_dict())
    else:
        _print(found)


def _read(file: str) -> Any:
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} can't be read ({error.strerror})") from None
    try:
        return orjson.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{file} is no JSON: {error}") from None


async def _explain(loaded: LoadedConfig, body: Any, source: str | None) -> Explanation:
    async with _known(HubConfig(loaded.path, loaded.config)) as (people, head):
        return await explain(
            loaded,
            body,
            source=source,
            people=people,
            offset=head + 1,
            clock=SystemClock(),
            logger=make_logger("error"),
        )


@asynccontextmanager
async def _known(hub: HubConfig) -> AsyncIterator[tuple[Known, int]]:
    """Yield who is known, and the offset of the newest event: of the daemon, store, or nobody."""
    daemon = Daemon(hub.config)
    if daemon.runs():
        yield DaemonPeople(daemon), int((await daemon.status())["log"]["head"])
    elif has_store(hub):
        async with opened_store(hub, daemon.address) as store:
            yield store.state, await store.log.head()
    else:
        yield Nobody(), 0


class DaemonPeople:
    """Who a running daemon knows."""

    def __init__(self, daemon: Daemon) -> None:
        """Ask this daemon."""
        self._daemon = daemon
        self._profiles: dict[int, Profile] = {}

    async def resolve(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, int]:
        """See Known."""
        known = {}
        for key in keys:
            try:
                profile = _profile(await self._daemon.profile(*key, record=True))
            except NotThere:
                continue
            known[key] = profile.id
            self._profiles[profile.id] = profile
        return known

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """See Known."""
        return {id: self._profiles[id] for id in ids if id in self._profiles}


def _profile(found: dict[str, Any]) -> Profile:
    id = int(found["id"].removeprefix("p-"))
    profile = Profile.decode(id, b64decode(found["record"]))
    profile.behavior = b64decode(found["behavior"])
    return profile


def _print(found: Explanation) -> None:
    print(f"event, as source {found.source} brings it:")
    show.as_json(found.event)
    print(f"\nprofile {found.profile['id']}:")
    show.as_json({name: found.profile[name] for name in ("identifiers", "traits", "groups")})
    print()
    if found.audiences:
        show.table(("audience", "member"), found.audiences.items())
        print()
    for move in found.transitions:
        told = ", ".join(move["destinations"]) or "no destination"
        word = "enters" if move["entered"] else "leaves"
        print(f"{word} {move['audience']}: {move['reason']}; told to {told}")
    for signal in found.signals:
        print(f"emits {signal}")
    if found.transitions or found.signals:
        print()
    show.table(
        ("route", "taken", "why"),
        ((id, taken, found.route_reasons.get(id, "")) for id, taken in found.routes.items()),
    )
    print()
    show.table(
        ("destination", "gets it", "why"),
        ((id, gets, found.reasons.get(id, "")) for id, gets in found.destinations.items()),
    )
    for request in found.requests:
        print(f"\nrequest to {request['destination']}:")
        print(f"{request['method']} {show.cell(request['url'])}")
        for name, value in request["headers"].items():
            print(f"{name}: {show.cell(value)}")
        if request["body"] is not None:
            print()
            print(_body(request["body"]))


def _body(body: Any) -> str:
    if isinstance(body, str):
        return "\n".join(show.cell(line) for line in body.splitlines())
    return json.dumps(body, indent=2, ensure_ascii=False)
