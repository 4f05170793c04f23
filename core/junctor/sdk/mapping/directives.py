"""The directives: one function each turns its written options into a resolver.

Every function takes the options as written, the place, and the compiler for what is nested in
them. Options given literally as falsy often count as not given: it is the option itself that is
tested, before it is resolved. What is wrong with options here was out of sight of the validation
(in a list, say) and fails when a payload meets it.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from junctor.sdk.mapping.errors import MappingError, MappingRunError, Where
from junctor.sdk.mapping.flatten import flatten
from junctor.sdk.mapping.js_text import js_text, utf16_length, utf16_units
from junctor.sdk.mapping.json_text import parse_or_keep, stringify
from junctor.sdk.mapping.path import compile_path, lookup
from junctor.sdk.mapping.replace import replace_text
from junctor.sdk.mapping.template import compile_template
from junctor.sdk.mapping.validate import MAX_REPLACE_LENGTH
from junctor.sdk.mapping.values import (
    MISSING,
    Constant,
    Resolver,
    is_blank,
    is_present,
    is_truthy,
    kind_of,
    without_missing,
)

MAX_LIQUID_LENGTH: Final = 1000
"""Longest template of `@liquid`, in UTF-16 units."""


class Compiler(Protocol):
    """What a directive needs to compile its options."""

    def value(self, value: Any, where: Where) -> Resolver:
        """Compile any piece of a mapping."""
        ...

    def root(self, mapping: dict[str, Any], where: Where) -> Resolver:
        """Compile a piece that is a mapping of its own, with validation and root directive."""
        ...


Directive = Callable[[Any, Where, Compiler], Resolver]


def failing(where: Where, message: str) -> Resolver:
    """Return a resolver that gives up on every payload."""

    def fail(payload: Any) -> Any:
        raise MappingRunError(where, message)

    return fail


def _path(path: Any, where: Where, compiler: Compiler) -> Resolver:
    if isinstance(path, str):
        return compile_path(path)
    text = _text(path, where, compiler)
    return lambda payload: lookup(payload, text(payload))


def _template(template: Any, where: Where, compiler: Compiler) -> Resolver:
    if isinstance(template, str):
        return compile_template(template)
    text = _text(template, where, compiler)
    return lambda payload: compile_template(text(payload))(payload)


def _text(value: Any, where: Where, compiler: Compiler) -> Resolver:
    """Compile a value that must turn out to be text."""
    resolve = compiler.value(value, where)

    def text(payload: Any) -> Any:
        resolved = resolve(payload)
        if not isinstance(resolved, str):
            raise MappingRunError(where, f"expected a string, got {kind_of(resolved)}")
        return resolved

    return text


def _literal(value: Any, where: Where, compiler: Compiler) -> Resolver:
    return compiler.value(value, where)


def _if(options: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(options, dict):
        return _needs_options(where, options)
    exists, blank = options.get("exists", MISSING), options.get("blank", MISSING)
    if not is_truthy(exists) and not is_truthy(blank):
        return failing(where, 'needs "exists" or "blank"')
    by_existence = exists is not MISSING
    subject = compiler.value(exists if by_existence else blank, where)
    then = compiler.value(options.get("then", MISSING), (*where, "then"))
    otherwise: Resolver = Constant(MISSING)
    if is_truthy(options.get("else", MISSING)):
        otherwise = compiler.value(options["else"], (*where, "else"))

    def choose(payload: Any) -> Any:
        value = subject(payload)
        # `blank` chooses `then` when the value is not blank: mapping-kit's name is misleading.
        chosen = is_present(value) if by_existence else not is_blank(value)
        return then(payload) if chosen else otherwise(payload)

    return choose


def _case(options: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(options, dict):
        return _needs_options(where, options)
    operator = options.get("operator", MISSING)
    if not is_truthy(operator):
        return failing(where, 'needs "operator"')
    if not is_truthy(options.get("value", MISSING)):
        return Constant(MISSING)
    resolve = compiler.value(options["value"], (*where, "value"))

    def convert(payload: Any) -> Any:
        value = resolve(payload)
        if not isinstance(value, str):
            return value
        if operator == "lower":
            return value.lower()
        if operator == "upper":
            return value.upper()
        raise MappingRunError((*where, "operator"), 'expected "lower" or "upper"')

    return convert


def _replace(options: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(options, dict):
        return _needs_options(where, options)
    if not is_truthy(options.get("pattern", MISSING)):
        return failing(where, 'needs "pattern"')
    if not is_truthy(options.get("value", MISSING)):
        return Constant(MISSING)
    resolve = compiler.value(options["value"], (*where, "value"))
    ignore_case = _default(options.get("ignorecase"), False)
    everywhere = _default(options.get("global"), True)
    pairs = []
    for suffix in ("", "2"):
        pattern = options.get(f"pattern{suffix}")
        replacement = _default(options.get(f"replacement{suffix}"), "")
        if pattern and isinstance(pattern, str) and isinstance(replacement, str):
            pairs.append((suffix, pattern, replacement))
    usable = isinstance(ignore_case, bool) and isinstance(everywhere, bool)
    if not usable or not pairs or pairs[0][0]:
        return _nothing_of(resolve)

    def replace(payload: Any) -> str:
        value = resolve(payload)
        if not isinstance(value, str | int | float):
            return ""
        text = js_text(value)
        for suffix, pattern, replacement in pairs:
            _limit(pattern, (*where, f"pattern{suffix}"))
            _limit(replacement, (*where, f"replacement{suffix}"))
            text = replace_text(
                text, pattern, replacement, ignore_case=ignore_case, everywhere=everywhere
            )
        return text

    return replace


def _nothing_of(resolve: Resolver) -> Resolver:
    def nothing(payload: Any) -> str:
        resolve(payload)  # may still fail
        return ""

    return nothing


def _limit(text: str, where: Where) -> None:
    if utf16_length(text) > MAX_REPLACE_LENGTH:
        raise MappingRunError(where, f"expected at most {MAX_REPLACE_LENGTH} characters")


def _array_path(items: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(items, list):
        return failing(where, f"expected a list of a path and a shape, got {kind_of(items)}")
    path, shape = [*items, MISSING, MISSING][:2]
    # A text is a path; a directive answers the value itself.
    root = compile_path(path) if isinstance(path, str) else compiler.value(path, (*where, 0))
    if not isinstance(shape, dict) or not shape:
        return root
    shaped = compiler.value(shape, (*where, 1))

    def shape_items(payload: Any) -> Any:
        value = root(payload)
        if isinstance(value, dict):
            return [shaped(value)]
        if isinstance(value, list):
            return [shaped(item) for item in value]
        return value

    return shape_items


def _flatten(options: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(options, dict):
        return _needs_options(where, options)
    if not is_truthy(options.get("separator", MISSING)):
        return failing(where, 'needs "separator"')
    separator = _text(options["separator"], (*where, "separator"), compiler)
    resolve = compiler.value(options.get("value", MISSING), (*where, "value"))
    into_lists = not is_truthy(options.get("omitArrays", MISSING))

    def flat(payload: Any) -> dict[str, Any]:
        joint = separator(payload)
        return flatten(resolve(payload), joint, into_lists=into_lists)

    return flat


def _json(options: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(options, dict):
        return _needs_options(where, options)
    mode = options.get("mode", MISSING)
    for option in ("mode", "value"):
        if not is_truthy(options.get(option, MISSING)):
            return failing(where, f'needs "{option}"')
    resolve = compiler.value(options["value"], (*where, "value"))

    def convert(payload: Any) -> Any:
        value = resolve(payload)
        if mode == "encode":
            return stringify(value)
        if mode == "decode":
            return parse_or_keep(value) if isinstance(value, str) else value
        return MISSING

    return convert


def _merge(options: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(options, dict):
        return _needs_options(where, options)
    if not is_truthy(options.get("direction", MISSING)):
        return failing(where, 'needs "direction"')
    objects = options.get("objects", MISSING)
    if not isinstance(objects, list):
        return failing(where, f'expected a list as "objects", got {kind_of(objects)}')
    direction = compiler.value(options["direction"], (*where, "direction"))
    sources = [
        compiler.value(item, (*where, "objects", index)) for index, item in enumerate(objects)
    ]

    def merge(payload: Any) -> dict[str, Any]:
        leftwards = direction(payload) == "left"
        values = [resolve(payload) for resolve in sources]
        merged: dict[str, Any] = {}
        for value in reversed(values) if leftwards else values:
            merged.update(_members(value))
        return merged

    return merge


def _members(value: Any) -> dict[str, Any]:
    """Return what `Object.assign` takes from a value."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        value = utf16_units(value)
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return {}


