"""From junctor.toml to a checked configuration, or to everything that is wrong with it.

The order: TOML, shape, connectors, their settings, definitions of audiences and the like,
references between sections, routes. A later check works on what the earlier ones left standing, so
that one run shows all problems at once.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from junctor.audiences.functions import Function
from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import Definitions
from junctor.config import checks
from junctor.config.audience_files import AudienceFiles, read_audience_files
from junctor.config.connectors import Connectors, DestinationClass, Kind, SourceClass
from junctor.config.lines import Lines
from junctor.config.messages import UNKNOWN_KEY, problems_of
from junctor.config.model import Config, Destination, Route, Source
from junctor.config.secrets import Resolved, Resolver
from junctor.config.shapes import has, keys_of
from junctor.config.toml_hints import POSITION, hint_for
from junctor.fql import FqlError, Predicate
from junctor.fql import compile as compile_fql
from junctor.model.problems import (
    ConfigError,
    PluginError,
    Problem,
    TomlPath,
    suggest,
    written,
)
from junctor.sdk import Settings

_OF_CONNECTORS: Final = frozenset({"server", "egress", "log", "plugins", "sources", "destinations"})

Class = TypeVar("Class", bound=SourceClass | DestinationClass)
Section = TypeVar("Section", bound=Source | Destination)


@dataclass(frozen=True)
class LoadedConnector(Generic[Class, Section]):
    """A source or destination of the file: its class, its checked settings, its section."""

    id: str
    cls: Class
    settings: Settings = field(repr=False)
    section: Section = field(repr=False)


@dataclass(frozen=True)
class LoadedRoute:
    """A route of the file: `sources` and `destinations` by id, `when` compiled, None for always."""

    id: str
    sources: frozenset[str]
    destinations: tuple[str, ...]
    when: Predicate | None


@dataclass(frozen=True)
class LoadedConfig:
    """A configuration that can be run; paths in `config` are absolute, connectors by id."""

    path: Path
    config: Config = field(repr=False)
    sources: Mapping[str, LoadedConnector[SourceClass, Source]]
    destinations: Mapping[str, LoadedConnector[DestinationClass, Destination]]
    routes: Mapping[str, LoadedRoute]
    definitions: Definitions
    warnings: Sequence[Problem]
    functions: Sequence[Function] = ()
    """Signals' functions, of `audience_files`."""
    text: str = field(default="", repr=False)
    """The file as it was read."""


def load_config(path: Path, registry: Connectors, environ: Mapping[str, str]) -> LoadedConfig:
    """Read and check the configuration file at `path`.

    Raises:
        ConfigError: with all its problems, in the order of the file.
    """
    text = _read(path)
    return _load(path, text, _parse(text), registry, environ)


def load_connectors(
    path: Path, text: str, registry: Connectors, environ: Mapping[str, str]
) -> LoadedConfig:
    """Return what a configuration file says of connectors, and of how they are to be run.

    `text` is that of the file at `path`, as it was when it was found to be good.

    Raises:
        ConfigError: a plug-in or a secret's file is not any more as it was then.
    """
    raw = {name: table for name, table in _parse(text).items() if name in _OF_CONNECTORS}
    return _load(path, text, raw, registry, environ)


def _load(
    path: Path,
    text: str,
    raw: dict[str, Any],
    registry: Connectors,
    environ: Mapping[str, str],
) -> LoadedConfig:
    loading = _Loading(path.absolute(), environ, Lines(text))
    loaded = loading.load(raw, registry)
    if loading.problems:
        raise loading.error()
    return replace(loaded, text=text)


def _conditions_besides(raw: Mapping[str, Any], checked: Mapping[str, Route]) -> list[Any]:
    """Return (id, condition) of the routes whose shape is wrong: both faults are to be shown."""
    tables = raw.get("routes")
    return [
        (id, table["when"])
        for id, table in (tables.items() if isinstance(tables, dict) else ())
        if id not in checked and isinstance(table, dict) and isinstance(table.get("when"), str)
    ]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        problem = Problem("", f"{path} is not UTF-8 text")
    except OSError as error:
        problem = Problem("", f"{path} can't be read ({error.strerror})", "name it with --config")
    raise ConfigError([problem])


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        problem = Problem("", "no TOML: nested too deeply")
    except ValueError as error:
        message, line = str(error), None
        if match := POSITION.search(message):
            message = f"{message[: match.start()]} (column {match[2]})"
            line = int(match[1])
        problem = Problem("", f"no TOML: {message}", hint_for(text, error), line)
    raise ConfigError([problem])


