"""Compiling a mapping into one function of the payload (`transform` of mapping-kit)."""

import copy
import math
from typing import Any, Final

from junctor.sdk.mapping.directives import DIRECTIVES, failing
from junctor.sdk.mapping.errors import MappingError, MappingRunError, Problem, Where
from junctor.sdk.mapping.validate import refusals, validate
from junctor.sdk.mapping.values import (
    MISSING,
    Constant,
    Resolver,
    directive_name,
    is_directive,
    kind_of,
)

ROOT_DIRECTIVE: Final = "__segment_internal_directive"
"""Root key whose single directive takes all other root keys as its option `mapping`."""


class CompiledMapping:
    """A mapping ready for use: call it with a payload, get the shaped value.

    Immutable and safe to share between tasks; it keeps nothing of the payloads it sees.
    """

    __slots__ = ("_resolve",)

    def __init__(self, resolve: Resolver) -> None:
        """Wrap a compiled resolver; `compile_mapping` is the way to get one."""
        self._resolve = resolve

    def __call__(self, payload: Any = MISSING) -> Any:
        """Shape one payload: a JSON object, or `MISSING`, which counts as `{}`.

        Return JSON that shares nothing with the payload, which is left as it was. An object
        mapping answers a dict; a directive at the root may answer anything, also `MISSING`.
        Raises `MappingRunError` when the payload is not an object or a directive gives up.
        """
        payload = {} if payload is MISSING else payload
        if not isinstance(payload, dict):
            raise MappingRunError((), f"expected an object as payload, got {kind_of(payload)}")
        try:
            return _as_json(self._resolve(payload))
        except RecursionError:
            raise MappingRunError((), "the payload is nested too deeply") from None


def compile_mapping(mapping: Any) -> CompiledMapping:
    """Validate a mapping (plain data, as TOML or JSON gives it) and compile it.

    Raises `MappingError` with every problem found. The mapping is copied: later changes to it
    have no effect.
    """
    if not isinstance(mapping, dict):
        raise MappingError([((), f"expected an object as mapping, got {kind_of(mapping)}")])
    try:
        mapping = copy.deepcopy(mapping)
        root, problems = _checked_root(mapping)
        problems += [problem for problem in refusals(mapping) if problem not in problems]
        if problems:
            raise MappingError(problems)
        return CompiledMapping(_Compiler().value(root, ()))
    except RecursionError:
        raise MappingError([((), "the mapping is nested too deeply")]) from None


def transform(mapping: Any, payload: Any = MISSING) -> Any:
    """Compile a mapping and shape one payload with it, for a single use.

    Raises `MappingError` and `MappingRunError` as `compile_mapping` and its result do.
    """
    return compile_mapping(mapping)(payload)


class _Compiler:
    """Turns checked pieces of a mapping into resolvers."""

    def value(self, value: Any, where: Where) -> Resolver:
        """Compile any piece: a directive, an object, a list, or plain data."""
        if is_directive(value):
            name = directive_name(value)
            here = (*where, name)
            if name not in DIRECTIVES:
                return failing(here, "there is no such directive")
            return DIRECTIVES[name](value[name], here, self)
        if isinstance(value, dict):
            return _object({key: self.value(item, (*where, key)) for key, item in value.items()})
        if isinstance(value, list):
            return _list([self.value(item, (*where, i)) for i, item in enumerate(value)])
        return Constant(value)

    def root(self, mapping: dict[str, Any], where: Where) -> Resolver:
        """Compile a mapping inside a mapping; as a root it is checked, but when it is used."""
        root, problems = _checked_root(mapping)
        if problems:
            return failing(where, str(MappingError(problems)))
        return self.value(root, where)


def _object(members: dict[str, Resolver]) -> Resolver:
    constants = {key: member.value for key, member in members.items() if type(member) is Constant}
    if len(constants) == len(members):
        return Constant(constants)
    pairs = list(members.items())
    return lambda payload: {key: resolve(payload) for key, resolve in pairs}


def _list(items: list[Resolver]) -> Resolver:
    constants = [item.value for item in items if type(item) is Constant]
    if len(constants) == len(items):
        return Constant(constants)
    return lambda payload: [resolve(payload) for resolve in items]


def _checked_root(mapping: dict[str, Any]) -> tuple[Any, list[Problem]]:
    """Unfold the root directive, if there is one, and validate; return the root and problems."""
    if ROOT_DIRECTIVE not in mapping:
        return mapping, validate(mapping)
    wrapper = mapping[ROOT_DIRECTIVE]
    names = list(wrapper) if isinstance(wrapper, dict) else []
    if len(names) != 1 or not isinstance(wrapper[names[0]], dict | list):
        return wrapper, [((ROOT_DIRECTIVE,), "expected one directive with an object of options")]
    others = {key: item for key, item in mapping.items() if key != ROOT_DIRECTIVE}
    options = wrapper[names[0]]
    root = {names[0]: {**options, "mapping": others} if isinstance(options, dict) else options}
    return root, validate(root)


def _as_json(value: Any) -> Any:
    """Copy a result into plain JSON: missing keys go, missing items and infinities become null."""
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items() if item is not MISSING}
    if isinstance(value, list):
        return [None if item is MISSING else _as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
