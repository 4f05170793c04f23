"""`junctor audiences sync`: a destination's copy of audiences beside what the hub knows."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from junctor.cli import show
from junctor.cli.access import HubConfig
from junctor.cli.audience_access import AudienceAccess, reach_audiences
from junctor.cli.errors import CommandError
from junctor.cli.quiet import run_quietly
from junctor.config.load import LoadedConfig, load_config
from junctor.host.registry import Registry
from junctor.model.problems import suggest
from junctor.sdk.audience import AudienceSync, Drift
from junctor.sdk.event import ProfileView

if TYPE_CHECKING:
    from junctor.sdk.destination import Destination
    from junctor.sdk.settings import Settings

_PAGE: Final = 1_000
_SHOWN: Final = 10


def sync_audiences(
    config: Path,
    environ: Mapping[str, str],
    destination: str,
    audience: str | None,
    *,
    check: bool,
    repair: bool,
    json: bool,
) -> int:
    """Print how the copy of each audience differs, mended if asked.

    Returns:
        1 with `check` when there was a difference that was not mended, else 0.

    Raises:
        ConfigError: the configuration can't be used.
        CommandError: the destination keeps no audiences, or can't be asked.
    """
    loaded = load_config(config, Registry.discover(), environ)
    names = _audiences(loaded, destination, audience)
    found = run_quietly(_sync(loaded, destination, names, repair=repair))
    if json:
        told = [_as_data(name, drift, repair) for name, drift in found.items()]
        show.as_json({"destination": destination, "audiences": told})
    else:
        _print(found, repair)
    return int(check and not repair and any(_differs(drift) for drift in found.values()))


def _audiences(loaded: LoadedConfig, destination: str, audience: str | None) -> Sequence[str]:
    """Return the audiences to compare: the one that is named, or those that are sent there."""
    if destination not in loaded.destinations:
        raise CommandError(_unknown("destination", destination, loaded.destinations))
    if not issubclass(loaded.destinations[destination].cls, AudienceSync):
        raise CommandError(f"the destination {destination} keeps no audiences")
    audiences = {one.name: one for one in loaded.definitions.audiences}
    if audience is not None:
        if audience not in audiences:
            raise CommandError(_unknown("audience", audience, audiences))
        return [audience]
    return [name for name, one in audiences.items() if destination in one.send]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    hint = suggest(name, known)
    return f'there is no {what} "{name}"' + (f"; {hint}" if hint else "")


async def _sync(
    loaded: LoadedConfig, id: str, audiences: Sequence[str], *, repair: bool
) -> dict[str, Drift]:
    from junctor.host.egress import guarded_client
    from junctor.host.mask import Mask
    from junctor.sdk.context import Context, SystemClock
    from junctor.sdk.errors import DeliveryError
    from junctor.telemetry.log import make_logger

    one = loaded.destinations[id]
    found: dict[str, Drift] = {}
    async with (
        reach_audiences(HubConfig(loaded.path, loaded.config)) as hub,
        guarded_client(loaded.config.egress.allow) as http,
    ):
        context = Context(id, http, make_logger("error"), SystemClock())
        connector: Destination[Settings] = one.cls(one.settings, context)
        assert isinstance(connector, AudienceSync)
        try:
            await connector.start()
            for audience in audiences:
                ids = _expected(hub, audience, connector)
                drift = found[audience] = await connector.compare(audience, ids)
                if repair and _differs(drift):
                    await connector.repair(audience, drift)
        except DeliveryError as error:
            told = Mask(one.settings).text(error.message or error.code)
            raise CommandError(f"{id}: {told}") from None
        finally:
            await connector.stop()
    return found


async def _expected(
    hub: AudienceAccess, audience: str, connector: AudienceSync
) -> AsyncIterator[str]:
    """Yield the ids that the copy should have: those of members who can stand there."""
    after: str | None = ""
    while after is not None:
        page = await hub.members(audience, after, _PAGE)
        for member in page["members"]:
            id = connector.member_id(_profile(member))
            if id is not None:
                yield id
        after = page["next"]


def _profile(member: Mapping[str, Any]) -> ProfileView:
    """Return as much of a member as stands in a copy: their ids and groups."""
    if member["profile"] is not None:
        return ProfileView(
            id=member["profile"],
            identifiers={kind: (value,) for kind, value in member["ids"].items()},
            groups={group: {} for group in member["groups"]},
        )
    kind, _, value = member["subject"].partition(":")
    if kind == "account":
        return ProfileView(groups={value: {}})
    return ProfileView(identifiers={kind: (value,)})


def _differs(drift: Drift) -> bool:
    return bool(drift.missing or drift.extra)


def _as_data(name: str, drift: Drift, repaired: bool) -> dict[str, Any]:
    return {
        "audience": name,
        "remote": drift.remote,
        "missing": list(drift.missing),
        "extra": list(drift.extra),
        "repaired": repaired and _differs(drift),
    }


def _print(found: Mapping[str, Drift], repaired: bool) -> None:
    show.table(
        ("audience", "in the copy", "missing", "extra", "now"),
        (
            (name, drift.remote, len(drift.missing), len(drift.extra), _now(drift, repaired))
            for name, drift in found.items()
        ),
    )
    for name, drift in found.items():
        for word, ids in (("missing", drift.missing), ("extra", drift.extra)):
            for id in ids[:_SHOWN]:
                print(f"{name}: {word} {show.cell(id)}")
            if len(ids) > _SHOWN:
                print(f"{name}: {len(ids) - _SHOWN} more {word}")
    if any(_differs(drift) for drift in found.values()) and not repaired:
        print("what is being delivered just now may count as a difference; --repair mends it")


def _now(drift: Drift, repaired: bool) -> str:
    if not _differs(drift):
        return "equal"
    return "mended" if repaired else "differs"
