"""Walking along a model's annotations: what may stand at a key, and what keys there are."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from junctor.model.problems import TomlPath


def arms(annotation: Any) -> list[Any]:
    """Return what an annotation allows, with Annotated, Optional and Union taken apart."""
    annotation = getattr(annotation, "__value__", annotation)  # a type alias
    origin = get_origin(annotation)
    if origin is Annotated:
        return arms(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [arm for part in get_args(annotation) for arm in arms(part)]
    return [annotation]


def is_model(annotation: Any) -> bool:
    """Whether it is a pydantic model: a table with known keys."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def key_of(name: str, field: FieldInfo) -> str:
    """Return the key by which a field is written in TOML."""
    return field.alias or name


def inside(annotation: Any, key: str | int) -> list[Any]:
    """Return the annotations of what stands at `key` of a value of this annotation."""
    found = []
    for arm in arms(annotation):
        if is_model(arm):
            found += [
                field.annotation
                for name, field in arm.model_fields.items()
                if key in (name, field.alias)
            ]
            continue
        origin, args = get_origin(arm), get_args(arm)
        if not args or not isinstance(origin, type):
            continue
        if issubclass(origin, Mapping) and isinstance(key, str):
            found.append(args[1])
        elif not issubclass(origin, Mapping) and isinstance(key, int):
            each = [part for part in args if part is not Ellipsis]
            found.append(each[key] if len(each) > key else each[-1])
    return found


def models_at(annotation: Any, path: TomlPath) -> list[type[BaseModel]]:
    """Return the models of the table that stands at `path` below a value of `annotation`."""
    here = [annotation]
    for key in path:
        here = [deeper for one in here for deeper in inside(one, key)]
    return [arm for one in here for arm in arms(one) if is_model(arm)]


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys that a model's table may have, in the order of declaration."""
    return [key_of(name, field) for name, field in model.model_fields.items()]


def children(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield the keys and values of a table or list; nothing for any other value."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def has(value: Any, key: str | int) -> bool:
    """Whether a table or list has something at `key`."""
    if isinstance(value, list):
        return isinstance(key, int) and key < len(value)
    return isinstance(value, dict) and key in value


def may_be_secret(annotations: list[Any]) -> bool:
    """Whether a `Secret` may stand here."""
    return any(is_secret(arm) for annotation in annotations for arm in arms(annotation))


def secret_only(annotations: list[Any], value: Any) -> bool:
    """Whether `value`, standing here, can be nothing but a secret written out."""
    allowed = [arm for annotation in annotations for arm in arms(annotation)]
    if not any(map(is_secret, allowed)):
        return False
    if isinstance(value, dict | list):
        return not any(is_model(arm) or get_origin(arm) for arm in allowed)
    return not (isinstance(value, str) and str in allowed)


def is_secret(annotation: Any) -> bool:
    """Whether it is the SDK's `Secret`."""
    return isinstance(annotation, type) and issubclass(annotation, SecretStr)
