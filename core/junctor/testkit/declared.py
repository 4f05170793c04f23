"""What a connector class declares, read without running it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint
from types import GenericAlias
from typing import Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from junctor.sdk import Destination, PullSource, PushSource, Secret, Settings

_CREDENTIAL: Final = re.compile(
    r"(?:^|_)(?:secret|token|password|passwd|passphrase|credentials?|apikey|"
    r"(?:api|write|read|server|secret|private|signing|access|auth|account|shared|license)_key)$"
    r"|^key$"
)


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the fields of a model and of the models in it, by dotted path."""
    yield from _fields(model, prefix, (model,))


def undocumented(model: type[BaseModel]) -> list[str]:
    """Return the paths of fields without a description."""
    return [path for path, field in fields(model) if not (field.description or "").strip()]


def plain_credentials(model: type[BaseModel]) -> list[str]:
    """Return the paths of text fields that are called like a credential but are no Secret."""
    return [
        path
        for path, field in fields(model)
        if _CREDENTIAL.search(path.rpartition(".")[2].lower()) and str in _types(field.annotation)
    ]


def is_secret(field: FieldInfo) -> bool:
    """Whether a field holds a Secret, perhaps an optional one."""
    return Secret in _types(field.annotation)


def secrets_in(value: object) -> Iterator[str]:
    """Yield every secret that settings, or a value in them, hold."""
    inner: Iterable[object] = ()
    if isinstance(value, Secret):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        inner = (field for _, field in value)
    elif isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    for one in inner:
        yield from secrets_in(one)


def settings_disagreement(connector: type[Any]) -> str | None:
    """Return what is wrong between `settings_model` and the base's type parameter, or None."""
    model = getattr(connector, "settings_model", None)
    if not (isinstance(model, type) and issubclass(model, Settings)):
        return "`settings_model` must be a subclass of junctor.sdk.Settings"
    parameter = _settings_parameter(connector)
    if parameter is None:
        return f"write the settings into the base class, as in HttpDestination[{model.__name__}]"
    if not issubclass(model, parameter):
        return f"`settings_model` is {model.__name__}, the base class says {parameter.__name__}"
    return None


def entry_point_names(connector: type[Any], points: Iterable[EntryPoint]) -> set[str]:
    """Return the names under which `connector` is installed.

    Only entry points into the connector's own top-level package are loaded.
    """
    package = connector.__module__.partition(".")[0]
    names = set()
    for point in points:
        if point.module.partition(".")[0] != package:
            continue
        try:
            found = point.load() is connector
        except (ImportError, AttributeError):
            found = False  # somebody else's, or broken: then the hub says so when it loads it
        if found or point.value.replace(" ", "") == f"{connector.__module__}:{connector.__name__}":
            names.add(point.name)
    return names


def _fields(
    model: type[BaseModel], prefix: str, above: tuple[type[BaseModel], ...]
) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        for inner in _types(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel) and inner not in above:
                yield from _fields(inner, f"{prefix}{name}.", (*above, inner))


def _types(annotation: Any) -> set[Any]:
    """Return all types that an annotation is made of."""
    arguments = get_args(annotation)
    if not arguments:
        return {annotation}
    return set().union(*(_types(one) for one in arguments))


def _settings_parameter(connector: type[Any]) -> type[Settings] | None:
    """Return S of the nearest base written as `Destination[S]` or the like."""
    roots = (Destination, PushSource, PullSource)
    for cls in connector.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            origin = get_origin(base)
            if not isinstance(origin, type) or isinstance(origin, GenericAlias):
                continue
            for argument in get_args(base) if issubclass(origin, roots) else ():
                if isinstance(argument, type) and issubclass(argument, Settings):
                    return argument
                if not isinstance(argument, TypeVar):
                    return None
    return None