class _Loading:
    """One run over one file; collects problems and warnings on the way."""

    def __init__(self, path: Path, environ: Mapping[str, str], lines: Lines) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._resolver = Resolver(environ, path.parent)
        self._lines = lines
        self._files = AudienceFiles()

    def load(self, raw: dict[str, Any], registry: Connectors) -> LoadedConfig:
        config = self._shape(raw)
        if config.plugins:
            registry = registry.with_plugins(config.plugins)
            self.problems += registry.problems
        config, raw = self._with_files(config, raw)
        sources = self._connectors("source", config.sources, registry, registry.source)
        destinations = self._connectors(
            "destination", config.destinations, registry, registry.destination
        )
        definitions = self._definitions(raw)
        self.problems += checks.problems(config, ids=_ids(raw))
        self.warnings += checks.warnings(config)
        routes = {id: self._route(id, route, config) for id, route in config.routes.items()}
        for id, when in _conditions_besides(raw, config.routes):
            self._predicate(when, ("routes", id, "when"))
        warnings = self.in_order(self.warnings)
        return LoadedConfig(
            self.path, config, sources, destinations, routes, definitions, warnings,
            tuple(self._files.functions),
        )  # fmt: skip

    def error(self) -> ConfigError:
        """Return everything found so far as an error."""
        return ConfigError(self.in_order(self.problems), self.in_order(self.warnings))

    def in_order(self, problems: Sequence[Problem]) -> list[Problem]:
        """Return `problems` with their lines, each once, in the order of the file; Python last."""
        located = [self._located(one) for one in dict.fromkeys(problems)]
        return sorted(located, key=lambda problem: (problem.file or "", problem.line or 0))

    def _located(self, problem: Problem) -> Problem:
        if problem.file is None:
            problem = self._files.located(problem)
        if problem.line is not None or problem.file is not None:
            return problem
        return replace(problem, line=self._lines.of(problem.path))

    def _shape(self, raw: dict[str, Any]) -> Config:
        """Return the file as a model; what does not fit is reported and left out."""
        resolved = self._resolver.resolve(raw, Config, (), everywhere=False)
        self.problems += resolved.problems
        reported = False
        while True:
            try:
                return _with_absolute_paths(Config.model_validate(resolved.value), self.path.parent)
            except ValidationError as error:
                found = problems_of(error, Config, resolved.value, trusted=True)
            if not reported:
                self._report(found, resolved)
                reported = True
            if not any([_remove(resolved.value, place) for place, _ in found]):
                raise self.error()

    def _connectors(
        self,
        kind: Kind,
        sections: Mapping[str, Section],
        registry: Connectors,
        find: Callable[[str], Class],
    ) -> dict[str, LoadedConnector[Class, Section]]:
        """Return the connectors that the sections name, each with its settings."""
        loaded = {}
        for id, section in sections.items():
            path: TomlPath = (f"{kind}s", id)
            try:
                cls = find(section.type)
            except PluginError as error:
                self.problems.append(Problem(written((*path, "type")), str(error)))
                continue
            except KeyError:
                message = f"there is no {kind} connector of this type"
                hint = _other_type(kind, section.type, registry)
                self.problems.append(Problem(written((*path, "type")), message, hint))
                continue
            self._point_to_settings(path, cls.settings_model)
            settings = self._settings(section.settings, cls.settings_model, (*path, "settings"))
            if settings is not None:
                loaded[id] = LoadedConnector(id, cls, settings, section)
        return loaded

    def _settings(
        self, raw: dict[str, Any], model: type[Settings], path: TomlPath
    ) -> Settings | None:
        resolved = self._resolver.resolve(raw, model, path)
        self.problems += resolved.problems
        try:
            settings = model.model_validate(resolved.value)
            advice = [resolved.clean(warning) for warning in settings.warnings()]
            self.warnings += [Problem(written(path), warning) for warning in advice]
            return settings
        except ValidationError as error:
            found = problems_of(error, model, resolved.value, path)
            self._report(found, resolved)
        except Exception as error:  # a validator of a plug-in; its message may hold the input
            message = f"the connector's check of its settings failed ({type(error).__name__})"
            self.problems.append(Problem(written(path), message, "this is a bug of the connector"))
        return None

    def _with_files(self, config: Config, raw: dict[str, Any]) -> tuple[Config, dict[str, Any]]:
        """Return model and file together with what the Python files define."""
        if not config.audience_files:
            return config, raw
        self._files = read_audience_files(config.audience_files)
        merged = self._files.beside(raw)
        self.problems += self._files.problems
        sections = {
            name: {**getattr(config, name), **tables} for name, tables in self._files.tables.items()
        }
        return config.model_copy(update=sections), merged

    def _definitions(self, raw: dict[str, Any]) -> Definitions:
        """Return what the file defines; what its shape has been blamed for is not told twice."""
        definitions, problems = parse_definitions(raw)
        known = {problem.path for problem in self.problems}
        self.problems += [problem for problem in problems if problem.path not in known]
        functions = {(one.name, one.version) for one in self._files.functions}
        for signal in definitions.signals:
            if signal.function and (signal.name, signal.function) not in functions:
                path = written(("signals", signal.name, "function"))
                hint = "write it in a file of `audience_files`, with `@signal`"
                self.problems.append(Problem(path, "is a function in Python", hint))
        return definitions

    def _route(self, id: str, route: Route, config: Config) -> LoadedRoute:
        sources = config.sources if route.sources is None else route.sources
        when = None if route.when is None else self._predicate(route.when, ("routes", id, "when"))
        return LoadedRoute(id, frozenset(sources), tuple(dict.fromkeys(route.to)), when)

    def _predicate(self, text: str, path: TomlPath) -> Predicate | None:
        try:
            predicate = compile_fql(text)
        except FqlError as error:
            place = f"column {error.column}"
            if error.line > 1:
                place = f"line {error.line} of the condition, {place}"
            problem = Problem(written(path), f"{error.message} ({place})", error.hint or None)
            self.problems.append(problem)
            return None
        self.warnings += [Problem(written(path), warning) for warning in predicate.warnings]
        return predicate

    def _report(self, found: Sequence[tuple[TomlPath, Problem]], resolved: Resolved) -> None:
        """Keep the problems of a model, but not of what has been complained about already."""
        known = {problem.path for problem in resolved.problems}
        self.problems += [
            replace(problem, message=resolved.clean(problem.message))
            for _, problem in found
            if problem.path not in known
        ]

    def _point_to_settings(self, path: TomlPath, model: type[Settings]) -> None:
        """Where a connector's setting stands in the section itself, say where it belongs."""
        places = {written((*path, key)): key for key in keys_of(model)}
        self.problems = [
            replace(problem, hint=f'did you mean "settings.{places[problem.path]}"?')
            if problem.path in places and problem.message == UNKNOWN_KEY
            else problem
            for problem in self.problems
        ]


