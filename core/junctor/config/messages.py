"""pydantic's errors as problems for people. Only place and message are used, never the input."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from junctor.config.shapes import has, inside, is_model, keys_of, models_at
from junctor.model.problems import TELLING, Problem, TomlPath, closest, suggest, written

UNKNOWN_KEY: Final = "unknown key"
_MESSAGES: Final[Mapping[str, str]] = {
    "extra_forbidden": UNKNOWN_KEY,
    "missing": "is required",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "path_type": "must be a path, as text",
}
_BEGINNINGS: Final = (
    ("Value error, ", ""),
    ("Assertion failed, ", ""),
    ("Input should be ", "must be "),
    ("String should ", "must "),
    ("Input should ", "must "),
)
_CHOICES: Final = ("literal_error", "enum")
_QUOTED: Final = re.compile(r"'([^']*)'")


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    value: Any,
    path: TomlPath = (),
    *,
    trusted: bool = False,
) -> list[tuple[TomlPath, Problem]]:
    """Return the problems of `value`, which stands at `path` and should have been a `model`.

    Each comes with its place in the file; errors of a union's arms at one place become one. Unless
    the model is `trusted`, its messages are cleaned of the input: a validator may have repeated it.
    """
    found: dict[TomlPath, Problem] = {}
    for detail in error.errors(include_url=False, include_context=True):
        place = _place(detail, value)
        problem = _problem(detail, model, place, path)
        if not trusted:
            problem = _without_input(problem, detail)
        known = found.get(place)
        if known is None:
            found[place] = problem
        elif problem.message not in known.message:
            message = f"{known.message}, or {problem.message}"
            found[place] = Problem(known.path, message, known.hint or problem.hint)
    return [((*path, *place), problem) for place, problem in found.items()]


def _place(detail: ErrorDetails, value: Any) -> TomlPath:
    """Return where the error is in `value`: pydantic's `loc` without the names of union arms."""
    place: list[str | int] = []
    loc = detail["loc"]
    for position, part in enumerate(loc):
        if has(value, part):
            place.append(part)
            value = value[part]
        elif detail["type"] == "missing" and position == len(loc) - 1:
            place.append(part)
    return tuple(place)


def _problem(
    detail: ErrorDetails, model: type[BaseModel], place: TomlPath, path: TomlPath
) -> Problem:
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    hint = None
    if detail["loc"][-1:] == ("[key]",):
        return Problem(
            written((*path, *place)), f"is no id: {_message(detail)}", "use a-z, 0-9, _ and -"
        )
    if kind == "extra_forbidden":
        hint = _meant(str(place[-1]), models_at(model, place[:-1]))
    elif kind in _CHOICES and isinstance(given, str):
        match = closest(given, _QUOTED.findall(str(context.get("expected", ""))))
        hint = f'did you mean "{match}"?' if match else None
    elif kind == "missing":
        hint = _meaning(place, model)
    elif kind in ("list_type", "tuple_type") and isinstance(given, str):
        hint = "write it in brackets, also a single one"
    return Problem(written((*path, *place)), _message(detail), hint)


def _message(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    if kind == "union_tag_invalid":  # pydantic's own message repeats the input
        return f"`{context['discriminator']}` must be one of {context['expected_tags']}"
    if kind == "too_short":
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"must have at least {least} items"
    message = detail["msg"]
    for beginning, instead in _BEGINNINGS:
        if message.startswith(beginning):
            return instead + message.removeprefix(beginning)
    return message[:1].lower() + message[1:]


def _without_input(problem: Problem, detail: ErrorDetails) -> Problem:
    given = detail["input"]
    if detail["type"] in _CHOICES or not isinstance(given, str) or len(given) < TELLING:
        return problem
    return replace(problem, message=problem.message.replace(given, "…"))


def _meant(key: str, models: list[type[BaseModel]]) -> str | None:
    """Return a hint for an unknown key: a key that looks like it, here or one table deeper."""
    here = [known for model in models for known in keys_of(model)]
    if match := closest(key, here):
        return f'did you mean "{match}"?'
    deeper = dict(_keys_below(models))
    if match := closest(key, deeper):
        return f'did you mean "{deeper[match]}"?'
    return suggest(key, here)


def _keys_below(models: list[type[BaseModel]]) -> Iterator[tuple[str, str]]:
    for model in models:
        for key in keys_of(model):
            for child in inside(model, key):
                if is_model(child):
                    yield from ((known, f"{key}.{known}") for known in keys_of(child))


def _meaning(place: TomlPath, model: type[BaseModel]) -> str | None:
    """Return the first line of what the missing key is for."""
    for parent in models_at(model, place[:-1]):
        for name, field in parent.model_fields.items():
            if place[-1] in (name, field.alias) and field.description:
                return field.description.splitlines()[0].rstrip(".")
    return None