def _transform(options: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(options, dict):
        return _needs_options(where, options)
    for option in ("mapping", "apply"):
        if not is_truthy(options.get(option, MISSING)):
            return failing(where, f'needs "{option}"')
    if not isinstance(options["apply"], dict):
        return failing((*where, "apply"), f"expected an object, got {kind_of(options['apply'])}")
    apply = compiler.root(options["apply"], (*where, "apply"))
    shape = compiler.value(options["mapping"], (*where, "mapping"))

    def chain(payload: Any) -> Any:
        payload = {} if payload is MISSING else payload
        if not isinstance(payload, dict):
            raise MappingRunError(where, f"expected an object as payload, got {kind_of(payload)}")
        return shape(without_missing(apply(payload)))

    return chain


def _exclude_when_null(value: Any, where: Where, compiler: Compiler) -> Resolver:
    resolve = compiler.value(value, where)

    def exclude(payload: Any) -> Any:
        resolved = resolve(payload)
        return MISSING if resolved is None else _without_nulls(resolved)

    return exclude


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(item) for key, item in value.items() if item is not None}


def _liquid(template: Any, where: Where, compiler: Compiler) -> Resolver:
    if not isinstance(template, str):
        return failing(where, f"expected a string, got {kind_of(template)}")
    if utf16_length(template) > MAX_LIQUID_LENGTH:
        return failing(where, f"expected at most {MAX_LIQUID_LENGTH} characters")
    try:
        # Imported only here: the library is an extra that few mappings need.
        from junctor.sdk.mapping.liquid_text import compile_liquid
    except ModuleNotFoundError:
        hint = "@liquid needs a library that is not installed: pip install 'junctor[liquid]'"
        raise MappingError([(where, hint)]) from None
    return compile_liquid(template, where)


def _needs_options(where: Where, options: Any) -> Resolver:
    return failing(where, f"expected an object of options, got {kind_of(options)}")


def _default(value: Any, default: Any) -> Any:
    return default if value is None else value


DIRECTIVES: Final[dict[str, Directive]] = {
    "@path": _path,
    "@template": _template,
    "@literal": _literal,
    "@if": _if,
    "@case": _case,
    "@replace": _replace,
    "@arrayPath": _array_path,
    "@flatten": _flatten,
    "@json": _json,
    "@merge": _merge,
    "@transform": _transform,
    "@excludeWhenNull": _exclude_when_null,
    "@liquid": _liquid,
}