def _ids(raw: dict[str, Any]) -> dict[str, list[str]]:
    """Return the ids of every section of the file, also of those that do not fit."""
    return {name: list(section) for name, section in raw.items() if isinstance(section, dict)}


def _remove(value: Any, place: TomlPath) -> bool:
    """Take the innermost key on the way to `place` out of `value`; whether it was still there."""
    holder: dict[str, Any] | None = None
    key = ""
    for depth, part in enumerate(place):
        if not has(value, part):
            if depth < len(place) - 1:
                return False  # a table around it has been taken out already
            break  # a required key is missing: its table goes
        if isinstance(value, dict):
            holder, key = value, str(part)
        value = value[part]
    if holder is None:
        return False
    del holder[key]
    return True


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    store = config.store.model_copy(update={"path": folder / config.store.path.expanduser()})
    plugins = tuple(folder / path.expanduser() for path in config.plugins)
    files = tuple(folder / path.expanduser() for path in config.audience_files)
    return config.model_copy(update={"store": store, "plugins": plugins, "audience_files": files})


def _other_type(kind: Kind, type: str, registry: Connectors) -> str | None:
    other: Kind = "destination" if kind == "source" else "source"
    if type in registry.types(other):
        return f"there is a {other} connector of this name"
    return suggest(type, registry.types(kind))
