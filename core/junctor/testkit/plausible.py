"""Settings that nobody gave, made from the model: enough to try a connector against a stand-in."""

import types
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from junctor.testkit.declared import is_secret

_ADDRESS: Final = ("url", "uri", "endpoint", "address", "host", "webhook")
_SIMPLE: Final[Mapping[Any, Any]] = {bool: True, int: 1, float: 1.0}


def plausible_settings(model: type[BaseModel]) -> dict[str, Any]:
    """Return the smallest settings that the model takes, all addresses below vendor.example.

    Raises:
        ValueError: none of the guesses was valid; somebody has to give settings.
    """
    problem = ""
    for guess in _guesses(model):
        try:
            model.model_validate(guess)
        except ValidationError as error:
            places = (".".join(map(str, one["loc"])) or one["msg"] for one in error.errors())
            problem = problem or ", ".join(places)
        else:
            return guess
    raise ValueError(f"no plausible settings for {model.__name__} ({problem}): give them")


def _guesses(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """Yield what is required; then that and one optional secret each; then everything."""
    every = model.model_fields.items()
    required = {name: _value(name, field) for name, field in every if field.is_required()}
    yield required
    for name, field in every:
        if name not in required and is_secret(field):
            yield {**required, name: _value(name, field)}
    yield {name: _value(name, field) for name, field in every}


def _value(name: str, field: FieldInfo) -> Any:
    least = next((one.ge for one in field.metadata if isinstance(one, annotated_types.Ge)), None)
    return _of_type(name, field.annotation) if least is None else least


def _of_type(name: str, annotation: Any) -> Any:
    """Return a value of this type that suits the setting's name."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of_type(name, arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin in (Union, types.UnionType):
        bare = [get_args(one)[0] if get_origin(one) is Annotated else one for one in arguments]
        given = [one for one in bare if one is not type(None)]
        return _of_type(name, SecretStr if SecretStr in given else given[0])
    if origin is not None:
        return {} if issubclass(origin, Mapping) else []
    if not isinstance(annotation, type):
        return _text(name)
    if issubclass(annotation, BaseModel):
        return next(_guesses(annotation))
    if issubclass(annotation, Enum):
        return next(iter(annotation)).value
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if issubclass(annotation, SecretStr):
        return SecretStr(_text(f"{name}_0123456789abcdef"))
    return _text(name)


def _text(name: str) -> str:
    if any(word in name.lower() for word in _ADDRESS):
        return f"https://vendor.example/{name}"
    return name
