"""The mapping language: Segment's mapping-kit, compiled once and called per event.

    shape = compile_mapping({"email": {"@path": "$.traits.email"}})
    shape({"traits": {"email": "ada@example.com"}})     # {"email": "ada@example.com"}

Directives and their quirks follow `@segment/actions-core` 3.170.0; `docs/mapping.md` teaches them.
This package imports nothing else of junctor.
"""

from junctor.sdk.mapping.compile import CompiledMapping, compile_mapping, transform
from junctor.sdk.mapping.errors import MappingError, MappingRunError, Problem
from junctor.sdk.mapping.number_text import js_number_text
from junctor.sdk.mapping.path import compile_path, lookup
from junctor.sdk.mapping.template import compile_template
from junctor.sdk.mapping.values import MISSING, Missing

__all__ = [
    "MISSING",
    "CompiledMapping",
    "MappingError",
    "MappingRunError",
    "Missing",
    "Problem",
    "compile_mapping",
    "compile_path",
    "compile_template",
    "js_number_text",
    "lookup",
    "transform",
]
