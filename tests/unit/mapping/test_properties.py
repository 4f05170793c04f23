import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.sdk.mapping import (
    MISSING,
    MappingError,
    MappingRunError,
    compile_mapping,
    compile_template,
    lookup,
)

KEYS = st.sampled_from(["a", "b", "c", "0", "10", "x y", "", "length", "é"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(KEYS, VALUES, max_size=5)
PATHS = st.sampled_from(["a", "$.a.b", "b[0]", "c.length", "a.0.b", ".", "nope"]) | st.text(
    "ab.[]'$0", max_size=8
)
TEMPLATES = st.lists(
    st.sampled_from(["{{a}}", "{{{b}}}", "{{ c.0 }}", "{", "}", "{{", "}}}", "😀"]), max_size=5
).map("".join)


def options(**choices: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=choices)


def directives(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.dictionaries(KEYS, inner, max_size=3)
    short = st.text(max_size=11)
    return st.one_of(
        st.lists(inner, max_size=3),
        objects,
        st.fixed_dictionaries({"@path": PATHS | inner}),
        st.fixed_dictionaries({"@template": TEMPLATES | inner}),
        st.fixed_dictionaries({"@literal": inner}),
        st.fixed_dictionaries({"@excludeWhenNull": inner}),
        st.fixed_dictionaries({"@arrayPath": st.tuples(PATHS | inner, inner).map(list)}),
        st.fixed_dictionaries(
            {"@if": options(**{k: inner for k in ("exists", "blank", "then", "else")})}
        ),
        st.fixed_dictionaries(
            {"@case": options(operator=st.sampled_from(["upper", "lower", "x"]), value=inner)}
        ),
        st.fixed_dictionaries(
            {
                "@replace": options(
                    pattern=short,
                    replacement=short,
                    pattern2=short,
                    replacement2=short,
                    ignorecase=st.booleans(),
                    value=inner,
                )
            }
        ),
        st.fixed_dictionaries(
            {"@flatten": options(separator=st.just("."), value=inner, omitArrays=inner)}
        ),
        st.fixed_dictionaries(
            {"@json": options(mode=st.sampled_from(["encode", "decode"]), value=inner)}
        ),
        st.fixed_dictionaries(
            {
                "@merge": options(
                    direction=st.sampled_from(["left", "right"]),
                    objects=st.lists(objects | inner, max_size=3),
                )
            }
        ),
        st.fixed_dictionaries({"@transform": options(apply=objects | inner, mapping=inner)}),
    )


MAPPINGS = st.dictionaries(KEYS, st.recursive(SCALARS, directives, max_leaves=6), max_size=3)


@settings(max_examples=120, deadline=None)
@given(MAPPINGS, PAYLOADS)
def test_a_mapping_answers_json_or_raises_its_own_errors_and_changes_nothing(
    mapping: Any, payload: Any
) -> None:
    before = copy.deepcopy((mapping, payload))
    try:
        result = compile_mapping(mapping)(payload)
    except (MappingError, MappingRunError):
        pass
    else:
        json.dumps(result, allow_nan=False)
    assert (mapping, payload) == before


@settings(max_examples=40, deadline=None)
@given(MAPPINGS, PAYLOADS)
def test_the_same_payload_gives_the_same_result_every_time(mapping: Any, payload: Any) -> None:
    try:
        shape = compile_mapping(mapping)
        first = shape(payload)
    except (MappingError, MappingRunError):
        return
    assert shape(payload) == first


@settings(max_examples=40, deadline=None)
@given(PAYLOADS)
def test_data_without_directives_is_its_own_mapping(payload: Any) -> None:
    assert compile_mapping(payload)({}) == payload


@settings(max_examples=50, deadline=None)
@given(PAYLOADS, PATHS)
def test_a_path_answers_a_value_of_the_payload_or_missing(payload: Any, path: str) -> None:
    found = lookup(payload, path)
    assert found is MISSING or json.dumps(found, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(TEMPLATES, PAYLOADS)
def test_a_template_always_answers_text(template: str, payload: Any) -> None:
    assert isinstance(compile_template(template)(payload), str)


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_json_text_reads_back_as_the_same_value(value: Any) -> None:
    shape = compile_mapping({"@json": {"mode": "encode", "value": {"@path": "v"}}})
    written = json.loads(shape({"v": value}), parse_int=float)
    assert written == json.loads(json.dumps(value), parse_int=float)
