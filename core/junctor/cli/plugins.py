"""The connectors that a command knows: installed ones, and plug-ins of the configuration."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from junctor.cli.errors import CommandError
from junctor.host.registry import Registry
from junctor.model.problems import PluginError, suggest


def registry_of(config: Path) -> Registry:
    """Return the installed connectors and those of `plugins` in a configuration file.

    The file need not be there, nor be right elsewhere.

    Raises:
        CommandError: the file is no TOML.
    """
    try:
        raw = tomllib.loads(config.read_bytes().decode("utf-8-sig"))
    except OSError:
        return Registry.discover()
    except ValueError as error:
        raise CommandError(f"{config} is no TOML: {error}") from None
    named = raw.get("plugins", [])
    paths = named if isinstance(named, list) else []
    folder = config.absolute().parent
    return Registry.discover(
        [folder / Path(path).expanduser() for path in paths if isinstance(path, str)]
    )


def classes_of(registry: Registry, type: str) -> Sequence[type[Any]]:
    """Return the connectors of a type: a destination, a source, or one of each.

    Raises:
        LookupError: there is none, or it can't be loaded; the message says which there are.
    """
    found = [offer for offer in registry.offers if offer.type == type]
    if not found:
        hint = suggest(type, {offer.type for offer in registry.offers})
        raise LookupError(f"there is no connector {type!r}" + (f"; {hint}" if hint else ""))
    try:
        return [offer.load() for offer in found]
    except PluginError as error:
        raise LookupError(str(error)) from None
