"""`@liquid`: Liquid templates through python-liquid, bent towards liquidjs.

The engine of mapping-kit is liquidjs 10 with some tags and filters disabled. python-liquid follows
Shopify's Ruby instead. What is cheap to align is aligned here and in `liquid_filters`; what is not
is listed in `docs/mapping.md`. Only `@liquid` imports this module: the library is an extra.
"""

from collections.abc import Iterator
from typing import Any, Final, NoReturn, TextIO

from liquid import BoundTemplate, Environment, RenderContext, Tag, TokenStream
from liquid.ast import Node
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.expression import Expression

from junctor.sdk.mapping.errors import MappingError, MappingRunError, Where
from junctor.sdk.mapping.liquid_filters import (
    FILTERS,
    TEXT_FILTERS,
    Disabled,
    disabled_filter,
    on_text,
    printed,
)
from junctor.sdk.mapping.values import MISSING, Resolver

DISABLED_TAGS: Final = ("case", "for", "include", "layout", "render", "tablerow")
DISABLED_FILTERS: Final = (
    *("array_to_sentence_string", "concat", "find", "find_exp", "find_index", "find_index_exp"),
    *("group_by", "group_by_exp", "has", "has_exp", "map", "newline_to_br", "reject"),
    *("reject_exp", "reverse", "sort", "sort_natural", "uniq", "where_exp", "type"),
)
LACKING_FILTERS: Final = frozenset(
    {
        *("cgi_escape", "date_to_long_string", "date_to_rfc822", "date_to_string"),
        *("date_to_xmlschema", "hmac_sha256", "inspect", "normalize_whitespace"),
        *("number_of_words", "pop", "push", "raw", "sample", "sha256", "shift", "slugify"),
        *("to_integer", "unshift", "uri_escape", "xml_escape"),
    }
)
"""Filters of liquidjs that python-liquid does not know and would silently leave out."""

_UNKNOWN_TAGS: Final = ("ifchanged", "doc")
_UNKNOWN_FILTERS: Final = ("base64_url_safe_decode", "base64_url_safe_encode", "escapejs", "safe")
_MEMORY_LIMIT: Final = 100_000_000


def compile_liquid(template: str, where: Where) -> Resolver:
    """Parse a template once; one that does not parse fails when a payload meets it.

    Raises `MappingError` for what liquidjs can do and this function cannot: ranges, some filters.
    """
    try:
        parsed = _environment().from_string(template)
        used = parsed.analyze()
    except LiquidError as error:
        return _failing(where, f"the template cannot be parsed: {error.message}")
    if lacking := sorted(LACKING_FILTERS & set(used.filters)):
        raise MappingError([(where, f"the filter {lacking[0]} is not available here")])
    if any(isinstance(expression, RangeLiteral) for expression in _expressions(parsed)):
        # Without loops of little use, and a payload could choose a length that never ends.
        raise MappingError([(where, "a range like (1..3) is not available here")])
    names = tuple(used.globals)

    def render(payload: Any) -> str:
        source = payload if isinstance(payload, dict) else {}
        try:
            return parsed.render({name: _plain(source[name]) for name in names if name in source})
        except MappingRunError as error:
            raise MappingRunError(where, error.message) from None
        except Exception as error:
            # Filters raise whatever their Python raises, and its text may quote the payload.
            reason = str(error) if isinstance(error, Disabled) else type(error).__name__
            raise MappingRunError(where, f"the template cannot be rendered: {reason}") from None

    return render


def _expressions(template: BoundTemplate) -> Iterator[Expression]:
    """Walk everything a template evaluates."""
    context = RenderContext(template)
    nodes = list(template.nodes)
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children(context))
        expressions = list(node.expressions())
        while expressions:
            expression = expressions.pop()
            expressions.extend(expression.children())
            yield expression


def _failing(where: Where, message: str) -> Resolver:
    def fail(payload: Any) -> NoReturn:
        raise MappingRunError(where, message)

    return fail


def _environment() -> Environment:
    environment = _Environment(strict_filters=False)
    for name in _UNKNOWN_TAGS:
        del environment.tags[name]
    for name in _UNKNOWN_FILTERS:
        del environment.filters[name]
    environment.add_tag(_Output)
    environment.add_tag(_Echo)
    for name in DISABLED_TAGS:
        environment.tags[name] = _DisabledTag(environment)
    for name, function in FILTERS.items():
        environment.add_filter(name, function)
    for name in TEXT_FILTERS:
        environment.add_filter(name, on_text(environment.filters[name]))
    for name in DISABLED_FILTERS:
        environment.add_filter(name, disabled_filter(name))
    return environment


class _Environment(Environment):
    string_sequences = True
    logical_not_operator = True
    output_stream_limit = _MEMORY_LIMIT
    local_namespace_limit = _MEMORY_LIMIT


class _OutputNode(OutputNode):
    """Prints as liquidjs does: lists without separator, objects and numbers as JavaScript."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(printed(self.expression.evaluate(context)))


class _Output(Output):
    node_class = _OutputNode


class _Echo(EchoTag):
    node_class = _OutputNode  # type: ignore[assignment]


class _DisabledTag(Tag):
    def parse(self, stream: TokenStream) -> Node:
        token = stream.current
        raise LiquidSyntaxError(f'tag "{token.value}" is disabled', token=token)


def _plain(value: Any) -> Any:
    """Copy a value for the library: whole doubles as integers, missing items as nil."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return None if value is MISSING else value
