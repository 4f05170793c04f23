"""Every key of a model as data: the source of the documentation, the example and `connectors`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from junctor.config.shapes import arms, is_model, key_of, may_be_secret
from junctor.model.problems import TomlPath
from junctor.model.units import parse_duration, parse_rate, parse_size

ID: Final = "ID"
ITEM: Final = "[]"
_UNITS: Final = {parse_duration: "duration", parse_size: "size", parse_rate: "rate"}
_WORDS: Final = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path",
    Any: "any value", SecretStr: "secret", type(None): "",
}  # fmt: skip
_DURATIONS: Final = (
    ("w", 604800.0), ("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001),
)  # fmt: skip
_SIZES: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1))


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `path` holds ID for an id of the user's choice, [] for the items of a list.

    `type` is in words; `default` as TOML writes it, None where there is none.
    """

    path: TomlPath
    type: str
    default: str | None
    description: str
    required: bool
    secret: bool

    @property
    def written(self) -> str:
        """The path with dots: "destinations.ID.delivery.retry.max"."""
        return ".".join(map(str, self.path)).replace(f".{ITEM}", ITEM)


@dataclass(frozen=True, slots=True)
class Table:
    """One table with the keys that stand directly in it, in the order of declaration."""

    path: TomlPath
    description: str
    keys: tuple[Key, ...]


def tables(model: type[BaseModel], path: TomlPath = (), description: str = "") -> Iterator[Table]:
    """Yield the table of `model`, which stands at `path`, and all tables below it."""
    below: list[Table] = []
    keys: list[Key] = []
    for name, field in model.model_fields.items():
        place = (*path, key_of(name, field))
        nested = list(_tables_of(field.annotation, place, field.description or ""))
        below += nested
        if not nested or nested[0].path[-1] == ITEM:
            keys.append(_key(place, field))
    yield Table(path, description or _first_paragraph(model), tuple(keys))
    yield from below


def keys(model: type[BaseModel]) -> list[Key]:
    """Return all keys of a model, also those of tables below it."""
    return [key for table in tables(model) for key in table.keys]


def type_in_words(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """Return what may stand there: "duration", "list of text", '"json" or "pretty"'."""
    for item in metadata:
        if isinstance(item, BeforeValidator) and item.func in _UNITS:
            return _UNITS[item.func]
    annotation = getattr(annotation, "__value__", annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_in_words(args[0], args[1:])
    if origin in (Union, UnionType):
        return _one_of(type_in_words(arm) for arm in args)
    if origin is Literal:
        return _one_of(toml(choice) for choice in args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {type_in_words(args[1])}"
    if origin is not None and args:
        return f"list of {type_in_words(args[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _one_of(toml(choice.value) for choice in annotation)
    if is_model(annotation):
        return "table"
    if isinstance(annotation, type) and "Network" in annotation.__name__:
        return "network"
    return str(_WORDS.get(annotation, getattr(annotation, "__name__", "value").lower()))


def toml(value: Any, type: str = "") -> str:
    """Return a value as TOML writes it; numbers of a unit `type` get their unit."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _with_unit(value, type)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{toml_key(key)} = {toml(child)}" for key, child in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(item) for item in value)}]"
    if isinstance(value, set | frozenset):
        return f"[{', '.join(sorted(toml(item) for item in value))}]"
    text = str(value.value if isinstance(value, Enum) else value)
    return orjson.dumps(text).decode()  # a JSON string is a TOML string as well


def toml_key(key: str) -> str:
    """Return a key, in quotes unless it is a bare one."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else toml(key)


def _key(path: TomlPath, field: FieldInfo) -> Key:
    type = type_in_words(field.annotation, tuple(field.metadata))
    default = None
    if not field.default_factory_takes_validated_data:
        default = field.get_default(call_default_factory=True)
    unknown = default is None or default is PydanticUndefined or isinstance(default, SecretStr)
    inner = [arg for arm in arms(field.annotation) for arg in get_args(arm)]
    return Key(
        path=path,
        type=type,
        default=None if unknown else toml(default, type),
        description=field.description or "",
        required=field.is_required(),
        secret=may_be_secret([field.annotation, *inner]),
    )


def _tables_of(annotation: Any, path: TomlPath, description: str) -> Iterator[Table]:
    for arm in arms(annotation):
        origin, args = get_origin(arm), get_args(arm)
        if is_model(arm):
            yield from tables(arm, path, description)
        elif origin is dict and any(map(is_model, arms(args[1]))):
            yield from _tables_of(args[1], (*path, ID), "")
        elif origin in (list, tuple) and args and any(map(is_model, arms(args[0]))):
            yield from _tables_of(args[0], (*path, ITEM), "")


def _first_paragraph(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " ")


def _one_of(choices: Iterator[str]) -> str:
    return " or ".join(dict.fromkeys(filter(None, choices)))


def _with_unit(value: float, type: str) -> str:
    if type == "duration":
        return next(
            f'"{round(value / seconds)}{unit}"'
            for unit, seconds in _DURATIONS
            if (value >= seconds and round(value / seconds, 9).is_integer()) or unit == "ms"
        )
    if type == "size":
        return next(f'"{int(value) // size}{unit}"' for unit, size in _SIZES if value % size == 0)
    if type == "rate":
        return f'"{value:g}/s"' if value >= 1 else f'"{value * 3600:g}/h"'
    return repr(value)
