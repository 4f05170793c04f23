"""`junctor connectors`: what there is to connect to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from junctor.cli import show
from junctor.cli.errors import CommandError
from junctor.cli.plugins import registry_of
from junctor.host.catalog import ConnectorInfo, connectors_table
from junctor.model.problems import suggest


def list_connectors(config: Path, type: str | None, *, json: bool) -> None:
    """Print all connectors, or one type's settings, accepted events and limits.

    Raises:
        CommandError: there is no connector of this type.
    """
    registry = registry_of(config)
    found = connectors_table(registry, type)
    if type is not None and not found:
        hint = suggest(type, {offer.type for offer in registry.offers})
        raise CommandError(f'there is no connector "{type}"' + (f"; {hint}" if hint else ""))
    if json:
        show.as_json([_as_data(one) for one in found])
    elif type is None:
        _print_all(found)
    else:
        for one in found:
            _print_one(one)
    show.problems(registry.problems, "plug-in", to_stderr=True)


def _print_all(found: Sequence[ConnectorInfo]) -> None:
    show.table(
        ("type", "kind", "stability", "from", "summary"),
        ((one.type, one.kind, one.stability, one.origin, one.summary) for one in found),
    )


def _print_one(one: ConnectorInfo) -> None:
    print(f"{one.kind} {one.type}: {one.title}")
    print(one.summary)
    if one.error:
        return
    print()
    facts: dict[str, Any] = {"stability": one.stability, "from": one.origin}
    if one.accepts:
        facts["accepts"] = ", ".join(one.accepts)
    if one.pushed:
        facts["address"] = ", ".join(("/hooks/ID", *(f"{mount}/…" for mount in one.mounts)))
    show.facts({**facts, **one.limits})
    print()
    show.table(
        ("setting", "type", "default", "description"),
        (
            (key.written, key.type, "required" if key.required else key.default, key.description)
            for key in one.settings
        ),
    )
    print()


def _as_data(one: ConnectorInfo) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "type": one.type,
        "title": one.title,
        "summary": one.summary,
        "stability": one.stability,
        "from": one.origin,
        "built_in": one.built_in,
        "accepts": one.accepts,
        "limits": one.limits,
        "mounts": one.mounts,
        "error": one.error,
        "settings": [
            {
                "key": key.written,
                "type": key.type,
                "default": key.default,
                "required": key.required,
                "secret": key.secret,
                "description": key.description,
            }
            for key in one.settings
        ],
    }
