"""The definitions that a preview is of: those of the configuration, and of a file beside it."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from junctor.audiences.language import SECTIONS, parse_definitions
from junctor.cli.errors import CommandError
from junctor.config.audience_files import KEY, AudienceFiles, read_audience_files
from junctor.config.lines import Lines
from junctor.config.toml_hints import told
from junctor.model.problems import ConfigError, suggest


def tables_of(
    config: Path, file: Path | None, name: str | None
) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the tables that define audiences and the like, and the name of the audience meant.

    Those of `file` come before those of the configuration, which it may refer to. Without a name
    the file must define one audience.

    Raises:
        CommandError: a file can't be read, or there is no such audience.
        ConfigError: there are problems, all of them, with their lines.
    """
    text = _read(config)
    raw = _parsed(config, text)
    python = read_audience_files(_audience_files(config, raw))
    tables = _sections(python.beside(raw))
    found = list(python.problems)
    own = tables["audiences"]
    if file is not None:
        if file.suffix == ".py":
            python = read_audience_files([file])
            of_file = _sections(python.tables)
            found += python.problems
        else:
            text, python = _read(file), AudienceFiles()
            of_file = _sections(_parsed(file, text))
        own = of_file["audiences"]
        tables = {name: {**tables[name], **of_file[name]} for name in SECTIONS}
    if found:
        raise ConfigError(found)
    if name is None:
        if len(own) != 1:
            known = ", ".join(own) or "none"
            raise CommandError(f"{file} must define one audience, or --name one of: {known}")
        name = next(iter(own))
    if name not in own:
        hint = suggest(name, own)
        raise CommandError(f'there is no audience "{name}"' + (f"; {hint}" if hint else ""))
    problems = [python.located(problem) for problem in parse_definitions(tables)[1]]
    if problems:
        lines = Lines(text)
        raise ConfigError(
            [one if one.file else replace(one, line=lines.of(one.path)) for one in problems]
        )
    return tables, name


def _audience_files(config: Path, raw: Mapping[str, Any]) -> list[Path]:
    """Return the Python files that a configuration names."""
    named = raw.get(KEY, [])
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise CommandError(f"{KEY} of {config} must be a list of paths")
    return [config.parent / Path(one).expanduser() for one in named]


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    """Return what a TOML text says.

    Raises:
        CommandError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise CommandError(f"{path} is no TOML: {told(text, error)}") from None


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8 text") from None


def _sections(raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the sections as JSON can have them: TOML's dates become texts."""
    tables = {name: raw.get(name, {}) for name in SECTIONS}
    plain = json.loads(json.dumps(tables, default=str))
    return {name: table if isinstance(table, dict) else {} for name, table in plain.items()}
